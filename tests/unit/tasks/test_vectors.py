"""Vectors and ranks: noted, paid for and never free for whoever leaves early."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, IntramurosError
from intramuros.observability.metrics import Metrics
from intramuros.tasks.complete import CompleteTask
from intramuros.tasks.vectors import VectorTask
from tests.scripted import ScriptedEngine, ScriptedPool


class Embeds(ScriptedEngine):
    async def embed(self, texts: Any) -> list[list[float]]:
        if self.hangs:
            await asyncio.Event().wait()
        return [[3.0, 4.0, 12.0] for _ in texts]

    async def tokenise(self, text: str) -> list[int]:
        return [1] * len(text.split())


def made(engine: ScriptedEngine) -> VectorTask:
    complete = CompleteTask(pool=ScriptedPool(engine), metrics=Metrics())
    return VectorTask(complete, may_cut=lambda model, dimensions: model == "scripted" and dimensions >= 2)


@pytest.fixture
def entry() -> Entry:
    return Entry("embed", None, "api")


async def test_an_engine_that_counts_nothing_is_counted_for(entry: Entry) -> None:
    found = await made(Embeds()).embed(["un deux", "trois"], model="default", by=LOCAL, entry=entry)
    assert found.model == "scripted" and found.prompt_tokens == 3 and len(found.vectors) == 2
    assert entry.facts["prompt_tokens"] == 3 and entry.facts["model"] == "scripted"
    with pytest.raises(BadRequest):
        await made(Embeds()).embed([[1, 2]], model="default", by=LOCAL, entry=entry)


async def test_a_vector_that_is_cut_is_as_long_as_one_again(entry: Entry) -> None:
    found = await made(Embeds()).embed(["x"], model="default", by=LOCAL, entry=entry, dimensions=2)
    assert found.vectors == [[0.6, 0.8]]
    with pytest.raises(BadRequest) as refused:
        await made(Embeds()).embed(["x"], model="default", by=LOCAL, entry=entry, dimensions=1)
    assert refused.value.details["param"] == "dimensions"


async def test_what_fails_or_is_left_is_not_free(entry: Entry) -> None:
    failing = made(ScriptedEngine())
    with pytest.raises(IntramurosError):
        await failing.embed(["x"], model="default", by=LOCAL, entry=entry)
    left = made(Embeds(hangs=True))
    call = asyncio.create_task(left.embed(["x"], model="default", by=LOCAL, entry=entry))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    # Without a count the guard takes one token for four bytes that were sent.
    assert "prompt_tokens" not in entry.facts and entry.facts["model"] == "scripted"
    assert failing.complete.admission.inside == left.complete.admission.inside == 0
