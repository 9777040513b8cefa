"""Files a command reads, and files it writes: complete under their name, for this user alone, or not there at all."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from intramuros.errors import BadRequest, NotFound


@contextmanager
def written_whole(path: Path) -> Iterator[TextIO]:
    """A text file to write, which takes its name when all is on the disk.

    Raises: BadRequest if it can't be written.
    """
    with bytes_written_whole(path) as raw:
        file = TextIOWrapper(raw, encoding="utf-8", newline="\n")
        try:
            yield file
        finally:
            file.detach()  # writes what it still holds


@contextmanager
def bytes_written_whole(path: Path) -> Iterator[BinaryIO]:
    """The same for bytes."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise BadRequest(f"{path} can't be written: {error.strerror}.") from error


def bytes_of(file: str) -> bytes:
    """The content of a file, or of standard input for `-`. Raises: NotFound."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise NotFound(f"{file} can't be read: {error.strerror}.") from None


def text_of(file: str) -> str:
    """The text of a file, or of standard input for `-`. Raises: NotFound, BadRequest when it is no text."""
    return decoded(bytes_of(file))


def decoded(content: bytes) -> str:
    """The text these bytes are. Raises: BadRequest."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest("This is not text in UTF-8.", hint="Save it as UTF-8 text, or give a PDF or DOCX.") from None
