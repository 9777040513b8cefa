"""Stored replies: what a program asked and was answered, kept because it said so, and gone after thirty days, or
as soon as a project that it was made from keeps conversations no longer.

Called by the OpenAI door (stored chat completions, responses, conversations). A reply belongs to the person whose key
asked: nobody else sees it. It is sealed in its row under that person's key and, where it was made from passages of
projects, theirs too, as people's conversations are: when any of them is erased, no copy of the database gives it back.
One made from a project that its person may no longer read is not there for them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, case, delete, func, insert, or_, select, update

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Projects
from intramuros.errors import BadRequest, NotFound, TooLarge
from intramuros.security.crypto import derive, open_sealed, seal
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.schema import now, projects, stored_replies

DAY_S = 86_400
KEPT_S = 30 * DAY_S
"""As OpenAI keeps them. Source: the API reference, `store`."""
LONGEST_CHAIN = 500
"""Responses that one continues, one after the other."""
MOST_BYTES_OF_A_PERSON = 512 * 2**20
"""What all of one person's may take on the disk, sealed: storing costs nothing, and the disk is everybody's."""
UNFINISHED = ("queued", "in_progress")

Kind = Literal["response", "completion", "conversation"]
Filter = Mapping[str, str]

_ROWS = 50


@dataclass(frozen=True, slots=True)
class StoredReply:
    """One of them. `body` is the door's: what was asked, what was said, and its `metadata`."""

    id: str
    kind: Kind
    model: str
    state: str
    body: Mapping[str, Any]
    projects: tuple[str, ...] = ()
    created_at: float = 0.0

    @property
    def is_finished(self) -> bool:
        """Whether nothing will be added to it."""
        return self.state not in UNFINISHED


class StoredReplies:
    """The replies of one database. Raises: NotFound from every use of one that is not the caller's own."""

    def __init__(self, database: Database, keys: SubjectKeys, projects: Projects) -> None:
        self._database, self._keys, self._projects = database, keys, projects

    def add(self, reply: StoredReply, *, by: Caller, again: bool = False) -> None:
        """Stores it; when this returns, it is on the disk.

        `again`: work that may be done twice takes the place of what it stored before. Raises: NotFound then, if the
        person was erased while it was done.
        """
        at = reply.created_at or now()
        values = {
            "id": reply.id,
            "user_id": by.user_id,
            "kind": reply.kind,
            "model": reply.model,
            "state": reply.state,
            "projects": sorted(set(reply.projects)),
            "created_at": at,
            "expires_at": at + KEPT_S,
            "sealed": self._sealed(reply, by.user_id, is_known=again),
        }
        with self._database.write(durable=True) as connection:
            if again:
                mine = stored_replies.c.id == reply.id, stored_replies.c.user_id == by.user_id
                connection.execute(delete(stored_replies).where(*mine))
            connection.execute(insert(stored_replies).values(values))

    def change(self, reply: StoredReply, *, by: Caller, only_unfinished: bool = False) -> bool:
        """Replaces what is stored of it. Returns whether it is still there (and unfinished, if that is asked)."""
        values = {
            "model": reply.model,
            "state": reply.state,
            "projects": sorted(set(reply.projects)),
            "sealed": self._sealed(reply, by.user_id),
        }
        which = and_(stored_replies.c.id == reply.id, stored_replies.c.user_id == by.user_id)
        if only_unfinished:
            which &= stored_replies.c.state.in_(UNFINISHED)
        with self._database.write(durable=True) as connection:
            return connection.execute(update(stored_replies).where(which).values(values)).rowcount == 1

    def amend(
        self, id: str, change: Callable[[StoredReply], StoredReply], *, kind: Kind, by: Caller, erasing: bool = False
    ) -> StoredReply:
        """Changes one of the caller's own as it is just then, and keeps it for as long again.

        Raises: what `change` does.
        """
        self.get(id, kind=kind, by=by)
        with self._database.write(durable=True, erasing=erasing) as connection:
            row = connection.execute(select(stored_replies).where(_mine(id, kind, by))).first()
            if row is None:
                raise _missing(kind)
            changed = change(self._opened(row))
            values = {
                "projects": sorted(set(changed.projects)),
                "expires_at": now() + KEPT_S,
                "sealed": self._sealed(changed, by.user_id),
            }
            connection.execute(update(stored_replies).where(stored_replies.c.id == id).values(values))
        return changed

    def count(self, *, kind: Kind, by: Caller) -> int:
        """How many of the caller's own there are."""
        which = stored_replies.c.user_id == by.user_id, stored_replies.c.kind == kind
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(stored_replies).where(*which)) or 0

    def check_room(self, *, by: Caller) -> None:
        """Asked before anything is written that is to be stored. Raises: TooLarge where the caller has no room left."""
        # SQLite takes the length of a blob from its row's header: what is sealed is not read.
        size = func.coalesce(func.sum(func.length(stored_replies.c.sealed)), 0)
        with self._database.read() as connection:
            taken = connection.scalar(select(size).where(stored_replies.c.user_id == by.user_id)) or 0
        if taken >= MOST_BYTES_OF_A_PERSON:
            raise TooLarge(
                f"Your stored responses, chat completions and conversations take {taken >> 20} MiB; "
                f"a person may store {MOST_BYTES_OF_A_PERSON >> 20} MiB.",
                hint="Delete those that are not needed any more, or wait: each goes after 30 days. "
                "To be answered without storing, say 'store': false, and name no conversation.",
                code="stored_replies_full",
            )

    def get(self, id: str, *, kind: Kind, by: Caller) -> StoredReply:
        """One of the caller's own."""
        with self._database.read() as connection:
            row = connection.execute(select(stored_replies).where(_mine(id, kind, by))).first()
        if row is None:
            raise _missing(kind)
        self._check_projects(row.projects, kind, by)
        return self._opened(row)

    def chain(self, id: str, *, by: Caller) -> list[StoredReply]:
        """A response and those it continues, oldest first. Raises: NotFound where one of them is gone."""
        found: list[StoredReply] = []
        wanted: str | None = id
        while wanted is not None:
            if len(found) >= LONGEST_CHAIN:
                raise BadRequest(
                    f"This conversation has more than {LONGEST_CHAIN} responses.", param="previous_response_id"
                )
            try:
                found.append(self.get(wanted, kind="response", by=by))
            except NotFound as error:
                raise NotFound(
                    "The response to continue is not there, or one that it continues is not there any more.",
                    hint="Responses are kept for 30 days. Send the conversation itself as 'input'.",
                    code="previous_response_not_found",
                    param="previous_response_id",
                ) from error
            wanted = found[-1].body.get("previous")
        return found[::-1]

    def list(
        self, *, kind: Kind, by: Caller, limit: int, newest_first: bool, after: str | None = None,
        model: str | None = None, metadata: Filter | None = None,
    ) -> Sequence[StoredReply]:  # fmt: skip
        """At most `limit` of the caller's own, in the order they were made. Raises: BadRequest for a bad `after`."""
        found: list[StoredReply] = []
        for reply in self._each(kind, by, newest_first, after, model):
            theirs = reply.body.get("metadata") or {}
            if all(theirs.get(name) == value for name, value in (metadata or {}).items()):
                found.append(reply)
                if len(found) == limit:
                    break
        return found

    def remove(self, id: str, *, kind: Kind, by: Caller) -> None:
        """Removes it for good."""
        self.get(id, kind=kind, by=by)
        with self._database.write(durable=True, erasing=True) as connection:
            connection.execute(delete(stored_replies).where(_mine(id, kind, by)))

    def expired(self) -> Sequence[str]:
        """Which are to be removed because their time is over."""
        with self._database.read() as connection:
            return list(connection.scalars(select(stored_replies.c.id).where(_over())))

    def purge(self) -> int:
        """Removes those whose time is over; returns how many."""
        with self._database.write(durable=True, erasing=True) as connection:
            return connection.execute(delete(stored_replies).where(_over())).rowcount

    def give_up(self) -> int:
        """Says of those that a process left unfinished that they failed: nothing will ever be added to them."""
        statement = update(stored_replies).where(stored_replies.c.state.in_(UNFINISHED)).values(state="failed")
        with self._database.write(durable=True) as connection:
            return connection.execute(statement).rowcount

    def of_person(self, user_id: str) -> Iterator[StoredReply]:
        """Everything of one person, oldest first: for their own export. What an erasure closed is left out."""
        query = select(stored_replies).where(stored_replies.c.user_id == user_id).order_by(stored_replies.c.created_at)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            with contextlib.suppress(NotFound):
                yield self._opened(row)

    def _each(
        self, kind: Kind, by: Caller, newest_first: bool, after: str | None, model: str | None
    ) -> Iterator[StoredReply]:
        made, own = stored_replies.c.created_at, stored_replies.c.id
        which = and_(stored_replies.c.user_id == by.user_id, stored_replies.c.kind == kind, ~_over())
        if model is not None:
            which &= stored_replies.c.model == model
        last = self._place(after, kind, by) if after is not None else None
        order = (made.desc(), own.desc()) if newest_first else (made, own)
        while True:
            part = which if last is None else which & _beyond(last, newest_first)
            with self._database.read() as connection:
                rows = connection.execute(select(stored_replies).where(part).order_by(*order).limit(_ROWS)).all()
            yield from (self._opened(row) for row in rows)
            if len(rows) < _ROWS:
                return
            last = (rows[-1].created_at, rows[-1].id)

    def _place(self, id: str, kind: Kind, by: Caller) -> tuple[float, str]:
        with self._database.read() as connection:
            row = connection.execute(select(stored_replies.c.created_at).where(_mine(id, kind, by))).first()
        if row is None:
            raise BadRequest("'after' names nothing in this list.", param="after")
        return row.created_at, id

    def _check_projects(self, projects: Sequence[str], kind: Kind, by: Caller) -> None:
        try:
            for project in projects:
                self._projects.get(project, by=by)
        except NotFound as error:
            raise _missing(kind) from error

    def _sealed(self, reply: StoredReply, user_id: str, *, is_known: bool = False) -> bytes:
        return sealed(key_of(self._keys, user_id, reply.projects, is_known=is_known), reply.body, reply.id)

    def _opened(self, row: Any) -> StoredReply:
        body = opened(key_of(self._keys, row.user_id, row.projects), row.sealed, row.id)
        return StoredReply(row.id, row.kind, row.model, row.state, body, tuple(row.projects), row.created_at)


def key_of(keys: SubjectKeys, user_id: str, projects: Sequence[str], *, is_known: bool = False) -> bytes:
    """The key of a reply: it takes its person's and all its projects', so the end of any is its end.

    `is_known`: the person has one, and none is made anew where it is gone.
    """
    key = derive((keys.get if is_known else keys.create)("user", user_id), "replies")
    for project in sorted(set(projects)):
        key = derive(key, "replies", salt=keys.get("project", project))
    return key


def sealed(key: bytes, body: Mapping[str, Any], id: str) -> bytes:
    """A body as its row holds it."""
    return seal(key, json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"), context=id.encode())


def opened(key: bytes, stored: bytes, id: str) -> Any:
    """What `sealed` made. Raises: StorageCorrupt."""
    return json.loads(open_sealed(key, stored, context=id.encode()))


def with_metadata(reply: StoredReply, metadata: Filter | None) -> StoredReply:
    """The reply with other metadata."""
    return replace(reply, body={**reply.body, "metadata": metadata})


def _mine(id: str, kind: Kind, by: Caller) -> ColumnElement[bool]:
    return and_(
        stored_replies.c.id == id,
        stored_replies.c.kind == kind,
        stored_replies.c.user_id == by.user_id,
        ~_over(),
    )


def _over() -> ColumnElement[bool]:
    """Whose time is over: their own, or that of conversations in a project that they were made from."""
    of = func.json_each(stored_replies.c.projects).table_valued("value")
    row = stored_replies.c
    # A project keeps a conversation from its last question on, as it does those of the pages.
    since = case((row.kind == "conversation", row.expires_at - KEPT_S), else_=row.created_at)
    too_old = (
        select(projects.c.id)
        .join(of, of.c.value == projects.c.id)
        .where(since < now() - projects.c.keep_conversations_days * DAY_S)
        .correlate(stored_replies)
    )
    return or_(stored_replies.c.expires_at < now(), too_old.exists())


def _beyond(place: tuple[float, str], newest_first: bool) -> ColumnElement[bool]:
    made, own = stored_replies.c.created_at, stored_replies.c.id
    at, id = place
    if newest_first:
        return or_(made < at, and_(made == at, own < id))
    return or_(made > at, and_(made == at, own > id))


def _missing(kind: Kind) -> NotFound:
    what = {"response": "response", "completion": "stored chat completion", "conversation": "conversation"}[kind]
    return NotFound(
        f"There is no such {what}, or it is not yours.",
        hint="They are kept for 30 days after they were last added to."
        if kind == "conversation"
        else "They are kept for 30 days, and only where the request said 'store'.",
        code=f"{kind}_not_found",
    )
