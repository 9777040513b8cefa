"""One record for each request, in the real encrypted database, whole and without content."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from intramuros.errors import EngineDied
from intramuros.storage.database import Database
from tests.asgi import Answer, soon
from tests.installed import Installed

SECRET = "clause-de-non-concurrence-Marchand"
CHAT: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": SECRET}]}


async def chat(installed: Installed, who: str | None = "alice", **more: Any) -> Answer:
    return await installed.client(who).post("/v1/chat/completions", CHAT | more.pop("body", {}), **more)


async def test_however_a_request_ends_it_leaves_one_record(installed: Installed) -> None:
    assert (await chat(installed)).status == 200
    assert (await chat(installed, None)).status == 401
    assert (await chat(installed, body={"temperature": SECRET})).status == 400
    assert (await chat(installed, body={"model": "none-such"})).status == 404
    assert (await chat(installed, headers={"host": f"{SECRET}.example"})).status == 403
    installed.engine.error, installed.engine.error_after = EngineDied(), 1
    assert (await chat(installed)).status == 502
    assert (await chat(installed, body={"stream": True})).status == 200
    installed.engine.error, installed.engine.hangs = None, True
    await soon(chat(installed, body={"stream": True}, leave_after=2))
    records = installed.records("chat")
    assert [record.outcome for record in records] == [
        "ok", "refused", "refused", "refused", "refused", "failed", "failed", "interrupted",
    ]  # fmt: skip
    assert records[0].facts["completion_tokens"] == 3 and records[0].facts["model"] == "scripted"
    assert records[6].facts["status"] == 502, "the stream began with 200 and then failed"
    assert records[1].actor is None and records[0].actor
    assert installed.app.audit.verify().ok
    assert "Marchand" not in repr(installed.records())


async def test_thirty_two_at_once_are_thirty_two_records_in_one_chain(installed: Installed) -> None:
    before = len(installed.records())
    answers = await asyncio.gather(*(chat(installed) for _ in range(32)))
    assert {answer.status for answer in answers} == {200}
    assert len(installed.records()) == before + 32
    assert installed.app.audit.verify().ok


async def test_when_the_record_cannot_be_written_nothing_runs(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    before = len(installed.records())
    with monkeypatch.context() as broken:
        broken.setattr(Database, "write", _no_space)
        answer = await chat(installed)
    assert answer.status == 503
    assert answer.json()["error"]["code"] == "audit_unavailable"
    assert installed.engine.asked == []
    assert len(installed.records()) == before
    assert (await chat(installed)).status == 200


def _no_space(*args: object, **more: object) -> Any:
    from intramuros.errors import StorageFull

    raise StorageFull


async def test_no_word_of_a_request_is_readable_on_disk(installed: Installed) -> None:
    await chat(installed)
    await chat(installed, body={"temperature": SECRET})
    folder: Path = installed.app.settings.data
    found = [path for path in folder.rglob("*") if path.is_file() and b"Marchand" in path.read_bytes()]
    assert found == []


async def test_the_unexpected_names_no_content_anywhere(installed: Installed, caplog: pytest.LogCaptureFixture) -> None:
    installed.engine.error = ValueError(SECRET)
    answer = await chat(installed)
    assert answer.status == 500
    assert json.loads(answer.body)["error"]["reference"] in caplog.text
    assert SECRET not in caplog.text + answer.body.decode() + repr(installed.records())
