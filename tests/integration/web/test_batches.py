"""The batches page: each person sees their own, managers see how many, and nobody sees what another asked."""

from __future__ import annotations

import asyncio
import io
import json
import re
import tracemalloc

import pytest

from intramuros.accounts.caller import Caller
from intramuros.accounts.sessions import csrf
from intramuros.api.anthropic.batch_lines import MessageLines
from intramuros.engines.engine import ChatRequest, Reply
from intramuros.errors import BadRequest
from intramuros.tasks.batch import Batch
from intramuros.tasks.batch_door import BadLine
from intramuros.tasks.batch_output import Reading, as_line
from intramuros.tasks.batch_results import BatchResults
from intramuros.tasks.batch_work import MOST_LINES
from tests.asgi import Answer
from tests.installed import Installed
from tests.integration.api.test_batches import line
from tests.integration.api.test_message_batches import asked
from tests.integration.web.conftest import Browser, People, text_of
from tests.integration.web.test_ask import events

SECRET = "the zebulonette"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often, so that nobody waits."""
    for module in ("tasks.batch_run.LOOK_S", "tasks.batch_work.LOOK_S", "web.batches.LOOK_EVERY_S"):
        monkeypatch.setattr(f"intramuros.{module}", 0.02)


def caller(installed: Installed, who: str) -> Caller:
    found = installed.app.sessions.caller(installed.sessions[who])
    assert found
    return found


async def made(
    installed: Installed, *lines: object, who: str = "alice", endpoint: str = "/v1/chat/completions"
) -> Batch:
    """A batch of these lines."""
    content = b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines)
    by = caller(installed, who)
    file = installed.app.files.add("in.jsonl", "batch", io.BytesIO(content), by=by)
    return installed.app.batches.create(file.id, endpoint, by=by)


async def over(installed: Installed, batch: Batch, who: str = "alice") -> Batch:
    async with asyncio.timeout(30):
        while not (seen := installed.app.batches.get(batch.id, by=caller(installed, who))).is_over:
            await asyncio.sleep(0.02)
    return seen


async def test_a_person_sees_how_far_it_is_which_lines_failed_and_why(people: People, installed: Installed) -> None:
    batch = await made(installed, line("q1", SECRET), b"no json", line("q3", model="gpt-99"))
    await over(installed, batch)
    page = text_of(await people.alice.get("/batches"))
    assert "terminé" in page and "1 sur 3" in page and "2 en échec" in page
    page = text_of(await people.alice.get(f"/batches/batch_{batch.id}"))
    assert "2 lignes en échec" in page and "ligne 2" in page and "q3 model_not_found 404" in page
    answers = await people.alice.get(f"/batches/batch_{batch.id}/answers")
    assert answers.headers["content-disposition"].startswith("attachment") and b"Bonjour, monde" in answers.body
    failures = await people.alice.get(f"/batches/batch_{batch.id}/failures")
    assert [json.loads(one)["custom_id"] for one in failures.body.splitlines()] == [None, "q3"]


async def test_a_batch_of_messages_is_shown_in_the_same_way(people: People, installed: Installed) -> None:
    lines = asked("q1", SECRET), asked("q2", colour="red"), asked("q3", model="gpt-99")
    batch = await made(installed, *lines, endpoint="/v1/messages")
    await over(installed, batch)
    listed, name = await people.alice.get("/batches"), f"msgbatch_{batch.id}"
    assert f'"/batches/{name}"'.encode() in listed.body and f'"/batches/{name}/failures"'.encode() in listed.body
    page = text_of(await people.alice.get(f"/batches/{name}"))
    assert name in page and "2 lignes en échec" in page
    assert "q2 unknown_parameter" in page and "q3 model_not_found" in page
    answers = await people.alice.get(f"/batches/{name}/answers")
    failures = await people.alice.get(f"/batches/{name}/failures")
    assert f'"{name}-failures.jsonl"' in failures.headers["content-disposition"]
    names = [[json.loads(one)["custom_id"] for one in file.body.splitlines()] for file in (answers, failures)]
    assert names == [["q1"], ["q2", "q3"]]


async def uploaded(browser: Browser, content: bytes, *, endpoint: str = "", name: str = "demandes.jsonl") -> Answer:
    headers = {"x-csrf-token": csrf(browser.token), "x-file-name": name, "accept": "application/json"}
    return await browser.client.call("POST", f"/batches/upload?endpoint={endpoint}", content, headers=headers)


async def test_one_is_begun_with_a_file(people: People, installed: Installed) -> None:
    """The example is one that works; what the record says is what the door for programs has in it too."""
    example = await people.alice.get("/batches/example")
    assert example.headers["content-disposition"].startswith("attachment")
    answer = await uploaded(people.alice, example.body)
    assert answer.status == 201
    [batch] = installed.app.batches.list(by=caller(installed, "alice"))
    assert answer.json() == {"address": f"/batches/batch_{batch.id}"} and batch.endpoint == "/v1/chat/completions"
    done = await over(installed, batch)
    assert (done.completed, done.failed) == (3, 0)
    [record] = installed.records("batch.create")
    assert (record.object, record.outcome) == (batch.id, "ok") and "demandes" not in str(record.facts)


async def test_one_is_begun_with_a_file_that_the_form_brings(people: People, installed: Installed) -> None:
    """As it comes from a browser that runs no script: with the same limits, checks and record."""
    by, app = caller(installed, "alice"), installed.app
    example = (await people.alice.get("/batches/example")).body
    answer = await people.alice.send("/batches", new=("mes demandes.jsonl", example), file="", endpoint="")
    [batch] = app.batches.list(by=by)
    assert answer.status == 303 and answer.headers["location"] == f"/batches/batch_{batch.id}"
    done = await over(installed, batch)
    assert (done.completed, done.failed) == (3, 0)
    assert [file.name for file in app.files.list(by=by, purpose="batch")] == ["mes demandes.jsonl"]
    [record] = installed.records("batch.create")
    assert (record.object, record.outcome) == (batch.id, "ok") and "demandes" not in str(record.facts)

    for wrong in (b"", b"no json", b'{"url": "/v1/nothing"}'):
        refused = await people.alice.send("/batches", new=("in.jsonl", wrong), endpoint="")
        assert refused.status == 400 and "ne dit pas de quel genre" in text_of(refused)
    assert 'name="new"' in refused.body.decode(), "the form is there to try again"
    assert (await people.alice.send("/batches", csrf_token="no", new=("in.jsonl", example))).status == 403
    assert (await people.stranger.send("/batches", new=("in.jsonl", example))).status == 401
    most = app.settings.upload_mib * 2**20
    large = await people.alice.send("/batches", new=("in.jsonl", bytes(most + 2**17)), endpoint="/v1/chat/completions")
    assert large.status == 413 and "INTRAMUROS_UPLOAD_MIB pour les fichiers" in text_of(large)
    assert len(app.batches.list(by=by)) == 1 and len(app.files.list(by=by, purpose="batch")) == 1


async def test_one_is_begun_with_a_file_that_was_sent_before(people: People, installed: Installed) -> None:
    """Which stays its person's, also where a batch that came with its file would take it along."""
    by, app = caller(installed, "alice"), installed.app
    for content, prefix in ((line("q"), "batch_"), (asked("q"), "msgbatch_")):
        file = app.files.add("sent.jsonl", "batch", io.BytesIO(json.dumps(content).encode()), by=by)
        assert f'value="{file.id}"'.encode() in (await people.alice.get("/batches")).body
        answer = await people.alice.send("/batches", new=("", b""), file=file.id, endpoint="")
        assert answer.status == 303 and answer.headers["location"].startswith(f"/batches/{prefix}")
        done = await over(installed, app.batches.list(by=by)[-1])
        assert (done.completed, done.failed) == (1, 0) and app.files.get(file.id, by=by)
    assert file.id.encode() not in (await people.bob.get("/batches")).body
    assert (await people.bob.send("/batches", file=file.id)).status == 404


async def test_what_can_not_be_begun_says_why(
    people: People, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    by, app = caller(installed, "alice"), installed.app
    refused = await people.alice.send("/batches", new=("", b""), file="", endpoint="")
    assert refused.status == 400 and "Choisissez un fichier." in text_of(refused)
    for content in (b"", b"no json", b'{"url": "/v1/nothing"}', b"[" * 5000, b"\xff\xfe{}"):
        refused = await uploaded(people.alice, content)
        assert refused.status == 400 and "ne dit pas de quel genre" in refused.json()["message"]
    assert (await uploaded(people.alice, b"no json", endpoint="/v1/nothing")).status == 400
    stranger = {"x-csrf-token": "no", "accept": "application/json"}
    assert (await people.alice.client.call("POST", "/batches/upload", b"{}", headers=stranger)).status == 403
    assert app.files.list(by=by) == [] and app.batches.list(by=by) == []
    monkeypatch.setattr("intramuros.tasks.batch.MOST_ACTIVE", 0)
    refused = await uploaded(people.alice, json.dumps(line("q")).encode())
    assert refused.status == 429 and "lots en cours" in refused.json()["message"]
    assert app.files.list(by=by) == []


async def test_a_file_whose_first_lines_are_wrong_is_known_by_the_next(people: People, installed: Installed) -> None:
    answer = await uploaded(people.alice, b"\n\nno json\n" + json.dumps(line("q")).encode())
    assert answer.status == 201
    done = await over(installed, installed.app.batches.list(by=caller(installed, "alice"))[0])
    assert (done.completed, done.failed) == (1, 1)
    page = text_of(await people.alice.get(answer.json()["address"]))
    assert "ligne 3" in page


async def test_one_is_followed_on_its_page(people: People, installed: Installed) -> None:
    installed.engine.hangs = True
    batch = await made(installed, line("q", SECRET))
    watching = asyncio.create_task(people.alice.get(f"/batches/batch_{batch.id}/live", accept="text/event-stream"))
    async with asyncio.timeout(30):
        while installed.app.batches.get(batch.id, by=caller(installed, "alice")).state != "in_progress":
            await asyncio.sleep(0.02)
    await people.alice.post(f"/batches/batch_{batch.id}/cancel")
    async with asyncio.timeout(10):
        seen = events(await watching)
    assert seen[-1][0] == "rest" and "annulé" in seen[-2][1]["html"]
    assert (await people.bob.get(f"/batches/batch_{batch.id}/live", accept="text/event-stream")).status == 404


async def test_how_results_lie_is_asked_of_the_door(people: People, installed: Installed) -> None:
    """Not of the name of an endpoint: here another one whose good results and bad ones are in one file."""
    installed.app.batch_runner.doors["/v1/other"] = MessageLines(installed.app.complete)
    batch = await made(installed, asked("q1", SECRET), asked("q2", colour="red"), endpoint="/v1/other")
    await over(installed, batch)
    page = text_of(await people.alice.get(f"/batches/batch_{batch.id}"))
    assert "1 ligne en échec" in page and "q2 unknown_parameter" in page
    found = (await people.alice.get(f"/batches/batch_{batch.id}/answers")).body.splitlines()
    assert [json.loads(one)["custom_id"] for one in found] == ["q1"]


async def test_it_is_followed_while_it_runs_and_ended(people: People, installed: Installed) -> None:
    installed.engine.hangs = True
    batch = await made(installed, *(line(f"q{number}", SECRET) for number in range(6)), b"no json")
    watching = asyncio.create_task(people.alice.get("/batches/live", accept="text/event-stream"))
    async with asyncio.timeout(30):
        while installed.app.batches.get(batch.id, by=caller(installed, "alice")).state != "in_progress":
            await asyncio.sleep(0.02)
    page = text_of(await people.alice.get(f"/batches/batch_{batch.id}"))
    assert "en cours" in page and "1 ligne en échec" in page and "sans identifiant ligne 7" in page
    assert (await people.alice.get(f"/batches/batch_{batch.id}/answers")).body == b""
    cancelled = await people.alice.post(f"/batches/batch_{batch.id}/cancel")
    assert (cancelled.status, cancelled.headers["location"]) == (303, f"/batches/batch_{batch.id}")
    await over(installed, batch)
    async with asyncio.timeout(10):
        seen = events(await watching)
    assert seen[-1][0] == "rest" and "annulé" in seen[-2][1]["html"] and "data-busy" in seen[0][1]["html"]
    again = await people.alice.post(f"/batches/batch_{batch.id}/cancel")
    assert again.status == 409 and "déjà terminé" in text_of(again)


async def test_answers_can_be_fetched_before_the_end(
    people: People, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate, engine = installed.engine.generate, installed.engine

    async def answers_one(request: ChatRequest) -> Reply:
        engine.hangs = request["messages"][0]["content"] == "wait"
        return await generate(request)

    monkeypatch.setattr(engine, "generate", answers_one)
    batch = await made(installed, line("first"), line("second", "wait"))
    async with asyncio.timeout(30):
        while not installed.app.batches.get(batch.id, by=caller(installed, "alice")).completed:
            await asyncio.sleep(0.02)
    found = (await people.alice.get(f"/batches/batch_{batch.id}/answers")).body.splitlines()
    assert [json.loads(one)["custom_id"] for one in found] == ["first"]
    assert "Réponses déjà là" in text_of(await people.alice.get("/batches"))


def numbers(page: Answer) -> list[int]:
    """The lines whose failure a page shows."""
    return [int(number) for number in re.findall(r">ligne (\d+)<", page.body.decode())]


async def test_failures_come_a_page_at_a_time(people: People, installed: Installed) -> None:
    """While it runs and once it is over."""
    installed.engine.hangs = True
    batch = await made(installed, line("q"), *[b"no json"] * 230)
    async with asyncio.timeout(30):
        while installed.app.batches.get(batch.id, by=caller(installed, "alice")).state != "in_progress":
            await asyncio.sleep(0.02)
    for _ in ("running", "over"):
        first = await people.alice.get(f"/batches/batch_{batch.id}")
        assert numbers(first) == [*range(2, 102)] and "230 lignes en échec" in text_of(first)
        assert b"?after=100#" in first.body and b'rel="prev"' not in first.body
        last = await people.alice.get(f"/batches/batch_{batch.id}?after=200")
        assert numbers(last) == [*range(202, 232)] and "201 à 230" in text_of(last)
        assert b"?after=100#" in last.body and b'rel="next"' not in last.body
        if not installed.app.batches.get(batch.id, by=caller(installed, "alice")).is_over:
            await people.alice.post(f"/batches/batch_{batch.id}/cancel")
            await over(installed, batch)
    assert (await people.alice.get(f"/batches/batch_{batch.id}?after=-1")).status == 400
    assert numbers(await people.alice.get(f"/batches/batch_{batch.id}?after=9000")) == []


@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/messages"])
async def test_a_page_of_failures_holds_no_more_than_itself(installed: Installed, endpoint: str) -> None:
    """However many there are: neither the first page nor the last has the file in memory."""
    app, by, door = installed.app, caller(installed, "alice"), installed.app.batch_runner.doors[endpoint]
    batch = await over(installed, await made(installed, b"no json", endpoint=endpoint))
    error = BadLine(BadRequest("The line is no request. " * 20), "q")
    written = Reading(as_line(door.refused(error, number=number)) for number in range(MOST_LINES))
    app.files.write("e.jsonl", written, user_id=by.user_id, file_id=batch.output_file or batch.error_file or "")
    results = BatchResults(app.database, app.files, app.batch_runner.doors)
    for skip in (0, MOST_LINES - 5):
        tracemalloc.start()
        try:
            found = results.failures(batch, skip=skip, most=5)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(found) == 5 and all(one.message.startswith("The line is no request.") for one in found)
        assert peak < 2**20, "the file has more than 20 MiB"


async def test_a_file_that_was_refused_says_why(people: People, installed: Installed) -> None:
    batch = await made(installed, line("same"), line("same"))
    await over(installed, batch)
    page = text_of(await people.alice.get(f"/batches/batch_{batch.id}"))
    assert "refusé" in page and "has the custom_id of line 1" in page


async def test_files_that_are_gone_are_said_to_be(people: People, installed: Installed) -> None:
    batch = await over(installed, await made(installed, b"no json"))
    assert batch.error_file
    installed.app.files.remove(installed.app.files.get(batch.error_file, by=caller(installed, "alice")))
    assert "ont expiré ou ont été supprimés" in text_of(await people.alice.get(f"/batches/batch_{batch.id}"))
    assert (await people.alice.get(f"/batches/batch_{batch.id}/failures")).status == 404


async def test_others_see_nothing_and_managers_counts_only(people: People, installed: Installed) -> None:
    batch = await over(installed, await made(installed, line("q1", SECRET), b"no json"))
    for browser in (people.bob, people.charlie):
        assert "pas de lot" in text_of(await browser.get("/batches"))
        for path in ("", "/answers", "/failures"):
            assert (await browser.get(f"/batches/batch_{batch.id}{path}")).status == 404
        assert (await browser.post(f"/batches/batch_{batch.id}/cancel")).status == 404
    assert (await people.alice.get("/administration/batches")).status == 403
    page = await people.charlie.get("/administration/batches")
    words = text_of(page)
    assert "alice@firm.example" in words and "1 sur 2" in words and "1 en échec" in words
    assert batch.id.encode() not in page.body and SECRET.encode() not in page.body and b"no json" not in page.body
    assert "Lots de tous" in text_of(await people.charlie.get("/administration"))
