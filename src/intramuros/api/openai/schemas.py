"""What a chat completion request may hold: each field of OpenAI's API is honoured, a hint, or refused with the reason.

Called by the chat route. The result is what an engine gets: nothing reaches an engine that is not in these tables,
because engines have switches that are not for clients. README.md has the same tables in words; a test compares them
with the official client's list of fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from intramuros.api.body import kind_of
from intramuros.api.openai.messages import messages
from intramuros.api.openai.schema import checked_schema
from intramuros.errors import BadRequest

Check = Callable[[Any, str], Any]
"""Takes a field's value and its path, and returns what the engine gets. Raises: BadRequest."""

NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
RANDOM_SEED = 0xFFFFFFFF  # llama.cpp takes this seed as "choose one"


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A checked request: what the engine gets, and how the answer is wanted."""

    request: dict[str, Any]
    stream: bool
    with_usage: bool
    not_used: tuple[str, ...]


def chat_call(body: Mapping[str, Any]) -> ChatCall:
    """Checks a whole request. Raises: BadRequest whose `param` names the field."""
    request: dict[str, Any] = {}
    not_used: list[str] = []
    for name, value in body.items():
        if name in HONOURED:
            if value is not None or name in REQUIRED:
                request[name] = HONOURED[name](value, name)
        elif name in HINTS:
            not_used += [name] if value is not None else []
        elif name in ONLY_AS:
            _only_as(name, value)
        elif name in REFUSED:
            if value is not None:
                raise BadRequest(
                    f"'{name}' is not supported. {REFUSED[name]}", code="unsupported_parameter", param=name
                )
        else:
            raise BadRequest(f"Unknown field '{name[:64]}'.", code="unknown_parameter", param=name[:64])
    for name in REQUIRED:
        if name not in request:
            raise BadRequest(f"'{name}' is missing.", code="missing_parameter", param=name)
    _together(request)
    options = request.pop("stream_options", {})
    stream = request.setdefault("stream", False)
    return ChatCall(request, stream, options.get("include_usage", False), tuple(not_used))


def _only_as(name: str, value: Any) -> None:
    allowed, reason = ONLY_AS[name]
    if not any(type(value) is type(fit) and value == fit for fit in allowed):  # 1 == True, so types too
        raise BadRequest(f"'{name}' can't have this value. {reason}", code="unsupported_value", param=name)


def _together(request: dict[str, Any]) -> None:
    limit = request.pop("max_completion_tokens", None)
    if limit is not None and request.setdefault("max_tokens", limit) != limit:
        raise BadRequest("'max_tokens' and 'max_completion_tokens' differ: send one of them.", param="max_tokens")
    if "top_logprobs" in request and not request.get("logprobs"):
        raise BadRequest("'top_logprobs' needs 'logprobs': true.", param="top_logprobs")
    if "stream_options" in request and not request.get("stream"):
        raise BadRequest("'stream_options' needs 'stream': true.", param="stream_options")
    choice = request.get("tool_choice")
    if choice is None or choice == "none":
        return
    names = {tool["function"]["name"] for tool in request.get("tools", ())}
    if not names:
        if choice == "auto":
            del request["tool_choice"]
            return
        raise BadRequest("'tool_choice' asks for a tool, but there are no 'tools'.", param="tool_choice")
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        raise BadRequest("'tool_choice' names a function that is not in 'tools'.", param="tool_choice")


def _number(low: float, high: float) -> Check:
    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequest(f"'{path}' must be a number, not {kind_of(value)}.", param=path)
        if not low <= value <= high:
            raise BadRequest(f"'{path}' must be between {low:g} and {high:g}.", param=path)
        return value

    return check


def _whole(low: int, high: int) -> Check:
    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadRequest(f"'{path}' must be a whole number, not {kind_of(value)}.", param=path)
        if not low <= value <= high:
            raise BadRequest(f"'{path}' must be between {low} and {high}.", param=path)
        return value

    return check


def _boolean(value: Any, path: str) -> Any:
    if not isinstance(value, bool):
        raise BadRequest(f"'{path}' must be true or false, not {kind_of(value)}.", param=path)
    return value


def _model(value: Any, path: str) -> Any:
    if not isinstance(value, str) or not value or len(value) > 256:
        raise BadRequest(f"'{path}' must be the name of a model.", hint="'default' is the one chosen here.", param=path)
    return value


def _seed(value: Any, path: str) -> Any:
    return _whole(-(1 << 63), (1 << 63) - 1)(value, path) % RANDOM_SEED


def _stop(value: Any, path: str) -> Any:
    stops = [value] if isinstance(value, str) else value
    if (
        not isinstance(stops, list)
        or len(stops) > 16
        or not all(isinstance(s, str) and 0 < len(s) <= 256 for s in stops)
    ):
        raise BadRequest(f"'{path}' must be a text or a list of at most 16 texts, none empty.", param=path)
    return stops


def _logit_bias(value: Any, path: str) -> Any:
    if not isinstance(value, dict) or len(value) > 1024:
        raise BadRequest(f"'{path}' must be an object with at most 1024 entries.", param=path)
    pairs = []
    for token, bias in value.items():
        if not (token.isascii() and token.isdigit() and len(token) < 10):
            raise BadRequest(f"The keys of '{path}' must be token numbers.", param=path)
        pairs.append([int(token), _number(-100, 100)(bias, f"{path}.{token}")])
    return pairs


def _fields(value: Any, path: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"'{path}' must be an object, not {kind_of(value)}.", param=path)
    for name in value:
        if name not in known:
            raise BadRequest(
                f"Unknown field '{path}.{name[:64]}'.", code="unknown_parameter", param=f"{path}.{name[:64]}"
            )
    return value


def _stream_options(value: Any, path: str) -> Any:
    options = _fields(value, path, {"include_usage", "include_obfuscation"})
    for name in options:
        _boolean(options[name], f"{path}.{name}")
    return options


def _response_format(value: Any, path: str) -> Any:
    if not isinstance(value, dict) or value.get("type") not in {"text", "json_object", "json_schema"}:
        raise BadRequest(f"'{path}.type' must be 'text', 'json_object' or 'json_schema'.", param=f"{path}.type")
    if value["type"] != "json_schema":
        return dict(_fields(value, path, {"type"}))
    wanted = _fields(value, path, {"type", "json_schema"}).get("json_schema")
    inside = f"{path}.json_schema"
    held = _fields(wanted, inside, {"name", "schema", "strict", "description"})
    return {
        "type": "json_schema",
        "json_schema": held | {"schema": checked_schema(held.get("schema"), f"{inside}.schema")},
    }


def _tools(value: Any, path: str) -> Any:
    if not isinstance(value, list) or not value or len(value) > 128:
        raise BadRequest(f"'{path}' must be a list of 1 to 128 tools.", param=path)
    return [_tool(tool, f"{path}[{index}]") for index, tool in enumerate(value)]


def _tool(value: Any, path: str) -> Any:
    tool = _fields(value, path, {"type", "function"})
    if tool.get("type") != "function":
        raise BadRequest(f"'{path}.type' must be 'function'.", param=f"{path}.type")
    inside = f"{path}.function"
    function = dict(_fields(tool.get("function"), inside, {"name", "description", "parameters", "strict"}))
    name = function.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BadRequest(
            f"'{inside}.name' must be 1 to 64 letters, digits, dots, hyphens or underscores.", param=f"{inside}.name"
        )
    if not isinstance(function.get("description") or "", str):
        raise BadRequest(f"'{inside}.description' must be text.", param=f"{inside}.description")
    parameters = function.get("parameters")
    if not isinstance(parameters, dict | None):
        raise BadRequest(f"'{inside}.parameters' must be an object.", param=f"{inside}.parameters")
    strict = function.pop("strict", None)
    if strict is not None:
        _boolean(strict, f"{inside}.strict")
    if strict and parameters:
        checked_schema(parameters, f"{inside}.parameters")
    function["parameters"] = parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": {key: held for key, held in function.items() if held is not None}}


def _tool_choice(value: Any, path: str) -> Any:
    if isinstance(value, str) and value in {"none", "auto", "required"}:
        return value
    if isinstance(value, dict) and value.get("type") == "function" and isinstance(value.get("function"), dict):
        name = value["function"].get("name")
        if isinstance(name, str) and set(value) == {"type", "function"} and set(value["function"]) == {"name"}:
            return value
    raise BadRequest(
        f"'{path}' must be 'none', 'auto', 'required' or {{\"type\": \"function\", \"function\": {{\"name\": …}}}}.",
        param=path,
    )


REQUIRED = ("model", "messages")

HONOURED: Mapping[str, Check] = {
    "model": _model,
    "messages": messages,
    "stream": _boolean,
    "stream_options": _stream_options,
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "max_tokens": _whole(1, 1 << 20),
    "max_completion_tokens": _whole(1, 1 << 20),
    "stop": _stop,
    "seed": _seed,
    "frequency_penalty": _number(-2, 2),
    "presence_penalty": _number(-2, 2),
    "logit_bias": _logit_bias,
    "logprobs": _boolean,
    "top_logprobs": _whole(0, 20),
    "response_format": _response_format,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _boolean,
    # Not OpenAI's, but sent by many clients of local servers.
    "top_k": _whole(0, 1000),
    "min_p": _number(0, 1),
    "repeat_penalty": _number(0, 2),
}

HINTS = frozenset(
    ("user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention")
)
"""Accepted and not used: they change no answer. The header `x-intramuros-not-used` names those that came."""

ONLY_AS: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "n": ((None, 1), "One answer is generated for each request."),
    "store": ((None, False), "Nothing is stored."),
    "service_tier": ((None, "auto", "default"), "There is one service tier."),
    "modalities": ((None, ["text"]), "Answers are text."),
}
"""Accepted with the values that say what happens anyway."""

REFUSED: Mapping[str, str] = {
    "audio": "Answers are text.",
    "function_call": "Use 'tool_choice'.",
    "functions": "Use 'tools'.",
    "moderation": "Nothing is sent to a moderation service.",
    "prediction": "Predicted outputs are not used here.",
    "reasoning_effort": "The models here have no effort levels.",
    "verbosity": "Say in the messages how long the answer should be.",
    "web_search_options": "This server does not search the web: nothing leaves it.",
}
"""Refused, with the reason: an answer that ignored them would not be the one asked for."""
