"""Files a command writes: complete under their name, readable by this user alone, or not there at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from intramuros.errors import BadRequest


@contextmanager
def written_whole(path: Path) -> Iterator[TextIO]:
    """A text file to write, which takes its name when all is on the disk.

    Raises: BadRequest if it can't be written.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise BadRequest(f"{path} can't be written: {error.strerror}.") from error
