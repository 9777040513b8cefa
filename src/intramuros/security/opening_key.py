"""Where the key comes from that opens the keys of the data: a file, a passphrase, or the system's keyring.

Called by `security.keys`, which keeps what a source is (`kind`, and where or how) beside what its key opens. A
passphrase is derived with Argon2id once; from then on raw keys are used.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import asdict
from pathlib import Path
from typing import Any

from argon2.low_level import Type, hash_secret_raw

from intramuros.errors import SettingsError, StorageError, WrongKey
from intramuros.security.crypto import KEY_BYTES
from intramuros.security.own_files import private_folder, write_new
from intramuros.security.passwords import HashCost

PASSPHRASE_COST = HashCost(memory_kib=64 * 1024, passes=3, lanes=4)
"""RFC 9106's second recommendation: about 0.5 s on two slow cores, once at every start."""

_KEYRING_SERVICE = "intramuros"

Source = dict[str, Any]


def new_source(
    instance: str, data: Path, *, path: Path, passphrase: str | None, use_keyring: bool, cost: HashCost
) -> tuple[Source, bytes]:
    """A place for an opening key, and the key."""
    if passphrase is not None:
        source: Source = {"kind": "passphrase", "salt": secrets.token_hex(16), **asdict(cost)}
        return source, _from_passphrase(passphrase, source)
    if use_keyring:
        name = f"{instance}-{secrets.token_hex(4)}"  # never in the place of one that may still be needed
        opening = secrets.token_bytes(KEY_BYTES)
        _keyring().set_password(_KEYRING_SERVICE, name, opening.hex())
        return {"kind": "keyring", "service": _KEYRING_SERVICE, "name": name}, opening
    path = path.expanduser().absolute()
    opening = _from_file(path) if path.exists() else _new_key_file(path, data)
    return {"kind": "file", "path": str(path)}, opening


def opening_key(source: Source, key_file: Path | None, passphrase: str | None) -> bytes:
    """The key of a source, which may lie in another file than it says.

    Raises: WrongKey, StorageError for a file that is open to others.
    """
    if source["kind"] == "passphrase":
        if passphrase is None:
            raise WrongKey("This data opens with a passphrase.", hint="Give it with INTRAMUROS_PASSPHRASE_FILE=FILE.")
        return _from_passphrase(passphrase, source)
    if source["kind"] == "keyring":
        text = _keyring().get_password(source["service"], source["name"])
        if text is None:
            raise WrongKey("The system's keyring has no key for this data.", hint="Unlock the keyring of this user.")
        return _as_key(text, "The keyring's entry")
    return _from_file((key_file or Path(source["path"])).expanduser().absolute())


def in_words(source: Source) -> str:
    """A source as people read it."""
    return {
        "file": f"the file {source.get('path')}",
        "passphrase": "your passphrase",
        "keyring": "your system's keyring",
    }[source["kind"]]


def _from_passphrase(passphrase: str, source: Source) -> bytes:
    return hash_secret_raw(
        passphrase.encode(),
        bytes.fromhex(source["salt"]),
        time_cost=source["passes"],
        memory_cost=source["memory_kib"],
        parallelism=source["lanes"],
        hash_len=KEY_BYTES,
        type=Type.ID,
    )


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            _refuse_open_to_others(path, os.fstat(file.fileno()))
            text = file.read(4096)
    except OSError as error:
        raise WrongKey(
            f"The key file {path} can't be read: {error.strerror}.",
            hint="Put it back, or say where it is with INTRAMUROS_KEY_FILE.",
        ) from error
    return _as_key(text.decode("ascii", "replace"), f"The key file {path}")


def _as_key(text: str, what: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise WrongKey(f"{what} does not hold a key ({2 * KEY_BYTES} hexadecimal characters).")
    return key


def _refuse_open_to_others(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise StorageError(f"The key file {path} is not a file.", code="key_file_unsafe", hint="Name the file itself.")
    if status.st_mode & 0o077 or status.st_uid not in {0, os.geteuid()}:
        raise StorageError(
            f"The key file {path} can be read by other users of this machine.",
            code="key_file_unsafe",
            hint=f"Make it yours alone: chmod 600 {path}",
        )


def _new_key_file(path: Path, data: Path) -> bytes:
    if path.is_relative_to(data.absolute()):
        raise SettingsError(
            "The key file would lie in the data folder, where a stolen copy of the data has it too.",
            hint="Choose another place with --key-file or INTRAMUROS_KEY_FILE.",
        )
    private_folder(path.parent)
    key = secrets.token_bytes(KEY_BYTES)
    write_new(path, key.hex().encode() + b"\n")
    return key


def _keyring() -> Any:
    try:
        import keyring
    except ImportError as error:
        raise StorageError(
            "The system's keyring needs a package that is not installed.",
            code="keyring_missing",
            hint="Install it with: pip install 'intramuros[keyring]', or use a key file.",
        ) from error
    return keyring
