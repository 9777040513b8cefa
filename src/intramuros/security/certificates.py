"""Certificates for TLS: a local authority that vouches for one server, and what a certificate says.

Called by `server.tls`. Keys and certificates are bytes here (DER, and PEM where others read them); where they are kept,
and sealed, is not its business. The authority can vouch only for the names and addresses it was made for and for those
of private networks, so that whoever steals it can't pose as the rest of the world.

Source: RFC 5280 (certificates; 4.2.1.10 name constraints), RFC 6125 (names), CA/Browser Forum's 398 days at most.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from intramuros.errors import SettingsError

AUTHORITY_DAYS = 3650
SERVER_DAYS = 30
RENEW_DAYS = 10
"""A server's certificate is made anew when it is good for less than this."""

PRIVATE_DOMAINS = ("localhost", "local", "lan", "home.arpa", "internal", "intranet")
PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip

_SLACK = timedelta(hours=24)  # clocks of other machines are not exact


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both DER."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says of itself: the names and addresses it is for, until when, and its fingerprint."""

    names: frozenset[str]
    not_before: float
    not_after: float
    fingerprint: str
    subject: str


def new_authority(title: str, names: Iterable[str], *, at: float) -> Pair:
    """An authority for these names and addresses, and private ones. Units: UTC seconds."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Intramuros"),
            x509.NameAttribute(NameOID.COMMON_NAME, title[:64]),
        ]
    )
    domains, networks = list(PRIVATE_DOMAINS), list(PRIVATE_NETWORKS)
    for each in names:
        general = _general_name(each)
        if isinstance(general, x509.IPAddress):
            networks.append(ipaddress.ip_network(each))
        else:
            domains.append(each.lower().removeprefix("*."))
    permitted = [
        *(x509.DNSName(domain) for domain in dict.fromkeys(domains)),
        *(x509.IPAddress(network) for network in dict.fromkeys(networks)),
    ]
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, at=at, days=AUTHORITY_DAYS)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return Pair(certificate.public_bytes(Encoding.DER), _key_bytes(key))


def issue(authority: Pair, names: Iterable[str], *, at: float) -> Pair:
    """A server's certificate for these names and addresses, with a new key."""
    issuer = x509.load_der_x509_certificate(authority.certificate)
    issuer_key = load_der_private_key(authority.key, None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Intramuros")])
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(subject, issuer.subject, at=at, days=SERVER_DAYS)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, SHA256())
    )
    return Pair(certificate.public_bytes(Encoding.DER), _key_bytes(key))


def may_vouch(authority: bytes, name: str) -> bool:
    """Whether the authority's constraints allow this name or address."""
    certificate = x509.load_der_x509_certificate(authority)
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    wanted = _general_name(name)
    for permitted in constraints.permitted_subtrees or ():
        if isinstance(wanted, x509.IPAddress) and isinstance(permitted, x509.IPAddress):
            network = permitted.value
            if not isinstance(network, ipaddress.IPv4Address | ipaddress.IPv6Address) and wanted.value in network:
                return True
        elif isinstance(wanted, x509.DNSName) and isinstance(permitted, x509.DNSName):
            domain = wanted.value.removeprefix("*.")
            if domain == permitted.value or domain.endswith("." + permitted.value):
                return True
    return False


def facts(certificate: bytes) -> Facts:
    """What a certificate (DER, or PEM with its chain: the first) says. Raises: SettingsError if it is none."""
    try:
        if certificate.lstrip().startswith(b"-----"):
            parsed = x509.load_pem_x509_certificates(certificate)[0]
        else:
            parsed = x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        raise SettingsError("The TLS certificate is not one in PEM form.") from error
    return Facts(
        _names(parsed),
        parsed.not_valid_before_utc.timestamp(),
        parsed.not_valid_after_utc.timestamp(),
        hashlib.sha256(parsed.public_bytes(Encoding.DER)).hexdigest(),
        parsed.subject.rfc4514_string(),
    )


def belong_together(certificate: bytes, key: bytes) -> bool:
    """Whether a PEM key is the one of a PEM certificate. Raises: SettingsError if the key can't be read."""
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:
        raise SettingsError(
            "The key of the TLS certificate is not one in PEM form, or needs a password.",
            hint="Give it unlocked and readable by this user only, or let Intramuros make its own certificate.",
        ) from error
    public = x509.load_pem_x509_certificates(certificate)[0].public_key()
    return private.public_key() == public


def is_of(certificate: bytes, authority: bytes) -> bool:
    """Whether the authority issued this certificate."""
    try:
        x509.load_der_x509_certificate(certificate).verify_directly_issued_by(x509.load_der_x509_certificate(authority))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def pem(certificate: bytes) -> bytes:
    """A DER certificate in PEM form."""
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


def key_pem(key: bytes) -> bytes:
    """A DER key in PEM form, in the clear: for memory only."""
    return load_der_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _builder(subject: x509.Name, issuer: x509.Name, *, at: float, days: int) -> x509.CertificateBuilder:
    begin = datetime.fromtimestamp(at, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - _SLACK)
        .not_valid_after(begin + timedelta(days=days))
    )


def _general_name(name: str) -> x509.DNSName | x509.IPAddress:
    """Raises: SettingsError for what is neither a name nor an address."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name.lower())
    except ValueError as error:
        raise SettingsError(f"{name!r} is not a host name.", hint="Write names of other alphabets as xn--…") from error


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    domains = names.get_values_for_type(x509.DNSName)
    return frozenset([*(name.lower() for name in domains), *map(str, names.get_values_for_type(x509.IPAddress))])


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
