"""The routes of a model that writes: what llama.cpp's server answers to this package's requests, in its shapes.

Used by the worker alone. What can't be honoured is refused, never passed over.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import orjson

from intramuros.engines.gathered import Gathered
from intramuros.engines.worker.http import Call, Refused, Route
from intramuros.engines.worker.transformers import fields, prompts
from intramuros.engines.worker.transformers.held import Held, Vocabulary
from intramuros.engines.worker.transformers.loading import INVALID, Loaded
from intramuros.engines.worker.transformers.sampling import Likelihood, sampling
from intramuros.engines.worker.transformers.slots import Job, Slots, Step
from intramuros.engines.worker.transformers.thoughts import CLOSE, Thoughts, is_open
from intramuros.engines.worker.transformers.words import Words

MOST_BESIDE = 20
BUILD = "b0-unknown"
"""As an engine says that does not know its build: `engines.openai_http` puts its name and version in this place."""
Answer = Mapping[str, Any] | list[Any] | Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer as it is wanted: what is to be written, and how its chunks look."""

    job: Job
    words: Words
    thoughts: Thoughts | None
    is_chat: bool
    is_verbose: bool
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    created: int = field(default_factory=lambda: int(time.time()))


class Answers:
    """Answers the requests for one model, which is called `name`."""

    def __init__(self, loaded: Loaded, *, name: str, context_tokens: int, slots: int, batch_tokens: int) -> None:
        self.loaded, self.name, self.context_tokens = loaded, name, context_tokens
        self.slots = Slots(loaded.model, count=slots, batch=batch_tokens, ends=loaded.ends, device=loaded.device)
        self.slots.start()
        self._lock = threading.Lock()
        self._vocabulary: Vocabulary | None = None

    @property
    def routes(self) -> dict[str, Route]:
        """What it answers."""
        return {
            "GET /slots": self._slots,
            "POST /tokenize": lambda call: {"tokens": prompts.plain_tokens(call.body, self.loaded.tokenizer)},
            "POST /v1/chat/completions": self._chat,
            "POST /v1/completions": self._text,
            "POST /v1/chat/completions/input_tokens": lambda call: {
                "input_tokens": len(prompts.chat_tokens(call.body, self.loaded.tokenizer))
            },
        }

    def _slots(self, call: Call) -> list[Any]:
        """What each is at; the answer comes with the next beat, so it shows that the engine goes round."""
        self.loaded.heart.listen(lambda: self.slots.rests, call.check)
        return [
            {"id": number, "n_ctx": self.context_tokens, "is_processing": is_so}
            for number, is_so in enumerate(self.slots.working)
        ]

    def _chat(self, call: Call) -> Answer:
        fields.check(call.body)
        request, tokenizer = dict(call.body), self.loaded.tokenizer
        held = self._held(request)
        if held is not None:  # what a schema holds is no thought
            told = request.get("chat_template_kwargs")
            request["chat_template_kwargs"] = {**(told if isinstance(told, dict) else {}), "enable_thinking": False}
        text = prompts.chat_text(request, tokenizer)
        if held is not None and is_open(text):
            text = f"{text.rstrip()}\n\n{CLOSE}\n\n"
        tokens = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        beside = _beside(request.get("top_logprobs", 0)) if request.get("logprobs") else None
        thoughts = Thoughts(is_open(text)) if held is None else None
        return self._written(call, tokens, thoughts, is_chat=True, beside=beside, held=held)

    def _text(self, call: Call) -> Answer:
        fields.check(call.body)
        held, wanted = self._held(call.body), call.body.get("logprobs")
        tokenizer, vocabulary = self.loaded.tokenizer, self.loaded.vocabulary
        tokens = prompts.text_tokens(call.body.get("prompt"), tokenizer, vocabulary=vocabulary)
        beside = None if wanted is None or wanted is False else _beside(wanted)
        return self._written(call, tokens or [*self.loaded.ends[:1]], None, is_chat=False, beside=beside, held=held)

    def _written(
        self,
        call: Call,
        tokens: list[int],
        thoughts: Thoughts | None,
        *,
        is_chat: bool,
        beside: int | None,
        held: Held | None,
    ) -> Answer:
        request, loaded = call.body, self.loaded
        prompts.check_length(len(tokens) + 1, self.context_tokens)
        ends, vocabulary = loaded.ends, loaded.vocabulary
        job = Job(
            prompt=tokens,
            sampling=sampling(request, loaded.usual, ends=ends, vocabulary=vocabulary, beside=beside),
            most=min(_most(request), self.context_tokens - len(tokens)),
            check=call.check,
            held=held,
        )
        asked = Asked(job, Words(self._decoded, _stops(request)), thoughts, is_chat, bool(request.get("verbose")))
        return _events(self._chunks(asked)) if request.get("stream") else _whole(self._chunks(asked))

    def _chunks(self, asked: Asked) -> Generator[dict[str, Any]]:
        """The answer, chunk by chunk; the last one has the usage."""
        count, finish, words = 0, "length", asked.words
        role = [self._chunk(asked, {"delta": {"role": "assistant", "content": None}})] if asked.is_chat else []
        with closing(self.slots.run(asked.job)) as steps:
            for step in steps:
                yield from role
                count, role = count + 1, []
                if step.is_end:
                    finish = "stop"
                    break
                yield from self._said(asked, words.push(step.token), step)
                if step.is_whole or words.stopped_by is not None:
                    finish = "stop"
                    break
        yield from role
        yield from self._said(asked, words.rest(), None, is_last=True)
        yield self._last(asked, "stop" if words.stopped_by is not None else finish)
        prompt = len(asked.job.prompt)
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": count,
            "total_tokens": prompt + count,
            "prompt_tokens_details": {"cached_tokens": asked.job.cached},
        }
        yield {**self._head(asked), "choices": [], "usage": usage}

    def _said(self, asked: Asked, text: str, step: Step | None, *, is_last: bool = False) -> Iterator[dict[str, Any]]:
        """The chunks of a piece of text; the log probabilities of a step go out with it."""
        likelihood = step.likelihood if step is not None else None
        more = {"logprobs": self._logprobs(step.token, likelihood)} if step is not None and likelihood else {}
        if not asked.is_chat:
            if text or more:
                yield self._chunk(asked, {"text": text, **more})
            return
        parts = [("content", text)] if text else []
        if asked.thoughts is not None:
            parts = asked.thoughts.push(text) + (asked.thoughts.rest() if is_last else [])
        for name, said in parts:
            yield self._chunk(asked, {"delta": {name: said}, **more})
            more = {}
        if more:
            yield self._chunk(asked, {"delta": {}, **more})

    def _last(self, asked: Asked, finish: str) -> dict[str, Any]:
        said: dict[str, Any] = {"delta": {}} if asked.is_chat else {"text": ""}
        chunk = self._chunk(asked, {**said, "finish_reason": finish})
        if asked.is_verbose and asked.words.stopped_by is not None:
            chunk["__verbose"] = {"stop_type": "word", "stopping_word": asked.words.stopped_by}
        return chunk

    def _chunk(self, asked: Asked, choice: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._head(asked), "choices": [{"index": 0, "finish_reason": None, **choice}]}

    def _head(self, asked: Asked) -> dict[str, Any]:
        kind, prefix = ("chat.completion.chunk", "chatcmpl") if asked.is_chat else ("text_completion", "cmpl")
        head = {"id": f"{prefix}-{asked.id}", "object": kind, "created": asked.created, "model": self.name}
        return {**head, "system_fingerprint": BUILD}

    def _logprobs(self, token: int, found: Likelihood) -> dict[str, Any]:
        def entry(one: int, logprob: float) -> dict[str, Any]:
            text = self.loaded.tokenizer.decode([one])
            return {"id": one, "token": text, "bytes": list(text.encode("utf-8", "replace")), "logprob": logprob}

        best = [entry(one, logprob) for one, logprob in found.best]
        return {"content": [{**entry(token, found.chosen), "top_logprobs": best}]}

    def _decoded(self, tokens: list[int]) -> str:
        decode = self.loaded.tokenizer.decode
        return str(decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _held(self, request: Mapping[str, Any]) -> Held | None:
        """What holds the answer to the schema that the request has. Raises: Refused."""
        form = request.get("response_format") or {}
        kind = form.get("type", "text") if isinstance(form, dict) else None
        if kind == "text":
            return None
        schema = None
        if kind == "json_object":
            schema = form.get("schema") or {"type": "object"}
        elif kind == "json_schema":
            schema = (form.get("json_schema") or {}).get("schema") or form.get("schema")
        if not isinstance(schema, dict):
            raise Refused(400, INVALID, "the JSON schema of the response format is missing")
        with self._lock:
            if self._vocabulary is None:
                loaded = self.loaded
                self._vocabulary = Vocabulary.of(loaded.tokenizer, size=loaded.vocabulary, ends=loaded.ends)
        return self._vocabulary.held_to(schema)


def _beside(value: Any) -> int:
    """How many log probabilities are told beside the chosen token's. Raises: Refused."""
    if not isinstance(value, int) or not 0 <= value <= MOST_BESIDE:
        raise Refused(400, INVALID, "the number of log probabilities is out of its range")
    return int(value)


def _most(request: Mapping[str, Any]) -> int:
    """How many tokens may be written. Raises: Refused."""
    value = request.get("max_tokens")
    value = request.get("max_completion_tokens", -1) if value is None else value
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(400, INVALID, "max_tokens is no whole number")
    return value if value >= 0 else 1 << 30


def _stops(request: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts that end the answer. Raises: Refused."""
    value = request.get("stop") or ()
    stops = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else (None,)
    if not all(isinstance(stop, str) and stop for stop in stops):
        raise Refused(400, INVALID, "stop is neither a text nor a list of texts")
    return stops


def _events(chunks: Generator[dict[str, Any]]) -> Iterator[bytes]:
    """A stream's events; ending it ends the answer."""
    with closing(chunks):
        for chunk in chunks:
            yield b"data: " + orjson.dumps(chunk) + b"\n\n"
        yield b"data: [DONE]\n\n"


def _whole(chunks: Generator[dict[str, Any]]) -> dict[str, Any]:
    """The whole answer in one object."""
    gathered = Gathered()
    with closing(chunks):
        for chunk in chunks:
            gathered.add(chunk)
    return gathered.reply()
