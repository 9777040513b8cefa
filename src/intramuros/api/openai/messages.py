"""The messages of a chat request: roles, text, images and tool calls.

Called by `schemas`. Fields that clients send back from an earlier reply and that mean nothing to a model are taken out;
audio and files are refused, because a model that can't read them would answer as if they were not there. Text
that looks like a control token is made plain: the tokeniser obeys one wherever it stands, so that a text pasted into a
message could end it and begin another, with any role.
"""

from __future__ import annotations

import re
from typing import Any

from intramuros.api.openai.fields import choice, inside, says
from intramuros.api.openai.pictures import picture
from intramuros.errors import BadRequest, kind_of

ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
MOST_IMAGES = 16
# What official clients add to an assistant's message when they send a reply back.
_CONTROL = re.compile(
    r"""<(?=[|｜][^<>\s]{1,64}> | [^<>\s|｜]{1,64}[|｜]> | <SYS>> | </SYS>>
        | /?(?:s|bos|eos|eot|eod|eom|unk|pad|mask|cls|sep|sop|start_of_turn|end_of_turn|end_of_utterance)>)
      | \[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|gMASK|SEP|CLS|MASK|UNK|PAD)\])""",
    re.VERBOSE,
)
OF_A_REPLY = {"refusal", "annotations", "audio", "function_call", "reasoning_content", "reasoning"}


_PART = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
            "required": ["type", "text"],
        },
        {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]},
    ]
}
_CONTENT = {"anyOf": [{"type": "string"}, {"type": "array", "items": _PART, "minItems": 1}]}


def _turn(*roles: str, content: Any = _CONTENT, **more: Any) -> dict[str, Any]:
    fields = {"role": {"enum": list(roles)}, "content": content} | more
    return {"type": "object", "properties": fields, "required": ["role", "content", *more]}


MESSAGES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "anyOf": [
            _turn("system", "developer", "user"),
            _turn("assistant", content={"anyOf": [*_CONTENT["anyOf"], {"type": "null"}]}),
            _turn("tool", tool_call_id={"type": "string"}),
            _turn("function", name={"type": "string"}),
        ]
    },
}
"""What a list of messages is in outline: each role has fields of its own."""


@says(MESSAGES)
def messages(value: Any, path: str) -> list[dict[str, Any]]:
    """Checks the list and returns it as an engine reads it. Raises: BadRequest whose `param` is the place."""
    if not isinstance(value, list):
        raise BadRequest(f"'{path}' must be a list of messages, not {kind_of(value)}.", param=path)
    if not value:
        raise BadRequest(f"'{path}' is empty: send at least one message.", param=path)
    read = [_message(item, f"{path}[{index}]") for index, item in enumerate(value)]
    parts = [part for message in read if isinstance(message["content"], list) for part in message["content"]]
    if sum(part["type"] == "image_url" for part in parts) > MOST_IMAGES:
        raise BadRequest(f"'{path}' has more than {MOST_IMAGES} images.", param=path)
    return read


def _message(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"'{path}' must be an object, not {kind_of(value)}.", param=path)
    role = value.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise BadRequest(f"'{path}.role' must be one of: {', '.join(sorted(ROLES))}.", param=f"{path}.role")
    known = KNOWN[role]
    for name in value:
        if name not in known:
            raise BadRequest(
                f"Unknown field '{path}.{name[:64]}'.", code="unknown_parameter", param=f"{path}.{name[:64]}"
            )
    # Templates of open models know no "developer"; OpenAI defines it as the successor of "system".
    message: dict[str, Any] = {"role": "system" if role == "developer" else role}
    calls = value.get("tool_calls") if role == "assistant" else None
    if calls is not None:
        message["tool_calls"] = _tool_calls(calls, f"{path}.tool_calls")
    content = value.get("content")
    if content is not None or not calls:
        content = _content(content, f"{path}.content", sees=role == "user")
    message["content"] = content
    if role == "function":  # the predecessor of "tool", which knows no numbers of calls
        name = plain(_text(value.get("name"), f"{path}.name"))
        return {"role": "tool", "content": content, "tool_call_id": name, "name": name}
    if role == "tool":
        message["tool_call_id"] = plain(_text(value.get("tool_call_id"), f"{path}.tool_call_id"))
    if value.get("name") is not None:
        message["name"] = plain(_text(value["name"], f"{path}.name"))
    return message


def plain(text: str) -> str:
    """The text with a round bracket where a control token of a usual chat template would begin."""
    if "<" not in text and "[" not in text:  # no token begins: found a hundred times sooner than by the pattern
        return text
    return _CONTROL.sub("(", text)


def _content(value: Any, path: str, *, sees: bool) -> Any:
    if isinstance(value, str):
        return plain(value)
    if not isinstance(value, list) or not value:
        raise BadRequest(f"'{path}' must be text or a list of text parts, not {kind_of(value)}.", param=path)
    return [_part(part, f"{path}[{index}]", sees=sees) for index, part in enumerate(value)]


def _part(value: Any, path: str, *, sees: bool) -> dict[str, Any]:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return {"type": "text", "text": plain(_text(value.get("text"), f"{path}.text"))}
    if kind == "refusal":
        return {"type": "text", "text": plain(_text(value.get("refusal"), f"{path}.refusal"))}
    if kind == "image_url" and sees:
        image = inside(value.get("image_url"), f"{path}.image_url", {"url", "detail"})
        seen = {"url": picture(image.get("url"), f"{path}.image_url.url")}
        if image.get("detail") is not None:
            seen["detail"] = choice("auto", "low", "high")(image["detail"], f"{path}.image_url.detail")
        return {"type": "image_url", "image_url": seen}
    if isinstance(kind, str) and kind in {"image_url", "input_audio", "file", "video_url"}:
        raise BadRequest(
            f"'{path}' is of type {kind}, which can't be read here.",
            code="unsupported_content",
            param=f"{path}.type",
        )
    raise BadRequest(f"'{path}' must be an object of type 'text'.", param=f"{path}.type")


def _tool_calls(value: Any, path: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise BadRequest(f"'{path}' must be a list of calls.", param=path)
    return [_tool_call(call, f"{path}[{index}]") for index, call in enumerate(value)]


def _tool_call(value: Any, path: str) -> dict[str, Any]:
    function = value.get("function") if isinstance(value, dict) and value.get("type") == "function" else None
    if not isinstance(function, dict):
        raise BadRequest(f"'{path}' must be an object of type 'function'.", param=path)
    return {
        "id": plain(_text(value.get("id"), f"{path}.id")),
        "type": "function",
        "function": {
            "name": plain(_text(function.get("name"), f"{path}.function.name")),
            "arguments": plain(_text(function.get("arguments"), f"{path}.function.arguments")),
        },
    }


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"'{path}' must be text, not {kind_of(value)}.", param=path)
    return value


KNOWN = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls"} | OF_A_REPLY,
    "tool": {"role", "content", "name", "tool_call_id"},
    "function": {"role", "content", "name"},
}
