"""Where upstreams, routes and consents are kept: written by administrators, read once by every process that routes.

Called by the doors of administrators and by the router, which asks for `table` at every request: it is in memory, and
read again only after somebody changed something, here or in another process (`watch`).
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import orjson
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from intramuros.engines import renaming
from intramuros.engines.asked import Asked
from intramuros.engines.renaming import Renamed
from intramuros.engines.route import Route, Target
from intramuros.engines.upstream import Upstream, checked
from intramuros.errors import BadRequest, Conflict, NotFound, StorageError
from intramuros.security.crypto import open_sealed, seal
from intramuros.storage import facts
from intramuros.storage.database import Database
from intramuros.storage.schema import new_id, now, outside_consents, routes, upstreams

log = logging.getLogger(__name__)

FACT = "routing_revision"
LOOK_S = 0.5
VERSION_DIGITS = 32
EVERYBODY = "everybody"
KINDS = ("user", "key", "project", EVERYBODY)
_COLUMNS = {kind: outside_consents.c[f"{kind}_id"] for kind in ("user", "key", "project")}


class ConsentObject(TypedDict):
    """A standing consent. `id`: whose, empty where it is everybody's."""

    upstream: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Consent:
    """Somebody's standing agreement that what they ask may go to an upstream outside."""

    upstream: str
    kind: str
    subject: str

    def to_json(self) -> ConsentObject:
        """As it is shown."""
        return {"upstream": self.upstream, "kind": self.kind, "id": self.subject}


@dataclass(frozen=True, slots=True)
class Table:
    """All of it at one moment. `routes` has what people named, and each model of each upstream as `upstream/model`."""

    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)
    consents: frozenset[Consent] = frozenset()

    def has_agreed(self, upstream: str, asked: Asked) -> bool:
        """Whether who asks has agreed for good that it may go there: in person, by the key or by the project."""
        subjects = (("user", asked.by.user_id), ("key", asked.by.key_id), ("project", asked.project_id))
        return Consent(upstream, EVERYBODY, "") in self.consents or any(
            Consent(upstream, kind, subject) in self.consents for kind, subject in subjects if subject
        )


class Routing:
    """The store. `key` seals the keys of upstreams."""

    def __init__(self, database: Database, *, key: bytes) -> None:
        self._database, self._key = database, key
        self._table: Table | None = None
        self._changes = 0

    @property
    def table(self) -> Table:
        """What is in force."""
        table, number = self._table, self._changes
        if table is None:
            table = self._read()
            if number == self._changes:  # else it is old already
                self._table = table
        return table

    def upstream(self, name: str) -> Upstream:
        """The upstream of this name. Raises: NotFound."""
        if (found := self.table.upstreams.get(name)) is None:
            raise _no_upstream(name)
        return found

    def version(self, what: Upstream | Route | None) -> str:
        """What tells one description from another, its key included; to be given as `was` with a change."""
        if what is None:
            return ""
        key = what.key or "" if isinstance(what, Upstream) else ""
        text = orjson.dumps([what.to_json(), key], option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._key, b"version:" + text, "sha256").hex()[:VERSION_DIGITS]

    def add(self, upstream: Upstream) -> Upstream:
        """Keeps a new upstream. Raises: BadRequest, Conflict when there is one of its name."""
        upstream = replace(checked(upstream), created_at=now())
        try:
            with self._database.write(durable=True) as connection:
                connection.execute(insert(upstreams).values(self._values(upstream)))
                self._changed(connection)
        except IntegrityError as error:
            raise Conflict(f"There is an upstream {upstream.name} already.") from error
        self._forget()
        return upstream

    def change(self, upstream: Upstream, *, same_key: bool = True, was: str | None = None) -> Upstream:
        """Describes the upstream of this name in another way; `same_key` keeps the key that it has.

        `was`: the `version` that this is a change of; None where it does not matter.

        Another host, port or scheme is another server, and outside another place than inside: who agreed that texts go
        to the one before, agreed to nothing here.
        Raises: NotFound; Conflict where it is not as it was any more; BadRequest, also where a key would be sent to
        another server than it was given for.
        """
        upstream = checked(upstream)
        with self._database.write(durable=True) as connection:  # what is kept, not what this process last read of it
            row = connection.execute(select(upstreams).where(upstreams.c.name == upstream.name)).one_or_none()
            before = self._upstream(row) if row else None
            if was is not None:
                self._check_unchanged(upstream.name, before, was)
            if before is None:
                raise _no_upstream(upstream.name)
            upstream = replace(upstream, created_at=before.created_at, key=before.key if same_key else upstream.key)
            is_moved = replace(upstream.rule, private=False) != replace(before.rule, private=False)
            if is_moved and same_key and before.key is not None:
                raise BadRequest(
                    f"{upstream.name} would be at another host, port or scheme than its key was given for.",
                    hint="Give its key again, or say that it has none: --key-file FILE, --no-key",
                    code="bad_upstream",
                    param="key",
                )
            connection.execute(
                update(upstreams).where(upstreams.c.name == upstream.name).values(self._values(upstream))
            )
            if is_moved or upstream.is_outside != before.is_outside:
                connection.execute(delete(outside_consents).where(outside_consents.c.upstream == upstream.name))
            self._changed(connection)
        self._forget()
        return upstream

    def rename(self, name: str, to: str, *, was: str | None = None) -> Renamed:
        """Gives an upstream another name, with everything that names it: routes, consents, presets, keys.

        `was`: the `version` that is renamed; None where it does not matter.
        Raises: NotFound, BadRequest; Conflict where it is not as it was any more, or something has the name already.
        """
        with self._database.write(durable=True) as connection:
            row = connection.execute(select(upstreams).where(upstreams.c.name == name)).one_or_none()
            before = self._upstream(row) if row else None
            if was is not None:
                self._check_unchanged(name, before, was)
            if before is None:
                raise _no_upstream(name)
            after = checked(replace(before, name=to))
            if connection.scalar(select(upstreams.c.name).where(upstreams.c.name == to)):
                renaming.taken(to, by="upstream")
            known = _routes(connection)
            named = {route.name for route in known}  # a route stands in place of a model's own name, and stays
            names = {f"{name}/{model}": f"{to}/{model}" for model in before.models if f"{name}/{model}" not in named}
            renaming.check_free(connection, names.values(), known=known)
            connection.execute(insert(upstreams).values(self._values(after)))
            moved = renaming.move_targets(connection, name, to, known=known)
            consents = renaming.move_consents(connection, name, to)
            of_presets, of_keys = renaming.move_names(connection, names)
            connection.execute(delete(upstreams).where(upstreams.c.name == name))
            self._changed(connection)
        self._forget()
        return Renamed(name, to, moved, consents, of_presets, of_keys)

    def remove(self, name: str) -> None:
        """Forgets an upstream, its key and who agreed to it. Raises: NotFound, Conflict while a route names it."""
        with self._database.write(durable=True) as connection:
            if using := [route.name for route in _routes(connection) if route.names(name)]:
                raise Conflict(
                    f"The route {using[0]} sends to {name}.",
                    hint="Change or remove its routes first.",
                    routes=using,
                )
            if not connection.execute(delete(upstreams).where(upstreams.c.name == name)).rowcount:
                raise _no_upstream(name)
            self._changed(connection)
        self._forget()

    def routes_over(self, name: str) -> list[Route]:
        """The routes that name a target of this upstream."""
        return [route for route in self.routes() if route.names(name)]

    def routes(self) -> list[Route]:
        """The routes that people named, by name."""
        with self._database.read() as connection:
            return _routes(connection)

    def route(self, name: str) -> Route:
        """The route of this name. Raises: NotFound."""
        found = next((route for route in self.routes() if route.name == name), None)
        if found is None:
            raise _no_route(name)
        return found

    def set(self, route: Route, *, was: str | None = None) -> Route:
        """Keeps a route in place of the one of its name, which must be of the version `was`; empty: there must be none;
        None: it does not matter. Raises: BadRequest for a target that can't be, Conflict.
        """
        statement = sqlite_insert(routes).values(name=route.name, plan=route.to_json(), changed_at=now())
        changed = {"plan": statement.excluded.plan, "changed_at": statement.excluded.changed_at}
        with self._database.write(durable=True) as connection:
            there = set(connection.scalars(select(upstreams.c.name)))
            for target in route.all_targets:
                if not target.is_local and target.upstream not in there:
                    raise BadRequest(
                        f"There is no upstream {target.upstream}.",
                        hint="Add it first: intramuros upstreams add NAME URL",
                        code="bad_route",
                    )
            if was is not None:
                found = connection.execute(
                    select(routes.c.plan).where(routes.c.name == route.name)
                ).scalar_one_or_none()
                self._check_unchanged(route.name, Route.of(found) if found else None, was)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))
            self._changed(connection)
        self._forget()
        return route

    def rename_route(self, name: str, to: str, *, was: str | None = None) -> Renamed:
        """Gives a route another name, with the presets and keys that name it; `was` as for `rename`.

        Raises: NotFound, BadRequest, Conflict.
        """
        with self._database.write(durable=True) as connection:
            known = _routes(connection)
            before = next((route for route in known if route.name == name), None)
            if was is not None:
                self._check_unchanged(name, before, was)
            if before is None:
                raise _no_route(name)
            after = Route.of(before.to_json() | {"name": to})
            renaming.check_free(connection, [to], known=known)
            upstream, _, model = to.partition("/")
            row = connection.execute(select(upstreams).where(upstreams.c.name == upstream)).one_or_none()
            if row and model in self._upstream(row).models:
                renaming.taken(to, by="upstream")
            values = {"name": to, "plan": after.to_json(), "changed_at": now()}
            connection.execute(update(routes).where(routes.c.name == name).values(values))
            of_presets, of_keys = renaming.move_names(connection, {name: to})
            self._changed(connection)
        self._forget()
        return Renamed(name, to, presets=of_presets, keys=of_keys)

    def remove_route(self, name: str) -> None:
        """Forgets a route. Raises: NotFound."""
        self.route(name)
        with self._database.write(durable=True) as connection:
            connection.execute(delete(routes).where(routes.c.name == name))
            self._changed(connection)
        self._forget()

    def agree(self, consent: Consent, *, was: str | None = None) -> None:
        """Keeps a standing agreement; `was`: the `version` of the upstream that was agreed to, None for whatever it is.

        Raises: NotFound for an upstream or a subject that isn't, BadRequest; Conflict where the upstream is not as it
        was any more.
        """
        self._check(consent)
        values: dict[str, Any] = {"id": new_id(), "upstream": consent.upstream, "created_at": now()}
        if consent.kind != EVERYBODY:
            values[f"{consent.kind}_id"] = consent.subject
        try:
            with self._database.write(durable=True) as connection:
                if was is not None:
                    row = connection.execute(select(upstreams).where(upstreams.c.name == consent.upstream)).first()
                    self._check_unchanged(consent.upstream, self._upstream(row) if row else None, was)
                if consent in set(map(_consent, connection.execute(select(outside_consents)))):
                    return
                connection.execute(insert(outside_consents).values(values))
                self._changed(connection)
        except IntegrityError as error:
            raise NotFound(f"There is no {consent.kind} of this id.") from error
        self._forget()

    def withdraw(self, consent: Consent) -> None:
        """Ends a standing agreement, if there is one: the next request is asked anew. Raises: NotFound, BadRequest."""
        self._check(consent)
        with self._database.write(durable=True) as connection:
            whose = {kind: consent.subject if kind == consent.kind else None for kind in _COLUMNS}
            of = [column == whose[kind] for kind, column in _COLUMNS.items()]
            connection.execute(delete(outside_consents).where(outside_consents.c.upstream == consent.upstream, *of))
            self._changed(connection)
        self._forget()

    async def watch(self) -> None:
        """Has the table read again whenever another process changed it, until cancelled."""
        seen, version = await asyncio.to_thread(self._revision), -1
        self._forget()  # what was read before nobody watched may be old
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if (now_version := self._database.data_version()) == version:
                    continue
                revision = await asyncio.to_thread(self._revision)
            except StorageError as error:
                log.warning("whether routes have changed can't be read: %s", error.message)
                continue
            version = now_version
            if revision != seen:
                seen = revision
                self._forget()

    def _forget(self) -> None:
        self._changes += 1
        self._table = None

    def _check_unchanged(self, name: str, present: Upstream | Route | None, was: str) -> None:
        if self.version(present) == was:
            return
        self._forget()  # or who is told so would be shown what was read before
        if not was:
            raise Conflict(f"There is a route {name} already.", hint="Change that one.", code="route_exists")
        raise Conflict(f"{name} was changed meanwhile.", hint="Look at it again.", code="changed_meanwhile")

    def _check(self, consent: Consent) -> None:
        self.upstream(consent.upstream)
        if consent.kind not in KINDS or bool(consent.subject) == (consent.kind == EVERYBODY):
            raise BadRequest("Consent is of a user, a key, a project or everybody.", code="bad_consent")

    def _changed(self, connection: Connection) -> None:
        facts.put(connection, FACT, int(facts.get(connection, FACT, 0)) + 1)

    def _revision(self) -> int:
        with self._database.read() as connection:
            return int(facts.get(connection, FACT, 0))

    def _read(self) -> Table:
        with self._database.read() as connection:
            found = {
                row.name: self._upstream(row)
                for row in connection.execute(select(upstreams).order_by(upstreams.c.name))
            }
            named = {route.name: route for route in _routes(connection)}
            agreed = frozenset(_consent(row) for row in connection.execute(select(outside_consents)))
        own = {
            f"{upstream.name}/{model}": Route(f"{upstream.name}/{model}", (Target(upstream.name, model),))
            for upstream in found.values()
            for model in upstream.models
        }
        return Table(found, own | named, agreed)

    def _values(self, upstream: Upstream) -> dict[str, Any]:
        context = _context(upstream.name)
        return {
            "name": upstream.name,
            "url": upstream.url,
            "key": None if upstream.key is None else seal(self._key, upstream.key.encode(), context=context),
            "is_outside": upstream.is_outside,
            "details": upstream.details(),
            "created_at": upstream.created_at,
        }

    def _upstream(self, row: Any) -> Upstream:
        key = None if row.key is None else open_sealed(self._key, row.key, context=_context(row.name)).decode()
        return Upstream.stored(
            row.details, name=row.name, url=row.url, key=key, is_outside=row.is_outside, created_at=row.created_at
        )


def reseal(connection: Connection, *, old: bytes, new: bytes) -> None:
    """Seals every upstream's key anew. Raises: StorageCorrupt."""
    for row in connection.execute(select(upstreams.c.name, upstreams.c.key).where(upstreams.c.key.is_not(None))).all():
        plain = open_sealed(old, row.key, context=_context(row.name))
        sealed = seal(new, plain, context=_context(row.name))
        connection.execute(update(upstreams).where(upstreams.c.name == row.name).values(key=sealed))


def _no_upstream(name: str) -> NotFound:
    return NotFound(f"There is no upstream {name}.", hint="See them with: intramuros upstreams list")


def _context(name: str) -> bytes:
    return b"upstream:" + name.encode()


def _no_route(name: str) -> NotFound:
    return NotFound(f"There is no route {name}.", hint="See them with: intramuros routes list")


def _routes(connection: Connection) -> list[Route]:
    return [Route.of(row.plan) for row in connection.execute(select(routes).order_by(routes.c.name))]


def _consent(row: Any) -> Consent:
    for kind in _COLUMNS:
        if subject := getattr(row, f"{kind}_id"):
            return Consent(row.upstream, kind, subject)
    return Consent(row.upstream, EVERYBODY, "")
