"""Speaks to a model server over HTTP in llama.cpp's dialect of OpenAI's API, and turns its failures into ours.

Called by `engines.starting` and by autotuning. It knows a client session and nothing of processes or time: a broken
connection is EngineDied, and whoever finds that an engine hangs breaks its connections. Prompts and answers pass
through and are never logged.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Protocol

import orjson

from intramuros.engines.adapters import FIELD, Adapters
from intramuros.engines.engine import ChatRequest, Reply, Usage, Vectors
from intramuros.engines.gathered import Gathered
from intramuros.errors import BadRequest, ContextOverflow, EngineDied, EngineError, IntramurosError
from intramuros.models.sampling import NAMES
from intramuros.privacy.egress import as_connection_errors

BASE = "http://engine"
HEADERS = {"Content-Type": "application/json"}
ONCE = {**HEADERS, "Connection": "close"}
"""For streams: llama.cpp's server ends the connection after each, but says that it keeps it, so that the next request
would be written to a connection that is gone, and once more to a new one."""
DONE = b"[DONE]"
UNNAMED = b'"system_fingerprint":"b0-unknown"'
"""What the engine's package says of its build: it was made without the number that llama.cpp gives it."""
SAID = b'"__verbose":'
"""What the engine says of a generation besides, asked for where only that tells which text of `stop` has ended it."""
OURS = frozenset(
    {
        "stream",
        "stream_options",
        "id_slot",
        "slot_id",
        "cache_prompt",
        "n_cache_reuse",
        "lora",
        "return_progress",
        FIELD,
    }
)
"""Switches of the engine that a request may not set: they belong to whoever runs it."""
REFUSED = frozenset({400, 404, 405, 415, 422})
REFUSALS = ("JSON schema", "grammar", "input is not supported", "does not support")
"""What the engine says of requests it refuses with the status of a failure."""
UNSUPPORTED = " is not supported"
"""What `worker.transformers` says of a field, after its name."""
OVERFLOWS = ("maximum context length", "prompt is too long", "exceeds the available context size")
"""What vLLM and others say of a prompt that is too long; which of its numbers is which differs."""
NO_ADAPTERS = Adapters()
MOST_REQUESTS = 128
"""Requests the engine is given at once; more wait here. Fewer than the server's threads, so that a probe finds one."""


class Content(Protocol):
    """The body of an answer on its way in."""

    async def readany(self) -> bytes:
        """What has arrived; empty at the end."""
        ...


class Response(Protocol):
    """An answer that has begun."""

    status: int

    @property
    def content(self) -> Content:
        """Its body."""
        ...

    async def read(self) -> bytes:
        """Its whole body."""
        ...

    def close(self) -> None:
        """Closes the connection."""
        ...


class Session(Protocol):
    """What is needed of the client session that `privacy.egress` makes."""

    def post(self, url: str, *, data: bytes, headers: Mapping[str, str]) -> Awaitable[Any]:
        """Sends a request with a body; the answer, once it begins."""
        ...

    def get(self, url: str) -> Awaitable[Any]:
        """Sends a request without one; the answer, once it begins."""
        ...

    async def close(self) -> None:
        """Breaks all its connections."""
        ...


class OpenAIHttp:
    """One model server, which calls its model `model`."""

    def __init__(
        self, session: Session, *, model: str, adapters: Adapters = NO_ADAPTERS, fingerprint: str = ""
    ) -> None:
        """`fingerprint`: what replies say of the build and the model; empty: what the server says."""
        self.session, self.model, self.adapters, self.fingerprint = session, model, adapters, fingerprint
        self._named_build = f'"system_fingerprint":"{fingerprint}"'.encode() if fingerprint else UNNAMED
        self._places = asyncio.Semaphore(MOST_REQUESTS)

    async def generate(self, request: ChatRequest) -> Reply:
        """Completes a chat, or continues a text. Raises: as the engine contract."""
        if request.get("tools") and request.get("logprobs"):  # the engine does not stream both
            raw = await self.post("/v1/chat/completions", self._chat(request))
            if self.fingerprint:
                raw["system_fingerprint"] = self.fingerprint
        else:
            gathered = Gathered()
            async with aclosing(self.stream(request)) as chunks:
                async for chunk in chunks:
                    gathered.add(orjson.loads(chunk))
            raw = gathered.reply()
        return reply_in(raw)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[bytes]:
        """Completes a chat chunk by chunk; closing it closes the connection, which ends the generation."""
        body = self._chat(request) | {"stream": True, "stream_options": {"include_usage": True}}
        path = "/v1/completions" if "prompt" in request else "/v1/chat/completions"
        if request.get("stop") and "prompt" not in request:
            body["verbose"] = True
        async with self._answer(path, body) as response:
            read, rest, is_done = response.content.readany, b"", False
            named = self._named_build
            while block := await read():
                *events, rest = (rest + block).split(b"\n\n")
                for event in events:
                    data = _data(event)
                    if data == DONE:
                        is_done = True
                    elif data:
                        yield (_stopped(data) if SAID in data else data).replace(UNNAMED, named, 1)
            if not is_done:
                raise EngineDied()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text."""
        if not texts:
            return []
        raw = await self.post("/v1/embeddings", {"input": list(texts), "encoding_format": "float"})
        return [entry["embedding"] for entry in sorted(raw["data"], key=lambda entry: int(entry["index"]))]

    async def vectors(self, inputs: Sequence[str | Sequence[int]]) -> Vectors:
        """One vector for each text or list of tokens, and how many tokens were read."""
        raw = await self.post("/v1/embeddings", {"input": list(inputs), "encoding_format": "float"})
        found = [entry["embedding"] for entry in sorted(raw["data"], key=lambda entry: int(entry["index"]))]
        return Vectors(found, usage_in(raw).prompt_tokens)

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score for each text."""
        if not texts:
            return []
        raw = await self.post("/v1/rerank", {"query": query, "documents": list(texts)})
        scores = [0.0] * len(texts)
        for entry in raw["results"]:
            scores[entry["index"]] = entry["relevance_score"]
        return scores

    async def tokenise(self, text: str) -> list[int]:
        """The text's tokens, without special ones."""
        return list((await self.post("/tokenize", {"content": text, "add_special": False}))["tokens"])

    async def prompt_tokens(self, request: ChatRequest) -> int:
        """The tokens of a chat's prompt, as the engine would read it."""
        return int((await self.post("/v1/chat/completions/input_tokens", self._chat(request)))["input_tokens"])

    async def slots(self) -> list[dict[str, Any]]:
        """Its slots: `n_ctx`, `is_processing`. The loop that computes answers, so an answer shows that it goes round.

        Raises: EngineDied.
        """
        try:
            with as_connection_errors():
                response = await self._begun(lambda: self.session.get(f"{BASE}/slots"))
                try:
                    return list(orjson.loads(await response.read()))
                finally:
                    response.close()
        except (OSError, RuntimeError, orjson.JSONDecodeError) as error:
            raise EngineDied() from error

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One request and its whole answer."""
        async with self._answer(path, body) as response:
            return dict(orjson.loads(await response.read()))

    async def close(self) -> None:
        """Breaks all connections; what waits for an answer raises EngineDied."""
        await self.session.close()

    def _chat(self, request: ChatRequest) -> dict[str, Any]:
        asked = {name: value for name, value in request.items() if name not in OURS}
        return asked | {"model": self.model} | self.adapters.fields(request.get(FIELD))

    @asynccontextmanager
    async def _answer(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[Response]:
        """Sends a request; inside, its answer has begun and is a success. Leaving closes the connection."""
        data, headers = orjson.dumps(body), ONCE if body.get("stream") else HEADERS
        async with self._places:
            try:
                with as_connection_errors():
                    response = await self._begun(lambda: self.session.post(BASE + path, data=data, headers=headers))
                    try:
                        if response.status != 200:
                            raise error_from(response.status, await response.read())
                        yield response
                    finally:
                        response.close()
            except (OSError, RuntimeError, orjson.JSONDecodeError) as error:  # RuntimeError: the session was closed
                raise EngineDied() from error

    async def _begun(self, send: Callable[[], Awaitable[Response]]) -> Response:
        """The answer, once it begins. The engine closes connections that rest: then the next one is tried, once.

        Raises: ConnectionError. A worker that died takes no new connection, so nothing is asked of the engine twice.
        """
        try:
            with as_connection_errors():
                return await send()
        except ConnectionError:
            return await send()


def reply_in(raw: dict[str, Any]) -> Reply:
    """A whole answer as the engine contract has it."""
    choice = (raw.get("choices") or [{}])[0]
    text = choice.get("text") or (choice.get("message") or {}).get("content") or ""
    return Reply(text, choice.get("finish_reason") or "", usage_in(raw), raw)


def usage_in(raw: Mapping[str, Any]) -> Usage:
    """The tokens of a reply or of a stream's last chunk."""
    usage = raw.get("usage") or {}
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return Usage(usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0), cached)


def error_from(status: int, body: bytes, *, who: str = "engine") -> IntramurosError:
    """The engine's error as ours, or that of `who` it came from.

    What an engine says of a request may quote it, so only known messages are kept.
    """
    try:
        error = orjson.loads(body)["error"]
        kind, said = str(error.get("type", "")), str(error.get("message", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return EngineError(f"The {who} answered with status {status}.")
    if kind == "exceed_context_size_error":
        prompt, context = int(error.get("n_prompt_tokens", 0)), int(error.get("n_ctx", 0))
        return ContextOverflow(
            f"The prompt has {prompt} tokens; this model reads {context}.", prompt_tokens=prompt, context_tokens=context
        )
    if error.get("code") == "context_length_exceeded" or any(words in said for words in OVERFLOWS):
        return ContextOverflow("The prompt has more tokens than this model reads.")
    if "too large to process" in said or "input is too large" in said or "larger than the max context" in said:
        numbers = [int(number) for number in re.findall(r"\d+", said)[:2]]
        prompt, context = [*numbers, 0, 0][:2]
        return ContextOverflow(
            "The text has more tokens than this model reads.", prompt_tokens=prompt, context_tokens=context
        )
    if status in REFUSED or kind == "not_supported_error" or any(word in said for word in REFUSALS):
        return BadRequest(_refusal(said, who))
    return EngineError(f"The {who} answered with status {status}.")


def _refusal(said: str, who: str) -> str:
    """Why `who` refuses a request, in plain words that quote nothing of it."""
    if (name := said.removesuffix(UNSUPPORTED)) in NAMES:
        return f"The {who} does not support '{name}' with this model."
    low = said.lower()
    if "schema" in low or "grammar" in low:
        return f"The JSON schema or grammar of the response format is invalid, or uses what the {who} does not know."
    if "image" in low or "audio" in low or "multimodal" in low or "media" in low:
        return "This model reads text only."
    if "tool" in low:
        return "The tools or the tool choice are invalid, or this model does not take them."
    if "template" in low or "role" in low:
        return "The model's chat template does not accept these messages; check their roles and their order."
    return f"The {who} does not accept this request; check the types and the ranges of its fields."


def _data(event: bytes) -> bytes:
    """The data of one server-sent event; nothing for comments. Raises: the error the event carries."""
    if event.startswith(b"data: "):
        data = event[6:]
        if data.startswith(b'{"error"'):
            raise error_from(_status_in(data), data)
        return data
    if event.startswith(b"error: "):
        data = event[7:]
        wrapped = b'{"error":' + data + b"}"
        raise error_from(_status_in(wrapped), wrapped)
    return b""


def _stopped(data: bytes) -> bytes:
    """The chunk with the text that has ended its choice; the rest of what the engine says of it stays here."""
    chunk = orjson.loads(data)
    said = chunk.pop("__verbose")
    if said.get("stop_type") == "word":
        for choice in chunk.get("choices", ()):
            choice["stop_reason"] = said.get("stopping_word")
    return orjson.dumps(chunk)


def _status_in(data: bytes) -> int:
    try:
        return int(orjson.loads(data)["error"].get("code", 500))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return 500
