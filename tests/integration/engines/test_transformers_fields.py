"""Every field that chooses an answer's words, in models of safetensors files: honoured, neutral or refused, never dropped.

A field that a door takes joins by a line in one of the tables here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from intramuros.api.openai import schemas
from intramuros.api.openai.completions import FIELDS as COMPLETIONS
from intramuros.engines.local import LocalEngine
from intramuros.errors import BadRequest
from intramuros.models import sampling
from tests.models import engines, folders
from tests.models.engines import HELLO

pytestmark = pytest.mark.asyncio(loop_scope="module")

LETTERS = HELLO | {"max_tokens": 16, "temperature": 1.0, "top_k": 0, "top_p": 1, "min_p": 0, "seed": 7}
GREEDY: dict[str, Any] = {"temperature": 0}
AGAIN = GREEDY | {"repeat_penalty": 2.0}
CHANGES: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "temperature": [({}, {"temperature": 0.1})],
    "top_k": [({}, {"top_k": 2})],
    "top_p": [({}, {"top_p": 0.1})],
    "min_p": [({}, {"min_p": 0.9})],
    "seed": [({}, {"seed": 8})],
    "repeat_penalty": [(GREEDY, {"repeat_penalty": 2.0})],
    "repeat_last_n": [(AGAIN, {"repeat_last_n": 2}), (AGAIN, {"repeat_last_n": 0})],
    "presence_penalty": [(GREEDY, {"presence_penalty": 2.0})],
    "frequency_penalty": [(GREEDY, {"frequency_penalty": 2.0})],
    "logit_bias": [(GREEDY, {"logit_bias": [[ord("Z"), 100]]})],
    "stop": [(GREEDY, {"stop": list("abcdefghijklmnopqrstuvwxyz")})],
    "max_tokens": [({}, {"max_tokens": 2})],
    "max_completion_tokens": [({"max_tokens": None}, {"max_completion_tokens": 2})],
    "response_format": [({}, {"response_format": {"type": "json_object"}})],
    "tools": [({}, {"tools": [{"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}]})],
}
"""Fields that change an answer: beside what, and to what."""
NEUTRAL: dict[str, tuple[list[Any], Any]] = {
    "n": ([1], 2),
    "typical_p": ([1, 1.0], 0.5),
    "mirostat": ([0], 1),
    "tool_choice": (["none", "auto"], "required"),
    "echo": ([False], True),
    "suffix": ([""], "the end"),
    "grammar": ([""], 'root ::= "a"'),
    "dry_multiplier": ([0.0], 0.5),
    "xtc_probability": ([0], 0.5),
    "dynatemp_range": ([0], 0.5),
    "top_n_sigma": ([-1], 1),
    "repeat_last_n": ([64], "many"),
    "repeat_penalty": ([1], 0),
    "mirostat_tau": ([5.0], None),
    "mirostat_eta": ([0.1], None),
    "parallel_tool_calls": ([True, False], None),
    "samplers": ([], ["top_k"]),
    "json_schema": ([], {"type": "object"}),
    "n_predict": ([], 3),
    "a_field_of_tomorrow": ([], 0),
}
"""Fields with values that change nothing, and one that is refused."""
ELSEWHERE = {
    *("model", "messages", "prompt", "stream", "stream_options"),  # every test has them
    *("logprobs", "top_logprobs"),  # test_log_probabilities_are_those_of_the_model
    *("context_tokens", "reasoning_effort", "functions", "function_call", "web_search_options"),  # kept by the doors
    *("moderation", "store", "metadata", "best_of"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEngine]:
    folders.needs_transformers()
    folder = tmp_path_factory.mktemp("fields")
    model = engines.installed_folder(folders.chat(folder / "tiny"))
    async with engines.running(model, engines.settings(folder)) as engine:
        yield engine


async def said(engine: LocalEngine, **fields: Any) -> str:
    reply = await engine.generate({name: held for name, held in (LETTERS | fields).items() if held is not None})
    return f"{reply.text} {reply.usage.prompt_tokens}"


async def test_every_field_that_a_door_takes_has_its_place() -> None:
    taken = {*schemas.HONOURED, *COMPLETIONS.honoured, *sampling.NAMES}
    assert taken <= {*CHANGES, *NEUTRAL, *ELSEWHERE}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_field_that_is_honoured(engine: LocalEngine, name: str) -> None:
    for beside, change in CHANGES[name]:
        assert await said(engine, **beside) != await said(engine, **beside | change)


@pytest.mark.parametrize("name", NEUTRAL)
async def test_a_field_with_a_value_that_changes_nothing_and_one_that_is_refused(
    engine: LocalEngine, name: str
) -> None:
    values, refused = NEUTRAL[name]
    for value in values:
        assert await said(engine, **{name: value}) == await said(engine)
    if refused is not None:
        with pytest.raises(BadRequest) as error:
            await said(engine, **{name: refused})
        assert (f"'{name}'" in error.value.message) == (name in {"typical_p", "mirostat"})


async def test_so_many_tokens_count_as_said_as_is_asked_for(engine: LocalEngine) -> None:
    async def next_of(last: int, presence: float) -> str:
        wanted = {"prompt": "abcdefghij", "max_tokens": 1, "presence_penalty": presence, "repeat_last_n": last}
        return (await engine.generate(GREEDY | wanted)).text

    assert await next_of(1, -100) == "j" and await next_of(3, -100) in set("hij")
    assert await next_of(-1, 100) not in set("abcdefghij") and await next_of(0, 100) == await next_of(0, -100)


async def test_choices_and_what_a_template_is_told(engine: LocalEngine) -> None:
    with pytest.raises(BadRequest):
        await said(engine, chat_template_kwargs={"enable_thinking": False, "documents": []})
    assert await said(engine, chat_template_kwargs={"enable_thinking": False}) == await said(engine)


async def test_seeds_beyond_what_a_float_holds_are_told_apart(engine: LocalEngine) -> None:
    assert await said(engine, seed=1 << 60) != await said(engine, seed=(1 << 60) + 1)
