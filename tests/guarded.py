"""A guard with stand-ins that remember: who is known, and what was recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp

from intramuros.accounts.caller import Caller
from intramuros.accounts.rights import Quota
from intramuros.accounts.usage import Admission
from intramuros.audit.chain import Record
from intramuros.audit.entry import Actor, Entry
from intramuros.errors import AuditUnavailable
from intramuros.observability.metrics import Metrics
from intramuros.server.guard import Guard, Limits

ALICE = Caller(user_id="alice", name="Alice", role="administrator", credential="key:1")
BOB = Caller(user_id="bob", name="Bob", role="member", credential="key:2")


class KnownKeys:
    """Stands for `accounts.identity`: two keys and a session."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None

    def caller(self, headers: Mapping[str, str]) -> Caller | None:
        if self.trouble is not None:
            raise self.trouble
        if headers.get("cookie") == "intramuros_session=bob":
            return BOB
        return {"Bearer alice": ALICE, "Bearer bob": BOB}.get(headers.get("authorization", ""))


class FreeUsage:
    """Stands for `accounts.usage`: lets everybody in, and remembers what they spent."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}

    def admit(self, key_id: str, quota: Quota, *, spends: bool) -> Admission:
        return Admission([], None)

    def spend(self, key_id: str, tokens: int) -> None:
        self.spent[key_id] = self.spent.get(key_id, 0) + tokens


@dataclass
class Recorded:
    """Stands for `audit.record`: keeps what would be written, in the real entries' form."""

    records: list[Record] = field(default_factory=list)
    opened: list[Entry] = field(default_factory=list)
    is_broken: bool = False
    breaks_at_close: bool = False

    @asynccontextmanager
    async def entry(
        self, action: str, *, by: Actor | None = None, object: str | None = None, via: str = "api"
    ) -> AsyncIterator[Entry]:
        if self.is_broken:
            raise AuditUnavailable
        entry = Entry(action, object, via)
        entry.by(by)
        self.opened.append(entry)
        error: BaseException | None = None
        try:
            yield entry
        except BaseException as raised:
            error = raised
            raise
        finally:
            self.records.append(entry.finished(error))
            if self.breaks_at_close:
                raise AuditUnavailable


@dataclass
class Guarded:
    """A guard around `inner`, and what it left behind."""

    identity: KnownKeys = field(default_factory=KnownKeys)
    audit: Recorded = field(default_factory=Recorded)
    metrics: Metrics = field(default_factory=Metrics)
    usage: FreeUsage = field(default_factory=FreeUsage)

    def around(self, inner: ASGIApp, **more: Any) -> Guard:
        limits = Limits(request_bytes=1000, upload_bytes=10_000)
        parts: dict[str, Any] = {"identity": self.identity, "audit": self.audit, "usage": self.usage}
        return Guard(inner, metrics=self.metrics, limits=limits, **parts, **more)

    @property
    def record(self) -> Record:
        """The one record there must be."""
        assert len(self.audit.opened) == len(self.audit.records) == 1
        return self.audit.records[0]
