"""`/v1/messages/batches` with the official client and the whole installation, on an engine that a test scripts."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from anthropic.types.messages import MessageBatch
from sqlalchemy import func, select

from intramuros.accounts.caller import LOCAL
from intramuros.errors import BadRequest
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import batch_lines, batches, files
from tests.asgi import soon
from tests.installed import Installed
from tests.support.sdk import anthropic_sdk, sdk

SECRET = "where is the zebulonette"
HOME = "/v1/messages/batches"
VERSION = {"anthropic-version": "2023-06-01"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often, so that nobody waits."""
    for module in ("batch_run", "batch_work"):
        monkeypatch.setattr(f"intramuros.tasks.{module}.LOOK_S", 0.02)


def asked(custom_id: str, content: str = "hello", **params: Any) -> Any:
    """One good request."""
    messages = [{"role": "user", "content": content}]
    return {"custom_id": custom_id, "params": {"model": "default", "max_tokens": 8, "messages": messages} | params}


async def over(client: AsyncAnthropic, batch: MessageBatch) -> MessageBatch:
    """The batch once it has ended."""

    async def wait() -> MessageBatch:
        while (seen := await client.messages.batches.retrieve(batch.id)).processing_status != "ended":
            await asyncio.sleep(0.02)
        return seen

    return await soon(wait(), seconds=30)


async def results(client: AsyncAnthropic, batch: MessageBatch) -> dict[str, Any]:
    """The results by `custom_id`, in their order."""
    return {one.custom_id: one.result async for one in await client.messages.batches.results(batch.id)}


def rows(installed: Installed) -> dict[str, int]:
    """How much there is of batches and of what they keep."""
    with installed.app.database.read() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (batches, batch_lines, files)
        }


async def test_each_request_has_its_message(installed: Installed) -> None:
    client = anthropic_sdk(installed, "alice")
    batch = await client.messages.batches.create(requests=[asked(f"q{n}") for n in range(12)])
    assert (
        batch.type == "message_batch" and batch.processing_status == "in_progress" and batch.id.startswith("msgbatch_")
    )
    assert sum(batch.request_counts.model_dump().values()) == 12 and batch.results_url is None
    assert (batch.expires_at - batch.created_at).total_seconds() == 24 * 3600 and batch.ended_at is None
    batch = await over(client, batch)
    assert batch.request_counts.model_dump() == {
        "processing": 0, "succeeded": 12, "errored": 0, "canceled": 0, "expired": 0
    }  # fmt: skip
    assert batch.ended_at and batch.results_url == f"http://localhost:8777{HOME}/{batch.id}/results"
    found = await results(client, batch)
    assert list(found) == [f"q{n}" for n in range(12)]
    records = installed.records("batch.line")
    assert len(records) == 12 and all(r.facts["via"] == "schedule" and r.facts["model"] == "scripted" for r in records)
    assert {f"msg_{record.id}" for record in records} == {one.message.id for one in found.values()}
    for one in found.values():
        assert one.type == "succeeded" and one.message.content[0].text == "Bonjour, monde"
        assert (one.message.usage.input_tokens, one.message.usage.output_tokens) == (12, 3)
    assert rows(installed) == {"batches": 1, "batch_lines": 0, "files": 1}, "the results, and nothing that was asked"


async def test_the_betas_client_too(installed: Installed) -> None:
    client = anthropic_sdk(installed, "alice")
    made = await client.beta.messages.batches.create(requests=[asked("a")], betas=["x-2026"])
    while (seen := await client.beta.messages.batches.retrieve(made.id)).processing_status != "ended":
        await asyncio.sleep(0.02)
    [one] = [one async for one in await client.beta.messages.batches.results(seen.id)]
    assert one.result.type == "succeeded"
    assert [one.id async for one in client.beta.messages.batches.list()] == [made.id]
    assert (await client.beta.messages.batches.delete(made.id)).type == "message_batch_deleted"


async def test_bad_requests_are_reported_and_the_others_run(installed: Installed) -> None:
    client = anthropic_sdk(installed, "alice")
    batch = await client.messages.batches.create(
        requests=[
            asked("good"),
            asked("misspelt", temprature=1),
            asked("stream", stream=True),
            asked("turns", messages=[]),
            {"custom_id": "nothing", "params": {}},  # type: ignore[typeddict-item]
            asked("container", container="x"),
            asked("unknown model", model="claude-99"),
            asked("hints", metadata={"user_id": "u"}),
        ]
    )
    batch = await over(client, batch)
    counts = batch.request_counts
    assert (counts.succeeded, counts.errored, counts.processing) == (2, 6, 0)
    found = await results(client, batch)
    assert list(found) == ["good", "misspelt", "stream", "turns", "nothing", "container", "unknown model", "hints"]
    for name, said in (
        ("misspelt", "temprature"), ("stream", "no streams"), ("turns", "messages"), ("nothing", "missing"),
        ("container", "container"),
    ):  # fmt: skip
        assert found[name].type == "errored" and found[name].error.error.type == "invalid_request_error", name
        assert said in found[name].error.error.message
    unknown = found["unknown model"].error
    assert unknown.error.type == "not_found_error" and unknown.request_id.startswith("req_")
    lines = (await installed.client("alice").call("GET", f"{HOME}/{batch.id}/results", headers=VERSION)).body
    assert json.loads(lines.splitlines()[-1])["not_used"] == ["metadata"]


async def test_batches_that_can_not_be(installed: Installed) -> None:
    http = installed.client("alice")
    good = asked("a")
    for wrong, param in (
        ({}, "requests"), ({"requests": {}}, "requests"), ({"requests": []}, "requests"),
        ({"requests": [good], "colour": "red"}, "colour"), ({"requests": [good, 7]}, "requests[1]"),
        ({"requests": [good | {"custom_id": ""}]}, "requests[0].custom_id"), ({"requests": [good | {"more": 1}]}, "more"),
        ({"requests": [good | {"custom_id": "x" * 513}]}, "requests[0].custom_id"),
        ({"requests": [good | {"params": []}]}, "requests[0].params"),
        ({"requests": [good, asked("b"), good]}, "requests[2].custom_id"),
    ):  # fmt: skip
        answer = await http.post(HOME, wrong, headers=VERSION)
        assert (answer.status, answer.json()["error"].get("param")) == (400, param), answer.body
        assert answer.json()["type"] == "error" and answer.json()["error"]["type"] == "invalid_request_error"
    assert (await http.post(HOME, {"requests": [good]})).status == 400, "the version is required"
    assert (await http.call("GET", f"{HOME}?colour=red", headers=VERSION)).status == 400
    assert rows(installed) == {"batches": 0, "batch_lines": 0, "files": 0}
    for _ in range(50):  # of an endpoint that nobody answers, so that they stay
        file = installed.app.files.add("x", "batch", _Empty(), by=LOCAL)
        installed.app.batches.create(file.id, "/v1/nothing", by=LOCAL)
    many = await installed.client("local").post(HOME, {"requests": [good]}, headers=VERSION)
    assert many.status == 429 and many.json()["error"]["type"] == "rate_limit_error"
    assert len(installed.app.files.list(by=LOCAL)) == 50, "and what it sent is not kept"


async def test_alice_bob_and_charlie(installed: Installed) -> None:
    installed.engine.hangs = True
    alice = anthropic_sdk(installed, "alice")
    batch = await alice.messages.batches.create(requests=[asked("a", SECRET)])
    for other in ("bob", "charlie"):
        client = anthropic_sdk(installed, other).messages.batches
        assert [one async for one in client.list()] == []
        for call in (client.retrieve, client.cancel, client.delete, client.results):
            with pytest.raises(anthropic.NotFoundError):
                await call(batch.id)
    assert [one.id async for one in alice.messages.batches.list()] == [batch.id]
    with pytest.raises(anthropic.ConflictError):
        await alice.messages.batches.delete(batch.id)
    answer = await installed.client("alice").call("GET", f"{HOME}/{batch.id}/results", headers=VERSION)
    assert answer.status == 404 and "not ended" in answer.json()["error"]["message"]
    # Each protocol has its own: neither shows the other's.
    openai = sdk(installed, "alice")
    assert [one async for one in openai.batches.list()] == []
    found = await installed.client("alice").call("GET", f"/v1/batches/{batch.id.removeprefix('msg')}")
    assert found.status == 404
    refused = await installed.client("alice").post(
        "/v1/batches", {"input_file_id": "file-x", "endpoint": "/v1/messages", "completion_window": "24h"}
    )
    assert refused.json()["error"]["param"] == "endpoint"


async def test_pages_newest_first(installed: Installed) -> None:
    client = anthropic_sdk(installed, "alice").messages.batches
    made = [(await client.create(requests=[asked("a")])).id for _ in range(5)]
    assert [one.id async for one in client.list(limit=2)] == made[::-1]
    page = await client.list(limit=2, after_id=made[3])
    assert [one.id for one in page.data] == [made[2], made[1]] and page.has_more and page.first_id == made[2]
    page = await client.list(limit=2, before_id=made[0])
    assert [one.id for one in page.data] == [made[2], made[1]]
    for wrong in ({"limit": 0}, {"limit": 1001}, {"after_id": "msgbatch_x"}):
        with pytest.raises(anthropic.BadRequestError):
            await client.list(**wrong)


async def test_a_cancelled_batch_keeps_what_was_answered(installed: Installed) -> None:
    client, engine = anthropic_sdk(installed, "alice"), installed.engine
    generate = engine.generate

    async def some(request: Any) -> Any:
        if "hang" in request["messages"][0]["content"]:
            await asyncio.Event().wait()
        return await generate(request)

    engine.generate = some  # type: ignore[method-assign]
    batch = await client.messages.batches.create(
        requests=[asked("a"), asked("bad", colour="red"), *(asked(f"b{n}", "hang") for n in range(20))]
    )
    while (seen := await client.messages.batches.retrieve(batch.id)).request_counts.succeeded < 1:
        await asyncio.sleep(0.02)
    assert seen.request_counts.processing == 20
    batch = await client.messages.batches.cancel(batch.id)
    assert batch.processing_status in {"canceling", "ended"} and batch.cancel_initiated_at
    batch = await over(client, batch)
    assert (batch.request_counts.succeeded, batch.request_counts.errored, batch.request_counts.canceled) == (1, 1, 20)
    kinds = [one.type for one in (await results(client, batch)).values()]
    assert kinds == ["succeeded", "errored", *["canceled"] * 20]
    with pytest.raises(anthropic.ConflictError):
        await client.messages.batches.cancel(batch.id)
    assert installed.app.admission.inside == 0, "the slots are free"
    deleted = await client.messages.batches.delete(batch.id)
    assert (deleted.id, deleted.type) == (batch.id, "message_batch_deleted")
    assert rows(installed) == {"batches": 0, "batch_lines": 0, "files": 0}
    assert [path for path in installed.app.blobs.folder.rglob("*") if path.is_file()] == []
    [record] = installed.records("batch.remove")
    assert record.object == batch.id.removeprefix("msgbatch_")


async def test_one_cancelled_before_it_was_read_in_has_results_all_the_same(installed: Installed) -> None:
    """Its requests are canceled, and one that could never be is errored."""
    app, alice = installed.app, installed.app.users.find("alice@firm.example")
    content = b"\n".join(json.dumps(one).encode() for one in (asked("a"), asked("bad", colour="red"), asked("b")))
    by = app.api_keys.caller(installed.keys["alice"])
    assert by is not None

    class Once:
        """The input, read once."""

        left = content

        def read(self, size: int, /) -> bytes:
            """All, then nothing."""
            taken, self.left = self.left, b""
            return taken

    file = app.files.add("in.jsonl", "batch", Once(), by=by)
    with app.database.write() as connection:  # as a process leaves it that dies right after
        at = 1e9
        connection.execute(
            batches.insert().values(
                id="early", user_id=alice.id, credential=by.credential, endpoint="/v1/messages", state="cancelling",
                input_file=file.id, times={"cancelling": at}, created_at=at, expires_at=4e9, total=3,
            )
        )  # fmt: skip
    client = anthropic_sdk(installed, "alice")
    seen = await client.messages.batches.retrieve("msgbatch_early")
    batch = await over(client, seen)
    assert (batch.request_counts.canceled, batch.request_counts.errored) == (2, 1)
    assert [one.type for one in (await results(client, batch)).values()] == ["canceled", "errored", "canceled"]
    assert installed.engine.asked == []


async def test_one_whose_time_is_over(installed: Installed) -> None:
    installed.engine.hangs = True
    client = anthropic_sdk(installed, "alice")
    batch = await client.messages.batches.create(requests=[asked("a"), asked("b")])
    await soon(_until(lambda: bool(installed.engine.asked)))
    with installed.app.database.write() as connection:
        connection.exec_driver_sql("UPDATE batches SET expires_at = 1")
    batch = await over(client, batch)
    assert batch.request_counts.expired == 2
    assert {one.type for one in (await results(client, batch)).values()} == {"expired"}


async def test_errors_of_the_engine_are_in_the_results(installed: Installed) -> None:
    installed.engine.error = BadRequest("no")
    client = anthropic_sdk(installed, "alice")
    batch = await over(client, await client.messages.batches.create(requests=[asked("a")]))
    [one] = (await results(client, batch)).values()
    assert one.type == "errored" and one.error.error.type == "invalid_request_error"


async def test_it_waits_behind_people(installed: Installed) -> None:
    engine, order, gate = installed.engine, list[str](), asyncio.Event()
    engine.slots = 1
    generate = engine.generate

    async def watched(request: Any) -> Any:
        order.append(request["messages"][0]["content"])
        if order[-1] == "first":
            await gate.wait()
        return await generate(request)

    engine.generate = watched  # type: ignore[method-assign]
    client, person = anthropic_sdk(installed, "alice"), anthropic_sdk(installed, "bob")

    async def say(words: str) -> None:
        await person.messages.create(model="default", max_tokens=4, messages=[{"role": "user", "content": words}])

    await say("slots")
    first = asyncio.create_task(say("first"))
    await soon(_until(lambda: "first" in order))
    batch = await client.messages.batches.create(requests=[asked("a", "batch"), asked("b", "batch")])
    await soon(_until(lambda: installed.app.admission.waiting >= 2))
    second = asyncio.create_task(say("second"))
    await soon(_until(lambda: installed.app.admission.waiting >= 3))
    gate.set()
    await soon(first)
    await soon(second)
    await over(client, batch)
    assert order == ["slots", "first", "second", "batch", "batch"]


async def test_a_revoked_key_ends_it(installed: Installed) -> None:
    installed.engine.hangs = True
    client = anthropic_sdk(installed, "bob")
    batch = await client.messages.batches.create(requests=[asked("a"), asked("b")])
    await soon(_until(lambda: bool(installed.engine.asked)))
    own = installed.app.api_keys.caller(installed.keys["bob"])
    assert own is not None and own.key_id is not None
    installed.app.api_keys.revoke(own.key_id)
    id = batch.id.removeprefix("msgbatch_")
    await soon(_until(lambda: installed.app.batches.get(id, by=LOCAL).is_over))
    found = installed.app.batches.get(id, by=LOCAL)
    assert found.state == "cancelled" and found.errors and found.errors[0]["code"] == "access_ended"


async def test_nothing_of_it_stands_in_the_clear_and_it_goes_with_its_person(installed: Installed) -> None:
    installed.engine.hangs = True
    client = anthropic_sdk(installed, "bob")
    await client.messages.batches.create(requests=[asked(f"custom-mirabelle-{n}", SECRET) for n in range(6)])
    await soon(_until(lambda: bool(installed.engine.asked)))
    needles = (SECRET.encode(), b"custom-mirabelle")
    paths = [path for path in installed.app.settings.data.rglob("*") if path.is_file()]
    assert [path for path in paths if any(needle in path.read_bytes() for needle in needles)] == []
    for image in installed.app.database.images():  # the audit too: records without content
        assert not any(needle in image.content for needle in needles)
    bob = installed.app.users.find("bob@firm.example")
    exported = b"".join(json.dumps(one).encode() for one in installed.app.person_export._lines(bob))
    assert exported.count(SECRET.encode()) == 6
    receipt = await asyncio.to_thread(installed.app.erasure.run, Subject("user", bob.id), by="local")
    assert (receipt.removed("batches"), receipt.removed("batch_lines"), receipt.removed("files")) == (1, 6, 1)
    await soon(_until(lambda: installed.app.admission.inside == 0))
    assert rows(installed) == {"batches": 0, "batch_lines": 0, "files": 0}


async def test_more_than_a_batch_takes(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    http = installed.client("alice")
    monkeypatch.setattr("intramuros.api.anthropic.batches.MOST_LINES", 2)
    answer = await http.post(HOME, {"requests": [asked("a"), asked("b"), asked("c")]}, headers=VERSION)
    assert answer.status == 400 and "1 to 2 entries, not 3" in answer.json()["error"]["message"]
    monkeypatch.setattr("intramuros.api.anthropic.batches.MOST_SIGNS", 50)
    with monkeypatch.context() as patch:
        patch.setattr("intramuros.api.anthropic.batches.parse_object", None)  # not one byte of it is parsed
        answer = await http.call("POST", HOME, b'{"requests":[' + b"{}," * 60 + b"{}]}", headers=VERSION)
    assert answer.status == 400 and "more than 50 commas" in answer.json()["error"]["message"]
    length = str(installed.app.settings.upload_mib * 2**20 * 2)
    answer = await http.call("POST", HOME, b"{}", headers=VERSION | {"content-length": length})
    assert answer.status == 413 and answer.json()["error"]["type"] == "request_too_large"


class _Empty:
    def read(self, size: int, /) -> bytes:
        """Nothing."""
        return b""


async def _until(is_true: Any) -> None:
    while not is_true():
        await asyncio.sleep(0.02)
