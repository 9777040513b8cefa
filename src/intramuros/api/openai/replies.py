"""What engines answer in OpenAI's shape, as far as it is the same of every engine: for the OpenAPI document.

Such answers are passed on as the engine wrote them, with the model's name and the usage set by the completion task. A
field that may be missing is left out where an engine of another kind has nothing to say in it.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class UsageObject(TypedDict):
    """The tokens of a request. `prompt_tokens_details` says how many came from the cache."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: NotRequired[dict[str, Any]]


class FunctionObject(TypedDict):
    """A function that the model calls; `arguments` is JSON as text."""

    name: str
    arguments: str


class ToolCallObject(TypedDict):
    """A call of a tool."""

    id: str
    type: Literal["function"]
    function: FunctionObject


class ChatMessageObject(TypedDict):
    """What the model said; `reasoning_content` is what it thought before."""

    role: str
    content: str | None
    reasoning_content: NotRequired[str | None]
    tool_calls: NotRequired[list[ToolCallObject]]


class ChatChoiceObject(TypedDict):
    """One of the answers."""

    index: int
    message: ChatMessageObject
    finish_reason: str | None
    logprobs: NotRequired[dict[str, Any] | None]


class ChatCompletion(TypedDict):
    """A whole answer. `metadata` is there where the request said `store`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoiceObject]
    usage: UsageObject
    metadata: NotRequired[dict[str, str]]


class DeltaObject(TypedDict):
    """What a chunk adds to a message."""

    role: NotRequired[str | None]
    content: NotRequired[str | None]
    reasoning_content: NotRequired[str | None]
    tool_calls: NotRequired[list[dict[str, Any]]]


class ChunkChoiceObject(TypedDict):
    """What a chunk adds to one of the answers."""

    index: int
    delta: DeltaObject
    finish_reason: NotRequired[str | None]
    logprobs: NotRequired[dict[str, Any] | None]


class ChatCompletionChunk(TypedDict):
    """A piece of a streamed answer; the one with the usage has no choices."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoiceObject]
    usage: NotRequired[UsageObject | None]
