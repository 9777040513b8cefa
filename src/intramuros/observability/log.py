"""The process log: where it goes, from which level, and the form of its lines. Set up by `intramuros serve`.

What is logged is in docs/reference/log.md; never a word of a request.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO


class _Lines(logging.Formatter):
    """One record a line, with the time in UTC. Whatever an error's message brings along can't begin another record."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        first, *others = super().format(record).splitlines()
        lines = [first, *(f"    {line.strip()}" for line in others)]
        return "\n".join("".join(c if c.isprintable() else repr(c)[1:-1] for c in line) for line in lines)


def start(level: str) -> logging.StreamHandler[TextIO]:
    """Writes to standard error what the product logs from this level on, and what libraries warn of."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.getLogger().addHandler(handler)
    logging.getLogger("intramuros").setLevel(level.upper())
    return handler
