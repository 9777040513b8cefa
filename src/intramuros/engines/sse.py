"""Reads server-sent events off a connection, whoever wrote them and wherever the network cut them.

Called by `engines.remote`. It knows lines and sizes, nothing of what the events say.

Source: WHATWG HTML, "Server-sent events", 9.2.6: fields, comments, lines that end in LF or CRLF.
"""

from __future__ import annotations

MOST_EVENT_BYTES = 4 << 20


class Events:
    """The events of one stream."""

    __slots__ = ("_lines", "_most_bytes", "_rest")

    def __init__(self, *, most_event_bytes: int = MOST_EVENT_BYTES) -> None:
        self._rest, self._lines, self._most_bytes = b"", list[bytes](), most_event_bytes

    def take(self, block: bytes) -> list[bytes]:
        """The data of the events that a block completes.

        Comments and other fields are passed over; what has no end is dropped. An `error:` field, which llama.cpp's
        server writes, counts as data of that form.
        Raises: ValueError for an event that grows beyond the limit.
        """
        *whole, self._rest = (self._rest + block).split(b"\n")
        events, lines = list[bytes](), self._lines
        for ended in whole:
            if line := ended.removesuffix(b"\r"):
                if (value := _data_in(line)) is not None:
                    lines.append(value)
            elif lines:
                data = b"\n".join(lines)
                lines.clear()
                if data:
                    events.append(data)
        if len(self._rest) > self._most_bytes or (lines and len(self._rest) + sum(map(len, lines)) > self._most_bytes):
            raise ValueError("an event has no end")
        return events


def _data_in(line: bytes) -> bytes | None:
    if line.startswith(b"data: "):
        return line[6:]
    name, _, value = line.partition(b":")
    value = value.removeprefix(b" ")
    if name == b"data":
        return value
    return b'{"error":' + value + b"}" if name == b"error" else None
