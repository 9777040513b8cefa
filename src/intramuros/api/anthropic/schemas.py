"""What a message request may hold: each field of Anthropic's API is honoured, a hint, or refused with the reason.

Called by the routes of messages. The result is what the completion task gets. README.md has the same tables in words;
a test compares them with the official client's lists of fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intramuros.api.anthropic import tools
from intramuros.api.anthropic.contents import CACHE, Turns
from intramuros.api.openai import fields
from intramuros.api.openai.fields import Check, Fields, boolean, inside, number, several, whole, words
from intramuros.engines.schema import checked_schema
from intramuros.errors import BadRequest

EFFORTS = ("low", "medium", "high", "xhigh", "max")
LEAST_THINKING = 1024


@dataclass(frozen=True, slots=True)
class MessageCall:
    """A checked request: what the task gets, and how the answer is wanted.

    `tells_cache`: cached tokens are told apart from others, as for whoever marks what is to be cached.
    """

    request: dict[str, Any]
    stream: bool
    not_used: tuple[str, ...]
    max_tokens: int = 0
    hides_thinking: bool = False
    tells_cache: bool = False


def message_call(body: Mapping[str, Any]) -> MessageCall:
    """Checks a request for a message. Raises: BadRequest whose `param` names the field."""
    return _call(*FIELDS.read(body))


def count_call(body: Mapping[str, Any]) -> MessageCall:
    """Checks a request to count its tokens. Raises: as `message_call`."""
    return _call(*COUNT_FIELDS.read(body))


def _call(read: dict[str, Any], hints: list[str]) -> MessageCall:
    turns = Turns(hints)
    if "system" in read:
        turns.system(read.pop("system"))
    turns.messages(read.pop("messages"))
    if read.pop("context_management", None):
        hints.append("context_management")
    thinking, output = read.pop("thinking", {}), read.pop("output_config", {})
    if "output_format" in read:
        output = {"format": read.pop("output_format")} | output
    request: dict[str, Any] = {"messages": turns.read()}
    request |= _tools(read, hints) | _effort(thinking, output, hints, is_begun=turns.is_begun)
    if output.get("format") is not None:
        request["response_format"] = _format(output["format"], hints)
    if "stop_sequences" in read:
        request["stop"] = read.pop("stop_sequences")
    stream, tells_cache = read.pop("stream", False), CACHE in hints
    return MessageCall(
        request=read | request,
        stream=stream,
        not_used=tuple(dict.fromkeys(hints)),
        max_tokens=read.get("max_tokens", 0),
        hides_thinking=thinking.get("display") == "omitted",
        tells_cache=tells_cache,
    )


def _tools(read: dict[str, Any], hints: list[str]) -> dict[str, Any]:
    found = tools.tools(read.pop("tools", []), hints)
    choice = read.pop("tool_choice", None)
    chosen = tools.choice(choice, [tool["function"]["name"] for tool in found]) if choice is not None else {}
    return {"tools": found, **chosen} if found else {}


def _effort(
    thinking: Mapping[str, Any], output: Mapping[str, Any], hints: list[str], *, is_begun: bool
) -> dict[str, Any]:
    """What the model's template is told of thinking, if its template has a word for it."""
    kind, told = thinking.get("type"), {}
    if "budget_tokens" in thinking:
        hints.append("thinking.budget_tokens")
    if kind is not None:
        told["enable_thinking"] = kind in {"enabled", "adaptive"}
    elif is_begun:
        told["enable_thinking"] = False  # an answer that has begun leaves no room for thoughts before it
    if output.get("effort") is not None:
        told["reasoning_effort"] = output["effort"]
    return {"chat_template_kwargs": told} if told else {}


def _format(value: Mapping[str, Any], hints: list[str]) -> dict[str, Any]:
    schema = checked_schema(value.get("schema"), "output_config.format.schema", foreign=hints)
    return {"type": "json_schema", "json_schema": {"schema": schema}}


def _thinking(value: Any, path: str) -> Any:
    thinking = inside(value, path, {"type", "budget_tokens", "display"})
    kind = fields.choice("enabled", "adaptive", "disabled", "between_tools")(thinking.get("type"), f"{path}.type")
    budget, display = thinking.get("budget_tokens"), thinking.get("display")
    if (budget is None) == (kind == "enabled"):
        raise BadRequest(
            f"'{path}.budget_tokens' belongs to the type 'enabled', and only there.", param=f"{path}.budget_tokens"
        )
    if budget is not None:
        whole(LEAST_THINKING, fields.MOST_TOKENS)(budget, f"{path}.budget_tokens")
    if display is not None:
        fields.choice("summarized", "omitted")(display, f"{path}.display")
    return {name: held for name, held in thinking.items() if held is not None}


def _output(value: Any, path: str) -> Any:
    output = inside(value, path, {"effort", "format"})
    if output.get("effort") is not None:
        fields.choice(*EFFORTS)(output["effort"], f"{path}.effort")
    if output.get("format") is not None:
        _output_format(output["format"], f"{path}.format")
    return output


def _output_format(value: Any, path: str) -> Any:
    fields.choice("json_schema")(inside(value, path, {"type", "schema"}).get("type"), f"{path}.type")
    return value


def _context(value: Any, path: str) -> Any:
    """To clear what is old changes nothing that is asked; a summary in its place would be another conversation."""
    edits = inside(value, path, {"edits"}).get("edits") or []
    for edit in several(lambda held, _: held, 32)(edits, f"{path}.edits"):
        kind = edit.get("type") if isinstance(edit, dict) else None
        if not isinstance(kind, str) or not kind.startswith("clear_"):
            raise fields.unsupported(f"{path}.edits", "A conversation that is too long is refused, never shortened.")
    return value


_BLOCK = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"type": {"const": "text"}, "text": {"type": "string", "minLength": 1}},
            "required": ["type", "text"],
        },
        {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]},
    ]
}
MESSAGES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "role": {"enum": ["user", "assistant", "system"]},
            "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": _BLOCK, "minItems": 1}]},
        },
        "required": ["role", "content"],
        "additionalProperties": False,
    },
}
"""What a list of messages is in outline: each kind of block has fields of its own."""


def _as_it_is(value: Any, _: str) -> Any:
    return value


@fields.says(MESSAGES)
def _messages(value: Any, path: str) -> Any:
    return _as_it_is(value, path)  # read by `contents`


PROMPT: Mapping[str, Check] = {
    "model": fields.model,
    "messages": _messages,
    "system": _as_it_is,  # read by `contents` and `tools`
    "tools": _as_it_is,
    "tool_choice": _as_it_is,
    "thinking": _thinking,
    "output_config": _output,
    "output_format": _output_format,
    "context_management": _context,
}
"""What a prompt consists of, and how the answer to it is to be."""

HONOURED: Mapping[str, Check] = {
    **PROMPT,
    "max_tokens": whole(0, fields.MOST_TOKENS),
    "stream": boolean,
    "stop_sequences": several(words(256, shortest=1), 16),
    # Anthropic takes these no longer (2026-10-21); models here heed them, and many clients send them.
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "top_k": whole(0, 1 << 20),
}

HINTS = frozenset({
    "cache_control", "metadata", "diagnostics", "user_profile_id", "workspace_id", "billing_policy",
    "fallback_credit_token",
})  # fmt: skip

ONLY_AS: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "service_tier": ((None, "auto", "standard_only"), "There is one service tier."),
    "speed": ((None, "standard"), "There is one speed."),
    "inference_geo": ((None, "global"), "Answers are written by this server, wherever it stands."),
    "fallbacks": ((None, []), "The administrator says which model takes another's place: a route."),
    "mcp_servers": (
        (None, []),
        "Nothing is asked of other servers: give the model their tools, and call them yourself.",
    ),
}

REFUSED: Mapping[str, str] = {
    "container": "There are no containers here: nothing a model writes is run.",
    "compaction": "A conversation that is too long is refused, never shortened.",
    "thread": "Conversations are not kept: send their messages.",
}

FIELDS = Fields(HONOURED, ("model", "messages", "max_tokens"), HINTS, ONLY_AS, REFUSED)
COUNT_FIELDS = Fields(PROMPT, ("model", "messages"), HINTS, ONLY_AS, REFUSED)
