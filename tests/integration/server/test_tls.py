"""TLS on a real socket: 1.3 and nothing older, given files or an authority made on the spot, renewed without a pause."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from intramuros.accounts.users import Users
from intramuros.errors import NotFound, SettingsError
from intramuros.security import certificates, own_names
from intramuros.server import listen, serving, tls
from intramuros.server.asgi import application
from intramuros.server.place import bound, place_for
from intramuros.server.serving import Serving
from intramuros.server.tls import GivenFiles, OwnAuthority, Shown, certificates_for, hosts_of
from intramuros.storage.schema import now
from tests.installed import Installed

DAY_S = 86_400
CHAT: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": "Bonjour"}], "stream": True}


@pytest.fixture
def authority(installed: Installed) -> OwnAuthority:
    return OwnAuthority(installed.app.database, installed.app.keys.data)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key as somebody else makes them."""
    return written(tmp_path, at=now())


def written(folder: Path, *, at: float) -> tuple[Path, Path]:
    pair = certificates.issue(certificates.new_authority("test", ["localhost"], at=at), ["localhost"], at=at)
    paths = folder / "localhost.pem", folder / "localhost.key"
    paths[0].write_bytes(certificates.pem(pair.certificate))
    paths[1].write_bytes(certificates.key_pem(pair.key))
    paths[1].chmod(0o600)
    return paths


def trusting(certificate: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=certificate)
    return context


@asynccontextmanager
async def served(installed: Installed, shown: Shown) -> AsyncIterator[tuple[int, Serving]]:
    guard = application(installed.app, hosts=hosts_of(shown, ()))
    with bound(place_for(installed.app.settings, tls=True)) as at:
        port = at.getsockname()[1]
        server = Serving(guard, at, shown)
        try:
            yield port, server
        finally:
            server.stop()
            await listen.finish(guard, hurry=asyncio.Event(), grace_s=0.1)
            await asyncio.wait_for(server.ended(), 5)


async def test_it_speaks_tls_1_3_and_nothing_else(installed: Installed, authority: OwnAuthority) -> None:
    async with served(installed, authority.current()) as (port, _):
        context = trusting(authority.authority())
        async with httpx.AsyncClient(verify=context) as client:
            for host in ("localhost", "127.0.0.1"):
                answer = await client.get(f"https://{host}:{port}/health")
                assert answer.status_code == 200 and answer.headers["strict-transport-security"]
            rebound = await client.get(f"https://localhost:{port}/health", headers={"host": "evil.example"})
            assert rebound.status_code == 403 and rebound.json()["error"]["code"] == "wrong_host"
            with pytest.raises(httpx.HTTPError):
                await client.get(f"http://localhost:{port}/health")
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("localhost", port, ssl=ssl.create_default_context())
        old = trusting(authority.authority())
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError):
            await asyncio.open_connection("localhost", port, ssl=old)


async def test_another_certificate_is_shown_without_a_pause(installed: Installed, authority: OwnAuthority) -> None:
    installed.engine.hangs = True
    first = authority.current()
    context = trusting(authority.authority())

    async def fingerprint(port: int) -> bytes | None:
        _, writer = await asyncio.open_connection("localhost", port, ssl=context)
        shown: bytes | None = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        return shown

    async with served(installed, first) as (port, server), httpx.AsyncClient(verify=context) as client:
        headers = {"authorization": f"Bearer {installed.keys['alice']}"}
        address = f"https://localhost:{port}/v1/chat/completions"
        async with client.stream("POST", address, json=CHAT, headers=headers) as stream:
            pieces = stream.aiter_raw()
            assert b"Bonjour" in await anext(pieces)
            before = await fingerprint(port)
            server.show(authority.renew())
            async with asyncio.timeout(5):
                while await fingerprint(port) == before:
                    await asyncio.sleep(0.02)
            assert len(server._running) == 2, "the one that streams goes on"
        answer = await client.get(f"https://localhost:{port}/health")
        assert answer.status_code == 200


async def test_it_is_renewed_by_itself_and_what_is_broken_is_not_taken(
    installed: Installed, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "LOOK_EVERY_S", 0.01)
    given = GivenFiles(*files)
    async with served(installed, given.current()) as (_, server):
        shown: list[Shown] = []
        following = asyncio.create_task(server.follow(given, shown.append))
        files[0].write_text("broken")
        await asyncio.sleep(0.1)
        count = len(shown)
        assert not following.done() and count == 0
        written(files[0].parent, at=now())
        async with asyncio.timeout(5):
            while len(shown) <= count:
                await asyncio.sleep(0.01)
        assert shown[-1] == given.current()
        await asyncio.sleep(0.1)
        assert len(shown) == 1, "the same one is not another"
        following.cancel()


def test_the_server_s_certificate_is_made_anew_in_time(installed: Installed) -> None:
    at = [now()]
    own = OwnAuthority(installed.app.database, installed.app.keys.data, clock=lambda: at[0])
    first, authority = own.current(), own.authority()
    assert own.current() == first, "kept from one start to the next"
    at[0] += (certificates.SERVER_DAYS - certificates.RENEW_DAYS - 1) * DAY_S
    assert own.current() == first
    at[0] += 2 * DAY_S
    second = own.current()
    assert second.facts.fingerprint != first.facts.fingerprint and second.facts.not_after > at[0] + 29 * DAY_S
    assert own.authority() == authority, "what others trust stays"
    own.renew(authority=True)
    assert own.authority() != authority
    assert certificates.is_of(own_certificate(own), own.authority())


def own_certificate(own: OwnAuthority) -> bytes:
    return ssl.PEM_cert_to_DER_cert(own.current().chain.decode())


def test_another_name_makes_another_certificate(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    database, key = installed.app.database, installed.app.keys.data
    OwnAuthority(database, key).current()
    monkeypatch.setattr(tls, "own_names", lambda: ("10.9.8.7", "atelier.lan", *own_names.LOOPBACK))
    assert OwnAuthority(database, key).current().facts.names >= {"10.9.8.7", "atelier.lan", "localhost"}
    with pytest.raises(SettingsError, match="may not vouch") as refused:
        OwnAuthority(database, key, public_names=["ai.example.ch"]).current()
    assert "tls renew --authority" in refused.value.hint
    named = OwnAuthority(database, key, public_names=["ai.example.ch"])
    assert "ai.example.ch" in named.renew(authority=True).facts.names


def test_nothing_of_it_is_on_the_disk_in_the_clear(installed: Installed, authority: OwnAuthority) -> None:
    shown = authority.current()
    secret = b"".join(shown.key.splitlines()[1:-1])
    raw = ssl.PEM_cert_to_DER_cert(shown.key.decode().replace("PRIVATE KEY", "CERTIFICATE"))
    for path in installed.app.settings.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"PRIVATE KEY" not in content and secret not in content and raw[-40:] not in content, path
    with installed.app.database.read() as connection:  # nor by those who can read the database alone
        rows = connection.exec_driver_sql("SELECT value FROM facts WHERE name LIKE 'tls_%'").scalars().all()
    assert len(rows) == 2 and all(secret[:40].decode() not in row for row in rows)


def test_a_stolen_authority_can_t_pose_as_the_world(installed: Installed, authority: OwnAuthority) -> None:
    """OpenSSL itself refuses what the constraints don't allow."""
    authority.current()
    pair = authority._kept(tls.AUTHORITY)
    assert pair is not None
    for name, is_good in (("localhost", True), ("atelier.lan", True), ("www.bank.example", False), ("8.8.8.8", False)):
        forged = certificates.issue(pair, [name], at=now())
        assert certificates.may_vouch(pair.certificate, name) is is_good
        assert verifies(forged, pair.certificate, name) is is_good, name


def verifies(server: certificates.Pair, authority: bytes, name: str) -> bool:
    """Whether a TLS client that trusts the authority accepts this server under this name, without a socket."""
    folder = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path("/tmp")
    path = folder / f"intramuros-test-{os.getpid()}.pem"
    path.write_bytes(certificates.pem(server.certificate) + certificates.key_pem(server.key))
    try:
        accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        accepting.load_cert_chain(path)
    finally:
        path.unlink()
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting(authority).wrap_bio(to_client, to_server, server_hostname=name)
    there = accepting.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, there):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
            except ssl.SSLError:
                return False
    return True


@pytest.mark.parametrize("days", [-60, 3])
def test_an_expired_or_future_certificate_is_refused(tmp_path: Path, days: float) -> None:
    files = written(tmp_path, at=now() + days * DAY_S)
    with pytest.raises(SettingsError, match="has expired" if days < 0 else "not valid yet"):
        GivenFiles(*files).current()


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o660])
def test_a_key_that_others_can_read_is_refused(files: tuple[Path, Path], mode: int) -> None:
    files[1].chmod(mode)
    with pytest.raises(SettingsError, match="other users") as refused:
        GivenFiles(*files).current()
    assert "chmod 600" in refused.value.hint
    for good in (0o400, 0o600, 0o640):
        files[1].chmod(good)
        GivenFiles(*files).current()


def test_files_that_are_none_or_don_t_fit_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate")
    bad.chmod(0o600)
    other = tmp_path / "other"
    other.mkdir()
    another = written(other, at=now())
    for certificate, key in ((bad, files[1]), (files[0], bad), (tmp_path / "none", files[1]), (files[0], another[1])):
        with pytest.raises(SettingsError, match="certificate"):
            GivenFiles(certificate, key).current()


def test_half_a_pair_is_refused(installed: Installed, files: tuple[Path, Path]) -> None:
    for half in ({"tls_certificate": files[0]}, {"tls_key": files[1]}):
        installed.app.settings = replace(installed.app.settings, **half)  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match="only one"):
            certificates_for(installed.app)
        installed.app.settings = replace(installed.app.settings, tls_certificate=None, tls_key=None)
    assert isinstance(certificates_for(installed.app), OwnAuthority)


def test_before_there_is_an_authority_that_is_said(authority: OwnAuthority) -> None:
    with pytest.raises(NotFound, match="no local authority"):
        authority.authority()


def test_beyond_this_machine_it_does_not_start_unprotected(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator without a second factor: nothing is bound, and the error says what to do."""
    monkeypatch.setattr(listen, "bound", lambda place: pytest.fail("bound an address"))
    installed.app.settings = replace(installed.app.settings, host="0.0.0.0")
    with pytest.raises(SettingsError, match="second factor") as refused:
        listen.serve(installed.app)
    assert "sign in" in refused.value.hint
    monkeypatch.setattr(Users, "has_protected_administrator", lambda self: True)
    monkeypatch.setattr(listen, "bound", lambda place: (_ for _ in ()).throw(InterruptedError(place.url)))
    with pytest.raises(InterruptedError, match="https://"):
        listen.serve(installed.app)


def test_the_machine_knows_its_own_names() -> None:
    names = own_names.own_names()
    assert {"localhost", "127.0.0.1", "::1"} <= set(names)
    for name in names:
        try:
            ipaddress.ip_address(name)
        except ValueError:
            assert own_names.is_host_name(name)
