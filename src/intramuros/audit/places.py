"""Second places for the audit's checkpoints, where whoever changes the database can't follow: a folder, syslog, or
an address on the web (`privacy.audit_webhook`).

Made from the setting `audit_copy`, used by `audit.copying`. A folder gets one file that only grows, a line a
checkpoint. Syslog only takes: what it holds is compared with `intramuros audit verify --copy FILE`. They know lines,
not what is in them.
"""

from __future__ import annotations

import os
import socket as sockets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from intramuros.errors import SettingsError

SYSLOG = "syslog:"
SYSLOG_SOCKET = "/dev/log"

_PRIORITY = 13 * 8 + 5  # facility "log audit", severity "notice" (RFC 5424, section 6.2.1)
_WAIT_S = 5.0
_TAIL_BYTES = 16 * 1024


class Place(Protocol):
    """Somewhere lines are appended and never changed."""

    @property
    def name(self) -> str:
        """Where it is, in words."""
        ...

    @property
    def is_there(self) -> bool:
        """Whether it was begun."""
        ...

    def try_it(self) -> None:
        """Raises: OSError if nothing could be appended now."""
        ...

    def append(self, line: str) -> None:
        """Returns when the line is safe. Raises: OSError."""
        ...

    def lines(self) -> Iterator[str]:
        """All that was appended, as far as it can be read. Raises: OSError."""
        ...

    def last(self) -> str | None:
        """The last of them. Raises: OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A file in a folder. The folder is not made: a volume that is not mounted must not look like an empty one."""

    path: Path

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def is_there(self) -> bool:
        """Whether the file exists."""
        return self.path.exists()

    def try_it(self) -> None:
        """Opens the file, or looks whether it could be made."""
        if self.is_there:
            os.close(self._open())
        elif not os.access(self.path.parent, os.W_OK | os.X_OK):
            raise OSError(f"{self.path.parent} is not a folder that can be written")

    def append(self, line: str) -> None:
        """Appends a line and waits for the disk."""
        descriptor = self._open(os.O_CREAT)
        try:
            text = f"{line}\n".encode()
            if _is_cut_off(descriptor):
                text = b"\n" + text
            if os.write(descriptor, text) < len(text):
                raise OSError("the disk is full")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lines(self) -> Iterator[str]:
        """The file's lines; none if it was not begun."""
        if not self.is_there:
            return
        with self.path.open(encoding="utf-8", errors="replace") as file:
            yield from (line.rstrip("\n") for line in file)

    def last(self) -> str | None:
        """The last whole line."""
        if not self.is_there:
            return None
        with self.path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            whole = [line for line in file.read().split(b"\n")[:-1] if line]
        return whole[-1].decode(errors="replace") if whole else None

    def _open(self, more: int = 0) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self.path, flags | more, 0o600)


@dataclass(frozen=True, slots=True)
class Syslog:
    """The machine's own log, through its Unix socket; who forwards it elsewhere, forwards the checkpoints too."""

    socket: str = SYSLOG_SOCKET

    @property
    def name(self) -> str:
        """The socket."""
        return f"{SYSLOG}{self.socket}"

    @property
    def is_there(self) -> bool:
        """Whether somebody may listen."""
        return Path(self.socket).exists()

    def try_it(self) -> None:
        """Connects."""
        self._connected().close()

    def append(self, line: str) -> None:
        """Hands a message over; what becomes of it is the log's affair."""
        with self._connected() as connection:
            connection.send(f"<{_PRIORITY}>intramuros-audit: {line}".encode())

    def lines(self) -> Iterator[str]:
        """None: it can't be read back."""
        return iter(())

    def last(self) -> str | None:
        """None."""
        return None

    def _connected(self) -> sockets.socket:
        connection = sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM)
        try:
            connection.settimeout(_WAIT_S)
            connection.connect(self.socket)
        except OSError:
            connection.close()
            raise
        return connection


def place(
    setting: str | None,
    *,
    required: bool = False,
    data: Path,
    instance: str,
    webhook: Callable[[str], Place] | None = None,
) -> Place | None:
    """The place a setting names; `webhook` makes the one of a web address.

    Raises: SettingsError if it is no place apart from the data, or is required and not named.
    """
    if not setting and required:
        raise SettingsError(
            "INTRAMUROS_AUDIT_COPY_REQUIRED is set, but no second place is named.",
            hint="Name a folder on another disk with INTRAMUROS_AUDIT_COPY.",
        )
    if not setting:
        return None
    if setting.startswith(SYSLOG):
        return Syslog(setting.removeprefix(SYSLOG) or SYSLOG_SOCKET)
    if "://" in setting:
        if webhook is None:
            raise SettingsError("INTRAMUROS_AUDIT_COPY is an address on a network, and nothing may be sent there.")
        return webhook(setting)
    folder = Path(setting).expanduser().absolute()
    if folder.resolve().is_relative_to(data.resolve()):
        raise SettingsError(
            "INTRAMUROS_AUDIT_COPY lies in the data folder, where whoever changes the data changes it too.",
            hint="Name a folder on another disk or machine.",
        )
    return Folder(folder / f"intramuros-audit-{instance}.jsonl")


def _is_cut_off(descriptor: int) -> bool:
    """Whether the file's last line has no end: a full disk may have cut it."""
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
