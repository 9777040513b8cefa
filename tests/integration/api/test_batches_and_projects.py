"""Lines of `/v1/batches` and the documents of projects: nothing is made from them, whose files would outlive them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

from intramuros.errors import StorageError
from intramuros.tasks import batch_work
from tests.installed import Installed
from tests.integration.api.test_batches import line, lines_of, over, sent
from tests.integration.api.test_responses import ASKED, BRIDGE, make, search, store
from tests.support.sdk import sdk

RESULTS = ["file_search_call.results"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often, so that nobody waits."""
    for module in ("batch_run", "batch_work"):
        monkeypatch.setattr(f"intramuros.tasks.{module}.LOOK_S", 0.02)


async def refused(client: AsyncOpenAI, **body: Any) -> dict[str, Any]:
    """What the error file says to this request; its batch has no answer."""
    asked = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"model": "default", **body}}
    file = await client.files.create(file=("in.jsonl", json.dumps(asked).encode()), purpose="batch")
    made = await client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    batch = await over(client, made)
    assert batch.status == "completed" and batch.output_file_id is None
    [one] = await lines_of(client, batch.error_file_id)
    return one


@pytest.mark.parametrize("more", [{}, {"include": RESULTS}, {"include": RESULTS, "store": False}])
async def test_a_line_that_searches_is_refused(installed: Installed, more: dict[str, Any]) -> None:
    client = sdk(installed, "alice")
    vectors, _ = await store(client, BRIDGE)
    one = await refused(client, input=ASKED, tools=search(vectors), **more)
    assert "made from a project's documents" in one["error"]["message"] and one["error"]["line"] == 1
    assert installed.engine.asked == [] and "1897" not in json.dumps(one)


@pytest.mark.parametrize("turns", [1, 2], ids=["made from it", "goes on from one made from it"])
async def test_a_line_that_goes_on_from_one_with_passages_is_refused(installed: Installed, turns: int) -> None:
    client = sdk(installed, "alice")
    vectors, _ = await store(client, BRIDGE)
    earlier = await make(client, input=ASKED, tools=search(vectors))
    if turns == 2:
        earlier = await make(client, input="And when?", previous_response_id=earlier.id)
    asked = len(installed.engine.asked)
    said = (await refused(client, input="Repeat your sources.", previous_response_id=earlier.id))["response"]
    assert said["status_code"] == 400 and said["body"]["error"]["param"] == "previous_response_id"
    assert "made from a project's documents" in said["body"]["error"]["message"]
    assert len(installed.engine.asked) == asked


async def test_a_reply_that_can_not_be_stored_is_given_up(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try costs a whole reply: not until the 24 hours are over."""
    monkeypatch.setattr(batch_work, "_rest_s", lambda *_: 0.0)

    def full(*_: Any, **__: Any) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(installed.app.replies, "add", full)
    client = sdk(installed, "alice")
    batch = await over(client, await sent(client, line("kept", store=True)))
    [one] = await lines_of(client, batch.error_file_id)
    assert one["response"]["status_code"] == 503 and one["response"]["body"]["error"]["code"] == "storage_error"
    assert len(installed.engine.asked) == batch_work.TRIES
