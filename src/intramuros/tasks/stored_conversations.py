"""Conversations that programs keep through the OpenAI door: items one after another, added by them and by responses.

Called by that door. One conversation is one row of the stored replies: its person's own, sealed under their key and
those of the projects that any of it was made from, gone thirty days after it was last added to. Who adds reads it
again in the same transaction, so nothing that two add at once is lost. Knows no shape of an item but its id, and the
words of a message.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from intramuros.accounts.caller import Caller
from intramuros.errors import BadRequest, NotFound, TooLarge
from intramuros.tasks.stored_replies import StoredReplies, StoredReply, with_metadata

PREFIX = "conv_"
MOST_ITEMS = 2000
MOST_BYTES = 32 * 2**20
"""What a conversation may have in it, as JSON: it is read as a whole."""
MOST_OF_A_PERSON = 10_000
ANSWER_ITEMS = 200
ANSWER_BYTES = 4 * 2**20
"""What an answer may have beyond the most: its room was checked before it was written, and it has been paid for."""

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Added:
    """What is to be added. `turns`: by the id of the message it was searched for, the sources that were given then;
    `hits`: by the id of the search, what it found; `is_answered`: `check_room` was asked before it was written."""

    items: Sequence[Item]
    projects: tuple[str, ...] = ()
    is_answered: bool = False
    turns: Mapping[str, Any] = field(default_factory=dict)
    hits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredConversations:
    """The conversations of one database. Raises: NotFound from every use of one that is not the caller's own."""

    replies: StoredReplies

    def create(self, added: Added, metadata: Mapping[str, str], *, by: Caller) -> StoredReply:
        """Begins one. Raises: TooLarge."""
        if self.replies.count(kind="conversation", by=by) >= MOST_OF_A_PERSON:
            raise TooLarge(
                f"You have {MOST_OF_A_PERSON} conversations already.",
                hint="Delete those that are not needed any more, or wait: each goes 30 days after it was last used.",
                code="conversations_full",
            )
        self.replies.check_room(by=by)
        id = PREFIX + secrets.token_hex(24)
        empty: dict[str, Any] = {"asked": "", "metadata": dict(metadata), "items": [], "turns": {}, "hits": {}}
        conversation = _with(StoredReply(id, "conversation", "", "completed", empty), added)
        self.replies.add(conversation, by=by)
        return self.get(id, by=by)

    def get(self, id: str, *, by: Caller) -> StoredReply:
        """One of the caller's own."""
        return self.replies.get(id, kind="conversation", by=by)

    def describe(self, id: str, metadata: Mapping[str, str], *, by: Caller) -> StoredReply:
        """Replaces its metadata."""
        return self._amend(id, lambda found: with_metadata(found, metadata), by)

    def add(self, id: str, added: Added, *, by: Caller) -> list[Item]:
        """Adds items at the end; returns them, each with an id that no other has. Raises: TooLarge."""
        if not added.is_answered:
            self.replies.check_room(by=by)
        amended = self._amend(id, lambda found: _with(found, added), by)
        found: list[Item] = amended.body["items"]
        return found[len(found) - len(added.items) :]

    def take_out(self, id: str, item: str, *, by: Caller) -> StoredReply:
        """Takes one item out for good. Raises: NotFound."""
        return self._amend(id, lambda found: _without(found, item), by, erasing=True)

    def remove(self, id: str, *, by: Caller) -> None:
        """Removes it with everything in it."""
        self.replies.remove(id, kind="conversation", by=by)

    def _amend(
        self, id: str, change: Callable[[StoredReply], StoredReply], by: Caller, *, erasing: bool = False
    ) -> StoredReply:
        return self.replies.amend(id, change, kind="conversation", by=by, erasing=erasing)


def check_room(conversation: StoredReply, items: Sequence[Item]) -> None:
    """Raises: BadRequest, TooLarge where these can't be added to it, and so no answer to them."""
    _check([*conversation.body["items"], *items])


def no_item() -> NotFound:
    """There is none in this conversation."""
    return NotFound("There is no such item in this conversation.", code="item_not_found")


def _with(found: StoredReply, added: Added) -> StoredReply:
    kept: list[Item] = found.body["items"]
    taken, items, renamed = {item["id"] for item in kept}, [*kept], dict[str, str]()
    for item in added.items:
        id = str(item["id"])
        if id in taken:
            renamed[id] = id = f"{id.partition('_')[0]}_{secrets.token_hex(24)}"
        taken.add(id)
        items.append({**item, "id": id})
    _check(items, is_answered=added.is_answered)
    turns = {renamed.get(id, id): held for id, held in added.turns.items()}
    hits = {renamed.get(id, id): held for id, held in added.hits.items()}
    body = {
        **found.body,
        "asked": _asked(items),
        "items": items,
        "turns": {**found.body["turns"], **turns},
        "hits": {**found.body["hits"], **hits},
    }
    return replace(found, body=body, projects=tuple(sorted({*found.projects, *added.projects})))


def _check(items: Sequence[Item], *, is_answered: bool = False) -> None:
    hint = "Take items out of it that are not needed any more, or begin another."
    if len(items) > MOST_ITEMS + is_answered * ANSWER_ITEMS:
        most = f"A conversation has at most {MOST_ITEMS} items."
        raise BadRequest(most, hint=hint, code="conversation_full", param="items")
    if len(orjson.dumps(items)) > MOST_BYTES + is_answered * ANSWER_BYTES:
        raise TooLarge(f"A conversation has at most {MOST_BYTES >> 20} MiB.", hint=hint, code="conversation_full")


def _without(found: StoredReply, item: str) -> StoredReply:
    items = [one for one in found.body["items"] if one["id"] != item]
    if len(items) == len(found.body["items"]):
        raise no_item()
    notes = {name: {id: held for id, held in found.body[name].items() if id != item} for name in ("turns", "hits")}
    return replace(found, body={**found.body, **notes, "asked": _asked(items), "items": items})


def _asked(items: Sequence[Item]) -> str:
    """The words of the last message of a person: what an erasure looks for afterwards."""
    said = (item for item in reversed(items) if item.get("type") == "message" and item.get("role") == "user")
    return next(("\n".join(part["text"] for part in item["content"] if "text" in part) for item in said), "")
