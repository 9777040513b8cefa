"""The HTTP server on a socket that is bound already, and its change to another certificate without a pause.

Called by `server.listen`. The library reads certificates once, from files: it gets files in memory here, and for
another certificate a second server on the same socket takes over while the first one ends what it has.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.types import ASGIApp, Receive, Scope, Send

from intramuros.errors import IntramurosError, SettingsError
from intramuros.server.place import BACKLOG
from intramuros.server.tls import Certificates, Shown

log = logging.getLogger("intramuros.server")

CONNECTIONS = 4096
HEADER_DEADLINE_MS = 20_000
HEADER_BYTES = 64 * 1024
LOOK_EVERY_S = 60.0


class Listening(Server):
    """Granian inside this event loop, on a socket that is bound already.

    Granian would bind with SO_REUSEPORT, which lets two servers share a port without noticing.
    """

    def __init__(self, target: ASGIApp, listening: socket.socket, shown: Shown | None = None) -> None:
        self._files: list[int] = []
        super().__init__(
            _ended(target),
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=CONNECTIONS,
            http1_settings=HTTP1Settings(
                header_read_timeout=HEADER_DEADLINE_MS, max_buffer_size=HEADER_BYTES, keep_alive=True
            ),
            ssl_protocol_min=SSLProtocols.tls13,
            # Its log would show exceptions with the values in them; the guard logs what it may. The dictionary sets
            # the level alone, without Granian's handlers, which print on standard output.
            log_level=LogLevels.critical,
            log_dictconfig={"incremental": True, "handlers": {}, "loggers": {}},
        )
        self._listening = listening
        if shown is not None:
            self._files = [_in_memory(shown.chain), _in_memory(shown.key)]
            chain, key = (f"/proc/self/fd/{descriptor}" for descriptor in self._files)
            # Not by way of the arguments: those are resolved, and these files have no place to resolve to.
            self.ssl_ctx = (True, chain, key, None, str(SSLProtocols.tls13), None, [], False)  # type: ignore[assignment]

    def _init_shared_socket(self) -> None:
        self._ssp = None
        # Granian closes the descriptor itself; its stubs don't know these arguments.
        self._shd = SocketHolder(self._listening.detach(), False, BACKLOG)  # type: ignore[call-arg,assignment]

    async def serve(  # type: ignore[override]
        self, spawn_target: Callable[..., None] | None = None
    ) -> None:
        """Serves until `stop`."""
        try:
            await super().serve(spawn_target)
        finally:
            for descriptor in self._files:
                os.close(descriptor)
            self._files = []


class Serving:
    """The server of one socket, whatever certificate it shows."""

    def __init__(self, target: ASGIApp, listening: socket.socket, shown: Shown | None = None) -> None:
        self._target, self._shown = target, shown
        self._spare = listening.dup() if shown is not None else None
        self._server = Listening(target, listening, shown)
        self._running = {asyncio.create_task(self._server.serve())}

    async def ended(self) -> None:
        """Waits until the server has ended, with all its predecessors."""
        while self._running:
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            self._running -= done
            for task in done:
                task.result()

    def stop(self) -> None:
        """Takes no new connections; those with a request under way go on."""
        if self._spare is not None:
            self._spare.close()
            self._spare = None
        self._server.stop()  # type: ignore[no-untyped-call]

    async def follow(self, certificates: Certificates, changed: Callable[[Shown], None]) -> None:
        """Shows another certificate as soon as there is one, for ever, and tells `changed`.

        What is broken meanwhile is not taken.
        """
        said = ""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                shown = await asyncio.to_thread(certificates.current)
            except IntramurosError as error:
                if error.message != said:
                    log.error("The server goes on with the certificate it has. %s", error.message)  # noqa: TRY400
                said = error.message
            else:
                said = ""
                if shown != self._shown:
                    changed(shown)
                    self.show(shown)

    def show(self, shown: Shown) -> None:
        """Shows this certificate to connections from here on, if it is another one."""
        if self._spare is None or shown == self._shown:
            return
        listening, self._spare = self._spare, self._spare.dup()
        before, self._server, self._shown = self._server, Listening(self._target, listening, shown), shown
        self._running.add(asyncio.create_task(self._server.serve()))
        before.stop()  # type: ignore[no-untyped-call]
        log.info("The server shows another certificate.")


def _in_memory(content: bytes) -> int:
    """A file that is on no disk. Raises: SettingsError where the system has none."""
    if not hasattr(os, "memfd_create"):
        raise SettingsError("TLS needs files in memory, which this system has not got.", hint="Use Linux.")
    descriptor = os.memfd_create("intramuros tls")
    os.write(descriptor, content)
    return descriptor


def _ended(target: ASGIApp) -> ASGIApp:
    """The application, without the cancellation that `finish` uses: nobody is left to be told of it."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        try:  # not `suppress`, which costs more in every request
            await target(scope, receive, send)
        except asyncio.CancelledError:
            pass

    return application
