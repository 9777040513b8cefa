"""By which names and addresses other machines reach this one, as far as the machine itself knows.

Called by `server.tls` for the certificate it has made. It asks the kernel only: no name server hears of it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

LOOPBACK = ("localhost", "127.0.0.1", "::1")

_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_SIOCGIFADDR = 0x8915  # linux/sockios.h
_IPV6_ADDRESSES = Path("/proc/net/if_inet6")


def own_names() -> tuple[str, ...]:
    """The host's name, that name in `.local`, its addresses, and loopback's."""
    host = socket.gethostname().lower()
    names = [host, f"{host.partition('.')[0]}.local"] if is_host_name(host) else []
    return tuple(dict.fromkeys([*names, *_addresses(), *LOOPBACK]))


def is_host_name(text: str) -> bool:
    """Whether this is a host name in the form that names have on the wire."""
    return _NAME.fullmatch(text) is not None


def _addresses() -> Iterator[str]:
    for _, interface in socket.if_nameindex():
        if (address := _ipv4(interface)) is not None:
            yield address
    with contextlib.suppress(OSError):
        for line in _IPV6_ADDRESSES.read_text(encoding="ascii").splitlines():
            address6 = ipaddress.IPv6Address(int(line.split()[0], 16))
            if not address6.is_link_local:  # those need the interface's name beside them: no certificate can say it
                yield str(address6)


def _ipv4(interface: str) -> str | None:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
