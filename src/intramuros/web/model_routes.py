"""Routes, which say what answers under a model's name: one of them as a page, set, changed and removed.

Called by the router; the page of upstreams lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from intramuros.engines.route import Route
from intramuros.errors import BadRequest, Conflict, IntramurosError, NotFound
from intramuros.web import upstreams
from intramuros.web.problems import Problem, problem
from intramuros.web.upstream_form import differing, number, written
from intramuros.web.visit import Form, Visit, read_form, redirect
from intramuros.web.words import Words

PATH = "/administration/routes"
LISTS = ("targets", "fallbacks", "overflows")
MOST_NAMED = 20


def path_of(name: str) -> str:
    """Where one is changed: a name may have slashes."""
    return f"{PATH}?{urlencode({'name': name})}"


def show(visit: Visit) -> Response:
    """One route, to be changed. Raises: NotFound."""
    name = visit.request.query_params.get("name", "")
    return _one(visit, visit.app.router.routing.route(name)) if name else redirect(upstreams.PATH)


async def set_route(visit: Visit) -> Response:
    """Sets a new route, or changes one unless somebody else did so meanwhile; upstreams may be asked what they list."""
    form = await read_form(visit.request)
    visit.check_token(form.get("csrf"))
    try:
        route = _read(form, visit.words)
        visit.entry.about(route.name)
        await visit.app.router.set_route(route, was=form.get("was", ""))
    except (BadRequest, Conflict) as error:
        visit.entry.note(error=error.code)
        return await run_in_threadpool(_refused, visit, error, form)
    return redirect(f"{upstreams.PATH}#routes")


def rename(visit: Visit, form: Form) -> Response:
    """Gives one another name, with what names it, unless somebody else changed it meanwhile. Raises: NotFound."""
    name, to = form.get("name", ""), form.get("to", "").strip()
    router = visit.app.router
    visit.entry.about(router.routing.route(name).name)
    try:
        renamed = router.rename_route(name, to, was=form.get("was", ""))
    except (BadRequest, Conflict) as error:
        visit.entry.note(error=error.code)
        return _one(visit, router.routing.route(name), said=error, to=to)
    visit.entry.note(was=renamed.was)
    visit.entry.about(renamed.name)
    return redirect(f"{path_of(renamed.name)}&done=renamed")


def remove(visit: Visit, form: Form) -> Response:
    """Removes a route."""
    try:
        route = visit.app.router.routing.route(form.get("name", ""))
        visit.entry.about(route.name)
        visit.app.router.routing.remove_route(route.name)
    except NotFound as error:
        visit.entry.note(error=error.code)
        return upstreams.page(visit, said=error)
    return redirect(f"{upstreams.PATH}#routes")


def _read(form: Form, words: Words) -> Route:
    """The route that a form describes. Raises: BadRequest."""
    typed = form.get("shadow_share", "").rstrip("%\u00a0\u202f ")
    share = number(typed, words, param="shadow_share", code="bad_route") or 0.0
    return Route.of(
        {
            "name": form.get("name", "").strip(),
            **{part: form.get(part, "").split() for part in LISTS},
            "shadow": form.get("shadow", "").strip() or None,
            "shadow_share": share / 100,
        }
    )


def _values(route: Route, words: Words) -> dict[str, str]:
    """What the fields show of a route."""
    stored: Mapping[str, Any] = route.to_json()
    return {part: "\n".join(stored[part]) for part in LISTS} | {
        "name": route.name,
        "shadow": route.shadow.name if route.shadow else "",
        "shadow_share": written(100 * route.shadow_share, words) if route.shadow else "",
    }


def _refused(visit: Visit, error: IntramurosError, form: Form) -> Response:
    """The form again as it was typed, with what is kept now where somebody else changed it."""
    typed = {name: text for name, text in form.items() if name != "csrf"}
    try:
        present = visit.app.router.routing.route(typed.get("name", "").strip()) if typed.get("was") else None
    except NotFound:
        present = None
    if present is None:
        return upstreams.page(visit, said=error, shown=_problem(visit, error), route=typed)
    is_other = error.code == "changed_meanwhile"
    return _one(visit, present, said=error, typed=typed, is_other=is_other)


def _one(
    visit: Visit,
    route: Route,
    *,
    said: IntramurosError | None = None,
    typed: Mapping[str, str] | None = None,
    is_other: bool = False,
    to: str = "",
) -> Response:
    present = _values(route, visit.words)
    keeps = typed is not None and not is_other
    return visit.page(
        "route.html",
        section="administration",
        status=said.status if said else 200,
        problem=_problem(visit, said) if said else None,
        route=route,
        plan=present if typed is None else typed,
        was=typed["was"] if typed is not None and keeps else visit.app.router.routing.version(route),
        others=differing(typed, present, visit.words) if typed is not None and is_other else [],
        targets=upstreams.targets(visit),
        done="" if said else visit.request.query_params.get("done"),
        to=to,
        instead=upstreams.instead(visit, route.name),
        compared=visit.app.router.comparisons.summary(route.name) if route.is_compared else [],
    )


def _problem(visit: Visit, said: IntramurosError) -> Problem:
    shown = problem(said, visit.words)
    if said.code == "name_in_use":
        return upstreams.name_in_use(visit, said)
    if isinstance(listed := said.details.get("listed"), list):
        return replace(shown, hint=visit.words("upstreams.lists", names=", ".join(listed[:MOST_NAMED])))
    return shown
