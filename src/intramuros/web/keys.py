"""The keys of a person's programs: made, shown once, revoked; for administrators everybody's. Called by the router."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.keys import ApiKey
from intramuros.accounts.quotas import NAMES
from intramuros.accounts.rights import DEFAULT_SCOPES, SCOPES, Rights, changed
from intramuros.accounts.sessions import PROOF_S
from intramuros.errors import BadRequest, StorageError
from intramuros.storage.schema import now
from intramuros.web.problems import problem
from intramuros.web.quotas import Bar, bars, quota_of
from intramuros.web.visit import Form, Visit, redirect
from intramuros.web.words import Words

DAY_S = 24 * 3600
EXPIRIES = ("30", "90", "365", "0")
LIMITS = tuple(name for name in NAMES if name != "weight")
EVERYBODYS = "/administration/keys"


@dataclass(frozen=True, slots=True)
class Created:
    """A new key, on its way to its owner's eyes."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Line:
    """A key with what it may do, what it has used, and whose it is."""

    key: ApiKey
    state: str
    scopes: list[str]
    bars: tuple[Bar, ...]
    owner: str = ""
    project_names: tuple[str, ...] = ()


def show(visit: Visit) -> Response:
    """The keys of whoever asks."""
    _write_uses(visit)
    return _page(visit)


def create(visit: Visit, form: Form) -> Response:
    """Makes a key and shows it: in this answer and never again, so the browser is not sent on to another page."""
    days = form.get("days", "90")
    if days not in EXPIRIES:
        raise BadRequest("A key expires after 30, 90 or 365 days, or never.")
    expires = now() + int(days) * DAY_S if days != "0" else None
    try:
        rights = _rights(form, Rights(), visit.words)
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
    _write_uses(visit)
    return _everybodys(visit)


def _write_uses(visit: Visit) -> None:
    """When a key was last used is kept in memory for a while: a page must not say of one in use that it never was."""
    with suppress(StorageError):
        visit.app.identity.flush()


def limit(visit: Visit, form: Form) -> Response:
    """Gives a key other rights; they count from its next request on. Raises: NotFound."""
    key = visit.app.api_keys.get(visit.path("key"))
    visit.entry.about(key.id)
    try:
        visit.app.api_keys.limit(key.id, _rights(form, key.rights, visit.words))
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
        "can_create": now() - visit.caller.proven_at < PROOF_S,
        "lines": [_line(visit, key) for key in keys],
        "scopes": SCOPES if visit.caller.is_administrator else DEFAULT_SCOPES,
        "chosen": DEFAULT_SCOPES,
        "models": _models(visit),
        "projects": [(project.id, project.name) for project in visit.app.projects.list(visit.caller)],
        "example": f"OPENAI_BASE_URL={address}/v1\nOPENAI_API_KEY=imk_…",
        **values,
    }
    return visit.page("keys.html", section="keys", status=status, **values)


def _everybodys(visit: Visit, *, status: int = 200, **values: Any) -> Response:
    owners = {LOCAL.user_id: visit.words("keys.operator")}
    owners |= {user.id: user.name for user in visit.app.users.list()}
    lines = [_line(visit, key, owners) for key in visit.app.api_keys.list()]
    return visit.page(
        "keys_all.html",
        section="administration",
        status=status,
        lines=lines,
        scopes=SCOPES,
        models=_models(visit),
        **values,
    )


def _models(visit: Visit) -> list[tuple[str, str]]:
    return [(model.name, model.name) for model in visit.app.models.list()]


def _line(visit: Visit, key: ApiKey, owners: Mapping[str, str] | None = None) -> Line:
    used = bars(key.rights.quota, visit.app.usage.used(("key", key.id)))
    scopes = [scope for scope in SCOPES if scope in key.rights.scopes]
    names: tuple[str, ...] = ()
    if key.rights.projects is not None and owners is None:
        names = tuple(p.name for p in visit.app.projects.list(visit.caller) if p.id in key.rights.projects)
    return Line(key, key.state(now()), scopes, used, (owners or {}).get(key.user_id, ""), names)


def _rights(form: Form, before: Rights, words: Words) -> Rights:
    """The rights a form asks for; what it does not have stays. Raises: BadRequest."""
    given = [name for name in LIMITS if name in form]
    quota = quota_of(form, words, given)
    values: dict[str, Any] = {name: getattr(quota, name) for name in given}
    if "scopes" in form:  # else none was offered: a box that is not ticked sends nothing
        values["scopes"] = [scope for scope in SCOPES if f"scope_{scope}" in form]
    for what in ("models", "projects"):
        if what in form:
            chosen = [field.removeprefix(f"{what}_") for field in form if field.startswith(f"{what}_")]
            values[what] = chosen or None
    return changed(before, **values)
