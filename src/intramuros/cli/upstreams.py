"""`intramuros upstreams`: model servers elsewhere, inside the walls or outside, and who agreed to the latter."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.engines.orders import order
from intramuros.engines.routing import EVERYBODY, Consent
from intramuros.engines.upstream import Upstream, Waits, names
from intramuros.errors import BadRequest

if TYPE_CHECKING:
    from intramuros.app import App
    from intramuros.engines.trial import Trial

app = typer.Typer(no_args_is_help=True, help="Model servers elsewhere: vLLM, llama-server, Ollama, a cloud.")

WAITS = Waits()

Name = Annotated[str, typer.Argument(help="Name of the upstream.")]
Person = Annotated[str | None, typer.Option("--user", help="A person: e-mail address or id.")]
Key = Annotated[str | None, typer.Option("--key", help="An API key: its id.")]
Project = Annotated[str | None, typer.Option("--project", help="A project: its id.")]
Probe = Annotated[
    bool | None,
    typer.Option(
        "--probe/--no-probe",
        help="Look at it in the background: asks for its models, sends no text. Without a word: if it stands inside.",
    ),
]
Everybody = Annotated[bool, typer.Option("--everybody", help="Whoever asks.")]


@app.command("list")
@command
def list_upstreams(
    data: DataFolder = None,
    check: Annotated[bool, typer.Option("--check", help="Ask each whether it answers.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the upstreams; their keys are never shown."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("upstreams.list", by=LOCAL, via="cli"):
        found = list(intramuros.router.routing.table.upstreams.values())
        trials = asyncio.run(_try_all(found)) if check else [None] * len(found)
        told = asyncio.run(order(intramuros.pool.folder, "upstreams")) or {"probes": [], "targets": []}
    probes = {probe["upstream"]: probe for probe in told["probes"]}
    targets = {one.name: [line for line in told["targets"] if _is_of(line, one)] for one in found}
    if as_json:
        print_json(
            [
                one.to_json()
                | {"probe": probes.get(one.name), "targets": targets[one.name]}
                | ({"trial": trial.to_json()} if trial else {})
                for one, trial in zip(found, trials, strict=True)
            ]
        )
        return
    table = Table("name", "where", "address", "models", "key", "seen", *(["answers"] if check else []))
    for one, trial in zip(found, trials, strict=True):
        where = "[bold red]outside[/]" if one.is_outside else "inside"
        answers = [_in_words(trial)] if trial else []
        models = escape(", ".join(one.models))
        seen = _seen(probes.get(one.name), targets[one.name])
        table.add_row(one.name, where, escape(one.url), models, "yes" if one.key else "no", seen, *answers)
    out.print(table)
    if not probes and found:
        out.print("[dim]Seen: what a running server finds when it looks at them; none has looked.[/]")


@app.command()
@command
def add(
    name: Name,
    url: Annotated[str, typer.Argument(help="Its address: https://host/v1, or http://host:8000 inside.")],
    *,
    data: DataFolder = None,
    inside: Annotated[
        bool, typer.Option("--inside", help="It stands inside the organisation's walls: texts go there as they are.")
    ] = False,
    models: Annotated[
        str, typer.Option(help="Its models, with commas between; each can then be asked as NAME/MODEL.")
    ] = "",
    key_file: Annotated[
        Path | None, typer.Option(help="File that holds its API key; - reads it from standard input.")
    ] = None,
    context_tokens: Annotated[int, typer.Option(help="Tokens its models read; 0: not known.")] = 0,
    price_in: Annotated[float | None, typer.Option(help="Euros for a million tokens of prompts.")] = None,
    price_out: Annotated[float | None, typer.Option(help="Euros for a million tokens of answers.")] = None,
    connect_s: Annotated[float, typer.Option(help="Seconds a connection may take.")] = WAITS.connect_s,
    first_token_s: Annotated[float, typer.Option(help="Seconds until the first token.")] = WAITS.first_token_s,
    between_s: Annotated[float, typer.Option(help="Seconds between two tokens.")] = WAITS.between_s,
    whole_s: Annotated[float, typer.Option(help="Seconds a whole answer may take.")] = WAITS.whole_s,
    probe: Probe = None,
    as_json: AsJson = False,
) -> None:
    """Add an upstream. It counts as outside the walls unless you say that it stands inside."""
    described = Upstream(
        name,
        url,
        is_outside=not inside,
        models=names(models),
        key=_key(key_file),
        context_tokens=context_tokens,
        price_in=price_in,
        price_out=price_out,
        waits=Waits(connect_s, first_token_s, between_s, whole_s),
        probes=probe,
    )
    with opened(data) as intramuros, intramuros.audit.entry_sync("upstream.add", by=LOCAL, via="cli") as entry:
        added = intramuros.router.routing.add(described)
        entry.about(added.name)
    if as_json:
        print_json(added.to_json())
    else:
        out.print(f"Upstream {added.name} is added. Try it: intramuros upstreams test {added.name}", soft_wrap=True)


@app.command("set")
@command
def set_upstream(
    name: Name,
    *,
    data: DataFolder = None,
    url: Annotated[
        str | None, typer.Option(help="Another address. Another host, port or scheme needs its key again, or --no-key.")
    ] = None,
    inside: Annotated[bool | None, typer.Option("--inside/--outside", help="Where it stands.")] = None,
    models: Annotated[
        str | None, typer.Option(help="Its models, with commas between, in place of those it had.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File that holds another API key; - reads it from standard input.")
    ] = None,
    no_key: Annotated[bool, typer.Option("--no-key", help="It has no key any more.")] = False,
    context_tokens: Annotated[int | None, typer.Option(help="Tokens its models read; 0: not known.")] = None,
    price_in: Annotated[float | None, typer.Option(help="Euros for a million tokens of prompts.")] = None,
    price_out: Annotated[float | None, typer.Option(help="Euros for a million tokens of answers.")] = None,
    connect_s: Annotated[float | None, typer.Option(help="Seconds a connection may take.")] = None,
    first_token_s: Annotated[float | None, typer.Option(help="Seconds until the first token.")] = None,
    between_s: Annotated[float | None, typer.Option(help="Seconds between two tokens.")] = None,
    whole_s: Annotated[float | None, typer.Option(help="Seconds a whole answer may take.")] = None,
    probe: Probe = None,
    as_json: AsJson = False,
) -> None:
    """Describe an upstream in another way; what is not said stays as it is."""
    if no_key and key_file is not None:
        raise BadRequest("Say --key-file or --no-key, one of them.")
    waits = {"connect_s": connect_s, "first_token_s": first_token_s, "between_s": between_s, "whole_s": whole_s}
    said = {
        "url": url,
        "is_outside": None if inside is None else not inside,
        "models": None if models is None else names(models),
        "context_tokens": context_tokens,
        "price_in": price_in,
        "price_out": price_out,
        "probes": probe,
    }
    with opened(data) as intramuros, intramuros.audit.entry_sync("upstream.set", by=LOCAL, via="cli") as entry:
        routing = intramuros.router.routing
        before = routing.upstream(name)
        entry.about(before.name)
        after = replace(before, waits=replace(before.waits, **_given(waits)), key=_key(key_file), **_given(said))
        same_key, was = key_file is None and not no_key, routing.version(before)
        changed = routing.change(after, same_key=same_key, was=was)
    if as_json:
        print_json(changed.to_json())
    else:
        out.print(
            f"Upstream {changed.name} is changed. Try it: intramuros upstreams test {changed.name}", soft_wrap=True
        )


@app.command()
@command
def rename(
    name: Name,
    to: Annotated[str, typer.Argument(help="Its new name.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Give an upstream another name: routes, agreements, presets and keys that name it follow.

    Programs that ask for NAME/MODEL must ask for the new name, and so must the lines of batches that wait.
    """
    with opened(data) as intramuros, intramuros.audit.entry_sync("upstream.rename", by=LOCAL, via="cli") as entry:
        entry.about(intramuros.router.routing.upstream(name).name)
        renamed = intramuros.router.rename(name, to)
        entry.note(was=renamed.was)
        entry.about(renamed.name)
    if as_json:
        print_json(renamed.to_json())
        return
    out.print(f"Upstream {renamed.was} is {renamed.name} now. What followed:")
    out.print(f"  routes: {escape(', '.join(renamed.routes)) or 'none'}", soft_wrap=True)
    out.print(
        f"  presets: {renamed.presets}, keys: {renamed.keys}, agreements (to the same server): {renamed.consents}"
    )
    out.print(f"Programs that ask for {renamed.was}/… must ask for {renamed.name}/… from now on.", soft_wrap=True)


@app.command()
@command
def test(
    name: Name,
    data: DataFolder = None,
    ask: Annotated[str | None, typer.Option(help="Also ask this model of it for one word.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask an upstream for its models. Sends no text of yours. Ends with 1 if it does not answer."""
    from intramuros.engines.trial import try_out

    with opened(data) as intramuros, intramuros.audit.entry_sync("upstream.test", by=LOCAL, via="cli") as entry:
        upstream = intramuros.router.routing.upstream(name)
        entry.about(upstream.name)
        trial = asyncio.run(try_out(upstream, ask=ask))
    if as_json:
        print_json(trial.to_json())
    else:
        out.print(f"{name}: {_in_words(trial)}", soft_wrap=True)
        if trial.models:
            out.print("It offers: " + escape(", ".join(trial.models)), soft_wrap=True)
            if not upstream.models:
                way = f"intramuros routes set NAME {name}/{trial.models[0]}"
                out.print(f"None was named with --models, so a route is needed: {escape(way)}", soft_wrap=True)
        if trial.missing:
            out.print("[bold red]It does not offer:[/] " + escape(", ".join(trial.missing)), soft_wrap=True)
    if trial.state != "ready":
        raise typer.Exit(1)


@app.command()
@command
def remove(name: Name, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Remove an upstream with its key, and what was agreed about it."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("upstream.remove", by=LOCAL, via="cli") as entry:
        entry.about(intramuros.router.routing.upstream(name).name)
        intramuros.router.routing.remove(name)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        out.print(f"Upstream {escape(name)} is removed.")


@app.command()
@command
def agree(
    name: Name,
    *,
    data: DataFolder = None,
    user: Person = None,
    key: Key = None,
    project: Project = None,
    everybody: Everybody = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="End the agreement instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Keep a standing agreement that requests may go to an upstream outside, pseudonymised."""
    action = "consent.withdraw" if withdraw else "consent.give"
    with opened(data) as intramuros, intramuros.audit.entry_sync(action, by=LOCAL, via="cli") as entry:
        consent = _consent(intramuros, name, user=user, key=key, project=project, everybody=everybody)
        entry.about(name)
        if consent.kind in {"user", "key"}:
            entry.note(**{consent.kind: consent.subject})
        elif consent.kind == "project":
            entry.note(project_id=consent.subject)
        change = intramuros.router.routing.withdraw if withdraw else intramuros.router.routing.agree
        change(consent)
    if as_json:
        print_json(consent.to_json() | {"agreed": not withdraw})
    else:
        out.print("The agreement is ended." if withdraw else "The agreement is kept.")


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _is_of(line: dict[str, Any], upstream: Upstream) -> bool:
    return str(line["target"]).startswith(f"{upstream.name}/")


def _seen(probe: dict[str, Any] | None, targets: list[dict[str, Any]]) -> str:
    """How it is, in a few words: what the last look found, and which of its targets rest."""
    resting = [escape(line["target"]) for line in targets if line["breaker"] != "closed"]
    rest = f"; [yellow]resting: {', '.join(resting)}[/]" if resting else ""
    if probe is None:
        return "not looked at" + rest
    ago = _ago(probe["last_seen_at"])
    if probe["state"] == "ready":
        return f"[green]{ago}[/]{rest}"
    return f"[bold red]{probe['failures']} × {escape(probe['error'])}[/], {ago}{rest}"


def _ago(at: float | None) -> str:
    return "never seen" if at is None else f"{max(0, round(time.time() - at))} s ago"


def _consent(
    intramuros: App, name: str, *, user: str | None, key: str | None, project: str | None, everybody: bool
) -> Consent:
    given = [value for value in (user, key, project) if value] + ([EVERYBODY] if everybody else [])
    if len(given) != 1:
        raise BadRequest("Say whose agreement it is: one of --user, --key, --project, --everybody.")
    if user:
        return Consent(name, "user", intramuros.users.find(user).id)
    if everybody:
        return Consent(name, EVERYBODY, "")
    return Consent(name, "key", key) if key else Consent(name, "project", str(project))


def _key(file: Path | None) -> str | None:
    """Never an option itself: what stands on a command line, every process of the machine may read."""
    if file is None:
        return None
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"The key can't be read from {file}.") from error
    return text.strip()


async def _try_all(upstreams: list[Upstream]) -> list[Trial]:
    from intramuros.engines.trial import try_out

    return list(await asyncio.gather(*(try_out(one) for one in upstreams)))


def _in_words(trial: Trial) -> str:
    if trial.state == "ready":
        return f"[green]answers[/] in {trial.took_ms:.0f} ms"
    return f"[bold red]{escape(trial.detail)}[/]"
