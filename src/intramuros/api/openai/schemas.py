"""What a chat completion request may hold: each field of OpenAI's API is honoured, a hint, or refused with the reason.

Called by the chat route. The result is what the completion task gets. README.md has the same tables in words; a test
compares them with the official client's list of fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intramuros.api.openai import fields
from intramuros.api.openai.fields import Check, Fields, boolean, inside, whole, words
from intramuros.api.openai.messages import messages
from intramuros.api.openai.notes import metadata
from intramuros.engines.schema import checked_schema
from intramuros.errors import BadRequest

NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A checked request: what the task gets, and how the answer is wanted.

    `is_legacy`: tools came as `functions`, so calls go back as `function_call`; `store`: keep it with `metadata`.
    """

    request: dict[str, Any]
    stream: bool
    with_usage: bool
    not_used: tuple[str, ...]
    is_legacy: bool = False
    store: bool = False
    metadata: dict[str, str] | None = None


def chat_call(body: Mapping[str, Any]) -> ChatCall:
    """Checks a whole request. Raises: BadRequest whose `param` names the field."""
    request, hints = FIELDS.read(body)
    is_legacy = _legacy(request, hints)
    _without_meaning(request, hints)
    together(request)
    for place, tool in enumerate(request.get("tools", ())):
        check_parameters(tool["function"], f"tools[{place}].function", hints)
    if isinstance(request.get("response_format"), dict) and "json_schema" in request["response_format"]:
        held = request["response_format"]["json_schema"]
        held["schema"] = checked_schema(held.get("schema"), "response_format.json_schema.schema", foreign=hints)
    store, notes = request.pop("store", False), request.pop("metadata", None)
    if notes is not None and not store:
        hints.append("metadata")
    stream, with_usage = fields.streaming(request, hints)
    return ChatCall(request, stream, with_usage, tuple(hints), is_legacy, store, notes)


def _legacy(request: dict[str, Any], hints: list[str]) -> bool:
    """Turns `functions` and `function_call` into the tools they are; beside tools they must not be called for."""
    functions, choice = request.pop("functions", None), request.pop("function_call", None)
    if functions is None:
        hints += ["function_call"] if choice is not None else []
        return False
    if "tools" in request:
        if choice != "none":
            raise BadRequest("'functions' and 'tools' are the same thing: send 'tools'.", param="functions")
        hints += ["functions", "function_call"]
        return False
    request["tools"] = [{"type": "function", "function": function} for function in functions]
    request["tool_choice"] = {"type": "function", "function": choice} if isinstance(choice, dict) else choice or "auto"
    request["parallel_tool_calls"] = False
    return True


def _without_meaning(request: dict[str, Any], hints: list[str]) -> None:
    """Takes out what changes nothing in this request, and refuses it where it would."""
    if request.pop("web_search_options", None) is not None:
        if request.get("tool_choice") != "none":
            raise fields.unsupported("web_search_options", "This server does not search the web: nothing leaves it.")
        hints.append("web_search_options")
    moderation = request.pop("moderation", None)
    if moderation is not None:
        hints.append("moderation")
    if request.get("top_logprobs") == 0 and not request.get("logprobs"):
        del request["top_logprobs"]


def together(request: dict[str, Any]) -> None:
    """Brings fields together that say the same or need one another. Raises: BadRequest where they contradict."""
    limit = request.pop("max_completion_tokens", None)
    if limit is not None and request.setdefault("max_tokens", limit) != limit:
        raise BadRequest("'max_tokens' and 'max_completion_tokens' differ: send one of them.", param="max_tokens")
    if "top_logprobs" in request and not request.get("logprobs"):
        raise BadRequest("'top_logprobs' needs 'logprobs': true.", param="top_logprobs")
    if (effort := request.pop("reasoning_effort", None)) is not None:
        request["chat_template_kwargs"] = {"reasoning_effort": effort, "enable_thinking": effort != "none"}
    allowed = request.get("tool_choice")
    if isinstance(allowed, dict) and allowed["type"] == "allowed_tools":
        some = {tool["function"]["name"] for tool in allowed["allowed_tools"]["tools"]}
        request["tools"] = [tool for tool in request.get("tools", ()) if tool["function"]["name"] in some]
        request["tool_choice"] = allowed["allowed_tools"]["mode"]
        if {tool["function"]["name"] for tool in request["tools"]} != some:
            raise BadRequest("'tool_choice' allows a function that is not in 'tools'.", param="tool_choice")
    names = [tool["function"]["name"] for tool in request.get("tools", ())]
    if len(set(names)) < len(names):
        raise BadRequest("Two of the 'tools' have the same name.", param="tools")
    choice = request.get("tool_choice")
    if choice is None or choice == "none":
        return
    if not names:
        if choice == "auto":
            del request["tool_choice"]
            return
        raise BadRequest("'tool_choice' asks for a tool, but there are no 'tools'.", param="tool_choice")
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        raise BadRequest("'tool_choice' names a function that is not in 'tools'.", param="tool_choice")


def _response_format(value: Any, path: str) -> Any:
    if not isinstance(value, dict) or value.get("type") not in ("text", "json_object", "json_schema"):
        raise BadRequest(f"'{path}.type' must be 'text', 'json_object' or 'json_schema'.", param=f"{path}.type")
    if value["type"] != "json_schema":
        return dict(inside(value, path, {"type"}))
    wanted = inside(value, path, {"type", "json_schema"}).get("json_schema")
    held = inside(wanted, f"{path}.json_schema", {"name", "schema", "strict", "description"})
    return {"type": "json_schema", "json_schema": dict(held)}


def _tools(value: Any, path: str) -> Any:
    return fields.several(_tool, 128, least=1)(value, path)


def _tool(value: Any, path: str) -> Any:
    tool = inside(value, path, {"type", "function"})
    if tool.get("type") != "function":
        raise BadRequest(f"'{path}.type' must be 'function'.", param=f"{path}.type")
    return {"type": "function", "function": function(tool.get("function"), f"{path}.function")}


def function(value: Any, path: str) -> Any:
    """What a function is called, is for and takes."""
    read = dict(inside(value, path, {"name", "description", "parameters", "strict"}))
    name(read.get("name"), f"{path}.name")
    if read.get("description") is not None:
        words()(read["description"], f"{path}.description")
    parameters = read.get("parameters")
    if not isinstance(parameters, dict | None):
        raise BadRequest(f"'{path}.parameters' must be an object.", param=f"{path}.parameters")
    if read.get("strict") is not None:
        boolean(read["strict"], f"{path}.strict")
    read["parameters"] = parameters or {"type": "object", "properties": {}}
    return {key: held for key, held in read.items() if held is not None}


def check_parameters(function: dict[str, Any], path: str, hints: list[str]) -> None:
    """A schema that is none is refused for every tool, and one that a grammar can't hold to for strict ones."""
    foreign: list[str] = []
    try:
        checked_schema(function["parameters"], f"{path}.parameters", foreign=foreign)
    except BadRequest as error:
        if function.pop("strict", None) or error.code == "invalid_schema":
            raise
    function.pop("strict", None)
    hints += foreign


def name(value: Any, path: str) -> Any:
    """The name of a function."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise BadRequest(f"'{path}' must be 1 to 64 letters, digits, dots, hyphens or underscores.", param=path)
    return value


def _tool_choice(value: Any, path: str) -> Any:
    if isinstance(value, str) and value in {"none", "auto", "required"}:
        return value
    if isinstance(value, dict) and value.get("type") == "function" and set(value) == {"type", "function"}:
        return {"type": "function", "function": _named(value["function"], f"{path}.function")}
    if isinstance(value, dict) and value.get("type") == "allowed_tools" and set(value) == {"type", "allowed_tools"}:
        allowed = inside(value["allowed_tools"], f"{path}.allowed_tools", {"mode", "tools"})
        fields.choice("auto", "required")(allowed.get("mode"), f"{path}.allowed_tools.mode")
        fields.several(_allowed, 128, least=1)(allowed.get("tools"), f"{path}.allowed_tools.tools")
        return value
    raise BadRequest(
        f"'{path}' must be 'none', 'auto', 'required', {{\"type\": \"function\", \"function\": {{\"name\": …}}}} or"
        " of the type 'allowed_tools'.",
        param=path,
    )


def _allowed(value: Any, path: str) -> Any:
    tool = inside(value, path, {"type", "function"})
    return {"type": "function", "function": _named(tool.get("function"), f"{path}.function")}


def _named(value: Any, path: str) -> Any:
    return {"name": name(inside(value, path, {"name"}).get("name"), f"{path}.name")}


def _function_call(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        return _named(value, path)
    return fields.choice("none", "auto")(value, path)


def moderation(value: Any, path: str) -> Any:
    """Scores are a hint; to block is a promise that nobody here keeps."""
    policy = inside(value, path, {"model", "policy"}).get("policy")
    for name, held in inside(policy or {}, f"{path}.policy", {"input", "output"}).items():
        mode = inside(held or {}, f"{path}.policy.{name}", {"mode"}).get("mode", "score")
        if mode != "score":
            raise fields.unsupported(f"{path}.policy.{name}.mode", "Ask /v1/moderations, and decide for yourself.")
    return value


REQUIRED = ("model", "messages")

HONOURED: Mapping[str, Check] = {
    "model": fields.model,
    "messages": messages,
    "n": whole(1, fields.MOST_CHOICES),
    "stream": boolean,
    "stream_options": fields.stream_options,
    "max_tokens": whole(0, fields.MOST_TOKENS),
    "max_completion_tokens": whole(0, fields.MOST_TOKENS),
    "logprobs": boolean,
    "top_logprobs": whole(0, 20),
    "response_format": _response_format,
    "reasoning_effort": fields.choice(*EFFORTS),
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": boolean,
    "functions": fields.several(function, 128, least=1),
    "function_call": _function_call,
    "web_search_options": lambda value, path: inside(value, path, {"search_context_size", "user_location"}),
    "moderation": moderation,
    "store": boolean,
    "metadata": metadata,
    **fields.SAMPLING,
}

HINTS = frozenset((
    "user", "safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "prediction", "verbosity", "audio",
))  # fmt: skip

ONLY_AS: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "service_tier": ((None, "auto", "default"), "There is one service tier."),
    "modalities": ((None, ["text"]), "Answers are text."),
}

REFUSED: Mapping[str, str] = {}

FIELDS = Fields(HONOURED, REQUIRED, HINTS, ONLY_AS, REFUSED)
