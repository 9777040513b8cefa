"""Where a server listens: the address, and whether it may do so without TLS.

Called by `server.listen`. Loopback speaks plain HTTP unless asked otherwise; any other address speaks TLS or is
refused.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from intramuros.errors import AlreadyRunning, SettingsError
from intramuros.settings import Settings

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """An address to listen on; `certificate` and `key` when it speaks TLS."""

    host: str
    port: int
    is_loopback: bool
    certificate: Path | None = None
    key: Path | None = None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"

    def at(self, port: int) -> Place:
        """The same with the port that the system chose."""
        return replace(self, port=port)


def place_for(settings: Settings, *, tls: bool | None = None) -> Place:
    """The place these settings ask for.

    Raises: SettingsError for an address beyond this machine without TLS, or for a certificate that can't be used.
    """
    is_loopback = _is_loopback(settings.host)
    if is_loopback and not tls:
        return Place(settings.host, settings.port, is_loopback)
    if tls is False:
        raise SettingsError(
            f"{settings.host} can be reached from other machines: there TLS is always on.",
            hint="Leave out --no-tls and give a certificate, or listen on localhost.",
        )
    if settings.tls_certificate is None or settings.tls_key is None:
        raise SettingsError(
            "TLS needs a certificate and its key, and none is given."
            if is_loopback
            else f"{settings.host} can be reached from other machines, and there is no certificate for TLS.",
            hint="Set INTRAMUROS_TLS_CERTIFICATE and INTRAMUROS_TLS_KEY to PEM files, or listen on localhost.",
        )
    _check_certificate(settings.tls_certificate, settings.tls_key)
    return Place(settings.host, settings.port, is_loopback, settings.tls_certificate, settings.tls_key)


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


def _check_certificate(certificate: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(
            f"The TLS certificate or its key can't be used: {error.strerror or 'they do not fit together'}.",
            hint="Both must be readable PEM files that belong together.",
        ) from error
