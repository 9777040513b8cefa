"""TLS: with a certificate the server speaks it, and nothing else, on loopback and beyond."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from intramuros.errors import SettingsError
from intramuros.server.listen import Listening, finish
from intramuros.server.place import Place, bound, place_for
from tests.installed import Installed


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "localhost.pem", tmp_path / "localhost.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


async def test_with_a_certificate_it_speaks_tls_and_nothing_else(
    installed: Installed, certificate: tuple[Path, Path]
) -> None:
    settings = replace(installed.app.settings, tls_certificate=certificate[0], tls_key=certificate[1])
    place = place_for(settings, tls=True)
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    with bound(place) as at:
        place = place.at(at.getsockname()[1])
        server = Listening(installed.guard, place, at)
        running = asyncio.create_task(server.serve())
        async with httpx.AsyncClient(verify=trusted) as client:
            answer = await client.get(f"{place.url}/health")
            assert place.url.startswith("https://") and answer.status_code == 200
            assert answer.headers["strict-transport-security"]
            with pytest.raises(httpx.HTTPError):
                await client.get(f"http://localhost:{place.port}/health")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(certificate[0])
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError):
            await asyncio.open_connection("localhost", place.port, ssl=old)
        server.stop()
        await finish(installed.guard, hurry=asyncio.Event(), grace_s=0.1)
        await asyncio.wait_for(running, 5)


def test_beyond_this_machine_it_is_always_on(installed: Installed, certificate: tuple[Path, Path]) -> None:
    settings = replace(
        installed.app.settings, host="0.0.0.0", port=8777, tls_certificate=certificate[0], tls_key=certificate[1]
    )
    assert place_for(settings) == Place("0.0.0.0", 8777, False, *certificate)


def test_a_key_of_another_certificate_is_refused(
    installed: Installed, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.key"
    key = ec.generate_private_key(ec.SECP256R1())
    other.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(SettingsError, match="certificate"):
        place_for(replace(installed.app.settings, tls_certificate=certificate[0], tls_key=other), tls=True)
