"""`/v1/responses/compact` with the official client: what stays, what is summed up, who can have it read again."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses.response_compact_params import ResponseCompactParams

from intramuros.api.openai.responses import request as asked
from intramuros.api.openai.responses.compacting import LEAST_ROOM
from intramuros.privacy.erase.retention import Kept
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.erasable import Subject
from tests.installed import Installed
from tests.integration.api.test_batches import lines_of, over
from tests.integration.api.test_batches_and_projects import quick, refused
from tests.integration.api.test_responses import ASKED, BRIDGE, make, rows, says, search, store
from tests.support.sdk import sdk

__all__ = ["quick"]

SUMMARY = "Ada asked for a castle; it was drawn."
TALK: list[Any] = [
    {"role": "developer", "content": "Answer in verse."},
    {"role": "user", "content": "I am Ada."},
    {"role": "assistant", "content": "Hello Ada."},
    {"role": "user", "content": "Draw a castle."},
    {"role": "assistant", "content": "Here it is."},
]


def client_of(installed: Installed, who: str = "alice") -> AsyncOpenAI:
    """One that is not strict: its type of an output knows no user's message, though its documentation has them."""
    client = sdk(installed, who)
    client._strict_response_validation = False
    return client


async def compacted(client: AsyncOpenAI, **fields: Any) -> Any:
    compact: Any = client.responses.compact
    return await compact(**{"model": "default"} | fields)


def output(made: Any) -> list[Any]:
    return [item.to_dict(warnings=False) for item in made.output]


async def test_a_conversation_becomes_a_short_one_that_goes_on(installed: Installed) -> None:
    client = client_of(installed)
    says(installed, SUMMARY)
    made = await compacted(client, input=TALK, instructions="Be brief.")
    assert made.object == "response.compaction" and made.usage.input_tokens == 12 and made.usage.output_tokens == 3
    *stay, last = output(made)
    assert [item["content"][0]["text"] for item in stay] == ["Answer in verse.", "I am Ada.", "Draw a castle."]
    assert last["type"] == "compaction" and last["id"].startswith("cmp_") and set(last) == {
        "id", "type", "encrypted_content"}  # fmt: skip
    assert b"castle" not in base64.urlsafe_b64decode(last["encrypted_content"]), "it is sealed"
    read = installed.engine.asked[-1]["messages"]
    assert [one["content"] for one in read[1:5]] == ["I am Ada.", "Hello Ada.", "Draw a castle.", "Here it is."]
    assert read[0]["content"] == "Be brief.\n\nAnswer in verse." and "Sum up" in read[-1]["content"]
    assert rows(installed) == [], "the program keeps it"

    await make(client, input=[*output(made), {"role": "user", "content": "And a moat."}])
    assert installed.engine.asked[-1]["messages"] == [
        {"role": "system", "content": "Answer in verse."},
        {"role": "user", "content": "I am Ada.\n\nDraw a castle."},
        {"role": "assistant", "content": f"Summary of the conversation so far:\n\n{SUMMARY}"},
        {"role": "user", "content": "And a moat."},
    ], "turns alternate, or some templates refuse them"
    assert [record.outcome for record in installed.records("respond.compact")] == ["ok"]
    assert installed.records("respond.compact")[0].facts["completion_tokens"] == 3


async def test_it_is_read_wherever_items_are_taken(installed: Installed) -> None:
    client = client_of(installed)
    says(installed, SUMMARY)
    items = output(await compacted(client, input=TALK))
    new: Any = {"role": "user", "content": "Go on."}

    def heard() -> bool:
        return any(SUMMARY in str(one["content"]) for one in installed.engine.asked[-1]["messages"])

    await client.responses.input_tokens.count(model="default", input=[*items, new])
    assert heard()
    first = await make(client, input=[*items, new])
    await make(client, input="More.", previous_response_id=first.id)
    assert heard() and len(installed.engine.asked[-1]["messages"]) == 6
    conversation = (await client.conversations.create(items=items)).id
    await make(client, input="More.", conversation=conversation)
    assert heard()
    line = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/responses",
        "body": {"model": "default", "input": [*items, new]},
    }
    file = await client.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    [one] = await lines_of(client, (await over(client, batch)).output_file_id)
    assert one["response"]["status_code"] == 200 and heard()
    again = output(await compacted(client, input=[*items, new, {"role": "assistant", "content": "Gone."}]))
    assert heard(), "the second summary is of the first, too"
    assert [item["type"] for item in again] == ["message"] * 4 + ["compaction"]


async def test_a_stored_response_is_compacted_with_those_before_it(installed: Installed) -> None:
    client = client_of(installed)
    first = await make(client, input="One")
    second = await make(client, input="Two", previous_response_id=first.id)
    says(installed, SUMMARY)
    made = await compacted(client, previous_response_id=second.id, input="Three")
    assert [one["content"][0]["text"] for one in output(made)[:-1]] == ["One", "Two", "Three"]
    assert [one["role"] for one in installed.engine.asked[-1]["messages"]] == ["user", "assistant"] * 2 + ["user"]
    assert installed.engine.asked[-1]["messages"][-1]["content"].startswith("Three\n\n")


async def test_only_a_persons_last_messages_stay(installed: Installed) -> None:
    client = client_of(installed)
    long = "word " * (LEAST_ROOM * 4 // 5 - 20)
    some = [{"role": "user", "content": text} for text in ("Early " * 30, long, "Late")]
    made = await compacted(client, input=[*some, {"role": "assistant", "content": "Well."}])
    assert [one["content"][0]["text"] for one in output(made)[:-1]] == [long, "Late"]
    made = await compacted(client, input=[*some[:2], {"role": "user", "content": long}])
    assert [one["content"][0]["text"] for one in output(made)[:-1]] == [long], "what has no room is summed up"
    made = await compacted(client, input=[{"role": "user", "content": "x" * 200_000}])
    assert [item["type"] for item in output(made)] == ["compaction"]
    await make(client, input=[*output(made), {"role": "user", "content": "Go on."}])
    [one] = installed.engine.asked[-1]["messages"]
    assert one["role"] == "user" and one["content"].endswith("monde\n\nGo on."), "no template begins with an answer"


async def test_where_nothing_is_left_out_no_model_is_asked(installed: Installed) -> None:
    client = client_of(installed)
    for fields in ({}, {"input": "Hello"}):
        made = await compacted(client, **fields)
        assert made.output[-1].type == "compaction" and made.usage.total_tokens == 0
        await make(client, input=[*output(made), {"role": "user", "content": "Go on."}])
        assert len(installed.engine.asked[-1]["messages"]) == 1
    assert len(installed.engine.asked) == 2


@pytest.mark.parametrize(("words", "reason"), [(("  ",), "stop"), (("Ada asked",), "length")])
async def test_half_a_summary_is_none(
    installed: Installed, words: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(installed, *words)
    whole = installed.engine.generate

    async def ended(request: Any) -> Any:
        reply = await whole(request)
        reply.raw["choices"][0]["finish_reason"] = reason
        return reply

    monkeypatch.setattr(installed.engine, "generate", ended)
    with pytest.raises(openai.BadRequestError) as error:
        await compacted(client_of(installed), input=TALK)
    assert error.value.code == "summary_unfinished"


async def test_a_function_that_is_still_to_answer_is_not_left_out(installed: Installed) -> None:
    client = client_of(installed)
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
    with pytest.raises(openai.BadRequestError, match="no output yet"):
        await compacted(client, input=[*TALK, call])
    answer = {"type": "function_call_output", "call_id": "c1", "output": "Sunny"}
    made = await compacted(client, input=[*TALK, call, answer])
    assert len(made.output) == 4 and installed.engine.asked[-1]["messages"][-2]["content"] == "Sunny"


async def test_a_foreign_or_altered_one_is_refused(installed: Installed) -> None:
    client = client_of(installed)
    item = output(await compacted(client, input=TALK))[-1]
    sealed = item["encrypted_content"]
    raw = bytearray(base64.urlsafe_b64decode(sealed))
    raw[-1] ^= 1
    altered = base64.urlsafe_b64encode(raw).decode()
    bad = [("alice", altered), ("alice", sealed[:-8]), ("alice", "gAAAAABpM0Yj-é"), ("alice", "x"), ("bob", sealed)]
    asked_before = len(installed.engine.asked)
    for who, content in bad:
        theirs = client_of(installed, who)
        given = [{**item, "encrypted_content": content}]
        count: Any = theirs.responses.input_tokens.count
        create: Any = theirs.conversations.create
        for attempt in (make(theirs, input=given), count(model="default", input=given), compacted(theirs, input=given),
                        create(items=given)):  # fmt: skip
            with pytest.raises(openai.BadRequestError) as error:
                await attempt
            assert error.value.code == "invalid_encrypted_content" and error.value.param in {"input", "items"}
    assert len(installed.engine.asked) == asked_before
    said = (await refused(client, input=[{**item, "encrypted_content": altered}]))["response"]
    assert said["status_code"] == 400 and said["body"]["error"]["code"] == "invalid_encrypted_content"


async def test_it_ends_with_the_projects_it_was_made_from(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(installed)
    vectors, _ = await store(client, BRIDGE)
    project = vectors.removeprefix("vs_")
    first = await make(client, input=ASKED, tools=search(vectors))
    items = output(await compacted(client, previous_response_id=first.id))
    assert any("1897" in str(one["content"]) for one in installed.engine.asked[-1]["messages"]), "sources are read"
    said = (await refused(client, input=items))["response"]
    assert said["body"]["error"]["param"] == "input" and "made from a project" in said["body"]["error"]["message"]
    await make(client, input=items)
    await client.conversations.create(items=items)
    assert sorted(tuple(row.projects) for row in rows(installed)) == [(project,)] * 3

    installed.app.retention.set(project, Kept(conversations_days=20))
    later = time.time() + 21 * 86_400
    with monkeypatch.context() as patch:
        patch.setattr("intramuros.tasks.compactions.now", lambda: later)
        with pytest.raises(openai.BadRequestError, match="conversations no longer"):
            await make(client, input=items)
    await make(client, input=items)
    alice = installed.app.users.find("alice@firm.example").id
    await asyncio.to_thread(installed.app.erasure.run, Subject("project", project), by=alice)
    with pytest.raises(openai.BadRequestError, match="erased"):
        await make(client, input=items)
    assert rows(installed) == []


async def test_one_that_is_sent_many_times_is_opened_once(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(installed)
    item = output(await compacted(client, input=TALK))[-1]
    opened, get = [], SubjectKeys.get

    def counted(keys: SubjectKeys, kind: Any, subject: str) -> bytes:
        opened.append(subject)
        return get(keys, kind, subject)

    monkeypatch.setattr(SubjectKeys, "get", counted)
    await client.responses.input_tokens.count(model="default", input=[item] * 500)
    assert 0 < len(opened) < 10


async def test_it_ends_with_its_person(installed: Installed) -> None:
    client = client_of(installed)
    item = output(await compacted(client, input=TALK))[-1]
    alice = installed.app.users.find("alice@firm.example").id
    installed.app.subject_keys.destroy("user", alice)
    with pytest.raises(openai.BadRequestError) as error:
        await make(client, input=[item])
    assert error.value.code == "invalid_encrypted_content"


async def test_a_client_that_leaves_ends_its_summary(installed: Installed) -> None:
    installed.engine.hangs = True
    body = {"model": "default", "input": TALK}
    client, gone = installed.client("alice"), asyncio.Event()
    call = asyncio.create_task(client.post("/v1/responses/compact", body, gone=gone))
    async with asyncio.timeout(10):
        while not installed.engine.asked:
            await asyncio.sleep(0.01)
        gone.set()
        await call
    assert installed.engine.cancelled == 1


def test_every_field_of_the_official_client_has_its_place() -> None:
    assert set(ResponseCompactParams.__annotations__) - asked.COMPACTED.names == set()
