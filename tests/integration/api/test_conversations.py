"""`/v1/conversations` with the official client: kept, added to by programs and by responses, closed to others, erased."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from intramuros.accounts.rights import Rights
from intramuros.errors import EngineDied
from intramuros.privacy.erase.retention import Kept
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import stored_replies
from intramuros.tasks import stored_conversations
from intramuros.tasks import stored_replies as stored_replies_task
from tests.installed import Installed
from tests.integration.api.test_responses import ASKED, BAKERY, BRIDGE, make, rows, says, search, store
from tests.support.sdk import sdk


def user(words: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": words}


async def begun(client: AsyncOpenAI, *words: str, **more: Any) -> str:
    create: Any = client.conversations.create
    return str((await create(items=[user(one) for one in words], **more)).id)


async def texts(client: AsyncOpenAI, conversation: str, **more: Any) -> list[str]:
    listing: Any = client.conversations.items.list
    listed = [item.to_dict() async for item in listing(conversation, order="asc", **more)]
    return [item["content"][0]["text"] if item["type"] == "message" else item["type"] for item in listed]


async def test_made_described_added_to_and_deleted(installed: Installed) -> None:
    client = sdk(installed, "alice")
    made = await client.conversations.create(metadata={"topic": "lease"})
    assert made.object == "conversation" and made.metadata == {"topic": "lease"}
    added = await client.conversations.items.create(made.id, items=[user(f"n{n}") for n in range(5)])  # type: ignore[misc]
    assert len(added.data) == 5 and added.first_id == added.data[0].id and added.has_more is False
    assert await texts(client, made.id) == [f"n{n}" for n in range(5)] == await texts(client, made.id, limit=2)
    one = await client.conversations.items.retrieve(added.data[1].id or "", conversation_id=made.id)
    assert one == added.data[1]
    left = await client.conversations.items.delete(one.id or "", conversation_id=made.id)
    assert left.id == made.id and await texts(client, made.id) == ["n0", "n2", "n3", "n4"]
    for call in (client.conversations.items.retrieve, client.conversations.items.delete):
        with pytest.raises(openai.NotFoundError):
            await call(one.id or "", conversation_id=made.id)
    assert (await client.conversations.update(made.id, metadata={"a": "b"})).metadata == {"a": "b"}
    assert (await client.conversations.retrieve(made.id)).metadata == {"a": "b"}
    gone = await client.conversations.delete(made.id)
    assert gone.deleted and rows(installed) == []
    with pytest.raises(openai.NotFoundError) as error:
        await make(client, conversation=made.id)
    assert error.value.code == "conversation_not_found"


async def test_responses_go_on_in_it_and_its_beginning_stays_the_same(installed: Installed) -> None:
    client = sdk(installed, "alice")
    conversation = await begun(client, "My name is Ada.")
    first = await make(client, input="One", conversation=conversation)
    assert first.conversation.id == conversation and (await client.responses.retrieve(first.id)) == first
    await make(client, input="Two", conversation={"id": conversation}, store=False)
    kinds = [event.type async for event in await make(client, input="Three", conversation=conversation, stream=True)]
    assert kinds[-1] == "response.completed"
    said = "Bonjour, monde"
    assert await texts(client, conversation) == ["My name is Ada.", "One", said, "Two", said, "Three", said]
    prompts = [one["messages"] for one in installed.engine.asked]
    assert [len(prompt) for prompt in prompts] == [2, 4, 6]
    assert prompts[1][:2] == prompts[0] and prompts[2][:4] == prompts[1], "or the prefix cache is of no use"
    await client.responses.input_tokens.count(model="default", input="Four", conversation=conversation)
    assert len(installed.engine.asked[-1]["messages"]) == 8 and len(await texts(client, conversation)) == 7
    with pytest.raises(openai.BadRequestError) as both:
        await make(client, conversation=conversation, previous_response_id=first.id)
    assert both.value.param == "conversation"


async def test_sources_stay_where_they_were(installed: Installed) -> None:
    client = sdk(installed, "alice")
    vectors, [bridge, _] = await store(client, BRIDGE, BAKERY)
    conversation = await begun(client, "Good day.")
    says(installed, "The suspension bridge was built in 1897 by Martha Lindqvist [1].")
    await make(client, input=ASKED, conversation=conversation, tools=search(vectors))
    await make(client, input="And when?", conversation=conversation)
    before, after = (one["messages"] for one in installed.engine.asked[-2:])
    assert "1897" in before[-1]["content"] and after[: len(before)] == before
    listing = client.conversations.items.list
    looked: Any = {item.type: item async for item in listing(conversation)}["file_search_call"]
    assert looked.results is None
    whole = await listing(conversation, include=["file_search_call.results"])
    [looked] = [item for item in whole.data if item.type == "file_search_call"]
    assert looked.results[0].file_id == bridge and "1897" in looked.results[0].text

    alice = installed.app.users.find("alice@firm.example").id
    await asyncio.to_thread(installed.app.erasure.run, Subject("project", vectors.removeprefix("vs_")), by=alice)
    assert [row for row in rows(installed) if row.kind == "conversation"] == [], "what was made from it goes with it"
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(conversation)


async def test_functions_are_called_in_it(installed: Installed) -> None:
    client = sdk(installed, "alice")
    conversation = await begun(client, "What is the weather?")
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c1", "output": "Sunny"}
    await client.conversations.items.create(conversation, items=[call, output])  # type: ignore[list-item]
    await make(client, input="Thanks", conversation=conversation)
    assert [one["role"] for one in installed.engine.asked[-1]["messages"]] == ["user", "assistant", "tool", "user"]
    assert (await texts(client, conversation))[1:3] == ["function_call", "function_call_output"]


async def test_what_failed_adds_nothing(installed: Installed) -> None:
    client = sdk(installed, "alice")
    conversation = await begun(client, "One")
    installed.engine.error = EngineDied("It died.")
    with pytest.raises(openai.APIStatusError):
        await make(client, input="Two", conversation=conversation)
    assert await texts(client, conversation) == ["One"]


async def test_in_the_background_it_is_added_at_the_end(installed: Installed) -> None:
    client = sdk(installed, "alice")
    conversation = await begun(client)
    made = await make(client, input="One", conversation=conversation, background=True)
    async with asyncio.timeout(30):
        while (await client.responses.retrieve(made.id)).status != "completed":
            await asyncio.sleep(0.02)
    assert await texts(client, conversation) == ["One", "Bonjour, monde"]


async def test_nothing_that_is_added_at_once_is_lost(installed: Installed) -> None:
    client = sdk(installed, "alice")
    conversation = await begun(client)
    same = {"id": "msg_1", **user("x")}
    await asyncio.gather(*(client.conversations.items.create(conversation, items=[same]) for _ in range(20)))  # type: ignore[list-item]
    listed = [item.id async for item in client.conversations.items.list(conversation)]
    assert len(listed) == 20 == len(set(listed)), "each has an id of its own"


async def test_another_persons_conversation_does_not_exist(installed: Installed) -> None:
    conversation = await begun(sdk(installed, "alice"), "secret")
    [item] = (await sdk(installed, "alice").conversations.items.list(conversation)).data
    for who in ("bob", "charlie"):
        other = sdk(installed, who)
        for call in (
            other.conversations.retrieve(conversation), other.conversations.update(conversation, metadata={}),
            other.conversations.delete(conversation), other.conversations.items.list(conversation),
            other.conversations.items.create(conversation, items=[user("mine")]),  # type: ignore[list-item]
            other.conversations.items.retrieve(item.id or "", conversation_id=conversation),
            other.conversations.items.delete(item.id or "", conversation_id=conversation),
            make(other, conversation=conversation),
        ):  # fmt: skip
            with pytest.raises(openai.NotFoundError):
                await call
    assert await texts(sdk(installed, "alice"), conversation) == ["secret"]
    assert [record.outcome for record in installed.records("dialogue.show")][-2:] != ["ok", "ok"]


async def test_a_key_needs_the_scope(installed: Installed) -> None:
    alice = installed.app.users.find("alice@firm.example")
    installed.keys["alice"] = installed.app.api_keys.create("k", alice.id, rights=Rights(scopes=frozenset({"search"})))[
        0
    ]
    with pytest.raises(openai.PermissionDeniedError):
        await sdk(installed, "alice").conversations.create()


async def test_nothing_stands_readable_in_the_data_folder(installed: Installed) -> None:
    client = sdk(installed, "alice")
    conversation = await begun(client, "Où est le coffre ?", metadata={"secret": "zinnober"})
    says(installed, "Derrière le ", "portrait.")
    await make(client, input="Dis-le.", conversation=conversation, store=False)
    [row] = rows(installed)
    for word in (b"coffre", b"portrait", b"zinnober"):
        assert word not in row.sealed
        for path in installed.app.settings.data.rglob("*"):
            assert not path.is_file() or word not in path.read_bytes(), path


async def test_it_ends_thirty_days_after_it_was_used_and_goes_with_its_person(installed: Installed) -> None:
    client, app = sdk(installed, "alice"), installed.app
    old, used = await begun(client, "old"), await begun(client, "used")
    with app.database.write() as connection:
        connection.execute(stored_replies.update().values(expires_at=1.0).where(stored_replies.c.id == old))
        connection.execute(stored_replies.update().values(expires_at=stored_replies.c.expires_at - 86_400))
    before = {row.id: row.expires_at for row in rows(installed)}
    await make(client, input="again", conversation=used, store=False)
    assert {row.id: row.expires_at for row in rows(installed)}[used] > before[used]
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(old)
    assert app.replies.purge() == 1
    alice = app.users.find("alice@firm.example")
    [stored] = app.person_export._replies(alice)
    assert stored["kind"] == "conversation" and "again" in str(stored["stored"]["items"])
    assert "again" in "".join(app.person_export._page(alice))
    receipt = await asyncio.to_thread(app.erasure.run, Subject("user", alice.id), by=alice.id)
    assert receipt.id and rows(installed) == []


async def test_a_project_keeps_it_from_its_last_question_on(installed: Installed) -> None:
    client, app = sdk(installed, "alice"), installed.app
    vectors, _ = await store(client, BRIDGE)
    app.retention.set(vectors.removeprefix("vs_"), Kept(conversations_days=20))
    conversation = await begun(client, "long ago")
    with app.database.write() as connection:
        connection.execute(stored_replies.update().values(created_at=stored_replies.c.created_at - 40 * 86_400))
    await make(client, input=ASKED, conversation=conversation, tools=search(vectors), store=False)
    assert "long ago" in await texts(client, conversation) and app.replies.purge() == 0
    with app.database.write() as connection:
        connection.execute(stored_replies.update().values(expires_at=stored_replies.c.expires_at - 21 * 86_400))
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(conversation)
    assert app.replies.purge() == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_full_one_is_refused_before_anything_is_written(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    client = sdk(installed, "alice")
    conversation = await begun(client, "x", "y")
    monkeypatch.setattr(stored_conversations, "MOST_ITEMS", 3)
    answer = await make(client, input="Room for a question", conversation=conversation)
    assert answer.status == "completed" and len(await texts(client, conversation)) == 4, "an answer is kept"
    asked = len(installed.engine.asked)
    with pytest.raises(openai.BadRequestError) as full:
        await make(client, input="Another", conversation=conversation, stream=stream)
    assert full.value.code == "conversation_full" and len(installed.engine.asked) == asked


async def test_what_a_person_stores_has_a_bound_and_nothing_is_written_beyond_it(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, chats = sdk(installed, "alice"), sdk(installed, "alice").chat.completions
    asking: Any = {"model": "default", "messages": [{"role": "user", "content": "x"}]}
    conversation = await begun(client, "x" * 2000)
    before = rows(installed)
    monkeypatch.setattr(stored_replies_task, "MOST_BYTES_OF_A_PERSON", 2000)
    stores: list[Callable[[], Awaitable[Any]]] = [
        lambda: begun(client, "y"),
        lambda: client.conversations.items.create(conversation, items=[user("y")]),  # type: ignore[list-item]
        lambda: make(client, input="y"),
        lambda: make(client, input="y", stream=True),
        lambda: make(client, input="y", background=True),
        lambda: make(client, input="y", conversation=conversation, store=False),
        lambda: chats.create(**asking, store=True),
        lambda: chats.create(**asking, store=True, stream=True),
    ]
    for store_more in stores:
        with pytest.raises(openai.APIStatusError) as full:
            await store_more()
        assert (full.value.status_code, full.value.code) == (413, "stored_replies_full")
    assert rows(installed) == before and installed.engine.asked == []
    await make(client, input="y", store=False)
    await chats.create(**asking)
    await begun(sdk(installed, "bob"), "another person has their own")
    await client.conversations.delete(conversation)
    await begun(client, "y")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"items": "x" * 3, "more": 1}, "more"),
        ({"items": {}}, "items"),
        ({"items": [{"role": "robot", "content": "x"}]}, "items[0].role"),
        ({"items": [{"type": "item_reference", "id": "x"}]}, "items[0].type"),
        ({"metadata": {"a": 1}}, "metadata"),
    ],
)  # fmt: skip
async def test_what_can_not_be_is_refused(installed: Installed, body: dict[str, Any], param: str) -> None:
    answer = await installed.client("alice").post("/v1/conversations", body)
    assert (answer.status, answer.json()["error"]["param"]) == (400, param), answer.body


async def test_bounds(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    client = sdk(installed, "alice")
    conversation = await begun(client, "x")
    none = await installed.client("alice").post(f"/v1/conversations/{conversation}/items", {"items": []})
    assert none.status == 400
    monkeypatch.setattr(stored_conversations, "MOST_ITEMS", 2)
    with pytest.raises(openai.BadRequestError) as full:
        await client.conversations.items.create(conversation, items=[user("y"), user("z")])  # type: ignore[list-item]
    assert full.value.code == "conversation_full"
    monkeypatch.setattr(stored_conversations, "MOST_BYTES", 200)
    with pytest.raises(openai.APIStatusError) as large:
        await client.conversations.items.create(conversation, items=[user("y" * 300)])  # type: ignore[list-item]
    assert large.value.status_code == 413
    monkeypatch.setattr(stored_conversations, "MOST_OF_A_PERSON", 1)
    with pytest.raises(openai.APIStatusError) as many:
        await begun(client)
    assert many.value.code == "conversations_full"
    assert await texts(client, conversation) == ["x"]
