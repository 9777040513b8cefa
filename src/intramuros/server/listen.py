"""Listens: one server for one data folder, on loopback or with TLS, until it is told to stop.

Called by `intramuros serve`. Holds the folder's lock, binds the address before anything else starts, prints where the
server is, and ends gracefully: it takes no new requests, gives those that run a moment, then stops them.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
import time
from collections.abc import Callable

import uvloop
from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.types import ASGIApp, Receive, Scope, Send

from intramuros import __version__
from intramuros.accounts.caller import LOCAL
from intramuros.accounts.identity import TLS_COOKIE
from intramuros.app import App
from intramuros.server.asgi import application
from intramuros.server.guard import Guard
from intramuros.server.lock import server_lock
from intramuros.server.place import BACKLOG, Place, bound, place_for

CONNECTIONS = 4096
HEADER_DEADLINE_MS = 20_000
HEADER_BYTES = 64 * 1024
GRACE_S = 5.0
LINK_HOURS = 24

Announce = Callable[[str], None]


def serve(app: App, *, tls: bool | None = None, announce: Announce | None = None) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises: AlreadyRunning for a second server on this data or a port in use, SettingsError for an address that can't be
    used or may not be used without TLS.
    """
    place = place_for(app.settings, tls=tls)
    with server_lock(app.settings.run_folder) as lock, bound(place) as listening:
        place = place.at(listening.getsockname()[1])
        lock.write(place.url)
        _raise_open_files()
        uvloop.run(_serve(app, place, listening, announce or _print))


async def _serve(app: App, place: Place, listening: socket.socket, announce: Announce) -> None:
    if place.certificate is not None:
        app.identity.cookie = TLS_COOKIE
    guard = application(app, own_hosts_only=place.is_loopback)
    server = Listening(guard, place, listening)
    async with app.running():
        stopping = _on_signals()
        running = asyncio.create_task(server.serve())
        await _announce(app, place, announce)
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        server.stop()  # type: ignore[no-untyped-call]
        stopping.clear()
        if guard.open_tasks:
            announce(f"Stopping; {len(guard.open_tasks)} requests have {GRACE_S:.0f} s to end. Ctrl-C: at once.")
        await finish(guard, hurry=stopping, grace_s=GRACE_S)
        await running
    announce("Stopped.")


async def finish(guard: Guard, *, hurry: asyncio.Event, grace_s: float) -> None:
    """Waits until no request is open; after the grace, or at once when hurried, cancels what is left."""
    end = time.monotonic() + grace_s
    hurried = asyncio.create_task(hurry.wait())
    while guard.open_tasks and not hurried.done() and (left_s := end - time.monotonic()) > 0:
        await asyncio.wait({*guard.open_tasks, hurried}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    if left := set(guard.open_tasks):
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=grace_s)


class Listening(Server):
    """Granian inside this event loop, on a socket that is bound already.

    Granian would bind with SO_REUSEPORT, which lets two servers share a port without noticing.
    """

    def __init__(self, target: ASGIApp, place: Place, listening: socket.socket) -> None:
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
            ssl_cert=place.certificate,
            ssl_key=place.key,
            # Its log would show exceptions with the values in them; the guard logs what it may. The dictionary sets
            # the level alone, without Granian's handlers, which print on standard output.
            log_level=LogLevels.critical,
            log_dictconfig={"incremental": True, "handlers": {}, "loggers": {}},
        )
        self._listening = listening

    def _init_shared_socket(self) -> None:
        self._ssp = None
        # Granian closes the descriptor itself; its stubs don't know these arguments.
        self._shd = SocketHolder(self._listening.detach(), False, BACKLOG)  # type: ignore[call-arg,assignment]


def _ended(target: ASGIApp) -> ASGIApp:
    """The application, without the cancellation that `finish` uses: nobody is left to be told of it."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await target(scope, receive, send)

    return application


def _on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def _announce(app: App, place: Place, announce: Announce) -> None:
    announce(f"Intramuros {__version__} is ready: {place.url}")
    if not app.users.has_any():
        async with app.audit.entry("invite", by=LOCAL, via="cli") as entry:
            entry.note(role="administrator")
            token = await asyncio.to_thread(app.users.invite, "administrator", hours=LINK_HOURS)
        announce(f"Create the first administrator (works once, for {LINK_HOURS} hours):\n    {place.url}/first/{token}")
    announce("Stop with Ctrl-C.")


def _print(line: str) -> None:
    print(line, flush=True)


def _raise_open_files() -> None:
    """Lets this process have as many open files as the system allows it: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))
