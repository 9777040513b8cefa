"""Responses with the official client: kept and continued, told as events, searched for, in the background, refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response
from openai.types.responses import response_create_params as official
from openai.types.responses.input_token_count_params import InputTokenCountParams

from intramuros.accounts.rights import Rights
from intramuros.api.openai.responses import request as asked
from intramuros.audit.record import Audit
from intramuros.engines.upstream import Upstream
from intramuros.errors import AuditUnavailable, EngineDied, ModelNotFound
from intramuros.storage.schema import stored_replies
from tests.installed import Installed
from tests.support.sdk import sdk
from tests.support.upstream_server import Call, upstream_server
from tests.support.upstream_server import chunk as piece

BRIDGE = b"# The bridge\n\nThe suspension bridge of Aldwick was built in 1897 by the engineer Martha Lindqvist.\n"
BAKERY = b"# The bakery\n\nThe bakery of Aldwick sells green almond cakes for 4 euros on market days.\n"
ASKED = "Who built the suspension bridge?"


async def make(client: AsyncOpenAI, **fields: Any) -> Any:
    create: Any = client.responses.create
    return await create(**{"model": "default", "input": "Bonjour"} | fields)


async def events(client: AsyncOpenAI, **fields: Any) -> list[Any]:
    return [event async for event in await make(client, stream=True, **fields)]


async def store(client: AsyncOpenAI, *contents: bytes) -> tuple[str, list[str]]:
    """A project with these documents, read."""
    ids = [
        (await client.files.create(file=(f"town-{number}.md", content), purpose="assistants")).id
        for number, content in enumerate(contents)
    ]
    made = await client.vector_stores.create(name="Town", file_ids=ids)
    async with asyncio.timeout(60):
        while (await client.vector_stores.retrieve(made.id)).file_counts.in_progress:
            await asyncio.sleep(0.05)
    return made.id, ids


def search(*stores: str, **more: Any) -> list[Any]:
    return [{"type": "file_search", "vector_store_ids": list(stores), **more}]


def says(installed: Installed, *words: str) -> None:
    installed.engine.words = words


def rows(installed: Installed) -> Sequence[Any]:
    with installed.app.database.read() as connection:
        return connection.execute(stored_replies.select()).all()


async def until(client: AsyncOpenAI, id: str, *states: str) -> Response:
    async with asyncio.timeout(10):
        while (found := await client.responses.retrieve(id)).status not in states:
            await asyncio.sleep(0.01)
    return found


async def test_a_response_is_kept_as_it_was_told(installed: Installed) -> None:
    client = sdk(installed, "alice")
    told = await events(client, instructions="Be brief.", metadata={"team": "a"}, temperature=0.5, max_output_tokens=50)
    assert [event.type.removeprefix("response.") for event in told] == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert [event.sequence_number for event in told] == list(range(len(told)))
    made = told[-1].response
    assert made.output_text == "Bonjour, monde" and made.usage.input_tokens_details.cached_tokens == 8
    assert (made.instructions, made.metadata, made.temperature, made.max_output_tokens) == (
        "Be brief.", {"team": "a"}, 0.5, 50)  # fmt: skip
    assert await client.responses.retrieve(made.id) == made
    again = [event async for event in await client.responses.retrieve(made.id, stream=True)]
    assert again == told
    rest = [event async for event in await client.responses.retrieve(made.id, stream=True, starting_after=5)]
    assert rest == told[6:]
    assert installed.engine.asked[-1]["messages"] == [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Bonjour"}]  # fmt: skip


async def test_the_helper_for_streams_and_the_raw_answer(installed: Installed) -> None:
    client = sdk(installed, "alice")
    async with client.responses.stream(model="default", input="Bonjour") as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        assert "".join(deltas) == (await stream.get_final_response()).output_text == "Bonjour, monde"
    raw = await client.responses.with_raw_response.create(
        model="default", input="Bonjour", user="u", text={"verbosity": "low"}
    )
    assert raw.headers["x-intramuros-not-used"] == "user, text.verbosity"


async def test_a_conversation_goes_on_and_its_beginning_stays_the_same(installed: Installed) -> None:
    client = sdk(installed, "alice")
    first = await make(client, input="One", instructions="Count.")
    second = await make(client, input="Two", previous_response_id=first.id, instructions="Count.")
    third = await make(client, input=[{"role": "user", "content": [{"type": "input_text", "text": "Three"}]}],
                       previous_response_id=second.id, instructions="Count.")  # fmt: skip
    prompts = [one["messages"] for one in installed.engine.asked]
    assert [len(prompt) for prompt in prompts] == [2, 4, 6]
    assert prompts[1][:2] == prompts[0] and prompts[2][:4] == prompts[1], "or the prefix cache is of no use"
    assert third.previous_response_id == second.id
    await make(client, input="Four", previous_response_id=third.id)
    assert installed.engine.asked[-1]["messages"][0]["role"] == "user", "instructions are not carried over"
    listed = await client.responses.input_items.list(third.id)
    assert [item.to_dict()["content"][0]["text"] for item in listed.data] == ["Three"]  # type: ignore[index]
    await client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError) as gone:
        await make(client, previous_response_id=second.id)
    assert gone.value.code == "previous_response_not_found" and gone.value.param == "previous_response_id"


async def test_input_items_come_in_pages(installed: Installed) -> None:
    client = sdk(installed, "alice")
    sent: Any = [
        {"role": "user", "content": "Weather?"},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Sunny.", "annotations": []}]},
        {"role": "user", "content": "Thanks"},
    ]
    made = await make(client, input=sent)
    items = [item async for item in client.responses.input_items.list(made.id, order="asc", limit=2)]
    assert [item.type for item in items] == ["message", "function_call", "function_call_output", "message", "message"]
    messages = installed.engine.asked[-1]["messages"]
    assert [one["role"] for one in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == "c1"
    newest = await client.responses.input_items.list(made.id, limit=1)
    assert newest.data[0] == items[-1] and newest.has_more


async def test_what_is_not_to_be_stored_is_not(installed: Installed) -> None:
    client = sdk(installed, "alice")
    made = await make(client, store=False)
    assert made.output_text and rows(installed) == []
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_another_persons_response_does_not_exist(installed: Installed) -> None:
    alice = sdk(installed, "alice")
    made = await make(alice)
    for who in ("bob", "charlie"):
        other = sdk(installed, who)
        for call in (
            other.responses.retrieve(made.id), other.responses.delete(made.id), other.responses.cancel(made.id),
            other.responses.input_items.list(made.id), make(other, previous_response_id=made.id),
            other.responses.retrieve(made.id, stream=True), other.chat.completions.retrieve(made.id),
        ):  # fmt: skip
            with pytest.raises(openai.NotFoundError):
                await call
    assert await alice.responses.retrieve(made.id) == made


async def test_passages_are_found_and_cited_where_they_carry_the_sentence(installed: Installed) -> None:
    client = sdk(installed, "alice")
    vectors, [bridge, _] = await store(client, BRIDGE, BAKERY)
    true = "The suspension bridge was built in 1897 by Martha Lindqvist [1]."
    says(installed, true, " It was painted in 2011 by Otto Brunner [1].")
    told = await events(client, input=ASKED, tools=search(vectors), include=["file_search_call.results"])
    kinds = [event.type.removeprefix("response.") for event in told]
    assert kinds[:7] == [
        "created", "in_progress", "output_item.added", "file_search_call.in_progress", "file_search_call.searching",
        "file_search_call.completed", "output_item.done",
    ]  # fmt: skip
    [added] = [event for event in told if event.type == "response.output_text.annotation.added"]
    made = told[-1].response
    looked, message = made.output
    assert looked.queries == [ASKED] and looked.results[0].file_id == bridge and "1897" in looked.results[0].text
    [cited] = message.content[0].annotations
    assert (cited.type, cited.file_id, cited.filename, cited.index) == ("file_citation", bridge, "town-0.md", len(true))
    assert added.annotation.to_dict() == cited.to_dict(), "what no source carries is not cited"
    prompt = installed.engine.asked[-1]["messages"][-1]["content"]
    assert prompt.index("<source number=1>") < prompt.index("1897") < prompt.index(ASKED)

    plain = await client.responses.retrieve(made.id)
    assert plain.output[0].results is None  # type: ignore[union-attr]
    whole = await client.responses.retrieve(made.id, include=["file_search_call.results"])
    assert whole.output[0].results[0].text == looked.results[0].text  # type: ignore[union-attr,index]

    await make(client, input="And when?", previous_response_id=made.id, tools=search(vectors))
    before, after = (one["messages"] for one in installed.engine.asked[-2:])
    assert after[: len(before)] == before, "sources stay where they were"


async def test_filters_and_bounds_narrow_the_search(installed: Installed) -> None:
    client = sdk(installed, "alice")
    vectors, [_, bakery] = await store(client, BRIDGE, BAKERY)
    await client.vector_stores.files.update(bakery, vector_store_id=vectors, attributes={"kind": "food"})
    about = "The bridge and the bakery of Aldwick"
    fields: dict[str, Any] = {"input": about, "include": ["file_search_call.results"]}
    kinds = {"type": "eq", "key": "kind", "value": "food"}
    found = (await make(client, tools=search(vectors, filters=kinds), **fields)).output[0]
    assert [one.file_id for one in found.results] == [bakery] and found.results[0].attributes == {"kind": "food"}
    found = (await make(client, tools=search(vectors, max_num_results=1), **fields)).output[0]
    assert len(found.results) == 1
    found = (await make(client, tools=search(vectors), tool_choice="none", **fields)).output[0]
    assert found.type == "message"
    found = (
        await make(
            client, tools=search(vectors), input="What is the zzzqqq of this?", include=["file_search_call.results"]
        )
    ).output[0]
    assert found.results == [] and "Nothing about this" in str(installed.engine.asked[-1]["messages"][-1])


async def test_a_store_that_is_not_the_callers_is_not_searched(installed: Installed) -> None:
    alice, bob = sdk(installed, "alice"), sdk(installed, "bob")
    vectors, _ = await store(alice, BRIDGE)
    for stream in (False, True):
        with pytest.raises(openai.NotFoundError):
            await make(bob, input=ASKED, tools=search(vectors), stream=stream)
    assert installed.engine.asked == []
    made = await make(alice, input=ASKED, tools=search(vectors))
    await alice.vector_stores.delete(vectors)
    with pytest.raises(openai.NotFoundError):
        await alice.responses.retrieve(made.id)
    assert rows(installed) == [], "erased with the project it was made from"


async def test_what_was_made_from_a_project_whose_key_is_gone_is_closed(installed: Installed) -> None:
    """As an older backup is, after a restore that left an erased project out."""
    client = sdk(installed, "alice")
    vectors, _ = await store(client, BRIDGE)
    await make(client, input=ASKED, tools=search(vectors))
    plain = await make(client)
    installed.app.subject_keys.destroy("project", vectors.removeprefix("vs_"))
    alice = installed.app.users.find("alice@firm.example")
    assert [reply.id for reply in installed.app.replies.of_person(alice.id)] == [plain.id]


async def test_a_key_for_chats_alone_searches_nothing(installed: Installed) -> None:
    vectors, _ = await store(sdk(installed, "alice"), BRIDGE)
    alice = installed.app.users.find("alice@firm.example")
    chats = Rights(scopes=frozenset({"chat"}))
    installed.keys["chats"] = installed.app.api_keys.create("chats", alice.id, rights=chats)[0]
    with pytest.raises(openai.PermissionDeniedError):
        await make(sdk(installed, "chats"), input=ASKED, tools=search(vectors))
    assert (await make(sdk(installed, "chats"))).status == "completed"


async def test_an_engine_that_dies_in_the_middle_is_an_event_and_kept_as_failed(installed: Installed) -> None:
    client = sdk(installed, "alice")
    installed.engine.error, installed.engine.error_after = EngineDied(), 2
    told = await events(client)
    assert told[-1].type == "response.failed" and told[-1].response.error.code == "server_error"
    kept = await client.responses.retrieve(told[0].response.id)
    assert kept.status == "failed" and kept.output_text == "Bonjour, " and kept.output[0].status == "incomplete"  # type: ignore[union-attr]
    with pytest.raises(openai.BadRequestError) as refused:
        await make(client, previous_response_id=kept.id)
    assert refused.value.code == "previous_response_unfinished"
    with pytest.raises(openai.APIStatusError) as died:
        await make(client)
    assert died.value.status_code == 502 and len(rows(installed)) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_before_the_first_event_has_its_status(installed: Installed, stream: bool) -> None:
    client = sdk(installed, "alice")
    installed.engine.error = ModelNotFound("gone")
    with pytest.raises(openai.NotFoundError):
        await make(client, stream=stream)
    assert rows(installed) == []


async def test_an_answer_that_is_cut_is_incomplete(installed: Installed) -> None:
    client, original = sdk(installed, "alice"), installed.engine.stream

    async def cut(request: Any) -> Any:
        async for chunk in original(request):
            parsed = json.loads(chunk)
            if parsed["choices"] and parsed["choices"][0]["delta"].get("content") == "monde":
                parsed["choices"][0]["finish_reason"] = "length"
            yield json.dumps(parsed).encode()

    installed.engine.stream = cut  # type: ignore[method-assign]
    told = await events(client, max_output_tokens=3)
    assert told[-1].type == "response.incomplete"
    assert told[-1].response.incomplete_details.reason == "max_output_tokens"


async def test_in_the_background(installed: Installed) -> None:
    client = sdk(installed, "alice")
    made = await make(client, background=True)
    assert made.status == "queued" and made.background and made.output == []
    done = await until(client, made.id, "completed", "failed")
    assert done.output_text == "Bonjour, monde" and done.id == made.id
    assert await client.responses.cancel(made.id) == done, "what has ended stays as it is"
    told = [event async for event in await client.responses.retrieve(made.id, stream=True)]
    assert [event.type for event in told[:3]] == ["response.created", "response.queued", "response.in_progress"]
    assert [event.sequence_number for event in told] == list(range(len(told)))
    [record] = installed.records("respond.background")
    assert record.object == made.id and record.facts["completion_tokens"] == 3


async def test_a_background_response_is_cancelled(installed: Installed) -> None:
    client = sdk(installed, "alice")
    installed.engine.hangs = True
    made = await make(client, background=True)
    await until(client, made.id, "queued")
    while not installed.engine.running:
        await asyncio.sleep(0.01)
    ended = await client.responses.cancel(made.id)
    assert ended.status == "cancelled" and installed.engine.cancelled == 1 and installed.engine.running == 0
    assert (await client.responses.retrieve(made.id)).status == "cancelled"
    with pytest.raises(openai.BadRequestError) as refused:
        await client.responses.cancel((await make_ended(client, installed)).id)
    assert refused.value.code == "not_in_background"


async def make_ended(client: AsyncOpenAI, installed: Installed) -> Any:
    installed.engine.hangs = False
    return await make(client)


async def test_whoever_may_no_longer_has_no_background_response_either(installed: Installed) -> None:
    client = sdk(installed, "alice")
    installed.engine.hangs = True
    made = await make(client, background=True)
    while not installed.engine.running:
        await asyncio.sleep(0.01)
    [key] = installed.app.api_keys.list(installed.app.users.find("alice@firm.example").id)
    installed.app.api_keys.revoke(key.id)
    async with asyncio.timeout(10):
        while installed.engine.running:
            await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        while rows(installed)[0].state != "failed":
            await asyncio.sleep(0.02)
    assert rows(installed)[0].id == made.id


async def test_a_background_response_that_is_deleted_ends(installed: Installed) -> None:
    client = sdk(installed, "alice")
    installed.engine.hangs = True
    made = await make(client, background=True)
    while not installed.engine.running:
        await asyncio.sleep(0.01)
    await client.responses.delete(made.id)
    async with asyncio.timeout(5):
        while installed.engine.running:
            await asyncio.sleep(0.01)
    assert rows(installed) == []


async def test_what_goes_outside_in_the_background_is_recorded_though_its_client_left(installed: Installed) -> None:
    app, left = installed.app, asyncio.Event()
    app.router.lets_outside = True

    async def slow(call: Call) -> None:
        await call.head()
        await call.say("Bon")
        await left.wait()
        await call.say("jour")
        await call.event(piece({}, finish="stop"))
        await call.event(b"[DONE]")

    asked = {"model": "cloud/m", "input": "Bonjour M. Jean Dupont", "background": True, "stream": True}
    async with upstream_server(slow) as server:
        app.router.routing.add(Upstream("cloud", server.url, is_outside=True, models=("m",)))
        client = installed.client("alice", x_intramuros_outside="allow")
        await client.call("POST", "/v1/responses", json.dumps(asked).encode(), leave_after=4)
        left.set()
        async with asyncio.timeout(10):
            while not (records := installed.records("respond.background")):
                await asyncio.sleep(0.02)
        assert len(server.chats) == 1 and "Dupont" not in json.dumps(server.chats[0])
    facts = records[0].facts
    assert records[0].outcome == "ok" and facts["route"] == "outside" and facts["targets"] == ["cloud/m"]
    assert sum(facts["masked"].values()) > 0
    [row] = rows(installed)
    assert row.state == "completed"


async def test_a_background_response_has_no_more_consent_than_its_request(installed: Installed) -> None:
    app = installed.app
    app.router.lets_outside = True
    async with upstream_server() as server:
        app.router.routing.add(Upstream("cloud", server.url, is_outside=True, models=("m",)))
        client = sdk(installed, "alice")
        made = await make(client, model="cloud/m", background=True)
        await until(client, made.id, "failed")
        assert server.calls == []


@pytest.mark.parametrize("raised", [AuditUnavailable("The journal is full."), OSError("of dupont")])
async def test_one_in_the_background_that_can_not_be_begun_has_failed(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    """Who waits for it would ask for ever."""
    entry = Audit.entry

    def refused(audit: Audit, action: str, **more: Any) -> Any:
        if action == "respond.background":
            raise raised
        return entry(audit, action, **more)

    monkeypatch.setattr(Audit, "entry", refused)
    client = sdk(installed, "alice")
    made = await make(client, background=True)
    kept = await until(client, made.id, "failed")
    assert kept.error and "dupont" not in kept.error.message and not installed.engine.asked


async def test_what_a_server_left_behind_has_failed(installed: Installed) -> None:
    client = sdk(installed, "alice")
    made = await make(client, background=True)
    await until(client, made.id, "completed")
    with installed.app.database.write() as connection:
        connection.execute(stored_replies.update().values(state="in_progress"))
    assert installed.app.replies.give_up() == 1
    kept = await client.responses.retrieve(made.id)
    assert kept.status == "failed" and kept.error and "server stopped" in kept.error.message


async def test_a_client_that_leaves_ends_its_response(installed: Installed) -> None:
    installed.engine.hangs = True
    body = {"model": "default", "input": "Bonjour", "stream": True}
    await installed.client("alice").call("POST", "/v1/responses", json.dumps(body).encode(), leave_after=4)
    assert installed.engine.running == 0
    [row] = rows(installed)
    assert row.state == "cancelled"


async def test_nothing_stands_readable_in_the_data_folder(installed: Installed) -> None:
    client = sdk(installed, "alice")
    says(installed, "Le coffre est ", "derrière le portrait.")
    await make(client, input="Où est le coffre ?", metadata={"secret": "zinnober"})
    [row] = rows(installed)
    for word in (b"coffre", b"portrait", b"zinnober"):
        assert word not in row.sealed
        for path in installed.app.settings.data.rglob("*"):
            assert not path.is_file() or word not in path.read_bytes(), path


async def test_tokens_are_counted_without_an_answer(installed: Installed) -> None:
    client = sdk(installed, "alice")
    counted = await client.responses.input_tokens.count(model="default", input="Bonjour", instructions="Be brief.")
    assert counted.input_tokens == 12
    assert [one["content"] for one in installed.engine.asked[-1]["messages"]] == ["Be brief.", "Bonjour"]
    assert rows(installed) == []


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": {"id": "p"}}, "prompt", "unsupported_parameter"),
        ({"truncation": "auto"}, "truncation", "unsupported_value"),
        ({"background": True, "store": False}, "background", "bad_request"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "unsupported_tool"),
        ({"tools": [{"type": "web_search_2025_08_26"}]}, "tools[0].type", "unsupported_tool"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "tools[0].type", "unsupported_tool"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type", "unsupported_tool"),
        ({"tools": [{"type": "computer_use_preview"}]}, "tools[0].type", "unsupported_tool"),
        ({"tools": search("proj")}, "tools[0].vector_store_ids[0]", "bad_request"),
        ({"tools": search()}, "tools[0].vector_store_ids", "bad_request"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice", "bad_request"),
        ({"tool_choice": "required"}, "tool_choice", "bad_request"),
        ({"conversation": "conv_1", "previous_response_id": "resp_1"}, "conversation", "unsupported_parameter"),
        ({"conversation": {"id": "x", "more": 1}}, "conversation.more", "unknown_parameter"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type", "unsupported_content"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
         "input[0].content[0].type", "unsupported_content"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "bad_request"),
        ({"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "nonsense"}}}},
         "text.format.schema", "invalid_schema"),
        ({"include": ["everything"]}, "include[0]", "bad_request"),
        ({"metadata": {"a": 1}}, "metadata", "bad_request"),
        ({"max_output_tokens": 0}, "max_output_tokens", "bad_request"),
        ({"temprature": 1}, "temprature", "unknown_parameter"),
    ],
)  # fmt: skip
async def test_what_cannot_be_honoured_is_refused_with_its_place(
    installed: Installed, fields: dict[str, Any], param: str, code: str
) -> None:
    answer = await installed.client("alice").post("/v1/responses", {"model": "default", "input": "x"} | fields)
    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (400, code), error
    assert str(error["param"]).startswith(param) and installed.engine.asked == []


def test_every_field_of_the_official_client_has_its_place() -> None:
    theirs = {*official.ResponseCreateParamsBase.__annotations__, "stream"}
    assert theirs - asked.FIELDS.names == set(), "OpenAI has new fields: honour them, take them as hints or refuse them"
    assert set(InputTokenCountParams.__annotations__) - asked.COUNTED.names == set()
