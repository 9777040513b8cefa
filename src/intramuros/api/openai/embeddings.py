"""`POST /v1/embeddings` and `POST /v1/rerank`: what a request may hold, and the routes."""

from __future__ import annotations

import base64
import sys
from array import array
from typing import Any, Literal, NotRequired, TypedDict

from starlette.types import Receive, Scope, Send

from intramuros.api.body import read_object
from intramuros.api.connected import while_connected
from intramuros.api.openai import fields
from intramuros.api.openai.fields import LARGEST_TOKEN, TEXT, TOKENS, Fields, boolean, inside, not_used, whole, words
from intramuros.api.openai.sending import send_json
from intramuros.errors import BadRequest, kind_of
from intramuros.tasks.vectors import Embedded, VectorTask

MOST_INPUTS = 2048  # OpenAI's limit


@fields.says(
    {
        "anyOf": [
            TEXT,
            {"type": "array", "items": {"anyOf": [TEXT, TOKENS]}, "minItems": 1, "maxItems": MOST_INPUTS},
            TOKENS,
        ]
    }
)
def _input(value: Any, path: str) -> Any:
    """All inputs: texts, or lists of token numbers."""
    tokens = fields.several(whole(0, LARGEST_TOKEN), fields.MOST_TOKENS, least=1)
    if isinstance(value, str):
        return [words(shortest=1)(value, path)]
    if isinstance(value, list) and value and all(isinstance(item, int) for item in value):
        return [tokens(value, path)]

    def one(item: Any, place: str) -> Any:
        return tokens(item, place) if isinstance(item, list) else words(shortest=1)(item, place)

    return fields.several(one, MOST_INPUTS, least=1)(value, path)


@fields.says(
    {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"text": {"type": "string"}},
                "required": ["text"],
                "additionalProperties": False,
            },
        ]
    }
)
def _document(value: Any, path: str) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return words()(inside(value, path, {"text"}).get("text"), f"{path}.text")
    raise BadRequest(f"'{path}' must be text or an object with 'text', not {kind_of(value)}.", param=path)


EMBEDDING_FIELDS = Fields(
    honoured={
        "model": fields.model,
        "input": _input,
        "encoding_format": fields.choice("float", "base64"),
        "dimensions": whole(1, 1 << 16),
    },
    required=("model", "input"),
    hints=frozenset({"user"}),
)
RERANK_FIELDS = Fields(
    honoured={
        "model": fields.model,
        "query": words(shortest=1),
        "documents": fields.several(_document, MOST_INPUTS, least=1),
        "top_n": whole(1, MOST_INPUTS),
        "return_documents": boolean,
    },
    required=("model", "query", "documents"),
    hints=frozenset({"user"}),
)


class PromptUsage(TypedDict):
    """The tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingObject(TypedDict):
    """The vector of one input: numbers, or 32-bit floats in base64, the lowest byte first."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingReply(TypedDict):
    """A vector for each input."""

    object: Literal["list"]
    data: list[EmbeddingObject]
    model: str
    usage: PromptUsage


class RankedText(TypedDict):
    """A document that was ranked."""

    text: str


class RankObject(TypedDict):
    """How relevant a document is, by its place in the request."""

    index: int
    relevance_score: float
    document: NotRequired[RankedText]


class RankReply(TypedDict):
    """The documents, the most relevant first."""

    object: Literal["list"]
    model: str
    results: list[RankObject]
    usage: PromptUsage


class Embeddings:
    """The route of vectors."""

    def __init__(self, task: VectorTask) -> None:
        self.task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        asked, hints = EMBEDDING_FIELDS.read(await read_object(receive))
        who = {"by": scope["state"]["caller"], "entry": scope["state"]["entry"]}
        async with while_connected(receive):
            made = await self.task.embed(
                asked["input"], model=asked["model"], dimensions=asked.get("dimensions"), **who
            )
        reply = embedding_reply(made, is_base64=asked.get("encoding_format") == "base64")
        await send_json(send, reply, headers=not_used(hints))


class Rerank:
    """The route of scores, in Jina's shape."""

    def __init__(self, task: VectorTask) -> None:
        self.task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        asked, hints = RERANK_FIELDS.read(await read_object(receive))
        who = {"by": scope["state"]["caller"], "entry": scope["state"]["entry"]}
        passages = asked["documents"]
        async with while_connected(receive):
            ranked = await self.task.rank(asked["query"], passages, model=asked["model"], **who)
        order = sorted(range(len(passages)), key=lambda index: -ranked.scores[index])[: asked.get("top_n")]
        results: list[RankObject] = [{"index": index, "relevance_score": ranked.scores[index]} for index in order]
        if asked.get("return_documents"):
            for result in results:
                result["document"] = {"text": passages[result["index"]]}
        usage: PromptUsage = {"prompt_tokens": ranked.prompt_tokens, "total_tokens": ranked.prompt_tokens}
        reply: RankReply = {"object": "list", "model": ranked.model, "results": results, "usage": usage}
        await send_json(send, reply, headers=not_used(hints))


def embedding_reply(made: Embedded, *, is_base64: bool) -> EmbeddingReply:
    """Vectors as OpenAI's clients read them."""
    data: list[EmbeddingObject] = [
        {"object": "embedding", "index": index, "embedding": as_base64(vector) if is_base64 else vector}
        for index, vector in enumerate(made.vectors)
    ]
    usage: PromptUsage = {"prompt_tokens": made.prompt_tokens, "total_tokens": made.prompt_tokens}
    return {"object": "list", "data": data, "model": made.model, "usage": usage}


def as_base64(vector: list[float]) -> str:
    """The numbers as OpenAI sends them: 32-bit floats, the lowest byte first."""
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
