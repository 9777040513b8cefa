"""Whose certificate is not what it must be is not spoken to: the door itself, against real TLS servers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import connector, web

from intramuros.privacy.egress import Egress, as_connection_errors
from intramuros.security import certificates
from intramuros.security.certificates import Pair
from intramuros.storage.schema import now

DAY_S = 86_400
NAMES = ["localhost"]


@asynccontextmanager
async def served(
    folder: Path, pair: Pair, asked: list[str], *, most: ssl.TLSVersion | None = None
) -> AsyncIterator[int]:
    """A server with this certificate; `asked` gets the path of each request that reaches it."""
    chain, key = folder / "server.pem", folder / "server.key"
    chain.write_bytes(certificates.pem(pair.certificate))
    key.write_bytes(certificates.key_pem(pair.key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    if most is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = most
        context.set_ciphers("ALL:@SECLEVEL=0")

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="here")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Pair:
    """An authority that this machine trusts for the length of a test, in addition to those it knows."""
    made = certificates.new_authority("trusted", NAMES, at=now())
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=made.certificate)
    monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", context)
    return made


async def asked_of(port: int) -> str:
    egress = Egress([f"https://localhost:{port}"])
    with as_connection_errors():
        async with egress.session() as session, session.get(f"https://localhost:{port}/secret") as response:
            return await response.text()


async def test_a_good_certificate_passes(tmp_path: Path, authority: Pair) -> None:
    asked: list[str] = []
    async with served(tmp_path, certificates.issue(authority, NAMES, at=now()), asked) as port:
        assert await asked_of(port) == "here"
    assert asked == ["/secret"]


def self_signed(authority: Pair) -> Pair:
    return certificates.new_authority("nobody", NAMES, at=now())


def of_an_unknown_authority(authority: Pair) -> Pair:
    return certificates.issue(self_signed(authority), NAMES, at=now())


def expired(authority: Pair) -> Pair:
    return certificates.issue(authority, NAMES, at=now() - 4000 * DAY_S)


def of_tomorrow(authority: Pair) -> Pair:
    return certificates.issue(authority, NAMES, at=now() + 30 * DAY_S)


BAD: list[Callable[[Pair], Pair]] = [self_signed, of_an_unknown_authority, expired, of_tomorrow]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
async def test_a_bad_certificate_is_not_spoken_to(tmp_path: Path, authority: Pair, bad: Callable[[Pair], Pair]) -> None:
    asked: list[str] = []
    async with served(tmp_path, bad(authority), asked) as port:
        with pytest.raises(ConnectionError, match="certificate"):
            await asked_of(port)
    assert asked == [], "no byte of the request was sent"


async def test_a_certificate_of_another_name_is_not_spoken_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = certificates.new_authority("trusted", ["other.example"], at=now())
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=other.certificate)
    monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", context)
    asked: list[str] = []
    async with served(tmp_path, certificates.issue(other, ["other.example"], at=now()), asked) as port:
        with pytest.raises(ConnectionError, match="certificate"):
            await asked_of(port)
    assert asked == []


async def test_what_speaks_an_old_tls_is_not_spoken_to(tmp_path: Path, authority: Pair) -> None:
    asked: list[str] = []
    pair = certificates.issue(authority, NAMES, at=now())
    async with served(tmp_path, pair, asked, most=ssl.TLSVersion.TLSv1_1) as port:
        with pytest.raises(ConnectionError):
            await asked_of(port)
    assert asked == []


async def test_the_client_is_the_checking_kind() -> None:
    """What is patched above is what the library uses: it asks for a certificate, and for the right name in it."""
    context = connector._SSL_CONTEXT_VERIFIED
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    async with Egress().session() as session:
        assert isinstance(session.connector, aiohttp.TCPConnector) and session.connector._ssl is True
