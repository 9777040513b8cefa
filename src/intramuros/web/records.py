"""The audit as a page: find records, check that they hold, take them along. Called by the router.

For administrators and auditors. It shows who did what when; what was asked, answered or searched is in no record.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select
from starlette.responses import Response, StreamingResponse

from intramuros.audit.reading import find
from intramuros.errors import BadRequest
from intramuros.security import signing
from intramuros.storage.schema import audit, users
from intramuros.web.visit import Form, Visit

PAGE = 100
OUTCOMES = ("ok", "refused", "failed", "interrupted")
HIDDEN = frozenset({"via", "duration_ms"})


@dataclass(frozen=True, slots=True)
class Line:
    """One record, in words."""

    sequence: int
    at: float
    who: str
    how: str
    action: str
    about: str
    outcome: str
    facts: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form asks for; texts as they were typed."""

    since: str = ""
    until: str = ""
    who: str = ""
    action: str = ""
    outcome: str = ""
    before: int | None = None

    @classmethod
    def of(cls, values: Any) -> Wanted:
        """From the address's parameters. Raises: BadRequest."""
        before = values.get("before", "")
        if before and not before.isdecimal():
            raise BadRequest("The page begins at a record's number.", code="bad_request")
        texts = {name: values.get(name, "").strip()[:200] for name in ("since", "until", "who", "action", "outcome")}
        if texts["outcome"] and texts["outcome"] not in OUTCOMES:
            raise BadRequest("There is no such outcome.", code="bad_request")
        return cls(**texts, before=int(before) if before else None)

    def address(self, path: str, **more: object) -> str:
        """The address that asks for the same."""
        kept = {name: getattr(self, name) for name in ("since", "until", "who", "action", "outcome")}
        return f"{path}?{urlencode({name: value for name, value in {**kept, **more}.items() if value})}"


def show(visit: Visit) -> Response:
    """The page."""
    return _page(visit)


def verify(visit: Visit, form: Form) -> Response:
    """Checks the whole chain and says what held."""
    started = time.perf_counter()
    result = visit.app.audit.verify()
    visit.entry.note(records=result.records)
    return _page(visit, verified=result, seconds=time.perf_counter() - started)


def export(visit: Visit) -> Response:
    """The records of the days asked for as a file that verifies with the public key alone."""
    wanted = Wanted.of(visit.request.query_params)
    is_syslog = visit.request.query_params.get("format") == "syslog"
    lines = (visit.app.audit.export_syslog if is_syslog else visit.app.audit.export)(**_days(wanted))
    name = f"intramuros-audit-{datetime.now():%Y-%m-%d}.{'log' if is_syslog else 'jsonl'}"
    visit.entry.note(format="syslog" if is_syslog else "jsonl")
    return StreamingResponse(
        (f"{line}\n" for line in lines),
        media_type="text/plain; charset=utf-8" if is_syslog else "application/jsonl",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def public_key(visit: Visit) -> Response:
    """The key that checks what this audit signs."""
    pem = signing.to_pem(visit.app.audit.public_key())
    headers = {"content-disposition": 'attachment; filename="intramuros-audit-public.pem"'}
    return Response(pem, media_type="application/x-pem-file", headers=headers)


def _page(visit: Visit, **values: Any) -> Response:
    wanted = Wanted.of(visit.request.query_params)
    visit.app.audit.flush()
    names = _names(visit)
    rows = find(
        visit.app.database,
        **_days(wanted),
        actor=_actor(wanted.who, names),
        action=wanted.action or None,
        outcome=wanted.outcome or None,
        before=wanted.before,
        limit=PAGE + 1,
    )[::-1]
    lines = [_line(visit, row, names) for row in rows[:PAGE]]
    older = wanted.address("/administration/audit", before=lines[-1].sequence) if len(rows) > PAGE else None
    values = {
        "verified": None,
        "seconds": 0.0,
        "wanted": wanted,
        "outcomes": OUTCOMES,
        "lines": lines,
        "older": older,
        "exports": [
            (kind, wanted.address("/administration/audit/export", format=kind)) for kind in ("jsonl", "syslog")
        ],
        "copy": visit.app.audit.copy_state(),
        "months": visit.app.settings.audit_months,
        "actions": _actions(visit),
        **values,
    }
    return visit.page("records.html", section="administration", **values)


def _days(wanted: Wanted) -> dict[str, float | None]:
    """From the first moment of a day to the last of another, in this machine's time. Raises: BadRequest."""
    try:
        since = datetime.fromisoformat(wanted.since).astimezone().timestamp() if wanted.since else None
        end = datetime.fromisoformat(wanted.until) + timedelta(days=1) if wanted.until else None
        return {"since": since, "until": end.astimezone().timestamp() if end else None}
    except (ValueError, OverflowError) as error:
        raise BadRequest("This is not a day.", code="bad_request", hint="Write it like 2026-11-03.") from error


def _names(visit: Visit) -> dict[str, tuple[str, str]]:
    with visit.app.database.read() as connection:
        rows = connection.execute(select(users.c.id, users.c.name, users.c.email))
        return {row.id: (row.name, row.email) for row in rows}


def _actor(who: str, names: dict[str, tuple[str, str]]) -> str | None:
    """The id of the person whose e-mail or name was typed; the text itself, which finds nobody, where there is none."""
    if not who:
        return None
    wanted = who.casefold()
    found = (key for key, texts in names.items() if wanted in {text.casefold() for text in texts})
    return next(found, who)


def _line(visit: Visit, row: Any, names: dict[str, tuple[str, str]]) -> Line:
    credential = (row.credential or "").partition(":")[0]
    return Line(
        sequence=row.sequence,
        at=row.at,
        who=names.get(row.actor, (row.actor or "",))[0],
        how=visit.words.or_else(f"records.by.{credential}", credential),
        action=visit.words.or_else(f"action.{row.action}", row.action),
        about=row.object or "",
        outcome=row.outcome,
        facts=" · ".join(f"{name} {_short(value)}" for name, value in row.facts.items() if name not in HIDDEN),
    )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{kind} {count}" for kind, count in value.items())
    return f"({len(value)})" if isinstance(value, list) else str(value)


def _actions(visit: Visit) -> Sequence[tuple[str, str]]:
    """Every action there is a record of, by its name in the interface's language."""
    with visit.app.database.read() as connection:
        found = connection.scalars(select(audit.c.action).distinct()).all()
    named = [(action, visit.words.or_else(f"action.{action}", action)) for action in found]
    return sorted(named, key=lambda pair: pair[1].casefold())
