"""`intramuros models ps`, `load`, `unload`, `pin`, `unpin` and `fit`: models in memory, and what would fit.

A running server is asked through its socket (`engines.orders`); without one, `pin` and `unpin` are for its next start.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json, say
from intramuros.cli.loading import load_shown
from intramuros.cli.model_facts import size
from intramuros.engines.fit import TIERS_GB, Fit, Place, fits
from intramuros.engines.options import GOOD_CONTEXT
from intramuros.engines.orders import order
from intramuros.errors import BadRequest, Conflict, NotFound
from intramuros.models.machine import Machine

if TYPE_CHECKING:
    from intramuros.app import App

Model = Annotated[str, typer.Argument(help="The installed model; 'default' is the one that answers.")]
NO_SERVER = "No server is running on this data."
START = "Start it with: intramuros serve"
TIER_NOTES = {
    8: "small models and four-bit versions of 7 to 9 billion parameters, for one or two people at once",
    16: "four-bit versions of 12 to 20 billion, or of 8 billion for a team or with long documents",
    64: "four-bit versions of 24 to 30 billion for many people at once, and of 70 billion for a few",
}
"""What each size is good for; the tables below it are counted from the catalogue."""


@command
def ps(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Show which models are loaded, what they take, and until when they stay."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("model.loaded", by=LOCAL, via="cli"):
        states = _ordered(intramuros, "states") or []
        names = {state["name"] for state in states}
        states += [one.to_json() for name, one in intramuros.pool.elsewhere().items() if name not in names]
        beside = {model.name: [part.name for part in model.parts] for model in intramuros.models.list()}
        states = [state | {"beside": beside.get(state["name"], [])} for state in states]
        budget, pinned = intramuros.pool.budget_bytes(Machine.detect()), sorted(intramuros.pool.pinned)
    used = sum(state["size_bytes"] for state in states)
    if as_json:
        print_json({"models": states, "used_bytes": used, "budget_bytes": budget, "pinned": pinned})
        return
    if not states:
        out.print("No model is loaded.")
    else:
        out.print(_loaded_table(states))
    waiting = [name for name in pinned if name not in {state["name"] for state in states}]
    if waiting:
        out.print(f"[dim]Pinned, loaded at the next start: {', '.join(waiting)}[/]")
    out.print(f"[dim]{size(used)} of {size(budget)} that models may take.[/]")


@command
def load(
    model: Model,
    *,
    data: DataFolder = None,
    keep: Annotated[
        float | None,
        typer.Option("--keep", help="Seconds it stays without a request; -1: until its place is needed."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Load a model into the running server, before somebody asks for it; a bar shows how far it is.

    With --json, how far it is comes as lines of JSON on standard error.
    """
    with opened(data) as intramuros, intramuros.audit.entry_sync("model.load", by=LOCAL, object=model, via="cli"):
        name = intramuros.models.get(model).name
        with load_shown(name, as_json=as_json) as report:
            state = _asked(intramuros, "load", model=name, keep_alive_s=keep, report=report)
    say(state, f"{state['name']} is loaded: {size(state['size_bytes'])}.", as_json=as_json)


@command
def unload(
    model: Model,
    *,
    data: DataFolder = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait while it is in use.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Unload a model; refused while it is in use or pinned."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("model.unload", by=LOCAL, object=model, via="cli"):
        name = intramuros.models.get(model).name
        was_loaded = _asked(intramuros, "unload", model=name, wait_s=wait)
    said = f"{name} is unloaded." if was_loaded else f"{name} was not loaded."
    say({"name": name, "unloaded": was_loaded}, said, as_json=as_json)


@command
def pin(model: Model, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Keep a model loaded: at once if a server runs, and from every start on."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("model.pin", by=LOCAL, object=model, via="cli"):
        name = intramuros.models.get(model).name
        with load_shown(name, as_json=as_json) as report:
            state = _ordered(intramuros, "pin", model=name, report=report)
        if state is None:
            intramuros.pool.note_pin(name, is_pinned=True)
    said = "is pinned and loaded" if state else "is pinned: the server loads it when it starts"
    say({"name": name, "pinned": True, "loaded": state is not None}, f"{name} {said}.", as_json=as_json)


@command
def unpin(model: Model, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Let a model be unloaded again when it is idle or another needs its place."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("model.unpin", by=LOCAL, object=model, via="cli"):
        name = intramuros.models.get(model).name
        if _ordered(intramuros, "unpin", model=name) is None:
            intramuros.pool.note_pin(name, is_pinned=False)
    say({"name": name, "pinned": False}, f"{name} is not pinned.", as_json=as_json)


@command
def fit(
    *,
    data: DataFolder = None,
    vram: Annotated[
        float | None, typer.Option(min=1, help="Gigabytes of a graphics processor, such as 8, 16 or 64.")
    ] = None,
    ram: Annotated[float | None, typer.Option(min=1, help="Gigabytes of a machine without one.")] = None,
    users: Annotated[int, typer.Option(help="Answers written at the same moment.", min=1, max=64)] = 1,
    context: Annotated[int, typer.Option(help="Tokens of one conversation.", min=256)] = GOOD_CONTEXT,
    tiers: Annotated[bool, typer.Option("--tiers", help="The usual sizes, with the best models for each.")] = False,
    as_json: AsJson = False,
) -> None:
    """What can run here, or on another machine: which models, for how many people, at what context."""
    if (vram is not None) + (ram is not None) + tiers > 1:
        raise BadRequest("Say --vram, --ram or --tiers, one of them.")
    with opened(data) as intramuros:
        here = Place.of(machine := Machine.detect(), intramuros.pool.budget_bytes(machine))
        places = {gb: Place.with_vram(gb) for gb in TIERS_GB} if tiers else {}
        place = Place.with_vram(vram) if vram else Place.with_ram(ram) if ram else here
        asked_for = partial(
            fits, intramuros.catalogue, users=users, context_tokens=context, installed=intramuros.models.list()
        )
        found, rows = {gb: asked_for(one) for gb, one in places.items()}, asked_for(place)
    if as_json:
        asked = {"memory_bytes": place.memory_bytes, "on_gpu": place.on_gpu, "users": users, "context_tokens": context}
        if tiers:
            print_json({str(gb): [row.to_json() for row in one if row.fits] for gb, one in found.items()})
        else:
            print_json(asked | {"models": [row.to_json() for row in rows]})
        return
    for gb, one in found.items():
        out.print(f"[bold]{gb} GB of graphics memory[/]: {TIER_NOTES[gb]}.")
        out.print(_fit_table([row for row in one if row.fits][:3], users=users, context=context))
    if not tiers:
        out.print(_fit_table(rows, users=users, context=context))
        kind = "graphics memory" if place.on_gpu else "memory"
        out.print(f"[dim]{size(place.memory_bytes)} of {kind} for models.[/]")
    out.print(
        "[dim]People: answers written at the same moment; who asks then waits for a turn. Context: the longest for "
        f"{users} at once. Counted from the catalogue, with the adapters and projectors "
        "that are installed; a token is about three quarters of a word.[/]"
    )


def release(intramuros: App, name: str) -> None:
    """Has a model end before it is deleted. Raises: Conflict if it is in use or pinned."""
    if name in intramuros.pool.pinned:
        raise Conflict(f"{name} is pinned.", hint=f"Release it first: intramuros models unpin {name}")
    _ordered(intramuros, "unload", model=name)
    if name in intramuros.pool.elsewhere():
        raise Conflict(f"{name} is in use by another command.", hint="Try again when it is done.")


def _asked(intramuros: App, do: str, **more: Any) -> Any:
    done = _ordered(intramuros, do, **more)
    if done is None:
        raise NotFound(NO_SERVER, hint=START)
    return done


def _ordered(intramuros: App, do: str, **more: Any) -> Any:
    return asyncio.run(order(intramuros.pool.folder, do, **more))


def _loaded_table(states: list[dict[str, Any]]) -> Table:
    table = Table()
    for heading in ("name", "with", "state", "memory", "context", "people", "stays"):
        table.add_column(heading, no_wrap=True)
    for state in states:
        until = state["expires_s"]
        stays = (
            "pinned"
            if state["pinned"]
            else "in use"
            if state["users"]
            else "until needed elsewhere"
            if until is None
            else f"{max(0, round((until - time.time()) / 60))} min"
        )
        memory = size(state["size_bytes"]) + ("" if state["measured"] else " (predicted)")
        context = str(state["context_tokens"] or "")
        table.add_row(
            state["name"],
            escape(", ".join(state["beside"])),
            _state(state),
            memory,
            context,
            str(state["slots"] or ""),
            stays,
        )
    return table


def _state(state: dict[str, Any]) -> str:
    """How it is; of one that loads, how much of what it does now is done, where that is known."""
    share = (state.get("progress") or {}).get("share")
    return state["state"] if share is None else f"{state['state']} {share:.0%}"


def _fit_table(rows: list[Fit], *, users: int, context: int) -> Table:
    table = Table()
    table.add_column("name", no_wrap=True)  # whole on any terminal, to be copied
    for heading in ("trusted with", f"memory for {users}", f"people at {context}", "longest context"):
        table.add_column(heading)
    for row in rows:
        people = "64 or more" if row.users >= 64 else str(row.users) if row.users else "-"
        cells = [row.model.name, row.model.trust, size(row.memory_bytes), people, str(row.context_tokens or "-")]
        table.add_row(*cells, style=None if row.fits else "dim")
    return table
