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
from functools import partial

import uvloop

from intramuros import __version__
from intramuros.accounts.caller import LOCAL
from intramuros.accounts.identity import TLS_COOKIE
from intramuros.app import App
from intramuros.background import begin, begin_always
from intramuros.errors import IntramurosError
from intramuros.server.asgi import application
from intramuros.server.connections import Connections
from intramuros.server.garbage import keep_pauses_short
from intramuros.server.guard import Guard
from intramuros.server.lock import server_lock
from intramuros.server.place import Place, bound, check_protected, place_for
from intramuros.server.serving import Serving
from intramuros.server.tls import Certificates, OwnAuthority, Shown, certificates_for, hosts_of

GRACE_S = 5.0
LINK_HOURS = 24

Announce = Callable[[str], None]


def serve(app: App, *, tls: bool | None = None, announce: Announce | None = None) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises: AlreadyRunning for a second server on this data or a port in use, SettingsError for an address that can't be
    used, or may not be used without TLS or a second factor; IsolationTooWeak when
    the policy asks for more than this machine grants.
    """
    place = place_for(app.settings, tls=tls)
    check_protected(place, is_protected=app.users.has_protected_administrator())
    if app.settings.isolation_required != "none":
        asyncio.run(app.isolation.look())
    with server_lock(app.settings.run_folder) as lock, bound(place) as listening:
        place = place.at(listening.getsockname()[1])
        lock.write(place.url)
        _raise_open_files()
        uvloop.run(_serve(app, place, listening, announce or _print))


async def _serve(app: App, place: Place, listening: socket.socket, announce: Announce) -> None:
    certificates = certificates_for(app) if place.has_tls else None
    shown = certificates.current() if certificates is not None else None
    if shown is not None:
        app.identity.cookie = TLS_COOKIE
    guard = application(app, hosts=hosts_of(shown, app.settings.names))
    serving = Serving(guard, listening, shown)
    connections = Connections(place.port, guard.clients, per_address=app.settings.connections_per_address)
    async with app.running():
        with connections.watched():
            stopping = _on_signals()
            running = asyncio.create_task(serving.ended())
            following = None
            if certificates:
                follow = partial(_follow, serving, certificates, guard, app)
                following = begin_always(follow, name="follow certificates")
            await _announce(app, place, announce)
            keep_pauses_short()
            if isinstance(certificates, OwnAuthority) and not place.is_loopback:
                announce("Other machines must trust this server's authority once: intramuros tls export")
            looking = begin(_announce_isolation(app, announce), name="look at the isolation")
            told = asyncio.create_task(stopping.wait())
            await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            looking.cancel()
            if following is not None:
                following.cancel()
            serving.stop()
            stopping.clear()
            if guard.open_tasks:
                announce(f"Stopping; {len(guard.open_tasks)} requests have {GRACE_S:.0f} s to end. Ctrl-C: at once.")
            await finish(guard, hurry=stopping, grace_s=GRACE_S)
            await running
    announce("Stopped.")


async def _follow(serving: Serving, certificates: Certificates, guard: Guard, app: App) -> None:
    """Renewed certificates, and the names that came with them: this machine's addresses change."""

    def changed(shown: Shown) -> None:
        guard.hosts = hosts_of(shown, app.settings.names)

    await serving.follow(certificates, changed)


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


async def _announce_isolation(app: App, announce: Announce) -> None:
    """Says how far engine and reader are confined, once the model has had the processor for itself."""
    with contextlib.suppress(IntramurosError):
        async with app.pool.engine("default"):
            pass
    try:
        standing = await app.isolation.look()
    except IntramurosError as error:
        announce(f"Isolation: can't be told ({error.message})")
        return
    lacking = "; ".join(f"{who} without {', '.join(walls)}" for who, walls in standing.missing.items())
    announce(f"Isolation: {standing.level}" + (f" ({lacking}). Look: intramuros selftest isolation" * bool(lacking)))


def _print(line: str) -> None:
    print(line, flush=True)


def _raise_open_files() -> None:
    """Lets this process have as many open files as the system allows it: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))
