"""The presets of whoever looks and those for everyone: made, changed, tried. Called by the router."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from intramuros.errors import BadRequest, Conflict, IntramurosError, NotAllowed, NotFound
from intramuros.models import sampling
from intramuros.models.presets import Preset, Wanted
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Form, Visit, read_form, redirect

FIELDS = ("temperature", "top_p", "top_k", "repeat_penalty", "seed", "max_tokens")
"""The parameters that the page has fields for; others stay as they are."""
TRIED_TOKENS = 300
LONGEST_QUESTION = 10_000


@dataclass(frozen=True, slots=True)
class Tried:
    """A question to a preset, and what it said."""

    question: str
    answer: str
    seconds: float


def show(
    visit: Visit, *, said: Problem | None = None, status: int = 200, typed: Mapping[str, str] | None = None
) -> Response:
    """All presets that this person may use, and a form for a new one."""
    return visit.page(
        "presets.html",
        section="models",
        status=status,
        problem=said,
        presets=visit.app.presets.list(by=visit.caller),
        **_form(visit, typed or {}),
    )


def create(visit: Visit, form: Form) -> Response:
    """Makes one."""
    try:
        preset = visit.app.presets.create(
            Wanted(**_wanted(form)), by=visit.caller, for_everyone=form.get("everyone") == "yes"
        )
    except (BadRequest, Conflict, NotAllowed, NotFound) as error:
        visit.entry.note(error=error.code)
        return show(visit, said=_problem(visit, error), status=error.status, typed=form)
    visit.entry.about(preset.id)
    return redirect(f"/presets/{preset.id}")


def edit(visit: Visit) -> Response:
    """One preset, with a field to try it."""
    return _page(visit, _preset(visit))


def change(visit: Visit, form: Form) -> Response:
    """Changes it to what the form says; what the form has no field for stays."""
    preset = _preset(visit)

    def changed() -> object:
        kept = {name: value for name, value in preset.parameters.items() if name not in (*FIELDS, sampling.STOP)}
        wanted = _wanted(form)
        return visit.app.presets.change(
            preset.id, by=visit.caller, **wanted | {"parameters": kept | wanted["parameters"]}
        )

    return _done(visit, preset, changed, f"/presets/{preset.id}", typed=form)


def remove(visit: Visit, form: Form) -> Response:
    """Removes it; its model stays."""
    preset = _preset(visit)
    return _done(visit, preset, lambda: visit.app.presets.remove(preset.id, by=visit.caller), "/presets")


async def attempt(visit: Visit) -> Response:
    """Asks it one question and shows what it says."""
    form = await read_form(visit.request)
    visit.check_token(form.get("csrf"))
    preset = await run_in_threadpool(_preset, visit)
    question = form.get("question", "").strip()[:LONGEST_QUESTION]
    asked = {
        "model": preset.name,
        "messages": [{"role": "user", "content": question or "?"}],
        "max_tokens": min(preset.parameters.get("max_tokens", TRIED_TOKENS), TRIED_TOKENS),
    }
    started = time.monotonic()
    try:
        reply = await visit.app.complete.run(asked, by=visit.caller, entry=visit.entry)
    except IntramurosError as error:
        said = problem(error, visit.words)
        visit.entry.note(error=error.code)
        return await run_in_threadpool(_page, visit, preset, said=said, status=error.status, question=question)
    tried = Tried(question, _text(reply), time.monotonic() - started)
    return await run_in_threadpool(_page, visit, preset, tried=tried)


def _page(
    visit: Visit,
    preset: Preset,
    *,
    said: Problem | None = None,
    status: int = 200,
    typed: Mapping[str, str] | None = None,
    tried: Tried | None = None,
    question: str = "",
) -> Response:
    values = {"name": preset.name, "model": preset.model, "system": preset.system}
    values |= {name: str(value) for name, value in preset.parameters.items() if name in FIELDS}
    values["stop"] = "\n".join(preset.parameters.get(sampling.STOP, ()))
    return visit.page(
        "preset.html",
        section="models",
        status=status,
        problem=said,
        preset=preset,
        may_change=not preset.is_everyones or visit.caller.is_administrator,
        tried=tried,
        question=tried.question if tried else question,
        **_form(visit, values if typed is None else typed),
    )


def _form(visit: Visit, values: Mapping[str, str]) -> dict[str, Any]:
    models = [model.name for model in visit.app.models.list() if model.is_chat]
    return {"values": values, "fields": FIELDS, "models": ["default", *models]}


def _wanted(form: Form) -> dict[str, Any]:
    """The fields of a preset as a form has them. Raises: BadRequest."""
    parameters = {
        name: sampling.read(form[name].replace(",", "."), name) for name in FIELDS if form.get(name, "").strip()
    }
    if stops := [line for line in form.get("stop", "").replace("\r", "").split("\n") if line]:
        parameters[sampling.STOP] = stops
    return {
        "name": form.get("name", "").strip(),
        "model": form.get("model") or "default",
        "system": form.get("system", "").replace("\r\n", "\n").strip(),
        "parameters": parameters,
    }


def _preset(visit: Visit) -> Preset:
    preset = visit.app.presets.get(visit.path("preset"), by=visit.caller)
    visit.entry.about(preset.id)
    return preset


def _done(
    visit: Visit, preset: Preset, act: Callable[[], object], then: str, *, typed: Mapping[str, str] | None = None
) -> Response:
    try:
        act()
    except (BadRequest, Conflict, NotAllowed, NotFound) as error:
        visit.entry.note(error=error.code)
        return _page(visit, preset, said=_problem(visit, error), status=error.status, typed=typed)
    return redirect(then)


def _problem(visit: Visit, error: IntramurosError) -> Problem:
    """In the words of the field that is wrong, where one is."""
    shown, field = problem(error, visit.words), error.details.get("param")
    return (
        replace(shown, message=visit.words.or_else(f"presets.bad.{field}", shown.message), hint="") if field else shown
    )


def _text(reply: Mapping[str, Any]) -> str:
    return str(reply["choices"][0]["message"].get("content") or "")
