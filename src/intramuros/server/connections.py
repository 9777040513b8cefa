"""Ends connections that take more than their share: too many from one address, or open for long without a request.

Called by `server.listen`, which runs it in a thread, and told by the guard which connections have a request under way.
The HTTP library accepts connections in threads of its own and knows no limit for an address; what never completes its
headers or its TLS handshake reaches nobody else. So this looks at the sockets of this very process, some times a
second, and shuts down the excess: their owner then sees the end and closes them. Nothing lies in the way of a byte.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import stat
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

LOOK_EVERY_S = 0.25
FIRST_REQUEST_S = 30.0
IDLE_S = 75.0
_DESCRIPTORS = "/dev/fd"


class UnderWay(Protocol):
    """A request that has begun."""

    @property
    def is_received(self) -> bool:
        """Whether its body has come to its end."""
        ...


@dataclass(slots=True)
class Clients:
    """What the guard knows of connections, by `host:port`: the request under way, and when the last one ended."""

    open: dict[str, UnderWay] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)

    def begin(self, client: tuple[str, int] | None, request: UnderWay) -> None:
        """A request has begun on this connection."""
        if client is not None:
            self.open[_name(*client)] = request

    def end(self, client: tuple[str, int] | None) -> None:
        """It has ended."""
        if client is not None:
            name = _name(*client)
            self.open.pop(name, None)
            self.ended[name] = time.monotonic()


@dataclass(frozen=True, slots=True)
class _Connection:
    descriptor: int
    inode: int
    client: str
    network: str
    since: float


class Connections:
    """The accepted connections of this process on one port."""

    def __init__(
        self, port: int, clients: Clients, *, per_address: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.port, self.clients, self.per_address, self._clock = port, clients, per_address, clock
        self._known: dict[int, _Connection | None] = {}  # by inode; None: not one of ours
        self.ended = 0

    @contextlib.contextmanager
    def watched(self) -> Iterator[Connections]:
        """Looks again and again until the end."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(LOOK_EVERY_S):
                self.look()

        thread = threading.Thread(target=watch, name="connections", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join()

    def look(self) -> None:
        """Looks once, and ends what is too much."""
        at = self._clock()
        there = self._there(at)
        by_network: dict[str, list[_Connection]] = defaultdict(list)
        for connection in there:
            if self._is_stale(connection, at):
                self._end(connection)
            else:
                by_network[connection.network].append(connection)
        for connections in by_network.values():
            if len(connections) > self.per_address:
                connections.sort(key=self._worth)
                for connection in connections[: len(connections) - self.per_address]:
                    self._end(connection)
        names = {connection.client for connection in there}
        for name in [name for name in list(self.clients.ended) if name not in names]:
            self.clients.ended.pop(name, None)

    def _there(self, at: float) -> list[_Connection]:
        seen: dict[int, _Connection | None] = {}
        for text in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - names, some times a second
            try:
                descriptor = int(text)
                status = os.fstat(descriptor)
            except (OSError, ValueError):
                continue  # closed meanwhile, or the listing itself
            if stat.S_ISSOCK(status.st_mode):
                inode = status.st_ino
                seen[inode] = self._known[inode] if inode in self._known else self._met(descriptor, inode, at)
        self._known = seen
        return [connection for connection in seen.values() if connection is not None]

    def _met(self, descriptor: int, inode: int, at: float) -> _Connection | None:
        """A socket seen for the first time; None if it is no accepted connection of this port."""
        with self._held(descriptor, inode) as held:
            if held is None or held.family not in {socket.AF_INET, socket.AF_INET6}:
                return None
            try:
                if held.getsockname()[1] != self.port:
                    return None
                host, port = held.getpeername()[:2]
            except OSError:  # it listens, or has ended
                return None
        return _Connection(descriptor, inode, _name(host, port), _network(host), at)

    def _is_stale(self, connection: _Connection, at: float) -> bool:
        if connection.client in self.clients.open:
            return False
        ended = self.clients.ended.get(connection.client)
        if ended is None:
            return at - connection.since > FIRST_REQUEST_S
        return at - ended > IDLE_S

    def _worth(self, connection: _Connection) -> tuple[int, float]:
        """Least first: without a request, the oldest; then with one that still comes in; then the newest at work."""
        request = self.clients.open.get(connection.client)
        if request is None:
            return 0, self.clients.ended.get(connection.client, connection.since)
        return (2, -connection.since) if request.is_received else (1, connection.since)

    def _end(self, connection: _Connection) -> None:
        with self._held(connection.descriptor, connection.inode) as held:
            if held is not None:
                with contextlib.suppress(OSError):
                    held.shutdown(socket.SHUT_RDWR)
                    self.ended += 1

    @contextlib.contextmanager
    def _held(self, descriptor: int, inode: int) -> Iterator[socket.socket | None]:
        """The socket, held by a duplicate so that its number can't come to mean another; None if it is gone."""
        try:
            duplicate = os.dup(descriptor)
        except OSError:
            yield None
            return
        try:
            if os.fstat(duplicate).st_ino != inode:
                os.close(duplicate)
                yield None
                return
            held = socket.socket(fileno=duplicate)
        except OSError:
            with contextlib.suppress(OSError):
                os.close(duplicate)
            yield None
            return
        with held:
            yield held


def _name(host: str, port: int | str) -> str:
    return f"{host.removeprefix('::ffff:')}:{port}"


def _network(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 machine can choose from."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
