"""Several choices for one request: one generation after the other, put together as OpenAI's `n` has them.

Called by `tasks.complete` and `tasks.continuing`. The prompt comes from the engine's cache after the first.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import orjson

USAGE = b'"usage":'
SEEDS = 0xFFFFFFFF
"""One above the largest that is a seed: llama.cpp takes this number as "choose one"."""


def each(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The requests for the choices: each with a seed of its own where there is one, or they would be the same."""
    one = {name: value for name, value in request.items() if name != "n"}
    for number in range(request["n"]):
        yield one | ({"seed": (one["seed"] + number) % SEEDS} if one.get("seed") is not None else {})


def merged(replies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One reply with all choices: the prompt is counted once, what was written is added up."""
    choices = [choice for reply in replies for choice in reply["choices"]]
    return {
        **replies[0],
        "choices": [{**choice, "index": index} for index, choice in enumerate(choices)],
        "usage": added([reply["usage"] for reply in replies]),
    }


def added(usages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The usage of generations from the same prompt."""
    written = sum(usage["completion_tokens"] for usage in usages)
    return {**usages[0], "completion_tokens": written, "total_tokens": usages[0]["prompt_tokens"] + written}


async def joined(streams: Iterable[AsyncGenerator[bytes]]) -> AsyncGenerator[bytes]:
    """The chunks of all streams, one choice after the other, under one id; usage comes at the end, once."""
    usages: list[dict[str, Any]] = []
    last: dict[str, Any] = {}
    head: dict[str, Any] = {}
    for index, stream in enumerate(streams):
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                parsed = orjson.loads(chunk)
                head = head or {name: parsed[name] for name in ("id", "created") if name in parsed}
                if parsed.get("usage"):
                    usages.append(parsed.pop("usage"))
                    last = parsed
                if not parsed.get("choices"):
                    continue
                choices = [{**choice, "index": index} for choice in parsed["choices"]]
                yield orjson.dumps({**parsed, **head, "choices": choices})
    if usages:
        yield orjson.dumps({**last, **head, "choices": [], "usage": added(usages)})
