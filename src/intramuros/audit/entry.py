"""One request's entry in the audit: what may be noted about it while it runs.

Made by `audit.record`, handed to doors and tasks. Only names of a closed list, and only values that can't carry
content: numbers, yes or no, and short identifiers.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from intramuros.audit.chain import Record
from intramuros.errors import IntramurosError
from intramuros.storage.schema import now

NAMES = frozenset({
    # what was asked of what
    "model", "mode", "project", "project_id", "document", "document_id", "documents", "sources", "conversation",
    "route", "upstream", "targets", "policy", "method", "via", "stream", "format", "tools", "role", "user", "group",
    "key", "language", "preset", "adapter", "was",
    # how much
    "prompt_tokens", "completion_tokens", "cached_tokens", "size_bytes", "pages", "chunks", "limit", "results",
    "erasure", "supported", "lexical_only", "sentences", "attempts", "held", "broken", "masked", "restored", "unknown",
    "records", "line", "level", "ways_out",
    # how it went
    "status", "error", "duration_ms", "load_ms", "first_token_ms", "queue_ms", "queue_position", "expected_wait_s",
    "finish_reason", "disconnected",
})  # fmt: skip
"""Every fact an entry may have."""

DOORS = frozenset({"api", "mcp", "web", "cli", "schedule"})

_IDENTIFIER = re.compile(r"[A-Za-z0-9/_{-][A-Za-z0-9._:/@+{}-]{0,99}")  # an id may begin with a hyphen
_ACTION = re.compile(r"[a-z][a-z0-9_.-]{0,49}")
_LISTS = frozenset({"documents", "sources", "targets", "ways_out"})  # of ids and names
_COUNTS = frozenset({"masked"})  # how many of each type
_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
_MAX_LIST = 1000


def _ordered_id() -> str:
    """An id of its own that sorts by time: records that follow one another share a page of the index. No secret."""
    return f"{time.time_ns():016x}{random.getrandbits(32):08x}"


class Actor(Protocol):
    """Who did it: an identity as `accounts` makes them."""

    @property
    def user_id(self) -> str:
        """The person."""
        ...

    @property
    def credential(self) -> str:
        """What they showed: a session, a key, the data's own key."""
        ...


@dataclass(slots=True)
class Entry:
    """The entry of a request that is running."""

    action: str
    object: str | None
    via: str
    actor: str | None = None
    credential: str | None = None
    id: str = field(default_factory=_ordered_id)
    opened_at: float = field(default_factory=now)
    facts: dict[str, Any] = field(default_factory=dict)
    outcome: str | None = None
    is_closed: bool = False
    _started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        if not _ACTION.fullmatch(self.action):
            raise ValueError("an audit action is a short word in lower case")
        if self.via not in DOORS:
            raise ValueError(f"an audit entry comes via one of {sorted(DOORS)}")
        if self.object is not None:
            _checked("object", self.object)

    def note(self, **facts: Any) -> None:
        """Adds facts; the same name again replaces its value.

        Raises: TypeError for a name that is not in `NAMES`, ValueError for a value that could carry content,
        RuntimeError once its record is made: what is noted then would be lost.
        """
        if self.is_closed:
            raise RuntimeError(f"the audit entry of {self.action} is closed: nothing can be noted in it any more")
        for name, value in facts.items():
            if name not in NAMES:
                raise TypeError(f"the audit has no fact {name!r}: see NAMES in intramuros/audit/entry.py")
            if name == "route" and "targets" in self.facts:
                continue  # a text that has left has left, whatever another part of the same request does
            if type(value) is int:  # most are, and every number is plain
                self.facts[name] = value
            elif value is not None:
                self.facts[name] = _checked(name, value)

    def by(self, actor: Actor | None) -> None:
        """Says who it is, once that is known."""
        self.actor = actor.user_id if actor else None
        self.credential = actor.credential if actor else None

    def about(self, object_id: str) -> None:
        """Says which object it is about, once that is known."""
        self.object = _checked("object", object_id)

    def opening(self) -> dict[str, Any]:
        """What is stored when it begins: enough for a record if it never ends."""
        return {
            "via": self.via,
            "action": self.action,
            "object": self.object,
            "actor": self.actor,
            "credential": self.credential,
            **self.facts,
        }

    def finished(self, error: BaseException | None) -> Record:
        """The record of its end."""
        if isinstance(error, IntramurosError):
            self.facts.setdefault("status", error.status)
            self.facts.setdefault("error", error.code)
        elif isinstance(error, Exception):
            self.facts.setdefault("status", 500)
            self.facts.setdefault("error", type(error).__name__)
        self.facts.setdefault("duration_ms", round((time.perf_counter() - self._started) * 1000, 1))
        self.is_closed = True
        return Record(
            id=self.id,
            at=now(),
            actor=self.actor,
            credential=self.credential,
            action=self.action,
            object=self.object,
            outcome=self.outcome or _outcome(error, self.facts.get("status")),
            facts={"via": self.via, **self.facts},
        )


def _outcome(error: BaseException | None, status: Any) -> str:
    if isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt | SystemExit):
        return "interrupted"
    if isinstance(status, int) and status >= 400:
        return "failed" if status >= 500 else "refused"
    return "ok" if error is None else "failed"


def _checked(name: str, value: Any) -> Any:
    if isinstance(value, list | tuple) and name in _LISTS and len(value) <= _MAX_LIST:
        return [_plain(name, item) for item in value]
    if name in _COUNTS and _is_counts(value):
        return dict(value)
    return _plain(name, value)


def _is_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(kind, str) and _TYPE.fullmatch(kind) and type(count) is int for kind, count in value.items()
    )


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, str) and _IDENTIFIER.fullmatch(value):
        return value
    raise ValueError(f"the audit fact {name!r} must be a number, a yes or no, or a short identifier")
