"""Runs a command where no network can be reached but loopback: python scripts/without_network.py COMMAND …

A network namespace of its own holds a loopback interface and nothing else. What the command starts inherits it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def leave_the_network() -> None:
    """Raises: OSError where the kernel grants no namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if user == 0 and libc.unshare(CLONE_NEWNET) == 0:
        return
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "no network namespace: " + os.strerror(ctypes.get_errno()))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)


def bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def main() -> None:
    leave_the_network()
    bring_loopback_up()
    with socket.socket() as probe:
        probe.settimeout(1)
        try:
            probe.connect(("192.0.2.1", 80))
        except OSError:
            pass
        else:
            sys.exit("There is still a way out.")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
