"""The one door to the network: whoever wants to reach another machine does so through here.

Used by the downloads (`models.download`) and, over Unix sockets, by the engines. The allow-list is empty by default, so
nothing leaves; an administrator's act, such as fetching a model, opens the door for named hosts and for that one act.
It knows no models, users or documents.

Every request and every redirect passes the same check: scheme, host and port must be on the list, and the addresses
that a name resolves to are checked before a connection uses them (a name that is allowed but points into the company's
network is refused, unless it was allowed as a private host). Cookies, proxies and credentials of the environment are
never used.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from intramuros.errors import EgressRefused
from intramuros.privacy.kept_connections import RESTING_S, KeptConnections

log = logging.getLogger(__name__)

DEFAULT_PORTS = {"https": 443, "http": 80}
HINT = "The administrator decides which hosts may be reached. Nothing was sent."
REDIRECTS = frozenset({301, 302, 303, 307, 308})
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "api-key"})
CARRIER_GRADE_NAT = ip_network("100.64.0.0/10")
NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
"""Source: RFC 6052, RFC 8215; in both the IPv4 address is the last 32 bits."""
IPV4_COMPATIBLE = ip_network("::/96")
METADATA = frozenset({ip_address("fd00:ec2::254"), ip_address("100.100.100.200"), ip_address("192.0.0.192")})
"""Where clouds keep the credentials of a machine, beside the link-local addresses: AWS, Alibaba, Oracle."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the allow-list: a host (or `*.domain` for what is below a domain), its scheme and port.

    `private`: the host may have an address inside the organisation's network. An address given as a number, and
    `localhost`, are named as such and therefore need no mark.
    """

    host: str
    scheme: str = "https"
    port: int = 443
    private: bool = False

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Reads `host`, `*.domain`, `https://host:port` or `http://host`; `private:` before it marks a private host.

        Raises: ValueError for anything else.
        """
        private = text.startswith("private:")
        rest = text.removeprefix("private:")
        url = URL(rest if "://" in rest else f"https://{rest}")
        if url.scheme not in DEFAULT_PORTS or not url.raw_host or url.raw_path != "/" or url.user or url.query_string:
            raise ValueError(f"{text!r} names no host that could be allowed")
        host = _plain(url.raw_host)
        named = host == "localhost" or _address(host) is not None
        return cls(host, url.scheme, url.port or DEFAULT_PORTS[url.scheme], private or named)

    def __str__(self) -> str:
        mark = "private:" if self.private and _address(self.host) is None and self.host != "localhost" else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{mark}{self.scheme}://{host}" + (f":{self.port}" if self.port != DEFAULT_PORTS[self.scheme] else "")

    def covers(self, url: URL) -> bool:
        """Whether this entry allows a request to the address."""
        return self.scheme == url.scheme and self.port == url.port and self.names(url.raw_host or "")

    def names(self, host: str) -> bool:
        """Whether this entry speaks of the host."""
        host = _plain(host)
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host


class Egress:
    """What may be reached from here, and the only way to reach it. Immutable: allowing more makes another one.

    `allowed`: entries in the form of `Rule.parse`, or rules. Raises: ValueError for an entry that names no host.
    """

    def __init__(self, allowed: Iterable[str | Rule] = ()) -> None:
        self.rules = tuple(entry if isinstance(entry, Rule) else Rule.parse(entry) for entry in allowed)

    @property
    def allowed(self) -> list[str]:
        """The allow-list in words, as `Rule.parse` reads them."""
        return [str(rule) for rule in self.rules]

    def permitting(self, hosts: Iterable[str | Rule], *, reason: str) -> Egress:
        """A door that lets these hosts pass as well: an administrator's one act, kept in the log with its reason."""
        wider = Egress([*self.rules, *hosts])
        added = sorted(rule.host for rule in wider.rules[len(self.rules) :])
        log.info("connections allowed to %s: %s", ", ".join(added) or "nobody", reason)
        return wider

    def check(self, url: URL | str) -> None:
        """Says whether a request to this address may be made.

        Raises: EgressRefused if no entry covers it, or if it is a number that no rule may reach.
        """
        url = URL(url)
        matching = [rule for rule in self.rules if rule.covers(url)]
        host = _plain(url.raw_host or "")
        if not matching:
            raise EgressRefused(f"The host {host or '(none)'} ({url.scheme}) is not on the allow-list.", hint=HINT)
        if _is_never_reached(host):
            raise EgressRefused(f"The address {host} may never be reached.", hint=HINT)

    def session(
        self,
        *,
        connect_timeout_s: float = 20,
        read_timeout_s: float = 60,
        total_timeout_s: float | None = None,
        unpack: bool = True,
    ) -> aiohttp.ClientSession:
        """A client for the allowed hosts; close it after use. Anything else raises EgressRefused before it is sent.

        `unpack`: whether packed bodies are unpacked; not so for downloads, whose bytes are counted and hashed.
        """
        timeout = aiohttp.ClientTimeout(
            total=total_timeout_s, sock_connect=connect_timeout_s, connect=connect_timeout_s, sock_read=read_timeout_s
        )
        return aiohttp.ClientSession(
            connector=(connector := KeptConnections(resolver=_CheckedResolver(self), ttl_dns_cache=60)),
            middlewares=(self._guard, connector.sent),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            trust_env=False,
            auto_decompress=unpack,
        )

    @asynccontextmanager
    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        redirects: bool = True,
        silence_s: float = 60,
    ) -> AsyncIterator[Incoming]:
        """One request, its answer read piece by piece: for downloads.

        Units: `silence_s` is the longest wait for the next bytes. Raises: EgressRefused; ConnectionError when the other
        side can't be reached, is silent or breaks off, whether here or while the answer is read.
        """
        with as_connection_errors():
            async with (
                self.session(read_timeout_s=silence_s, unpack=False) as session,
                session.request(
                    method, url, headers={"Accept-Encoding": "identity", **(headers or {})}, allow_redirects=redirects
                ) as response,
            ):
                yield Incoming(response)

    def unix(self, path: Path | str, *, limit: int = 0) -> aiohttp.ClientSession:
        """A client for one Unix socket on this machine, for an engine's process; nothing can leave through it.

        Units: `limit` connections at once, 0 for no limit. No timeout of its own: the caller sets one for each request.
        """
        return aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(path), limit=limit, keepalive_timeout=RESTING_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )

    async def _guard(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Checks each request, the followed redirects among them, and where an answer redirects to."""
        self.check(request.url)
        response = await handler(request)
        if response.status in REDIRECTS and (target := response.headers.get(hdrs.LOCATION)):
            try:
                self._check_redirect(request, request.url.join(URL(target)))
            except ValueError as error:
                response.close()
                raise EgressRefused(
                    f"{request.url.raw_host} redirects to an address that can't be.", hint=HINT
                ) from error
            except EgressRefused:
                response.close()
                raise
        return response

    def _check_redirect(self, request: aiohttp.ClientRequest, target: URL) -> None:
        self.check(target)
        carried = CREDENTIALS & {name.lower() for name in request.headers}
        if carried and target.origin() != request.url.origin():
            raise EgressRefused(
                f"{request.url.raw_host} redirects to {target.raw_host}, and the request carries credentials.",
                hint=HINT,
            )


class Incoming:
    """An answer on its way in: its head is here, its body still comes."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = str(response.url)

    async def pieces(self, size_bytes: int) -> AsyncIterator[bytes]:
        """The body in pieces of at most this size. Raises: ConnectionError if it breaks off."""
        with as_connection_errors():
            async for piece in self._response.content.iter_chunked(size_bytes):
                yield piece


@contextmanager
def as_connection_errors() -> Iterator[None]:
    """Says in one way that the network failed, so that callers need not know the client that is used."""
    try:
        yield
    except TimeoutError as error:
        raise ConnectionError("the other side did not answer in time") from error
    except aiohttp.ClientSSLError as error:
        raise ConnectionError("its certificate is not valid for this name, or not trusted by this machine") from error
    except aiohttp.ClientConnectorDNSError as error:
        raise ConnectionError("its name can't be resolved; this machine may have no way to the internet") from error
    except aiohttp.ClientError as error:
        raise ConnectionError(type(error).__name__) from error


class _CheckedResolver(AbstractResolver):
    """Resolves names and refuses the addresses that the rule of the name does not cover.

    The connection is made to exactly the addresses returned here, so a name can't change its mind in between.
    """

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        private = any(rule.private for rule in self._egress.rules if rule.names(host))
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            address = _address(result["host"])
            if address is None or not _is_reachable(address, private=private):
                raise EgressRefused(f"The host {host} points to a private address.", hint=HINT)
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _is_never_reached(host: str) -> bool:
    """Whether a host is a number that no rule may reach: asked before every request."""
    address = _address(host)
    return address is not None and not _is_reachable(address, private=True)


def _is_reachable(address: IPv4Address | IPv6Address, *, private: bool) -> bool:
    """Whether a connection may go there: public addresses; with `private` also loopback, RFC 1918, RFC 4193, RFC 6598.

    Link-local addresses, where clouds keep their metadata service, multicast and unspecified ones never.
    """
    inner = _embedded(address)
    if inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner in METADATA:
        return False
    return inner.is_global or (private and (inner.is_loopback or inner.is_private or inner in CARRIER_GRADE_NAT))


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 one (mapped, 6to4, Teredo, NAT64, ::a.b.c.d), which is where the packet ends."""
    if isinstance(address, IPv6Address):
        if inner := address.ipv4_mapped or address.sixtofour:
            return inner
        if address.teredo:
            return address.teredo[1]
        if any(address in network for network in NAT64) or (address in IPV4_COMPATIBLE and int(address) > 1):
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
