"""The door, against servers on this machine: what passes, and what is refused before anything is sent."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from intramuros.errors import EgressRefused
from intramuros.privacy import egress as module
from intramuros.privacy.egress import Egress, Rule


@dataclass
class Server:
    """A server on a free port that keeps what it was asked."""

    port: int = 0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    redirect_to: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, dict(request.headers)))
        if request.path == "/redirect":
            return web.Response(status=302, headers={"Location": self.redirect_to})
        if request.path == "/drop":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"x" * 10)
            assert request.transport is not None
            request.transport.abort()
            return response
        return web.Response(text="here", headers={"Set-Cookie": "a=b"})


async def _served(server: Server) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    return runner


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    runner = await _served(server)
    yield server
    await runner.cleanup()


@pytest.fixture
async def second() -> AsyncIterator[Server]:
    server = Server()
    runner = await _served(server)
    yield server
    await runner.cleanup()


async def _get(egress: Egress, url: str, **headers: str) -> str:
    async with egress.session() as session, session.get(url, headers=headers) as response:
        return await response.text()


async def test_by_default_nothing_passes(server: Server) -> None:
    for url in (server.url, "https://example.com/", "http://localhost/", "https://169.254.169.254/"):
        with pytest.raises(EgressRefused):
            await _get(Egress(), url)
    assert server.asked == []


async def test_an_allowed_host_passes_with_its_scheme_and_port_only(server: Server, second: Server) -> None:
    egress = Egress([server.url])
    assert await _get(egress, f"{server.url}/x") == "here"
    for url in (second.url, f"https://127.0.0.1:{server.port}/", f"http://127.0.0.2:{server.port}/"):
        with pytest.raises(EgressRefused):
            await _get(egress, url)
    assert second.asked == []


async def test_permitting_makes_another_door_and_leaves_the_first_shut(server: Server) -> None:
    egress = Egress()
    wider = egress.permitting([server.url], reason="a test")
    assert await _get(wider, server.url) == "here"
    with pytest.raises(EgressRefused):
        await _get(egress, server.url)


async def test_a_redirect_to_an_allowed_host_is_followed(server: Server, second: Server) -> None:
    server.redirect_to = f"{second.url}/there"
    assert await _get(Egress([server.url, second.url]), f"{server.url}/redirect") == "here"
    assert [path for path, _ in second.asked] == ["/there"]


@pytest.mark.parametrize(
    "target", ["http://other.example/x", "//other.example/x", "https://{host}/x", "ftp://{host}/x", "http://[oops/x"]
)
async def test_a_redirect_to_another_place_is_refused(server: Server, second: Server, target: str) -> None:
    server.redirect_to = target.format(host=f"127.0.0.1:{second.port}")
    with pytest.raises(EgressRefused):
        await _get(Egress([server.url]), f"{server.url}/redirect")
    assert second.asked == []


async def test_a_redirect_to_a_server_on_another_port_is_refused(server: Server, second: Server) -> None:
    server.redirect_to = f"{second.url}/x"
    with pytest.raises(EgressRefused, match=r"127\.0\.0\.1"):
        await _get(Egress([server.url]), f"{server.url}/redirect")
    assert second.asked == []


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "Cookie"])
async def test_credentials_never_follow_a_redirect(server: Server, second: Server, name: str) -> None:
    server.redirect_to = f"{second.url}/there"
    with pytest.raises(EgressRefused, match="credentials"):
        await _get(Egress([server.url, second.url]), f"{server.url}/redirect", **{name: "secret"})
    assert second.asked == []
    server.redirect_to = f"{server.url}/same"
    assert await _get(Egress([server.url]), f"{server.url}/redirect", **{name: "secret"}) == "here"


def _resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    async def resolve(
        self: object, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in addresses
        ]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)


async def test_cookies_are_not_kept_and_the_environment_is_not_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    _resolving_to(monkeypatch, "127.0.0.1")
    name = f"http://mirror.lan:{server.port}"  # cookies are kept for names only
    async with Egress([f"private:{name}"]).session() as session:
        for _ in range(2):
            async with session.get(name) as response:
                assert response.status == 200
    assert len(server.asked) == 2
    assert all("Cookie" not in headers for _, headers in server.asked)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"])
async def test_an_allowed_name_that_points_into_the_own_network_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    _resolving_to(monkeypatch, "93.184.216.34", address)
    with pytest.raises(EgressRefused, match="private address"):
        await _get(Egress([f"http://hub.example:{server.port}"]), f"http://hub.example:{server.port}/")
    assert server.asked == []


async def test_a_host_allowed_as_private_may_be_in_the_own_network(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolving_to(monkeypatch, "127.0.0.1")
    egress = Egress([f"private:http://mirror.lan:{server.port}"])
    assert await _get(egress, f"http://mirror.lan:{server.port}/") == "here"


async def test_where_clouds_keep_their_secrets_nobody_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("http://169.254.169.254/", "http://[fe80::1]/", "http://0.0.0.0/", "http://224.0.0.1/"):
        with pytest.raises(EgressRefused):
            await _get(Egress([url]), url)
    _resolving_to(monkeypatch, "169.254.169.254")
    with pytest.raises(EgressRefused):
        await _get(Egress(["private:http://metadata.lan"]), "http://metadata.lan/")


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("8.8.8.8", True, True),
        ("2001:4860:4860::8888", True, True),
        ("10.0.0.1", False, True),
        ("172.31.255.255", False, True),
        ("100.64.0.1", False, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("fc00::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("::ffff:8.8.8.8", True, True),
        ("::ffff:169.254.169.254", False, False),
        ("2002:a9fe:a9fe::1", False, False),  # 6to4 of 169.254.169.254
        ("64:ff9b::a9fe:a9fe", False, False),  # NAT64 of the same
        ("64:ff9b::a00:1", False, True),
        ("64:ff9b:1::a9fe:a9fe", False, False),  # NAT64 of a network's own prefix
        ("64:ff9b:1::a00:1", False, True),
        ("2001:0:5ef5:79fb:0:59:5601:5601", False, False),  # Teredo, whose other side is 169.254.169.254
        ("::a9fe:a9fe", False, False),  # IPv4-compatible
        ("::7f00:1", False, True),
        ("fd00:ec2::254", False, False),  # AWS's metadata
        ("100.100.100.200", False, False),  # Alibaba's
        ("::ffff:100.100.100.200", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("169.254.1.1", False, False),
        ("fe80::1", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
    ],
)
def test_which_addresses_may_be_reached(address: str, *, public: bool, private: bool) -> None:
    assert module._is_reachable(ip_address(address), private=False) is public
    assert module._is_reachable(ip_address(address), private=True) is private


async def test_a_name_that_changes_its_mind_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: the name points to a public address when it is looked at first, and inside afterwards."""
    answers = iter(["93.184.216.34", "127.0.0.1", "127.0.0.1"])
    asked: list[str] = []

    async def resolve(
        self: object, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        asked.append(next(answers))
        return [ResolveResult(hostname=host, host=asked[-1], port=port, family=family, proto=0, flags=0)]

    async def connect(*arguments: object, **more: object) -> socket.socket:
        raise ConnectionRefusedError  # the public address is nobody's here

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    url = f"http://hub.example:{server.port}/"
    egress = Egress([f"http://hub.example:{server.port}"])
    with monkeypatch.context() as patched:
        patched.setattr("aiohappyeyeballs.start_connection", connect)
        patched.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", connect)
        with pytest.raises(aiohttp.ClientConnectionError):
            await _get(egress, url)
    with pytest.raises(EgressRefused, match="private address"):
        await _get(egress, url)
    assert asked == ["93.184.216.34", "127.0.0.1"] and server.asked == []


async def test_a_connection_goes_to_the_address_that_was_checked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check and the connection nobody resolves the name again."""
    resolved: list[str] = []

    async def resolve(
        self: object, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        resolved.append(host)
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]

    def system(*arguments: object, **more: object) -> None:
        raise AssertionError(f"the system was asked for {arguments[0]!r}")

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    monkeypatch.setattr(socket, "gethostbyname", system)
    egress = Egress([f"private:http://mirror.lan:{server.port}"])
    assert await _get(egress, f"http://mirror.lan:{server.port}/") == "here"
    assert resolved == ["mirror.lan"]


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/",
                                    "http://[64:ff9b::a9fe:a9fe]/", "http://0.0.0.0/", "file:///etc/passwd"])  # fmt: skip
async def test_a_redirect_into_the_cloud_or_the_disk_is_refused(server: Server, target: str) -> None:
    server.redirect_to = target
    host = target.split("/latest")[0].rstrip("/")
    allowed = [server.url, *([host] if host.startswith("http") else [])]  # even where somebody allowed it
    with pytest.raises(EgressRefused):
        await _get(Egress(allowed), f"{server.url}/redirect")


@pytest.mark.parametrize(
    "entry", ["hub.example", "*.hf.co", "http://hub.example:8080", "private:mirror.lan", "http://10.0.0.1:81",
              "https://[fd00::1]", "http://localhost:99"],
)  # fmt: skip
def test_the_allow_list_can_be_shown_and_read_again(entry: str) -> None:
    rule = Rule.parse(entry)
    assert Rule.parse(str(rule)) == rule
    assert Egress([entry]).allowed == [str(rule)]


@pytest.mark.parametrize("url", ["http://2130706433/", "http://127.1/", "http://0x7f.1/", "http://0177.0.0.1/"])
async def test_addresses_in_disguise_are_no_way_in(url: str) -> None:
    with pytest.raises(EgressRefused):
        await _get(Egress(["http://127.0.0.1"]), url)


def test_the_allow_list_in_text_form() -> None:
    assert Rule.parse("hub.example") == Rule("hub.example", "https", 443)
    assert Rule.parse("http://Hub.Example:8080") == Rule("hub.example", "http", 8080)
    assert Rule.parse("private:mirror.lan") == Rule("mirror.lan", "https", 443, private=True)
    assert Rule.parse("http://10.0.0.1").private  # named as such
    assert Rule.parse("http://localhost:99").private
    for text in ("", "https://", "ftp://x", "https://x/path", "https://u:p@x", "https://x?q=1"):
        with pytest.raises(ValueError):
            Rule.parse(text)


def test_a_rule_for_what_is_below_a_domain() -> None:
    egress = Egress(["*.hf.co"])
    egress.check("https://cdn.hf.co/x")
    egress.check("https://a.b.hf.co./x")
    for url in ("https://hf.co/", "https://evilhf.co/", "https://hf.co.evil.example/", "http://cdn.hf.co/"):
        with pytest.raises(EgressRefused):
            egress.check(url)


async def test_fetch_gives_status_head_and_body_in_pieces(server: Server) -> None:
    async with Egress([server.url]).fetch(f"{server.url}/x", headers={"Range": "bytes=1-"}) as answer:
        assert (answer.status, answer.url) == (200, f"{server.url}/x")
        assert b"".join([piece async for piece in answer.pieces(2)]) == b"here"
    assert server.asked[0][1]["Range"] == "bytes=1-"
    assert server.asked[0][1]["Accept-Encoding"] == "identity"


async def test_every_failure_of_the_network_is_a_connection_error(server: Server, unused_tcp_port: int) -> None:
    egress = Egress([server.url, f"http://127.0.0.1:{unused_tcp_port}"])
    with pytest.raises(ConnectionError):
        async with egress.fetch(f"http://127.0.0.1:{unused_tcp_port}/"):
            pass
    with pytest.raises(ConnectionError):
        async with egress.fetch(f"{server.url}/drop") as answer:
            async for _ in answer.pieces(1000):
                pass


async def test_an_engines_socket_is_reached_whatever_the_list_says(tmp_path: Path) -> None:
    server = Server()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "engine.sock")).start()
    async with Egress().unix(tmp_path / "engine.sock") as session, session.get("http://engine/health") as response:
        assert await response.text() == "here"
    await runner.cleanup()
