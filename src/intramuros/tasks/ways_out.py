"""What confined processes are tempted with: live listeners, files and a connection, all short-lived.

Used by `tasks.isolation`. Nothing listens beyond this machine; whatever arrives is dropped.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from intramuros.security.attempts import Targets

_BACKLOG = 16


@contextlib.contextmanager
def tempted(*, key_file: Path | None, database: Path) -> Iterator[Targets]:
    """Opens everything there is to reach, and takes it away again."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intramuros-")))
        for name in ("kept", "kept too", "moved", "long"):
            (folder / name).write_text("to be left as it is", encoding="ascii")
        tcp = _listening(stack, socket.AF_INET, ("127.0.0.1", 0))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        abstract = f"intramuros-{secrets.token_hex(8)}"
        _listening(stack, socket.AF_UNIX, str(folder / "stream.sock"))
        _listening(stack, socket.AF_UNIX, f"\0{abstract}")
        datagram = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        datagram.bind(str(folder / "datagram.sock"))
        connected = stack.enter_context(socket.create_connection(tcp.getsockname()))
        connected.set_inheritable(True)  # as a careless library would leave it
        found = os.fstat(connected.fileno())
        yield Targets(
            tcp_port=tcp.getsockname()[1],
            udp_port=udp.getsockname()[1],
            socket_path=str(folder / "stream.sock"),
            datagram_path=str(folder / "datagram.sock"),
            abstract_name=abstract,
            inherited=(found.st_dev, found.st_ino),
            process=os.getpid(),
            folder=str(folder),
            key_file=str(key_file or ""),
            database=str(database),
        )


def _listening(stack: ExitStack, family: int, address: tuple[str, int] | str) -> socket.socket:
    listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
    listener.bind(address)
    listener.listen(_BACKLOG)
    return listener
