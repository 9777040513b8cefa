"""Who asks, for the length of one request: what the router must know before a text may leave the walls.

Set by the guard around every request, read by the router. A context variable, because between the two lie the doors and
tasks of several protocols, none of which has anything to do with it; where nobody set it, nothing leaves (decision
0025).
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import Entry

HEADER = "x-intramuros-outside"
ALLOW = "allow"


@dataclass(slots=True)
class Asked:
    """One request: its caller, its open audit entry, whether it agrees to leave, and what it is about once known."""

    by: Caller
    entry: Entry
    agrees: bool = False
    project_id: str | None = None
    conversation_id: str | None = None
    is_over: bool = False


_ASKED: ContextVar[Asked | None] = ContextVar("asked", default=None)


def asked_now() -> Asked | None:
    """The request that is being answered here; None outside of any, and in what it started and left behind."""
    asked = _ASKED.get()
    return None if asked is None or asked.is_over else asked


class asking:  # noqa: N801 - reads as what it does, like the functions of contextlib
    """Holds for the body, and for the tasks that it starts as long as the body runs."""

    __slots__ = ("_asked", "_token")

    def __init__(self, asked: Asked | None) -> None:
        self._asked = asked

    def __enter__(self) -> None:
        self._token = _ASKED.set(self._asked)
        if self._asked is not None:
            self._asked.is_over = False

    def __exit__(self, *_: object) -> None:
        if self._asked is not None:
            self._asked.is_over = True
        _ASKED.reset(self._token)


def about(*, project_id: str, conversation_id: str | None) -> None:
    """Says what the present request is about."""
    if (asked := asked_now()) is not None:
        asked.project_id, asked.conversation_id = project_id, conversation_id
