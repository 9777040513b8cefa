"""What a response request may hold: each field of OpenAI's API is honoured, a hint, or refused with the reason.

Called by the routes. README.md has the same in words; a test compares it with the official client's list of fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from starlette.requests import Request

from intramuros.api.openai import fields, schemas
from intramuros.api.openai.fields import Check, Fields, boolean, inside, number, unsupported, whole, words
from intramuros.api.openai.messages import plain
from intramuros.api.openai.notes import metadata
from intramuros.api.openai.responses.items import Item, items
from intramuros.api.openai.responses.tools import FileSearch, Tools, chosen, tools
from intramuros.engines.schema import checked_schema
from intramuros.errors import BadRequest
from intramuros.tasks.complete import DEFAULT_MODEL

RESULTS, LOGPROBS = "file_search_call.results", "message.output_text.logprobs"
INCLUDABLE = frozenset((
    RESULTS, LOGPROBS, "message.input_image.image_url", "reasoning.encrypted_content", "web_search_call.results",
    "web_search_call.action.sources", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
))  # fmt: skip
INCLUDE = frozenset({"include", "include[]"})
"""How a query asks for more of what is stored."""
_SHOWN_ANYWAY = {RESULTS, LOGPROBS, "message.input_image.image_url"}


class ConversationId(TypedDict):
    """The conversation that a response is part of."""

    id: str


class Retold(TypedDict):
    """What a response tells again of its request."""

    conversation: ConversationId | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: dict[str, Any]
    service_tier: str
    temperature: float | None
    text: dict[str, Any]
    tool_choice: Any
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float | None
    truncation: str


@dataclass(frozen=True, slots=True)
class ResponseCall:
    """A checked request. `request` is a chat without its messages; `shown` are the fields a response tells again."""

    request: dict[str, Any]
    items: tuple[Item, ...]
    instructions: str | None
    search: FileSearch | None
    previous: str | None
    conversation: str | None
    shown: Retold
    include: frozenset[str]
    metadata: dict[str, str]
    store: bool
    stream: bool
    background: bool
    not_used: tuple[str, ...]

    @property
    def is_prose(self) -> bool:
        """Whether the answer has sentences that can be held against sources."""
        return "response_format" not in self.request


def response_call(body: Mapping[str, Any]) -> ResponseCall:
    """Checks a whole request. Raises: BadRequest whose `param` names the field."""
    read, hints = FIELDS.read(body)
    stream, background = read.get("stream", False), read.get("background", False)
    store = read.get("store", True)
    if background and not store:
        raise BadRequest("'background' needs 'store': what nobody waits for must be kept.", param="background")
    if (read.get("stream_options") or {}).get("include_obfuscation"):
        hints.append("stream_options.include_obfuscation")
    return ResponseCall(**_call(read, hints), store=store, stream=stream, background=background, not_used=tuple(hints))


def count_call(body: Mapping[str, Any]) -> ResponseCall:
    """The same for a request whose tokens are to be counted. Raises: BadRequest."""
    read, hints = COUNTED.read(body)
    return ResponseCall(**_call(read, hints), store=False, stream=False, background=False, not_used=tuple(hints))


def compact_call(body: Mapping[str, Any]) -> ResponseCall:
    """The same for a conversation that is to be compacted. Raises: BadRequest."""
    read, hints = COMPACTED.read(body)
    return ResponseCall(**_call(read, hints), store=False, stream=False, background=False, not_used=tuple(hints))


def included(request: Request) -> set[str]:
    """What else of something stored is to be shown. Raises: BadRequest."""
    found = {value for name in INCLUDE for value in request.query_params.getlist(name)}
    for value in found:
        if value not in INCLUDABLE:
            raise BadRequest(f"'include' must be some of: {', '.join(sorted(INCLUDABLE))}.", param="include")
    return found


def _call(read: dict[str, Any], hints: list[str]) -> dict[str, Any]:
    if read.get("conversation") is not None and read.get("previous_response_id") is not None:
        reason = "A response goes on from an earlier one or in a conversation: leave one of the two out."
        raise unsupported("conversation", reason)
    found: Tools = tools(read.get("tools", []), "tools", hints)
    called, search = chosen(read.get("tool_choice"), "tool_choice", found, most_calls=read.get("max_tool_calls"))
    request = {"model": read.get("model", DEFAULT_MODEL), **called, **_sampling(read), **_text(read, hints)}
    _reasoning(read, request, hints)
    include = frozenset(read.get("include", ()))
    hints += [f"include.{name}" for name in sorted(include - _SHOWN_ANYWAY)]
    if LOGPROBS in include or read.get("top_logprobs"):
        request |= {"logprobs": True, "top_logprobs": read.get("top_logprobs", 0)}
    schemas.together(request)
    instructions = read.get("instructions")
    return {
        "request": request,
        "items": tuple(items(read.get("input", []), "input", hints)),
        "instructions": None if instructions is None else plain(instructions),
        "search": search,
        "previous": read.get("previous_response_id"),
        "conversation": read.get("conversation"),
        "shown": _shown(read, found),
        "include": include,
        "metadata": metadata(read.get("metadata")) or {},
    }


def _sampling(read: dict[str, Any]) -> dict[str, Any]:
    names = {"temperature": "temperature", "top_p": "top_p", "max_output_tokens": "max_tokens"}
    sampling = {names[name]: read[name] for name in names if name in read}
    if "parallel_tool_calls" in read:
        sampling["parallel_tool_calls"] = read["parallel_tool_calls"]
    return sampling


def _text(read: dict[str, Any], hints: list[str]) -> dict[str, Any]:
    text = inside(read.get("text", {}), "text", {"format", "verbosity"})
    if text.get("verbosity") is not None:
        fields.choice("low", "medium", "high")(text["verbosity"], "text.verbosity")
        hints.append("text.verbosity")
    if text.get("format") is None:
        return {}
    wanted, path = text["format"], "text.format"
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind in ("text", "json_object"):
        inside(wanted, path, {"type"})
        return {} if kind == "text" else {"response_format": {"type": kind}}
    if kind != "json_schema":
        raise BadRequest(f"'{path}.type' must be 'text', 'json_object' or 'json_schema'.", param=f"{path}.type")
    held = dict(inside(wanted, path, {"type", "name", "schema", "strict", "description"}))
    del held["type"]
    held["schema"] = checked_schema(held.get("schema"), f"{path}.schema", foreign=hints)
    return {"response_format": {"type": "json_schema", "json_schema": held}}


def _reasoning(read: dict[str, Any], request: dict[str, Any], hints: list[str]) -> None:
    known = {"effort", "summary", "generate_summary", "context", "mode"}
    reasoning = inside(read.get("reasoning", {}), "reasoning", known)
    hints += [f"reasoning.{name}" for name in reasoning if name != "effort" and reasoning[name] is not None]
    effort = reasoning.get("effort")
    if effort is not None:
        fields.choice(*schemas.EFFORTS)(effort, "reasoning.effort")
        request["chat_template_kwargs"] = {"reasoning_effort": effort, "enable_thinking": effort != "none"}


def _shown(read: dict[str, Any], found: Tools) -> Retold:
    """The fields of a response that say what was asked for."""
    text, reasoning = read.get("text", {}), read.get("reasoning", {})
    wanted = text.get("format") or {"type": "text"}
    if wanted["type"] == "json_schema":
        wanted = {"description": None, "strict": None, **wanted}
    return {
        "conversation": None if read.get("conversation") is None else {"id": read["conversation"]},
        "instructions": read.get("instructions"),
        "max_output_tokens": read.get("max_output_tokens"),
        "max_tool_calls": read.get("max_tool_calls"),
        "parallel_tool_calls": read.get("parallel_tool_calls", True),
        "previous_response_id": read.get("previous_response_id"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": None},
        "service_tier": "default",
        "temperature": read.get("temperature"),
        "text": {"format": wanted},
        "tool_choice": read.get("tool_choice", "auto"),
        "tools": list(found.shown),
        "top_logprobs": read.get("top_logprobs", 0),
        "top_p": read.get("top_p"),
        "truncation": "disabled",
    }


def _anything(value: Any, _path: str) -> Any:
    """Checked where it is read."""
    return value


def _include(value: Any, path: str) -> Any:
    return fields.several(fields.choice(*sorted(INCLUDABLE)), 32)(value, path)


def _object(value: Any, path: str) -> Any:
    return inside(value, path, set(value) if isinstance(value, dict) else set())


def _conversation(value: Any, path: str) -> str:
    """Its id, as text or as an object with nothing else."""
    id = inside(value, path, {"id"}).get("id") if isinstance(value, dict) else value
    return str(words(256, shortest=1)(id, path))


def _moderation(value: Any, path: str) -> Any:
    return schemas.moderation(value, path)


_OF_BOTH: Mapping[str, Check] = {
    "model": fields.model,
    "input": _anything,
    "instructions": words(),
    "previous_response_id": words(256, shortest=1),
    "conversation": _conversation,
    "tools": _anything,
    "tool_choice": _anything,
    "parallel_tool_calls": boolean,
    "reasoning": _object,
    "text": _object,
}

HONOURED: Mapping[str, Check] = {
    **_OF_BOTH,
    "background": boolean,
    "include": _include,
    "max_output_tokens": whole(1, fields.MOST_TOKENS),
    "max_tool_calls": whole(0, 1000),
    "metadata": _anything,
    "store": boolean,
    "stream": boolean,
    "stream_options": lambda value, path: inside(value, path, {"include_obfuscation"}),
    "temperature": number(0, 2),
    "top_logprobs": whole(0, 20),
    "top_p": number(0, 1),
    "moderation": _moderation,
}

HINTS = frozenset((
    "user", "safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "image",
    "access_programs",
))  # fmt: skip

_WHOLE = "A conversation that is too long for the model is refused, never cut."
ONLY_AS: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "truncation": ((None, "disabled"), _WHOLE),
    "service_tier": ((None, "auto", "default"), "There is one service tier."),
}

REFUSED: Mapping[str, str] = {
    "prompt": "There are no stored prompts: send the text itself.",
    "context_management": f"{_WHOLE} To have one compacted, ask /v1/responses/compact.",
    "background_options": "A background response begins as soon as its turn has come.",
}

FIELDS = Fields(HONOURED, (), HINTS, ONLY_AS, REFUSED)
COUNTED = Fields(
    _OF_BOTH,
    (),
    frozenset({"personality"}),
    {"truncation": ONLY_AS["truncation"]},
)
COMPACTED = Fields(
    {name: _OF_BOTH[name] for name in ("model", "input", "instructions", "previous_response_id")},
    (),
    frozenset({"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "image"}),
    {"service_tier": ONLY_AS["service_tier"]},
)
