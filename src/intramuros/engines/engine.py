"""The engine contract: what runs a model, whatever runs it.

Called by tasks and by the pool. An engine knows no routes, users, documents or audit. Chat requests, replies
and stream chunks have the shape of OpenAI's chat completions, which every server of the field speaks; a chunk is the
bytes of one `chat.completion.chunk` object, so that a door can forward it untouched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

ChatRequest = Mapping[str, Any]
"""`messages`, and any of the sampling, tool and format fields of OpenAI's chat completions.

A choice that a text of `stop` has ended has that text as its `stop_reason`, where the engine can say which it was.

With `prompt` in their place (a text, or a list of texts and token numbers) it asks for the text's continuation: chunks
and reply are `text_completion` objects then.
"""

INSIDE, OUTSIDE = "inside", "outside"
"""Where a request was answered, as the audit's `route` says it: on this machine, or by a model beyond the walls."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; `cached_tokens` of the prompt came from the prefix cache."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished generation. `raw` is the whole `chat.completion` object."""

    text: str
    finish_reason: str
    usage: Usage
    raw: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Health:
    """How an engine is: `state` is loading, ready, busy, failed or stopped; `detail` says why it failed."""

    state: str
    detail: str = ""
    context_tokens: int = 0
    slots: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of some inputs, in order, and how many tokens were read for them."""

    vectors: list[list[float]] = field(repr=False)
    prompt_tokens: int


@runtime_checkable
class CountsPrompts(Protocol):
    """What an engine may do besides: say how long a prompt is, without reading it."""

    async def prompt_tokens(self, request: ChatRequest) -> int:
        """The tokens of a chat's prompt, template and all: what `usage` would say of it."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """What an engine may do besides: vectors also of token numbers, with what was read."""

    async def vectors(self, inputs: Sequence[str | Sequence[int]]) -> Vectors:
        """One vector for each text or list of token numbers."""
        ...


class Engine(Protocol):
    """Runs one model. Cancelling a call, or closing a stream, frees its slot at once.

    Raises: ContextOverflow (with counts), EngineDied, EngineTimeout, EngineLoadFailed, BadRequest.
    """

    @property
    def model(self) -> str:
        """The name of the model it runs."""
        ...

    async def generate(self, request: ChatRequest) -> Reply:
        """Completes a chat and returns the whole reply."""
        ...

    def stream(self, request: ChatRequest) -> AsyncIterator[bytes]:
        """Completes a chat, chunk by chunk: the JSON of each chunk, without `data: `; the last carries `usage`."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in order."""
        ...

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, in order; higher is better."""
        ...

    async def tokenise(self, text: str) -> list[int]:
        """The token numbers of a text, without special tokens."""
        ...

    async def health(self) -> Health:
        """How it is now; never raises."""
        ...

    async def close(self) -> None:
        """Stops it and gives its memory back."""
        ...
