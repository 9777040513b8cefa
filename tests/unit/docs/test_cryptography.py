"""docs/cryptography.md against the source: every use of cryptography stands there, and nothing that is gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.conftest import REPOSITORY

SOURCE = REPOSITORY / "src" / "intramuros"
PAGE = (REPOSITORY / "docs" / "cryptography.md").read_text(encoding="utf-8")
LIBRARIES = {
    "cryptography",
    "argon2",
    "hashlib",
    "hmac",
    "pyotp",
    "webauthn",
    "authlib",
    "joserfc",
    "sqlcipher3",
    "ssl",
}
WITHOUT_IMPORT = {"server/serving.py", "privacy/egress.py"}  # their TLS is the server's and the client's library
HASHES = {"sha256", "sha512"}


def parsed() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield path.relative_to(SOURCE).as_posix(), node


def libraries_of(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names} & LIBRARIES
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return {node.module.split(".")[0]} & LIBRARIES
    return set()


def test_every_file_that_uses_cryptography_is_named_and_no_other() -> None:
    used = {file for file, node in parsed() if libraries_of(node)} | WITHOUT_IMPORT
    algorithms = PAGE.partition("## Algorithms")[2].partition("## Keys")[0]
    named = set(re.findall(r"`([\w/]+\.py)`", algorithms))
    assert used - named == set(), "say in docs/cryptography.md what these use, and for what"
    assert named - used == set(), "these use none any more"


def test_every_purpose_of_a_derived_key_is_named_and_no_other() -> None:
    purposes = set()
    for file, node in parsed():
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "derive":
            purpose = node.args[1]
            if isinstance(purpose, ast.Constant):
                purposes.add(str(purpose.value))
            else:
                assert file == "security/crypto.py", "a purpose is written where the key is derived"  # streams
    keys = PAGE.partition("## Keys")[2].partition("## Certificates")[0]
    assert purposes == set(re.findall(r"^\| `([\w ]+)` \|", keys, re.MULTILINE))


def test_no_weak_hash_and_no_cipher_but_aes() -> None:
    imported: set[str] = set()
    for file, node in parsed():
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "hashlib":
            assert node.attr in HASHES | {"file_digest", "pbkdf2_hmac"}, (file, node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            module = getattr(node.func.value, "id", "")
            if module == "hmac" and node.func.attr in {"new", "digest"}:
                method = node.args[2]
                name = method.value if isinstance(method, ast.Constant) else getattr(method, "attr", "")
                assert name in HASHES, file
            if module == "hashlib" and node.func.attr in {"file_digest", "pbkdf2_hmac"}:
                names = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                assert HASHES & set(names), file
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cryptography.hazmat.primitives"):
            imported |= {alias.name for alias in node.names}
    assert imported & {"MD5", "SHA1", "TripleDES", "ARC4", "ECB", "PKCS1v15", "padding", "rsa", "Fernet"} == set()
    assert {"AESGCM", "HKDF", "SHA256", "Ed25519PrivateKey", "X25519PrivateKey", "ec"} <= imported


def test_the_costs_of_hashing_are_those_that_are_written() -> None:
    from intramuros.security.opening_key import PASSPHRASE_COST
    from intramuros.security.passwords import HashCost

    people = HashCost()
    assert f"Argon2id, {people.memory_kib // 1024} MiB and {people.passes} passes" in PAGE
    cost = PASSPHRASE_COST
    assert f"Argon2id, {cost.memory_kib // 1024} MiB, {cost.passes} passes, {cost.lanes} lanes" in PAGE
    assert (people.memory_kib, people.passes) >= (19 * 1024, 2), "OWASP's least"


def test_secrets_have_128_bits_and_more() -> None:
    """Tokens and API keys from their alphabets, keys from their length; people's codes are short and throttled."""
    from math import log2

    from intramuros.security import one_time_codes, tokens
    from intramuros.security.crypto import KEY_BYTES

    assert KEY_BYTES * 8 >= 128
    assert len(tokens.new_token()) * log2(64) >= 128
    body = tokens.new_api_key()[len(tokens.API_KEY_PREFIX) : -tokens._CHECK_CHARS]
    assert len(body) * log2(62) >= 128
    assert len(one_time_codes.new_secret()) * log2(32) >= 128
