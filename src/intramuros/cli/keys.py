"""`intramuros keys`: API keys for programs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.keys import ApiKey
from intramuros.accounts.rights import DEFAULT_SCOPES, SCOPES, Quota, Rights, changed
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from intramuros.accounts.usage import Used
    from intramuros.app import App
    from intramuros.settings import Settings

app = typer.Typer(no_args_is_help=True, help="API keys for programs: make, list, limit and revoke them.")

DAY_S = 86_400

KeyId = Annotated[str, typer.Argument(help="The key's id, from: intramuros keys list")]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", help=f"What it may call: {', '.join(SCOPES)}. Repeatable; else {', '.join(DEFAULT_SCOPES)}."
    ),
]
PerMinute = Annotated[int | None, typer.Option("--requests-per-minute", min=0, help="Requests a minute; 0: no limit.")]
PerDay = Annotated[
    int | None, typer.Option("--tokens-per-day", min=0, help="Tokens of prompts and answers a day (UTC); 0: no limit.")
]
PerMonth = Annotated[int | None, typer.Option("--tokens-per-month", min=0, help="The same a month; 0: no limit.")]
Models = Annotated[
    list[str] | None, typer.Option("--model", help="The only models it may use. Repeatable; 'any': all again.")
]
Projects = Annotated[
    list[str] | None, typer.Option("--project", help="The only projects it may open. Repeatable; 'any': all again.")
]


@app.command()
@command
def create(  # noqa: PLR0917
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    data: DataFolder = None,
    user: Annotated[
        str | None, typer.Option(help="E-mail of the person the key acts for; else the local operator.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Days after which it stops working; else never.")] = None,
    scope: Scopes = None,
    requests_per_minute: PerMinute = None,
    tokens_per_day: PerDay = None,
    tokens_per_month: PerMonth = None,
    model: Models = None,
    project: Projects = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once and stored only as a hash."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("key.create", by=LOCAL, via="cli") as entry:
        owner = _owner(intramuros.users.by_email(user) if user else None, user)
        limits = _limits(requests_per_minute, tokens_per_day, tokens_per_month)
        rights = _changed(intramuros, Rights(), limits, scope=scope, model=model, project=project)
        expires = time.time() + days * DAY_S if days is not None else None
        key, record = intramuros.api_keys.create(name, owner, expires=expires, rights=rights)
        entry.note(key=record.id)
    if as_json:
        print_json({"key": key, **_object(record)})
    else:
        out.print(key)
        out.print("[dim]This key is shown once. Use it as the API key of any OpenAI client.[/]")
        if "search" in record.rights.scopes:
            out.print(f"[dim]{_for_hosts(intramuros.settings, record.id)}[/]", soft_wrap=True)


def _for_hosts(settings: Settings, key: str) -> str:
    """What an MCP host with this key gets, whose model may be outside."""
    inside = f"If its model runs inside your walls: INTRAMUROS_MCP_INSIDE_KEYS={key}"
    if settings.mcp_hosts == "inside" or key in settings.mcp_inside:
        return "An MCP host with this key gets documents as they are, and gives them to its model."
    given = "gets nothing" if settings.mcp_hosts == "refused" else "gets documents pseudonymised"
    return f"An MCP host with this key {given}: its model may be outside. {inside}"


@app.command("list")
@command
def list_keys(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List the keys of everybody, without the keys themselves."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("key.list", by=LOCAL, via="cli"):
        records = intramuros.api_keys.list()
        owners = _owners(intramuros)
    if as_json:
        print_json([_object(record, owner=owners.get(record.user_id)) for record in records])
        return
    table = Table(Column("id", no_wrap=True), "name", "of", "ends in", "scopes", "last used", "state")
    for record in records:
        table.add_row(
            record.id,
            record.name,
            owners.get(record.user_id, ""),
            f"…{record.hint}",
            " ".join(_sorted(record.rights.scopes)),
            _day(record.last_used_at, "never"),
            record.state(time.time()),
        )
    out.print(table)


@app.command()
@command
def show(key_id: KeyId, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Show what a key may do, and what it has used of it."""
    with opened(data) as intramuros, _about(intramuros, "key.show", key_id):
        record = intramuros.api_keys.get(key_id)
        used = intramuros.usage.used(("key", key_id))
        owner = _owners(intramuros).get(record.user_id)
    _print(record, as_json=as_json, owner=owner, used=used)


@app.command()
@command
def limit(  # noqa: PLR0917
    key_id: KeyId,
    data: DataFolder = None,
    scope: Scopes = None,
    requests_per_minute: PerMinute = None,
    tokens_per_day: PerDay = None,
    tokens_per_month: PerMonth = None,
    model: Models = None,
    project: Projects = None,
    as_json: AsJson = False,
) -> None:
    """Change what a key may do and how much; what is not named stays. It counts at once, in a running server too."""
    limits = _limits(requests_per_minute, tokens_per_day, tokens_per_month)
    if not limits and scope is None and model is None and project is None:
        raise BadRequest("Nothing to change.", hint="Name a limit, such as --tokens-per-day 100000")
    with opened(data) as intramuros, _about(intramuros, "key.limit", key_id):
        rights = intramuros.api_keys.get(key_id).rights
        rights = _changed(intramuros, rights, limits, scope=scope, model=model, project=project)
        record = intramuros.api_keys.limit(key_id, rights)
        used = intramuros.usage.used(("key", key_id))
        owner = _owners(intramuros).get(record.user_id)
    _print(record, as_json=as_json, owner=owner, used=used)


@app.command()
@command
def revoke(key_id: KeyId, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Stop a key from working, at once."""
    with opened(data) as intramuros, _about(intramuros, "key.revoke", key_id):
        intramuros.api_keys.revoke(key_id)
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        out.print(f"Key {key_id} no longer works.")


@contextmanager
def _about(intramuros: App, action: str, key_id: str) -> Iterator[None]:
    """A record about a key; what can't be a key's id is not in it."""
    is_id = len(key_id) == 16 and key_id.replace("-", "").replace("_", "").isalnum() and key_id.isascii()
    with intramuros.audit.entry_sync(action, by=LOCAL, object=key_id if is_id else None, via="cli"):
        yield


def _limits(
    requests_per_minute: int | None, tokens_per_day: int | None, tokens_per_month: int | None
) -> dict[str, int | None]:
    """Those that were named; 0 takes a limit away."""
    named = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_day": tokens_per_day,
        "tokens_per_month": tokens_per_month,
    }
    return {name: value or None for name, value in named.items() if value is not None}


def _changed(
    intramuros: App,
    rights: Rights,
    limits: dict[str, int | None],
    *,
    scope: list[str] | None,
    model: list[str] | None,
    project: list[str] | None,
) -> Rights:
    """The rights with what the command line named. Raises: BadRequest, ModelNotFound, NotFound."""
    values: dict[str, Any] = dict(limits)
    if scope is not None:
        values["scopes"] = scope
    if model is not None:
        values["models"] = None if model == ["any"] else [intramuros.models.get(name).name for name in model]
    if project is not None:
        every = project == ["any"]
        values["projects"] = None if every else [intramuros.projects.get(name, by=LOCAL).id for name in project]
    return changed(rights, **values)


def _print(record: ApiKey, *, as_json: bool, owner: str | None, used: Used) -> None:
    if as_json:
        print_json(_object(record, owner=owner, used=used))
        return
    quota = record.rights.quota
    table = Table(show_header=False, box=None)
    for name, value in (
        ("id", record.id),
        ("name", record.name),
        ("of", owner or ""),
        ("ends in", f"…{record.hint}"),
        ("state", record.state(time.time())),
        ("made", _day(record.created_at)),
        ("expires", _day(record.expires_at, "never")),
        ("last used", _day(record.last_used_at, "never")),
        ("scopes", " ".join(_sorted(record.rights.scopes))),
        ("models", _named(record.rights.models)),
        ("projects", _named(record.rights.projects)),
        ("requests a minute", _limit(quota.requests_per_minute)),
        ("tokens today", f"{used.tokens_today} of {_limit(quota.tokens_per_day)}"),
        ("tokens this month", f"{used.tokens_this_month} of {_limit(quota.tokens_per_month)}"),
    ):
        table.add_row(name, value)
    out.print(table)


def _object(record: ApiKey, *, owner: str | None = None, used: Used | None = None) -> dict[str, Any]:
    rights = record.rights
    values: dict[str, Any] = {
        "id": record.id,
        "name": record.name,
        "hint": record.hint,
        "user": owner,
        "state": record.state(time.time()),
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
        "last_used_at": record.last_used_at,
        "scopes": _sorted(rights.scopes),
        "models": None if rights.models is None else sorted(rights.models),
        "projects": None if rights.projects is None else sorted(rights.projects),
        **{name: getattr(rights.quota, name) for name in Quota.__slots__},
    }
    if used is not None:
        values["used"] = {name: getattr(used, name) for name in ("requests_today", "tokens_today", "tokens_this_month")}
    return values


def _owners(intramuros: App) -> dict[str, str]:
    return {LOCAL.user_id: LOCAL.name} | {user.id: user.email for user in intramuros.users.list()}


def _sorted(scopes: frozenset[str]) -> list[str]:
    return [scope for scope in SCOPES if scope in scopes]


def _named(names: frozenset[str] | None) -> str:
    return "any" if names is None else " ".join(sorted(names))


def _limit(value: int | None) -> str:
    return "any number" if value is None else str(value)


def _day(at: float | None, otherwise: str = "") -> str:
    return otherwise if at is None else time.strftime("%Y-%m-%d", time.localtime(at))


def _owner(found: object | None, email: str | None) -> str:
    if email is None:
        return LOCAL.user_id
    if found is None:
        raise NotFound(
            f"There is no user with the address {email}.", hint="See the users in the web page under People."
        )
    return str(getattr(found, "id"))  # noqa: B009
