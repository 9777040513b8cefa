"""Where a server listens: the address, and whether it may do so without TLS.

Called by `server.listen`. Loopback speaks plain HTTP unless asked otherwise; any other address speaks TLS, and only
when an administrator has a second factor.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from intramuros.errors import AlreadyRunning, SettingsError
from intramuros.security.own_names import is_host_name
from intramuros.settings import Settings

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """An address to listen on, and the name that is shown for it."""

    host: str
    port: int
    is_loopback: bool
    has_tls: bool = False
    name: str = ""

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        shown = self.name or self.host
        host = f"[{shown}]" if ":" in shown else shown
        return f"{'https' if self.has_tls else 'http'}://{host}:{self.port}"

    def at(self, port: int) -> Place:
        """The same with the port that the system chose."""
        return replace(self, port=port)


def place_for(settings: Settings, *, tls: bool | None = None) -> Place:
    """The place these settings ask for.

    Raises: SettingsError for an address beyond this machine that is to do without TLS, or a public name that is none.
    """
    is_loopback = _is_loopback(settings.host)
    if tls is False and not is_loopback:
        raise SettingsError(
            f"{settings.host or 'Every address'} can be reached from other machines: there TLS is always on.",
            hint="Leave out --no-tls, or listen on localhost.",
        )
    for name in settings.names:
        if not is_host_name(name) and not _is_address(name):
            raise SettingsError(
                f"INTRAMUROS_PUBLIC_NAMES has {name!r}: that is neither a host name nor an address.",
                hint="Write it like ai.example.ch,192.168.1.5 without https:// and port.",
            )
    name = settings.names[0] if settings.names else ""
    if settings.host in {"", "0.0.0.0", "::"} and not name:  # noqa: S104 - what is asked, not what is bound
        name = socket.gethostname()
    return Place(settings.host, settings.port, is_loopback, bool(tls) or not is_loopback, name)


def check_protected(place: Place, *, is_protected: bool) -> None:
    """Refuses to be reached from other machines while one stolen password would be enough to manage everything.

    Raises: SettingsError.
    """
    if not place.is_loopback and not is_protected:
        raise SettingsError(
            f"{place.host or 'Every address'} can be reached from other machines, and no administrator has a second "
            "factor.",
            hint="Start it for this machine first (intramuros serve --host localhost), sign in as an administrator, "
            "add a code app or a passkey to your account, and start it again.",
            code="unprotected",
        )


@contextmanager
def bound(place: Place) -> Iterator[socket.socket]:
    """A socket that listens there. Raises: AlreadyRunning when the port is taken, SettingsError for a bad address."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last server's closed connections linger
        # Each connection inherits it; without, every chunk of a stream waits 40 ms for the client's acknowledgement.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listening.bind(("127.0.0.1" if place.host == "localhost" else place.host, place.port))
            listening.listen(BACKLOG)
        except OSError as error:
            raise _cannot_listen(place, error) from error
        listening.setblocking(False)
        yield listening
    finally:
        listening.close()


def _cannot_listen(place: Place, error: OSError) -> AlreadyRunning | SettingsError:
    if error.errno == errno.EADDRINUSE:
        return AlreadyRunning(
            f"Port {place.port} is in use by another program.", hint=f"Choose another: --port {place.port + 1}"
        )
    if error.errno == errno.EACCES:
        return SettingsError(f"Port {place.port} needs special rights.", hint="Choose one above 1023 with --port.")
    return SettingsError(f"This machine can't listen on {place.host}: {error.strerror or error}.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
