"""Signing in with a directory: a real LDAP server, in the clear on this machine and over TLS."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from intramuros.errors import SettingsError, SignInServiceFailed
from intramuros.privacy.directory import Directory
from intramuros.privacy.egress import Egress

REPOSITORY = Path(__file__).resolve().parents[3]
BASE = "dc=firm,dc=example"
TREE = """\
dn: dc=example
dc: example
objectClass: dcObject

dn: dc=firm,dc=example
dc: firm
objectClass: dcObject

dn: cn=reader,dc=firm,dc=example
objectClass: person
cn: reader
userPassword: let the reader in

dn: uid=alice,dc=firm,dc=example
objectClass: inetOrgPerson
uid: alice
cn: Alice Élan
sn: Élan
mail: alice@firm.example
entryUUID: 0f2f3c4e-1111-2222-3333-444455556666
memberOf: cn=Staff,dc=firm,dc=example
userPassword: seven green bicycles

dn: uid=bob,dc=firm,dc=example
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Bob
mail: bob@firm.example
userPassword: eight red tractors

dn: uid=twin,dc=firm,dc=example
objectClass: inetOrgPerson
uid: twin
cn: Twin
sn: Twin
mail: bob@firm.example
userPassword: nine blue boats

dn: uid=nomail,dc=firm,dc=example
objectClass: inetOrgPerson
uid: nomail
cn: No Mail
sn: Mail
userPassword: ten grey trains

dn: cn=Accounts,dc=firm,dc=example
objectClass: groupOfNames
cn: Accounts
member: uid=alice,dc=firm,dc=example

"""


@contextmanager
def served(folder: Path, *certificate: Path) -> Iterator[int]:
    tree = folder / "tree.ldif"
    tree.write_text(TREE)
    command = [sys.executable, "-m", "tests.support.ldap_server", str(tree), *map(str, certificate)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    pytest.importorskip("ldaptor")
    with served(tmp_path_factory.mktemp("ldap")) as port:
        yield port


@pytest.fixture
def directory(port: int) -> Directory:
    return Directory(f"ldap://127.0.0.1:{port}", BASE, Egress(), user=f"cn=reader,{BASE}", password="let the reader in")


@pytest.mark.parametrize("login", ["alice@firm.example", "alice"])
def test_a_person_signs_in_with_address_or_name(directory: Directory, login: str) -> None:
    found = directory.identity(login, "seven green bicycles")
    assert found is not None
    assert (found.email, found.name) == ("alice@firm.example", "Alice Élan")
    assert found.subject == "0f2f3c4e-1111-2222-3333-444455556666"
    assert set(found.groups) == {"Staff", "Accounts"}


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("", ""),
        ("nobody", "seven green bicycles"),
        ("*", "seven green bicycles"),
        ("alice)(uid=*", "seven green bicycles"),
        ("a*", "seven green bicycles"),
        ("alice\0", "seven green bicycles"),
        ("x" * 10_000, "seven green bicycles"),
        ("bob@firm.example", "eight red tractors"),
        ("nomail", "ten grey trains"),
    ],
)
def test_nobody_else_does(directory: Directory, login: str, password: str) -> None:
    assert directory.identity(login, password) is None


def test_a_directory_that_can_t_be_asked_is_an_error_and_no_no(directory: Directory, port: int) -> None:
    wrong = Directory(directory.url, BASE, Egress(), user=f"cn=reader,{BASE}", password="wrong")
    with pytest.raises(SignInServiceFailed):
        wrong.identity("alice", "seven green bicycles")
    gone = Directory("ldap://127.0.0.1:1", BASE, Egress())
    with pytest.raises(SignInServiceFailed):
        gone.identity("alice", "seven green bicycles")


def certificate(folder: Path, *, host: str = "127.0.0.1") -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "directory")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def test_over_tls_the_certificate_counts(tmp_path: Path) -> None:
    pytest.importorskip("ldaptor")
    paths = certificate(tmp_path)
    with served(tmp_path, *paths) as port:
        sure = Directory(f"ldaps://127.0.0.1:{port}", BASE, Egress(), ca_file=str(paths[0]))
        found = sure.identity("alice", "seven green bicycles")
        assert found is not None
        unknown = Directory(f"ldaps://127.0.0.1:{port}", BASE, Egress())
        with pytest.raises(SignInServiceFailed):
            unknown.identity("alice", "seven green bicycles")


def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("ldaptor")
    paths = certificate(tmp_path, host="127.0.0.2")
    with served(tmp_path, *paths) as port:
        other = Directory(f"ldaps://127.0.0.1:{port}", BASE, Egress(), ca_file=str(paths[0]))
        with pytest.raises(SignInServiceFailed):
            other.identity("alice", "seven green bicycles")


@pytest.mark.parametrize("url", ["http://x", "ldaps://", "ldaps://u:p@host", "firm.example", "ldaps://host/dc=x"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(SettingsError):
        Directory(url, BASE, Egress())
