"""Continues texts: the task behind text completions, which has no roles and no template.

Called by the OpenAI door. Each continuation is one generation of `CompleteTask`, so rights, places and meters are the
same; this puts them together: several prompts, several choices, the best of more, the prompt before its continuation,
and what fits between a text and its `suffix`.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

import orjson

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest
from intramuros.tasks import several
from intramuros.tasks.admission import OnWait
from intramuros.tasks.complete import CompleteTask

FILLS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
)
"""What models write that can fill a gap: before the text, before what follows, before what they write.

Source: llama.cpp, src/llama-vocab.cpp, `special_fim_pre_id` and its neighbours.
"""

Prompt = str | list[int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked request. `request`: model, sampling and `max_tokens`. `logprobs`: how many beside the one chosen."""

    request: Mapping[str, Any]
    prompts: Sequence[Prompt]
    n: int = 1
    best_of: int = 1
    echo: bool = False
    suffix: str | None = None
    logprobs: int | None = None


class TextHead(TypedDict):
    """What is the same in every piece of an answer. `created`: seconds since 1970."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str


class TextChoice(TypedDict):
    """One way that a prompt goes on, or a piece of it."""

    index: int
    text: str
    logprobs: dict[str, Any] | None
    finish_reason: str | None


class TextUsage(TypedDict):
    """The tokens of all prompts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class TextCompletion(TextHead):
    """How texts go on; the usage of a stream stands in its last piece, where that is asked for."""

    choices: list[TextChoice]
    usage: NotRequired[TextUsage]


@dataclass(frozen=True, slots=True)
class ContinueTask:
    """Continues texts with an installed model."""

    complete: CompleteTask

    async def run(self, wanted: Wanted, *, by: Caller, entry: Entry, is_batch: bool = False) -> TextCompletion:
        """The whole `text_completion` object. Raises: as `CompleteTask.run`."""
        fill = await self._fill(wanted, by)
        choices: list[TextChoice] = []
        usages = []
        reply: dict[str, Any] = {}
        for prompt in wanted.prompts:
            tried = []
            for request in _requests(wanted, prompt, fill):
                reply = await self.complete.run(request, by=by, entry=entry, is_batch=is_batch)
                tried.append(reply)
            usages.append(several.added([one["usage"] for one in tried]))
            found = [one["choices"][0] for one in tried]
            if wanted.best_of > wanted.n:
                found = sorted(found, key=_likelihood, reverse=True)[: wanted.n]
            choices += [_choice(choice, wanted, prompt, index=len(choices) + i) for i, choice in enumerate(found)]
        return {**_head(reply), "choices": choices, "usage": _together(usages)}

    async def stream(
        self, wanted: Wanted, *, by: Caller, entry: Entry, with_usage: bool = False, on_wait: OnWait | None = None
    ) -> AsyncGenerator[bytes]:
        """The same, piece by piece, one choice after the other. Raises: as `CompleteTask.stream`."""
        fill = await self._fill(wanted, by)
        usages: list[list[dict[str, Any]]] = []
        head: TextHead | None = None
        index = 0
        for prompt in wanted.prompts:
            usages.append([])
            for request in _requests(wanted, prompt, fill):
                offset, is_first = 0, True
                who: dict[str, Any] = {"by": by, "entry": entry}
                stream = self.complete.stream(request, with_usage=with_usage, on_wait=on_wait, **who)
                async with aclosing(stream) as chunks:
                    async for chunk in chunks:
                        parsed = orjson.loads(chunk)
                        head = head or _head(parsed)
                        if parsed.get("usage"):
                            usages[-1].append(parsed["usage"])
                        for choice in parsed.get("choices") or ():
                            echoed = wanted if is_first else _without_echo(wanted)
                            piece = _choice(choice, echoed, prompt, index=index, offset=offset)
                            offset, is_first = offset + len(piece["text"]), False
                            yield orjson.dumps({**head, "choices": [piece]})
                index += 1
        if with_usage:
            usage = _together([several.added(one) for one in usages if one])
            yield orjson.dumps({**(head or {}), "choices": [], "usage": usage})

    async def _fill(self, wanted: Wanted, by: Caller) -> Sequence[int]:
        """The three tokens of this model around a gap; none where there is none to fill. Raises: BadRequest."""
        if not wanted.suffix:
            return ()
        name = self.complete.model_of(wanted.request["model"], by)
        self.complete.check_model(name, by)
        async with self.complete.pool.engine(name) as engine:
            for words in FILLS:
                tokens = [await engine.tokenise(word) for word in words]
                if all(len(numbers) == 1 for numbers in tokens):
                    return [numbers[0] for numbers in tokens]
        raise BadRequest(
            "This model can't fill a gap: it knows no tokens for what stands before and after it.",
            hint="Leave 'suffix' out, or use a model made for code.",
            code="unsupported_parameter",
            param="suffix",
        )


def _requests(wanted: Wanted, prompt: Prompt, fill: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One for each continuation that has to be written."""
    asked: Any = prompt
    if fill:
        before = [prompt] if isinstance(prompt, str) else prompt
        asked = [fill[0], *before, fill[1], wanted.suffix, fill[2]]
    one = {**wanted.request, "prompt": asked, "n": max(wanted.n, wanted.best_of)}
    if wanted.logprobs is not None or wanted.best_of > wanted.n:
        one["logprobs"] = max(wanted.logprobs or 0, 1)
    return several.each(one)


def _without_echo(wanted: Wanted) -> Wanted:
    return Wanted(wanted.request, wanted.prompts, logprobs=wanted.logprobs)


def _choice(choice: Mapping[str, Any], wanted: Wanted, prompt: Prompt, *, index: int, offset: int = 0) -> TextChoice:
    """One choice as OpenAI writes it. Log probabilities are those of what was written, wherever it begins."""
    echoed = prompt if wanted.echo and isinstance(prompt, str) else ""
    entries = (choice.get("logprobs") or {}).get("content") or []
    logprobs = _logprobs(entries, wanted.logprobs, offset + len(echoed)) if wanted.logprobs is not None else None
    return {
        "index": index,
        "text": echoed + (choice.get("text") or ""),
        "logprobs": logprobs,
        "finish_reason": choice.get("finish_reason"),
    }


def _logprobs(entries: Sequence[Mapping[str, Any]], beside: int, offset: int) -> dict[str, Any]:
    found: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "text_offset": []}
    if beside:
        found["top_logprobs"] = []
    for entry in entries:
        found["tokens"].append(entry["token"])
        found["token_logprobs"].append(entry["logprob"])
        found["text_offset"].append(offset)
        if beside:
            found["top_logprobs"].append({one["token"]: one["logprob"] for one in entry["top_logprobs"][:beside]})
        offset += len(entry["token"])
    return found


def _likelihood(choice: Mapping[str, Any]) -> float:
    """The mean log probability of what was written: long and short are compared fairly."""
    entries = (choice.get("logprobs") or {}).get("content") or []
    return sum(entry["logprob"] for entry in entries) / len(entries) if entries else float("-inf")


def _head(reply: Mapping[str, Any]) -> TextHead:
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": reply.get("created", 0),
        "model": reply.get("model", ""),
    }


def _together(usages: Sequence[Mapping[str, Any]]) -> TextUsage:
    """The usage of several prompts."""
    prompt, written = (sum(usage[name] for usage in usages) for name in ("prompt_tokens", "completion_tokens"))
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
