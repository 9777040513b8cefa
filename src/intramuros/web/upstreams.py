"""Other model servers as pages: which there are, how they are, who agreed to those outside; one of them to be changed.

Called by the router. A key goes in and is never shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from intramuros.engines.routing import EVERYBODY, Consent, Table
from intramuros.engines.trial import Trial, try_out
from intramuros.engines.upstream import Upstream
from intramuros.errors import BadRequest, Conflict, IntramurosError, NotFound
from intramuros.web import upstream_form
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Form, Visit, read_form, redirect

PATH = "/administration/upstreams"
ONE = PATH + "/{upstream}"


def show(visit: Visit) -> Response:
    """The upstreams and the routes."""
    return page(visit)


def show_one(visit: Visit) -> Response:
    """One upstream, to be changed. Raises: NotFound."""
    return _one(visit, visit.app.router.routing.upstream(visit.path("upstream")))


def add(visit: Visit, form: Form) -> Response:
    """Adds an upstream; its key is not shown again, not even where something else is wrong."""

    def change() -> None:
        upstream = upstream_form.read(form, name=form.get("name", "").strip(), words=visit.words)
        visit.entry.about(visit.app.router.routing.add(upstream).name)

    return _changed(visit, change, typed=upstream_form.typed(form))


async def change(visit: Visit) -> Response:
    """Describes one in another way, unless somebody else did so meanwhile; `then=test` tries it. Raises: NotFound."""
    form = await read_form(visit.request)
    visit.check_token(form.get("csrf"))
    routing = visit.app.router.routing
    before = await run_in_threadpool(routing.upstream, visit.path("upstream"))
    visit.entry.about(before.name)

    def changed() -> Upstream:
        after = upstream_form.read(form, name=before.name, words=visit.words)
        same_key = after.key is None and form.get("no_key") != "yes"
        return routing.change(after, same_key=same_key, was=form.get("was", ""))

    try:
        after = await run_in_threadpool(changed)
    except (BadRequest, Conflict, NotFound) as error:
        visit.entry.note(error=error.code)
        return await run_in_threadpool(_refused, visit, error, upstream_form.typed(form))
    if form.get("then") != "test":
        return redirect(f"{PATH}#upstream-{after.name}")
    return redirect(f"{PATH}/{after.name}?done=saved&tried={await _try_out(visit, after)}")


async def test(visit: Visit) -> Response:
    """Asks an upstream for its models. Raises: NotFound."""
    visit.check_token((await read_form(visit.request)).get("csrf"))
    upstream = await run_in_threadpool(visit.app.router.routing.upstream, visit.path("upstream"))
    visit.entry.about(upstream.name)
    return redirect(f"{PATH}?tried={await _try_out(visit, upstream)}")


def rename(visit: Visit, form: Form) -> Response:
    """Gives one another name, with everything that names it, unless somebody else changed it meanwhile."""
    name, to = visit.path("upstream"), form.get("to", "").strip()
    router = visit.app.router
    visit.entry.about(router.routing.upstream(name).name)
    try:
        renamed = router.rename(name, to, was=form.get("was", ""))
    except (BadRequest, Conflict) as error:
        visit.entry.note(error=error.code)
        return _one(visit, router.routing.upstream(name), said=error, to=to)
    visit.entry.note(was=renamed.was)
    visit.entry.about(renamed.name)
    return redirect(f"{PATH}/{renamed.name}?done=renamed")


def remove(visit: Visit, form: Form) -> Response:
    """Removes an upstream with its key."""

    def change() -> None:
        visit.entry.about(visit.app.router.routing.upstream(visit.path("upstream")).name)
        visit.app.router.routing.remove(visit.path("upstream"))

    return _changed(visit, change)


def agree(visit: Visit, form: Form) -> Response:
    """Keeps a person's standing consent, or everybody's, to the upstream as the page showed it."""

    def change() -> None:
        person = form.get("person", "").strip()
        upstream = visit.path("upstream")
        consent = Consent(upstream, EVERYBODY, "")
        if person:
            user = visit.app.users.find(person)
            visit.entry.note(user=user.id)
            consent = Consent(upstream, "user", user.id)
        elif form.get("everybody") != "yes":
            raise BadRequest("Say whose consent it is.", code="bad_consent")
        visit.app.router.routing.agree(consent, was=form.get("was"))
        visit.entry.about(upstream)

    return _changed(visit, change)


def withdraw(visit: Visit, form: Form) -> Response:
    """Ends a standing consent."""

    def change() -> None:
        upstream = visit.path("upstream")
        visit.app.router.routing.withdraw(Consent(upstream, form.get("kind", ""), form.get("subject", "")))
        visit.entry.about(upstream)

    return _changed(visit, change)


def page(
    visit: Visit,
    *,
    said: IntramurosError | None = None,
    shown: Problem | None = None,
    typed: Mapping[str, str] | None = None,
    route: Mapping[str, str] | None = None,
) -> Response:
    """The whole page; `said` is what went wrong, `typed` and `route` what stands in the forms for new ones."""
    router = visit.app.router
    table = router.routing.table
    routes = router.routing.routes()
    versions = {name: router.routing.version(one) for name, one in table.upstreams.items()}
    return visit.page(
        "upstreams.html",
        section="administration",
        status=said.status if said else 200,
        problem=shown or (_problem(visit, said) if said else None),
        tried=_tried(visit, versions),
        upstreams=list(table.upstreams.values()),
        using={name: router.routing.routes_over(name) for name in table.upstreams},
        versions=versions,
        consents=_consents(visit, table),
        routes=routes,
        answers_instead={route.name: name for route in routes if (name := instead(visit, route.name))},
        states={state["target"]: state for state in router.states()},
        seen=router.probes.seen,
        why=lambda code: visit.words.or_else(f"upstreams.why.{code}", code),
        may_ask=router.probes.may_ask,
        lets_outside=router.lets_outside,
        targets=targets(visit),
        values=typed or {},
        plan=route or {},
        waits=upstream_form.WAITS,
    )


def targets(visit: Visit) -> list[str]:
    """What a route may name: the models that answer here, and those that upstreams are described with."""
    table = visit.app.router.routing.table
    own = [f"local/{model.name}" for model in visit.app.models.list()]
    return [*own, *(f"{one.name}/{model}" for one in table.upstreams.values() for model in one.models)]


def _refused(visit: Visit, error: IntramurosError, typed: Mapping[str, str]) -> Response:
    """The form again as it was typed, with what is kept now where somebody else changed it."""
    try:
        present = visit.app.router.routing.upstream(visit.path("upstream"))
    except NotFound:
        return page(visit, said=error)
    is_other = error.code == "changed_meanwhile"
    was = None if is_other else typed.get("was")
    return _one(visit, present, said=error, typed=typed, was=was, is_other=is_other)


def _one(
    visit: Visit,
    upstream: Upstream,
    *,
    said: IntramurosError | None = None,
    typed: Mapping[str, str] | None = None,
    was: str | None = None,
    is_other: bool = False,
    to: str = "",
) -> Response:
    routing = visit.app.router.routing
    version = routing.version(upstream)
    present = upstream_form.values_of(upstream, visit.words)
    return visit.page(
        "upstream.html",
        section="administration",
        status=said.status if said else 200,
        problem=_problem(visit, said) if said else None,
        upstream=upstream,
        values=present if typed is None else typed,
        was=version if was is None else was,
        others=upstream_form.differing(typed, present, visit.words) if typed is not None and is_other else [],
        using=routing.routes_over(upstream.name),
        has_consents=any(consent.upstream == upstream.name for consent in routing.table.consents),
        tried=_tried(visit, {upstream.name: version}),
        done="" if said else visit.request.query_params.get("done"),
        to=to,
        waits=upstream_form.WAITS,
    )


def _changed(visit: Visit, change: Callable[[], None], *, typed: Mapping[str, str] | None = None) -> Response:
    """Does it and shows the page anew, or says on it why not."""
    try:
        change()
    except (BadRequest, Conflict, NotFound) as error:
        visit.entry.note(error=error.code)
        return page(visit, said=error, typed=typed)
    return redirect(PATH)


def _problem(visit: Visit, said: IntramurosError) -> Problem:
    """In the words of the field that is wrong, where one is."""
    shown = problem(said, visit.words)
    about: Any = said.details.get("param") if said.code == "bad_upstream" else None
    routes: Any = said.details.get("routes")
    if said.code == "name_in_use":
        return name_in_use(visit, said)
    if about:
        return Problem(shown.code, visit.words.or_else(f"upstreams.bad.{about}", shown.message))
    if routes:
        return Problem(
            shown.code, visit.words("upstreams.in_use"), visit.words("upstreams.used_by", names=", ".join(routes))
        )
    return shown


def name_in_use(visit: Visit, said: IntramurosError) -> Problem:
    """What has a name that was to be given."""
    name, by = str(said.details["name"]), said.details["taken_by"]
    return Problem(said.code, visit.words(f"upstreams.taken.{by}", name=name), visit.words("upstreams.taken_do"))


async def _try_out(visit: Visit, upstream: Upstream) -> str:
    """Tries it, and keeps how that went for the page that comes next: the id there."""
    trial = await try_out(upstream)
    router = visit.app.router
    return router.trials.keep(trial, of=upstream.name, version=router.routing.version(upstream))


def _tried(visit: Visit, versions: Mapping[str, str]) -> tuple[str, Trial, str] | None:
    """How the trial went that sent the browser here: of which upstream, and in plain words why it did not answer."""
    found = visit.app.router.trials.find(visit.request.query_params.get("tried", ""), versions=versions)
    if found is None:
        return None
    name, trial = found
    return name, trial, visit.words.or_else(f"upstreams.why.{trial.code}", "") if trial.code else ""


def instead(visit: Visit, name: str) -> str:
    """The model of this machine that would answer under a route's name if there were no route."""
    return next((model.name for model in visit.app.models.list() if model.name == name), "")


def _consents(visit: Visit, table: Table) -> dict[str, list[tuple[Consent, str]]]:
    """By upstream, each with the name of whose it is; of keys and projects the id."""
    people = {user.id: user.email for user in visit.app.users.list()} if table.consents else {}
    found: dict[str, list[tuple[Consent, str]]] = {}
    for consent in sorted(table.consents, key=lambda one: (one.kind, one.subject)):
        found.setdefault(consent.upstream, []).append((consent, people.get(consent.subject, consent.subject)))
    return found
