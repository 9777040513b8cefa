"""Stored chat completions with the official client: kept, listed by what was written on them, shown, deleted."""

from __future__ import annotations

import json
import time
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from intramuros.errors import NotFound
from intramuros.privacy.erase.retention import Kept
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import stored_replies
from intramuros.tasks import stored_replies as kept
from tests.installed import Installed
from tests.support.sdk import sdk


async def make(client: AsyncOpenAI, said: str = "Bonjour", **fields: Any) -> Any:
    create: Any = client.chat.completions.create
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": said}]
    return await create(**{"model": "default", "messages": messages, "store": True} | fields)


async def test_a_completion_is_kept_described_and_deleted(installed: Installed) -> None:
    client = sdk(installed, "alice")
    made = await make(client, metadata={"team": "a"})
    assert made.metadata == {"team": "a"}
    found = await client.chat.completions.retrieve(made.id)
    assert found == made
    # Read as it came: the client's own type of a message knows no role but the assistant's.
    path = f"/v1/chat/completions/{made.id}/messages"
    sent = (await installed.client("alice").call("GET", path)).json()
    assert [(one["role"], one["content"]) for one in sent["data"]] == [("system", "Be brief."), ("user", "Bonjour")]
    second = (await installed.client("alice").call("GET", f"{path}?limit=1&after={made.id}-0")).json()
    assert [one["id"] for one in second["data"]] == [f"{made.id}-1"] and not second["has_more"]
    changed = await client.chat.completions.update(made.id, metadata={"team": "b"})
    assert changed.metadata == {"team": "b"} and changed.choices == made.choices
    assert (await client.chat.completions.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.retrieve(made.id)
    assert [one async for one in client.chat.completions.list()] == []


async def test_a_stream_is_kept_as_the_whole_it_was(installed: Installed) -> None:
    client = sdk(installed, "alice")
    chunks = [chunk async for chunk in await make(client, stream=True, stream_options={"include_usage": True})]
    found = await client.chat.completions.retrieve(chunks[0].id)
    assert len({chunk.id for chunk in chunks}) == 1
    assert found.choices[0].message.content == "Bonjour, monde" and found.usage and found.usage.prompt_tokens == 12


async def test_lists_come_in_pages_and_by_metadata_and_model(installed: Installed) -> None:
    client = sdk(installed, "alice")
    made = [(await make(client, f"n{number}", metadata={"even": str(number % 2 == 0)})).id for number in range(5)]
    listing = client.chat.completions.list
    assert [one.id async for one in listing(limit=2)] == made
    assert [one.id async for one in listing(order="desc", limit=2)] == made[::-1]
    assert [one.id async for one in listing(metadata={"even": "True"}, limit=1)] == made[::2]
    assert [one.id async for one in listing(model="scripted")] == made
    assert [one async for one in listing(model="other")] == [] == [one async for one in listing(metadata={"x": "y"})]
    none = await listing(limit=0)
    assert (none.data, none.has_more) == ([], True)
    for bad in ({"limit": -1}, {"after": "nobody"}, {"order": "up"}, {"extra_query": {"what": "1"}}):
        with pytest.raises(openai.BadRequestError):
            await listing(**bad)


async def test_it_is_its_persons_own(installed: Installed) -> None:
    made = await make(sdk(installed, "alice"))
    for who in ("bob", "charlie"):
        other = sdk(installed, who)
        for call in (
            other.chat.completions.retrieve(made.id), other.chat.completions.delete(made.id),
            other.chat.completions.update(made.id, metadata={}), other.chat.completions.messages.list(made.id),
        ):  # fmt: skip
            with pytest.raises(openai.NotFoundError):
                await call
        assert [one async for one in other.chat.completions.list()] == []


async def test_only_what_is_to_be_stored_is(installed: Installed) -> None:
    client = sdk(installed, "alice")
    for store in (False, None):
        await make(client, store=store)
    raw = await client.chat.completions.with_raw_response.create(
        model="default", messages=[{"role": "user", "content": "x"}], metadata={"a": "b"}
    )
    assert raw.headers["x-intramuros-not-used"] == "metadata", "there is nothing to write it on"
    assert [one async for one in client.chat.completions.list()] == []


async def test_thirty_days_later_it_is_gone(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    client = sdk(installed, "alice")
    made = await make(client)
    now = time.time()
    monkeypatch.setattr(kept, "now", lambda: now + kept.KEPT_S - 10)
    assert (await client.chat.completions.retrieve(made.id)).id == made.id and not installed.app.replies.expired()
    monkeypatch.setattr(kept, "now", lambda: now + kept.KEPT_S + 10)
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.retrieve(made.id)
    assert list(installed.app.replies.expired()) == [made.id] and installed.app.replies.purge() == 1


async def test_what_is_made_from_a_project_is_kept_no_longer_than_the_project_keeps(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = installed.app.sessions.caller(installed.sessions["alice"])
    assert alice is not None
    short, long = (installed.app.projects.create(name, by=alice) for name in ("Short", "Long"))
    installed.app.retention.set(short.id, Kept(conversations_days=1))
    installed.app.retention.set(long.id, Kept(conversations_days=90))
    replies, now = installed.app.replies, time.time()
    for id, projects in {"both": (long.id, short.id), "long": (long.id,), "none": ()}.items():
        replies.add(kept.StoredReply(id, "completion", "m", "completed", {}, projects), by=alice)

    def listed() -> set[str]:
        found = replies.list(kind="completion", by=alice, limit=9, newest_first=True)
        return {reply.id for reply in found}

    assert listed() == {"both", "long", "none"} and not replies.expired()
    monkeypatch.setattr(kept, "now", lambda: now + 86_400 + 10)
    with pytest.raises(NotFound):
        replies.get("both", kind="completion", by=alice)
    assert listed() == {"long", "none"} and list(replies.expired()) == ["both"]
    assert replies.purge() == 1 and listed() == {"long", "none"}
    monkeypatch.setattr(kept, "now", lambda: now + kept.KEPT_S + 10)
    assert set(replies.expired()) == {"long", "none"}


async def test_a_person_takes_theirs_along_and_erased_it_is_gone(installed: Installed) -> None:
    await make(sdk(installed, "alice"), "Où est le coffre ?", metadata={"word": "zinnober"})
    await make(sdk(installed, "bob"), "mirabelle")
    alice = installed.app.users.find("alice@firm.example")
    stored = list(installed.app.person_export._replies(alice))
    assert "coffre" in json.dumps(stored) and "mirabelle" not in json.dumps(stored)
    receipt = installed.app.erasure.run(Subject("user", alice.id), by=alice.id)
    assert receipt.removed("stored_replies") == 1
    with installed.app.database.read() as connection:
        assert [row.user_id for row in connection.execute(stored_replies.select())] != [alice.id]
