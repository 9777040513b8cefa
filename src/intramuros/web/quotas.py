"""Limits and budgets as administrators set them, with what was used. Called by the router, and by the account page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from intramuros.accounts.quotas import COUNTED, KINDS, NAMES, ROLES
from intramuros.accounts.rights import Limit, Quota
from intramuros.accounts.usage import Used
from intramuros.errors import BadRequest, NotFound
from intramuros.web.numbers import count, number
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Form, Visit, redirect
from intramuros.web.words import Words

PATH = "/administration/quotas"
BARS = (
    ("tokens_per_day", "tokens_today"),
    ("tokens_per_month", "tokens_this_month"),
    ("euros_per_day", "euros_today"),
    ("euros_per_month", "euros_this_month"),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One limit and what was used of it; `limit` None: as much as one likes."""

    name: str
    used: float
    limit: float | None
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """Somebody's limits with what they used; `bars` empty for a role and for everyone."""

    limit: Limit
    bars: tuple[Bar, ...]


def show(
    visit: Visit, *, said: Problem | None = None, status: int = 200, typed: Mapping[str, str] | None = None
) -> Response:
    """The page; `typed` stands in the form for new limits."""
    return visit.page(
        "quotas.html",
        section="administration",
        problem=said,
        status=status,
        lines=lines(visit, visit.app.quotas.list()),
        kinds=KINDS,
        typed={name: (typed or {}).get(name, "") for name in ("kind", "name", *NAMES)},
        roles=ROLES,
        names=NAMES,
        prices=sorted(visit.app.prices.all().items()),
    )


def set_limits(visit: Visit, form: Form) -> Response:
    """Sets all limits of one person, group, project, key or role, or everyone's; an empty field is no limit."""
    try:
        limit = _whose(visit, form)
        visit.entry.about(limit.id)
        visit.app.quotas.set(limit.kind, limit.id, quota_of(form, visit.words))
    except (BadRequest, NotFound) as error:
        visit.entry.note(error=error.code)
        return show(visit, said=problem(error, visit.words), status=error.status, typed=form)
    return redirect(PATH)


def remove(visit: Visit, form: Form) -> Response:
    """Takes all limits of one away."""
    try:
        limit = _whose(visit, form)
        visit.entry.about(limit.id)
        visit.app.quotas.remove(limit.kind, limit.id)
    except (BadRequest, NotFound) as error:
        visit.entry.note(error=error.code)
        return show(visit, said=problem(error, visit.words), status=error.status)
    return redirect(PATH)


def lines(visit: Visit, limits: Iterable[Limit]) -> list[Line]:
    """Limits with what was used of them."""
    found = []
    for limit in limits:
        counted = limit.kind in COUNTED
        found.append(Line(limit, bars(limit.quota, visit.app.usage.used(limit.subject)) if counted else ()))
    return found


def bars(quota: Quota, used: Used) -> tuple[Bar, ...]:
    """What was used today and this month; money only where it is limited or spent."""
    return tuple(
        Bar(name, getattr(used, what), getattr(quota, name), 2 if name.startswith("euros") else 0)
        for name, what in BARS
        if not name.startswith("euros") or getattr(quota, name) is not None or getattr(used, what)
    )


def quota_of(form: Form, words: Words, names: Iterable[str] = NAMES) -> Quota:
    """The limits a form has. Raises: BadRequest."""
    values: dict[str, Any] = {
        name: number_of(form.get(name, ""), words, whole=name.startswith(("requests", "tokens"))) for name in names
    }
    return Quota(**values)


def number_of(text: str, words: Words, *, whole: bool) -> int | float | None:
    """A number as people write it; nothing: no limit. Raises: BadRequest."""
    try:
        found = count(text) if whole else number(text, words)
        if found is not None and found < 0:
            raise ValueError
    except ValueError as error:
        raise BadRequest("A limit is a number, or nothing.", code="bad_limit") from error
    return found


def _whose(visit: Visit, form: Form) -> Limit:
    kind = form.get("kind", "")
    name = form.get("role", "") if kind == "role" and "role" in form else form.get("name", "")
    return visit.app.quotas.find(kind, name.strip())
