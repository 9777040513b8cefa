"""The keys of a person's programs: made, shown once, revoked. Called by the router."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from intramuros.errors import BadRequest
from intramuros.storage.schema import now
from intramuros.web.problems import problem
from intramuros.web.visit import Form, Visit, redirect

DAY_S = 24 * 3600
EXPIRIES = ("30", "90", "365", "0")


@dataclass(frozen=True, slots=True)
class Created:
    """A new key, on its way to its owner's eyes."""

    name: str
    key: str


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
        key, record = visit.app.api_keys.create(form.get("name", ""), user_id=visit.caller.user_id, expires=expires)
    except BadRequest as error:
        return _page(visit, status=error.status, problem=problem(error, visit.words))
    visit.entry.about(record.id)
    return _page(visit, created=Created(record.name, key))


def revoke(visit: Visit, form: Form) -> Response:
    """Ends one of the person's own keys. Raises: NotFound for anybody else's."""
    visit.entry.about(visit.path("key"))
    visit.app.api_keys.revoke(visit.path("key"), user_id=visit.caller.user_id)
    return redirect("/keys")


def _page(visit: Visit, *, status: int = 200, **values: Any) -> Response:
    address = f"{visit.request.url.scheme}://{visit.request.headers.get('host', '')}"
    values = {
        "created": None,
        "keys": visit.app.api_keys.list(visit.caller.user_id),
        "now": now(),
        "example": f"OPENAI_BASE_URL={address}/v1\nOPENAI_API_KEY=imk_…",
        **values,
    }
    return visit.page("keys.html", section="keys", status=status, **values)
