"""The keys of a person's programs: made, shown once, revoked; for administrators everybody's. Called by the router."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.keys import ApiKey
from intramuros.accounts.rights import DEFAULT_SCOPES, SCOPES, Quota, Rights, changed
from intramuros.errors import BadRequest
from intramuros.storage.schema import now
from intramuros.web.problems import problem
from intramuros.web.visit import Form, Visit, redirect

DAY_S = 24 * 3600
EXPIRIES = ("30", "90", "365", "0")
LIMITS = Quota.__slots__
EVERYBODYS = "/administration/keys"


@dataclass(frozen=True, slots=True)
class Created:
    """A new key, on its way to its owner's eyes."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One limit and what was used of it; `limit` None: as much as one likes."""

    name: str
    used: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """A key with what it may do, what it has used, and whose it is."""

    key: ApiKey
    state: str
    scopes: list[str]
    bars: list[Bar]
    owner: str = ""
    project_names: tuple[str, ...] = ()


def show(visit: Visit) -> Response:
    """The keys of whoever asks."""
    return _page(visit)


def create(visit: Visit, form: Form) -> Response:
    """Makes a key and shows it: in this answer and never again, so the browser is not sent on to another page."""
    days = form.get("days", "90")
    if days not in EXPIRIES:
        raise BadRequest("A key expires after 30, 90 or 365 days, or never.")
    expires = now() + int(days) * DAY_S if days != "0" else None
    try:
        rights = _rights(form, Rights())
        key, record = visit.app.api_keys.create(
            form.get("name", ""), user_id=visit.caller.user_id, expires=expires, rights=rights
        )
    except BadRequest as error:
        return _page(visit, status=error.status, problem=problem(error, visit.words))
    visit.entry.about(record.id)
    return _page(visit, created=Created(record.name, key))


def revoke(visit: Visit, form: Form) -> Response:
    """Ends one of the person's own keys. Raises: NotFound for anybody else's."""
    key = visit.app.api_keys.get(visit.path("key"))
    visit.entry.about(key.id)
    visit.app.api_keys.revoke(key.id, user_id=visit.caller.user_id)
    return redirect("/keys")


def show_all(visit: Visit) -> Response:
    """Everybody's keys, for administrators: what each may do and has used, never the key itself."""
    return _everybodys(visit)


def limit(visit: Visit, form: Form) -> Response:
    """Gives a key other rights; they count from its next request on. Raises: NotFound."""
    key = visit.app.api_keys.get(visit.path("key"))
    visit.entry.about(key.id)
    try:
        visit.app.api_keys.limit(key.id, _rights(form, key.rights))
    except BadRequest as error:
        return _everybodys(visit, status=error.status, problem=problem(error, visit.words))
    return redirect(EVERYBODYS)


def revoke_any(visit: Visit, form: Form) -> Response:
    """Ends anybody's key. Raises: NotFound."""
    key = visit.app.api_keys.get(visit.path("key"))
    visit.entry.about(key.id)
    visit.app.api_keys.revoke(key.id)
    return redirect(EVERYBODYS)


def _page(visit: Visit, *, status: int = 200, **values: Any) -> Response:
    address = f"{visit.request.url.scheme}://{visit.request.headers.get('host', '')}"
    keys = visit.app.api_keys.list(visit.caller.user_id)
    values = {
        "created": None,
        "lines": [_line(visit, key) for key in keys],
        "scopes": SCOPES if visit.caller.is_administrator else DEFAULT_SCOPES,
        "chosen": DEFAULT_SCOPES,
        "example": f"OPENAI_BASE_URL={address}/v1\nOPENAI_API_KEY=imk_…",
        **values,
    }
    return visit.page("keys.html", section="keys", status=status, **values)


def _everybodys(visit: Visit, *, status: int = 200, **values: Any) -> Response:
    owners = {LOCAL.user_id: visit.words("keys.operator")}
    owners |= {user.id: user.name for user in visit.app.users.list()}
    lines = [_line(visit, key, owners) for key in visit.app.api_keys.list()]
    return visit.page("keys_all.html", section="administration", status=status, lines=lines, scopes=SCOPES, **values)


def _line(visit: Visit, key: ApiKey, owners: Mapping[str, str] | None = None) -> Line:
    used, quota = visit.app.key_usage.used(key.id), key.rights.quota
    bars = [
        Bar("tokens_per_day", used.tokens_today, quota.tokens_per_day),
        Bar("tokens_per_month", used.tokens_this_month, quota.tokens_per_month),
    ]
    scopes = [scope for scope in SCOPES if scope in key.rights.scopes]
    names: tuple[str, ...] = ()
    if key.rights.projects is not None and owners is None:
        names = tuple(p.name for p in visit.app.projects.list(visit.caller) if p.id in key.rights.projects)
    return Line(key, key.state(now()), scopes, bars, (owners or {}).get(key.user_id, ""), names)


def _rights(form: Form, before: Rights) -> Rights:
    """The rights a form asks for; what it does not have stays. Raises: BadRequest."""
    values: dict[str, Any] = {name: _whole(form[name]) for name in LIMITS if name in form}
    if "scopes" in form:  # else none was offered: a box that is not ticked sends nothing
        values["scopes"] = [scope for scope in SCOPES if f"scope_{scope}" in form]
    return changed(before, **values)


def _whole(text: str) -> int | None:
    """A limit as people write it; nothing: no limit. Raises: BadRequest."""
    digits = "".join(text.split()).replace("'", "").replace("’", "")
    if not digits:
        return None
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 12):
        raise BadRequest("A limit is a whole number, or nothing.", code="bad_limit")
    return int(digits)
