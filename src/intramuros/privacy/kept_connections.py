"""Connections to other machines that serve more than one request, and what is done when the other side ends them.

Used by `privacy.egress` alone, under every session it makes. A server may end a connection that rests at any moment,
whatever it promised: so one is looked at before it is used, and what met the end of one, without a byte of an answer,
is sent once more, over a new one. It knows no rules of what may be reached.

Source: RFC 9112, 9.3.1 and 9.5; RFC 9110, 9.2.2.
"""

from __future__ import annotations

import select
import time
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection

RESTING_S = 4.0
"""Servers end connections that rest: llama.cpp's and uvicorn, which vLLM runs on, after five seconds."""
DISTRUST_S = 60.0
"""So long who has ended a connection before it had rested that long gets a new one for every request."""
RACE_S = 1.0
"""A connection that broke later than this after a request was written broke while somebody worked on it."""


class KeptConnections(aiohttp.TCPConnector):
    """A connector whose `connect` gives no connection that has ended, or on which something came unasked.

    What came unasked would else be taken for the answer to the next request, whoever asks it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(keepalive_timeout=RESTING_S, **options)
        self._used: WeakSet[ResponseHandler] = WeakSet()
        self._on_used: WeakSet[aiohttp.ClientRequest] = WeakSet()
        self._to_new: WeakSet[aiohttp.ClientRequest] = WeakSet()
        self._distrusted: dict[ConnectionKey, float] = {}

    async def connect(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> Connection:
        """A connection for this request: one that rested, if it is still there, or a new one."""
        needs_new = req in self._to_new or self._distrusted.get(req.connection_key, 0.0) > time.monotonic()
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            assert protocol is not None
            if protocol not in self._used:
                self._used.add(protocol)
                self._on_used.discard(req)
                return connection
            if not needs_new:
                if not protocol.should_close and not _has_ended(connection):
                    self._on_used.add(req)
                    return connection
                self._distrust(req.connection_key)
                needs_new = True
            connection.close()

    async def sent(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """The middleware that sends a request again which met the end of a connection that had rested."""
        started = time.monotonic()
        try:
            return await handler(request)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            has_begun = not isinstance(getattr(error, "message", ""), str)  # a head that was cut off
            if has_begun or request not in self._on_used or time.monotonic() - started > RACE_S:
                raise
            self._distrust(request.connection_key)
            self._to_new.add(request)
            return await handler(request)

    def _distrust(self, key: ConnectionKey) -> None:
        self._distrusted[key] = time.monotonic() + DISTRUST_S


def _has_ended(connection: Connection) -> bool:
    """Whether the other side has written its end, or anything: no request is open that it could answer."""
    transport = connection.transport
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None:
        return True
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))
