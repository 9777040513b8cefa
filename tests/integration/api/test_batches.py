"""`/v1/batches` with the official client and the whole installation, on an engine that a test scripts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types import Batch
from sqlalchemy import delete, insert, select

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.rights import Quota, Rights
from intramuros.errors import BadRequest, EngineDied, NotFound
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import batch_lines, batches
from intramuros.tasks import batch_work
from intramuros.tasks.stored_replies import StoredReply
from tests.asgi import soon
from tests.installed import Installed, installation
from tests.support.sdk import sdk

SECRET = "where is the zebulonette"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often, so that nobody waits."""
    for module in ("batch_run", "batch_work"):
        monkeypatch.setattr(f"intramuros.tasks.{module}.LOOK_S", 0.02)


def line(custom_id: str, content: str = "hello", **body: Any) -> dict[str, Any]:
    """One good line."""
    asked = {"model": "default", "messages": [{"role": "user", "content": content}]} | body
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": asked}


async def sent(client: AsyncOpenAI, *lines: Mapping[str, Any] | bytes, **more: Any) -> Batch:
    """A batch of these lines."""
    raw = b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines)
    file = await client.files.create(file=("in.jsonl", raw), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more
    )


async def over(client: AsyncOpenAI, batch: Batch) -> Batch:
    """The batch once it is over."""

    async def wait() -> Batch:
        while True:
            seen = await client.batches.retrieve(batch.id)
            if seen.status in {"completed", "failed", "expired", "cancelled"}:
                return seen
            await asyncio.sleep(0.02)

    return await soon(wait(), seconds=30)


async def lines_of(client: AsyncOpenAI, file_id: str | None) -> list[dict[str, Any]]:
    """The lines of an output or error file."""
    assert file_id is not None
    return [json.loads(one) for one in (await client.files.content(file_id)).content.splitlines()]


async def test_each_line_has_its_answer(installed: Installed) -> None:
    client = sdk(installed, "alice")
    batch = await sent(client, *(line(f"q{n}") for n in range(12)), metadata={"job": "nightly"})
    assert batch.status in {"validating", "in_progress"} and batch.metadata == {"job": "nightly"}
    assert batch.expires_at and batch.expires_at - batch.created_at == 24 * 3600
    batch = await over(client, batch)
    assert batch.status == "completed" and batch.error_file_id is None and batch.completed_at
    assert batch.request_counts and (batch.request_counts.total, batch.request_counts.completed) == (12, 12)
    assert batch.usage and (batch.usage.input_tokens, batch.usage.output_tokens) == (12 * 12, 12 * 3)
    found = await lines_of(client, batch.output_file_id)
    assert [one["custom_id"] for one in found] == [f"q{n}" for n in range(12)]
    for one in found:
        assert one["error"] is None and one["response"]["status_code"] == 200
        assert one["response"]["body"]["choices"][0]["message"]["content"] == "Bonjour, monde"
    output = await client.files.retrieve(batch.output_file_id or "")
    assert output.purpose == "batch_output" and output.expires_at
    records = installed.records("batch.line")
    assert len(records) == 12 and {record.facts["line"] for record in records} == set(range(1, 13))
    assert {record.id for record in records} == {one["response"]["request_id"] for one in found}
    assert all(r.actor == installed.app.users.find("alice@firm.example").id for r in records)
    assert all(r.facts["via"] == "schedule" and r.facts["model"] == "scripted" for r in records)
    with installed.app.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM batch_lines").scalar() == 0


async def test_bad_lines_are_reported_and_the_others_run(installed: Installed) -> None:
    client = sdk(installed, "alice")
    batch = await sent(
        client,
        line("good"),
        b"not json",
        b"[1, 2]",
        {"method": "POST", "url": "/v1/chat/completions", "body": {}},
        line("misspelt", temprature=1),
        line("stream", stream=True),
        line("elsewhere") | {"url": "/v1/embeddings"},
        line("get") | {"method": "GET"},
        line("more") | {"colour": "red"},
        {**line("bodyless"), "body": None},
        b"\xff\xfe{}",
        b"",
        b"[" * 100_000,
        line("unknown model", model="gpt-99"),
        line("stored", store="yes"),
        line("also good"),
    )
    batch = await over(client, batch)
    assert batch.status == "completed"
    counts = batch.request_counts
    assert counts and (counts.total, counts.completed, counts.failed) == (15, 2, 13), "an empty line is none"
    assert [one["custom_id"] for one in await lines_of(client, batch.output_file_id)] == ["good", "also good"]
    errors = {one["custom_id"]: one for one in await lines_of(client, batch.error_file_id)}
    assert errors["stored"]["error"]["message"].startswith("'store' must be")
    assert errors["misspelt"]["error"]["code"] == "unknown_parameter" and errors["misspelt"]["error"]["line"] == 5
    assert errors["unknown model"]["response"]["status_code"] == 404
    assert errors["unknown model"]["response"]["body"]["error"]["code"] == "model_not_found"
    assert errors["elsewhere"]["error"]["message"].startswith("'url' must be '/v1/chat/completions'")
    assert [one["error"]["line"] for one in errors.values() if one["error"] and one["custom_id"] is None][-1:] == [13]


async def test_a_batch_that_is_over_goes_with_its_output(tmp_path: Path) -> None:
    """By the schedule of a server that starts; one whose time is not over, or that is not over itself, stays.

    Lines that a death left of one that is over go at once.
    """
    with installation(tmp_path) as installed:
        database, day = installed.app.database, 86_400
        user = installed.app.users.find("alice@firm.example").id
        made: dict[str, tuple[str, int, int | None]] = {
            "old": ("completed", 31, None), "young": ("completed", 29, None), "short": ("failed", 2, day),
            "running": ("in_progress", 40, None),
        }  # fmt: skip
        with database.write() as connection:
            for id, (state, days, keep_s) in made.items():
                at = time.time() - days * day
                connection.execute(
                    insert(batches).values(
                        id=id, user_id=user, credential="session", endpoint="/v1/chat/completions", state=state,
                        input_file="none", output_keep_s=keep_s, times={state: at}, created_at=at, expires_at=at + day,
                        worker="another",
                    )
                )  # fmt: skip
                connection.execute(insert(batch_lines).values(batch_id=id, number=1, state="waiting", request=b"x"))

        def left() -> tuple[set[str], set[str]]:
            with database.read() as connection:
                return (
                    set(connection.scalars(select(batches.c.id))),
                    set(connection.scalars(select(batch_lines.c.batch_id))),
                )

        assert set(installed.app.batches.expired()) == {"old", "short", "young"}, "the last for its lines"
        with database.write() as connection:
            connection.execute(delete(batches).where(batches.c.id == "running"))  # or it would be worked on
        async with installed.app.running():
            async with asyncio.timeout(10):
                while left() != ({"young"}, set()):
                    await asyncio.sleep(0.02)
        [record] = installed.records("retention.expire")
        assert record.facts["records"] == 3


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([line("a"), line("b"), line("a")], "duplicate_custom_id"),
        ([b"", b"  "], "empty_file"),
    ],
)
async def test_files_that_are_no_batch(installed: Installed, lines: list[Any], code: str) -> None:
    client = sdk(installed, "alice")
    batch = await over(client, await sent(client, *lines))
    assert batch.status == "failed" and batch.failed_at and batch.errors and batch.errors.data
    assert batch.errors.data[0].code == code
    if code == "duplicate_custom_id":
        assert batch.errors.data[0].line == 3
    assert installed.engine.asked == []


async def test_more_lines_than_a_batch_takes(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_work, "MOST_LINES", 3)
    client = sdk(installed, "alice")
    batch = await over(client, await sent(client, *(line(str(n)) for n in range(4))))
    assert batch.status == "failed" and batch.errors and batch.errors.data
    assert batch.errors.data[0].code == "too_many_lines"


async def test_requests_that_can_not_be(installed: Installed) -> None:
    client, http = sdk(installed, "alice"), installed.client("alice")
    file = await client.files.create(file=("in.jsonl", json.dumps(line("a")).encode()), purpose="batch")
    other = await client.files.create(file=("in.jsonl", b"{}"), purpose="user_data")
    good = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    for wrong, param in (
        ({"endpoint": "/v1/models"}, "endpoint"), ({"completion_window": "1h"}, "completion_window"),
        ({"input_file_id": other.id}, "input_file_id"), ({"metadata": {"a": 1}}, "metadata"),
        ({"colour": "red"}, "colour"), ({"endpoint": []}, "endpoint"), ({"input_file_id": None}, "input_file_id"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, "output_expires_after.seconds"),
    ):  # fmt: skip
        answer = await http.post("/v1/batches", good | wrong)
        assert (answer.status, answer.json()["error"]["param"]) == (400, param), wrong
    assert (await http.post("/v1/batches", good | {"input_file_id": "file-nobody"})).status == 404


async def test_alice_bob_and_charlie(installed: Installed) -> None:
    installed.engine.hangs = True
    alice = sdk(installed, "alice")
    batch = await sent(alice, line("a", SECRET))
    for other in ("bob", "charlie"):
        client = sdk(installed, other)
        assert [one async for one in client.batches.list()] == []
        with pytest.raises(openai.NotFoundError):
            await client.batches.retrieve(batch.id)
        with pytest.raises(openai.NotFoundError):
            await client.batches.cancel(batch.id)
        with pytest.raises(openai.NotFoundError):  # nor can somebody else's file be asked
            await client.batches.create(
                input_file_id=batch.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
            )
    assert [one.id async for one in alice.batches.list()] == [batch.id]


async def test_a_cancelled_batch_keeps_what_was_answered(installed: Installed) -> None:
    client = sdk(installed, "alice")
    engine = installed.engine
    generate, running = engine.generate, asyncio.Event()

    async def some(request: Any) -> Any:
        if "hang" in request["messages"][0]["content"]:
            running.set()
            await asyncio.Event().wait()
        return await generate(request)

    engine.generate = some  # type: ignore[method-assign]
    batch = await sent(client, line("a"), *(line(f"b{n}", "hang") for n in range(20)))
    await soon(running.wait())
    while (await client.batches.retrieve(batch.id)).request_counts.completed < 1:  # type: ignore[union-attr]
        await asyncio.sleep(0.02)
    batch = await client.batches.cancel(batch.id)
    assert batch.status in {"cancelling", "cancelled"}
    batch = await over(client, batch)
    assert batch.status == "cancelled" and batch.cancelled_at and batch.cancelling_at
    assert batch.request_counts and (batch.request_counts.total, batch.request_counts.completed) == (21, 1)
    assert [one["custom_id"] for one in await lines_of(client, batch.output_file_id)] == ["a"]
    with pytest.raises(openai.ConflictError):
        await client.batches.cancel(batch.id)
    assert installed.app.admission.inside == 0, "the slots are free"


async def test_a_suspended_person_s_batch_stops(installed: Installed) -> None:
    client = sdk(installed, "bob")
    installed.engine.hangs = True
    batch = await sent(client, line("a"), line("b"))
    await soon(_until(lambda: len(installed.engine.asked) >= 2))
    bob = installed.app.users.find("bob@firm.example")
    installed.app.users.suspend(bob.id)
    await soon(_until(lambda: installed.engine.cancelled >= 2))
    found = await soon(_ended(installed, batch))
    assert found.state == "cancelled" and found.errors and found.errors[0]["code"] == "access_ended"


async def test_a_key_that_lost_its_rights(installed: Installed) -> None:
    person = installed.app.users.find("bob@firm.example")
    key, record = installed.app.api_keys.create("narrow", person.id, rights=Rights(models=frozenset({"other"})))
    installed.keys["narrow"] = key
    client = sdk(installed, "narrow")
    batch = await over(client, await sent(client, line("a", model="scripted")))
    [error] = await lines_of(client, batch.error_file_id)
    assert error["response"]["status_code"] == 403
    assert error["response"]["body"]["error"]["code"] == "model_not_allowed"
    installed.engine.hangs = True
    batch = await sent(sdk(installed, "bob"), line("x"))
    await soon(_until(lambda: bool(installed.engine.asked)))
    own = installed.app.api_keys.caller(installed.keys["bob"])
    assert own is not None and own.key_id is not None
    installed.app.api_keys.revoke(own.key_id)
    assert (await soon(_ended(installed, batch))).state == "cancelled"
    assert record.id != own.key_id


async def test_a_limit_is_waited_for_and_tokens_are_counted(installed: Installed) -> None:
    person = installed.app.users.find("bob@firm.example")
    key, record = installed.app.api_keys.create("limited", person.id, rights=Rights(quota=Quota(tokens_per_day=20)))
    installed.keys["limited"] = key
    client = sdk(installed, "limited")
    batch = await sent(client, *(line(f"q{n}") for n in range(8)))
    await soon(_until(lambda: installed.app.usage.used(("key", record.id)).tokens_today >= 20), seconds=10)
    await asyncio.sleep(0.3)
    seen = await client.batches.retrieve(batch.id)
    assert seen.status == "in_progress" and seen.request_counts
    assert 2 <= seen.request_counts.completed < 8, "what began within the limit was finished, the rest waits"
    assert installed.app.usage.used(("key", record.id)).tokens_today == 15 * seen.request_counts.completed
    with installed.app.database.write() as connection:  # the window ends first
        connection.exec_driver_sql("UPDATE batches SET expires_at = 1")
    batch = await over(client, batch)
    assert batch.status == "expired" and batch.expired_at
    errors = await lines_of(client, batch.error_file_id)
    assert len(errors) + len(await lines_of(client, batch.output_file_id)) == 8
    assert {one["error"]["code"] for one in errors} == {"batch_expired"}


async def test_a_batch_waits_behind_people(installed: Installed) -> None:
    engine = installed.engine
    engine.slots = 1
    order: list[str] = []
    gate = asyncio.Event()
    generate = engine.generate

    async def watched(request: Any) -> Any:
        order.append(request["messages"][0]["content"])
        if request["messages"][0]["content"] == "first":
            await gate.wait()
        return await generate(request)

    engine.generate = watched  # type: ignore[method-assign]
    client, person = sdk(installed, "alice"), sdk(installed, "bob")
    await person.chat.completions.create(model="default", messages=[{"role": "user", "content": "slots"}])
    first = asyncio.create_task(
        person.chat.completions.create(model="default", messages=[{"role": "user", "content": "first"}])
    )
    await soon(_until(lambda: "first" in order))
    batch = await sent(client, line("a", "batch"), line("b", "batch"))
    await soon(_until(lambda: installed.app.admission.waiting >= 2))
    second = asyncio.create_task(
        person.chat.completions.create(model="default", messages=[{"role": "user", "content": "second"}])
    )
    await soon(_until(lambda: installed.app.admission.waiting >= 3))
    gate.set()
    await soon(first)
    await soon(second)
    await over(client, batch)
    assert order == ["slots", "first", "second", "batch", "batch"], "who came later, but waits for it, is first"


async def test_an_engine_that_fails_is_tried_again_and_then_reported(installed: Installed) -> None:
    client = sdk(installed, "alice")
    engine, failures = installed.engine, 0
    generate = engine.generate

    async def sometimes(request: Any) -> Any:
        nonlocal failures
        content = request["messages"][0]["content"]
        if content == "always" or (content == "once" and failures == 0):
            failures += 1
            raise EngineDied("The engine stopped.")
        return await generate(request)

    engine.generate = sometimes  # type: ignore[method-assign]
    batch = await over(client, await sent(client, line("a", "once")))
    assert batch.request_counts and batch.request_counts.completed == 1
    engine.error = BadRequest("no")
    batch = await over(client, await sent(client, line("bad")))
    [error] = await lines_of(client, batch.error_file_id)
    assert error["response"]["status_code"] == 400


async def test_nothing_of_it_stands_on_the_disk_or_in_the_clear_in_the_database(installed: Installed) -> None:
    installed.engine.hangs = True
    client = sdk(installed, "alice")
    await sent(client, line("custom-mirabelle", SECRET))
    await soon(_until(lambda: bool(installed.engine.asked)))
    needles = (SECRET.encode(), b"custom-mirabelle")
    files = [path for path in installed.app.settings.data.rglob("*") if path.is_file()]
    assert [path for path in files if any(needle in path.read_bytes() for needle in needles)] == []
    for image in installed.app.database.images():  # the database, opened: sealed under the person's key as well
        assert not any(needle in image.content for needle in needles)


async def test_a_batch_goes_with_its_person(installed: Installed) -> None:
    installed.engine.hangs = True
    client = sdk(installed, "bob")
    batch = await sent(client, *(line(f"q{n}", SECRET) for n in range(6)))
    await soon(_until(lambda: bool(installed.engine.asked)))
    bob = installed.app.users.find("bob@firm.example")
    receipt = await asyncio.to_thread(installed.app.erasure.run, Subject("user", bob.id), by="local")
    assert (receipt.removed("batches"), receipt.removed("batch_lines"), receipt.removed("files")) == (1, 6, 1)
    await soon(_until(lambda: installed.app.admission.inside == 0))
    with installed.app.database.read() as connection:
        for table in ("batches", "batch_lines", "files"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
    assert ("user", bob.id) not in set(installed.app.subject_keys.subjects()), "and no key is made anew"
    assert batch.id


async def test_text_completions(installed: Installed) -> None:
    client = sdk(installed, "alice")
    asked = {"model": "default", "prompt": "Il était", "echo": True}
    raw = json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": asked}).encode()
    file = await client.files.create(file=("in.jsonl", raw), purpose="batch")
    batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/completions", completion_window="24h")
    [one] = await lines_of(client, (await over(client, batch)).output_file_id)
    assert one["custom_id"] == "a" and one["response"]["body"]["object"] == "text_completion"
    assert one["response"]["body"]["choices"][0]["text"].startswith("Il était")


async def test_responses_are_stored_unless_it_is_said_otherwise(installed: Installed) -> None:
    client = sdk(installed, "alice")
    kept = await client.responses.create(model="default", input="Bonjour")
    talk = await client.conversations.create()
    bodies: dict[str, Any] = {
        "goes on": {"input": "Et toi ?", "previous_response_id": kept.id, "metadata": {"job": "x"}, "user": "u"},
        "not": {"input": "a", "store": False},
        "background": {"input": "a", "background": True},
        "conversation": {"input": "a", "conversation": talk.id},
    }
    raw = b"\n".join(
        json.dumps({
            "custom_id": name, "method": "POST", "url": "/v1/responses", "body": {"model": "default", **body},
        }).encode()
        for name, body in bodies.items()
    )  # fmt: skip
    file = await client.files.create(file=("in.jsonl", raw), purpose="batch")
    made = await client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    batch = await over(client, made)
    found = {one["custom_id"]: one for one in await lines_of(client, batch.output_file_id)}
    assert list(found) == ["goes on", "not"]
    response, other = (found[name]["response"]["body"] for name in ("goes on", "not"))
    assert response["object"] == "response" and response["status"] == "completed"
    assert (response["store"], other["store"]) == (True, False)
    assert response["output"][0]["content"][0]["text"] == "Bonjour, monde" and found["goes on"]["not_used"] == ["user"]
    tokens = response["usage"]["output_tokens"] + other["usage"]["output_tokens"]
    assert batch.usage and batch.usage.output_tokens == tokens > 0
    stored = await client.responses.retrieve(response["id"])
    assert stored.output_text == "Bonjour, monde" and stored.metadata == {"job": "x"}
    further = await client.responses.create(model="default", input="Encore", previous_response_id=stored.id)
    assert [m["content"] for m in installed.engine.asked[-1]["messages"] if m["role"] == "user"] == [
        "Bonjour", "Et toi ?", "Encore",
    ]  # fmt: skip
    assert further.previous_response_id == stored.id
    for who, id in (("alice", other["id"]), ("bob", response["id"])):
        with pytest.raises(openai.NotFoundError):
            await sdk(installed, who).responses.retrieve(id)
    refused = {one["custom_id"]: one["error"]["message"] for one in await lines_of(client, batch.error_file_id)}
    assert list(refused) == ["background", "conversation"]
    assert "leave 'background' out" in refused["background"] and "no order" in refused["conversation"]


async def test_chats_are_stored_that_say_so(installed: Installed) -> None:
    client = sdk(installed, "alice")
    batch = await over(client, await sent(client, line("kept", SECRET, store=True, metadata={"a": "b"}), line("not")))
    kept, other = (one["response"]["body"] for one in await lines_of(client, batch.output_file_id))
    assert [(one.id, one.metadata) async for one in client.chat.completions.list()] == [(kept["id"], {"a": "b"})]
    messages = await installed.client("alice").call("GET", f"/v1/chat/completions/{kept['id']}/messages")
    assert [one["content"] for one in messages.json()["data"]] == [SECRET]
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.retrieve(other["id"])
    with pytest.raises(openai.NotFoundError):
        await sdk(installed, "bob").chat.completions.retrieve(kept["id"])


async def test_a_reply_to_somebody_who_was_erased_meanwhile_is_not_stored(installed: Installed) -> None:
    """Nor is a key made for them anew, which would be there without anybody it is of."""
    keys = installed.app.subject_keys
    bob = installed.app.users.find("bob@firm.example")
    by = installed.app.api_keys.caller(installed.keys["bob"])
    assert by is not None
    keys.create("user", bob.id)
    keys.destroy("user", bob.id)
    reply = StoredReply("chatcmpl-x", "completion", "m", "completed", {"metadata": None})
    with pytest.raises(NotFound):
        installed.app.replies.add(reply, by=by, again=True)
    assert ("user", bob.id) not in set(keys.subjects())


async def _ended(installed: Installed, batch: Batch) -> Any:
    while not (found := installed.app.batches.get(batch.id.removeprefix("batch_"), by=LOCAL)).is_over:
        await asyncio.sleep(0.02)
    return found


async def _until(is_true: Any) -> None:
    while not is_true():
        await asyncio.sleep(0.02)
