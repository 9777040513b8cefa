"""The remote engine: a model of an upstream, over any server that speaks OpenAI's API (vLLM, llama-server, Ollama, …).

Made by the router, one for each model of an upstream. It believes nothing the server says: every wait has an end, every
size a limit, redirects are refused, and a stream that is not whole is an error, never an answer. It sends a request
once, but for what met the end of a resting connection (`privacy.kept_connections`): whether it is sent again, or
elsewhere, is the router's to decide. What goes outside is hidden before it comes here (`engines.outside`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import orjson

from intramuros.engines.chunks import check_chunk, chunk_of
from intramuros.engines.engine import ChatRequest, Health, Reply
from intramuros.engines.gathered import Gathered
from intramuros.engines.openai_http import DONE, HEADERS, OpenAIHttp, Response, error_from, reply_in
from intramuros.engines.sse import Events
from intramuros.engines.upstream import Upstream
from intramuros.errors import (
    BadRequest,
    ContextOverflow,
    EgressRefused,
    EngineDied,
    IntramurosError,
    UpstreamFailed,
    UpstreamTimeout,
)
from intramuros.privacy.egress import Egress, as_connection_errors

T = TypeVar("T")

MOST_BYTES = 64 << 20
"""The longest answer that is read: the vectors of a batch of texts are some megabytes."""
MOST_ERROR_BYTES = 64 << 10
MOST_AT_ONCE = 100
"""Connections that one client session opens; more requests wait here, where that is no failure."""
HEALTH_S = 5.0
END_S = 0.05
SLOW_S_PER_TOKEN = 1.0
"""A pace that whoever serves people keeps."""


class RemoteEngine(OpenAIHttp):
    """One model of one upstream; satisfies `engines.engine.Engine`. Made inside the event loop that uses it."""

    def __init__(self, upstream: Upstream, model: str) -> None:
        self._who = f"upstream {upstream.name}"
        waits = upstream.waits
        session = (
            Egress()
            .permitting([upstream.rule], reason=f"the {self._who}")
            .session(connect_timeout_s=waits.connect_s, read_timeout_s=waits.whole_s)
        )
        super().__init__(session, model=model)
        self.upstream = upstream
        self._session = session
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        key = {"Authorization": f"Bearer {upstream.key}"} if upstream.key else {}
        self._headers: Mapping[str, str] = {**HEADERS, **key}
        self._is_closed = False

    async def generate(self, request: ChatRequest) -> Reply:
        """Completes a chat. Raises: as the engine contract; UpstreamFailed, UpstreamTimeout."""
        with _in_form(self.upstream.name):
            if not _is_short(request, within_s=self.upstream.waits.first_token_s):
                return await super().generate(request)
            gathered = Gathered()
            gathered.add(chunk_of(await self._whole(request), who=self._who))
            return reply_in(gathered.reply())

    async def _whole(self, request: ChatRequest) -> bytes:
        """An answer that is not streamed: it begins when it is written, and then comes at once."""
        until, body = time.monotonic() + self.upstream.waits.whole_s, bytearray()
        async with self._answer(_path(request), self._chat(request)) as response:
            while block := await self._read_by(min(time.monotonic() + self.upstream.waits.between_s, until), response):
                body += block
                if len(body) > MOST_BYTES:
                    raise ValueError("the answer is too long")
        return bytes(body)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[bytes]:
        """Completes a chat chunk by chunk; each is checked, and passes as it came. Raises: as `generate`."""
        body = self._chat(request) | {"stream": True, "stream_options": {"include_usage": True}}
        waits, until = self.upstream.waits, time.monotonic() + self.upstream.waits.whole_s
        async with self._answer(_path(request), body) as response:
            events, taken, is_done, has_begun = Events(), 0, False, False
            due = time.monotonic() + waits.first_token_s  # bytes that complete no event, and comments, don't move it
            while not is_done and (block := await self._read_by(min(due, until), response)):
                taken += len(block)
                if taken > MOST_BYTES:
                    raise ValueError("the answer has no end")
                for data in (ready := events.take(block)):
                    if is_done := data == DONE:
                        break
                    check_chunk(data, who=self._who)
                    has_begun = True
                    yield data
                if ready:
                    due = time.monotonic() + waits.between_s
            if not is_done or not has_begun:
                raise self._failed("ended its answer in the middle", code="upstream_cut_off")
            await _ended(response)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text. Raises: as `generate`."""
        with _in_form(self.upstream.name):
            vectors = await super().embed(texts)
            if len(vectors) != len(texts):
                raise ValueError
            return vectors

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score for each text. Raises: as `generate`."""
        with _in_form(self.upstream.name):
            return await super().rerank(query, texts)

    async def tokenise(self, text: str) -> list[int]:
        """The text's tokens, in the dialects of llama.cpp's server and of vLLM; others can't say."""
        body = {"content": text, "add_special": False, "prompt": text, "add_special_tokens": False}
        with _in_form(self.upstream.name):
            return list((await self.post("/tokenize", body))["tokens"])

    async def health(self) -> Health:
        """How it is now, by asking for its models; never raises."""
        if self._is_closed:
            return Health("stopped")
        try:
            with _in_form(self.upstream.name):
                async with asyncio.timeout(HEALTH_S):
                    return await self._health()
        except TimeoutError:
            return Health("failed", f"{self.upstream.name} did not answer within {HEALTH_S:.0f} s.")
        except IntramurosError as error:
            return Health("failed", error.message)

    async def models(self) -> list[dict[str, Any]]:
        """The models it offers, as it describes them. Raises: as `generate`."""
        with _in_form(self.upstream.name):
            return [entry for entry in (await self._get("/v1/models"))["data"] if isinstance(entry.get("id"), str)]

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One request and its whole answer, which must be an object."""
        until = time.monotonic() + self.upstream.waits.whole_s
        async with self._answer(path, self._named(body, path)) as response:
            return dict(orjson.loads(await self._within(until - time.monotonic(), _read(response, MOST_BYTES))))

    async def close(self) -> None:
        """Breaks all connections; what waits for an answer raises UpstreamFailed."""
        self._is_closed = True
        await super().close()

    async def _health(self) -> Health:
        found = {entry["id"]: entry for entry in await self.models()}
        entry = found.get(self.model)
        if entry is None and found and self.model not in self.upstream.models:
            return Health("failed", f"{self.upstream.name} has no model {self.model}.")
        if entry is not None and entry.get("owned_by") == "llamacpp":
            slots = await self.slots()
            return Health("ready", context_tokens=int(slots[0]["n_ctx"]), slots=len(slots))
        tokens = self.upstream.context_tokens or int((entry or {}).get("max_model_len") or 0)
        return Health("ready", context_tokens=tokens)

    async def slots(self) -> list[dict[str, Any]]:
        """The slots of a llama.cpp server. Raises: as `generate`."""
        return list(await self._get("/slots"))

    async def _get(self, path: str) -> Any:
        async with self._answer(path, None) as response:
            return orjson.loads(await self._within(self.upstream.waits.between_s, _read(response, MOST_BYTES)))

    @asynccontextmanager
    async def _answer(self, path: str, body: Mapping[str, Any] | None) -> AsyncIterator[Response]:
        """Sends a request, once; inside, its answer has begun and is a success. Leaving closes the connection."""
        if self._is_closed:
            raise EngineDied("The connections to this upstream were closed.")
        async with self._places:
            try:
                with as_connection_errors():
                    response = await self._within(self.upstream.waits.first_token_s, self._sent(path, body))
                    try:
                        if response.status != 200:
                            raise await self._refusal(response)
                        yield response
                    finally:
                        response.close()
            except EgressRefused as error:
                raise self._failed(f"can't be reached: {error.message}", code="upstream_not_allowed") from error
            except (OSError, RuntimeError) as error:  # RuntimeError: the session was closed
                raise self._failed("can't be reached, or broke the connection", code="upstream_unreachable") from error
            except ValueError as error:
                raise self._failed("answers in a form that can't be used", code="upstream_nonsense") from error

    def _sent(self, path: str, body: Mapping[str, Any] | None) -> Awaitable[Response]:
        method, data = ("GET", None) if body is None else ("POST", orjson.dumps(body))
        url = self.upstream.address(path)
        return self._session.request(method, url, data=data, headers=self._headers, allow_redirects=False)

    async def _read_by(self, due: float, response: Response) -> bytes:
        """What has come, or comes by then (monotonic time); nothing at the end."""
        return await self._within(due - time.monotonic(), response.content.readany())

    async def _within(self, wait_s: float, happening: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(wait_s):
                return await happening
        except TimeoutError as error:
            raise UpstreamTimeout(f"The {self._who} did not go on in time.") from error

    async def _refusal(self, response: Response) -> IntramurosError:
        """What a status other than success means."""
        status = response.status
        if 300 <= status < 400:
            return self._failed("redirects; only its own address is asked", code="upstream_redirects")
        if status in {401, 403}:
            return self._failed("does not accept our key", code="upstream_refuses_key")
        if status == 429:
            return self._failed("has too much to do, or our account is used up", code="upstream_busy")
        if status in {408, 504}:
            return UpstreamTimeout(f"The {self._who} says that it took too long.")
        body = await self._within(self.upstream.waits.between_s, _read(response, MOST_ERROR_BYTES))
        error = error_from(status, body, who=self._who)
        if isinstance(error, ContextOverflow):
            return error
        if isinstance(error, BadRequest) and status != 404:
            return error
        if status == 404:
            return self._failed(f"does not know the model {self.model}, or the address", code="upstream_lacks_model")
        return self._failed(f"answers with status {status}", code="upstream_failed")

    def _failed(self, what: str, *, code: str) -> UpstreamFailed:
        return UpstreamFailed(f"The {self._who} {what}.", code=code)

    def _named(self, body: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """The body with the model's name, which servers with several models need."""
        return {**body, "model": self.model} if path != "/v1/chat/completions" else body


def _path(request: ChatRequest) -> str:
    return "/v1/completions" if "prompt" in request else "/v1/chat/completions"


def _is_short(request: ChatRequest, *, within_s: float) -> bool:
    """Whether an answer is over, even at a slow pace, before its first token would be missed: then it need not be
    streamed for anybody to notice that the other side hangs.
    """
    most = request.get("max_completion_tokens") or request.get("max_tokens")
    if not isinstance(most, int) or not isinstance(request.get("prompt", ""), str):
        return False
    return 0 < most * (request.get("n") or 1) * SLOW_S_PER_TOKEN <= within_s


@contextmanager
def _in_form(name: str) -> Iterator[None]:
    """Turns what does not have the promised form into UpstreamFailed."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UpstreamFailed(
            f"The upstream {name} answers in a form that can't be used.", code="upstream_nonsense"
        ) from error


async def _ended(response: Response) -> None:
    """Reads the end of an answer that has said all, so that its connection serves the next request."""
    with suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            await response.content.readany()


async def _read(response: Response, most_bytes: int) -> bytes:
    """A whole body. Raises: ValueError if it is too long."""
    body = bytearray()
    while block := await response.content.readany():
        body += block
        if len(body) > most_bytes:
            raise ValueError("the answer is too long")
    return bytes(body)
