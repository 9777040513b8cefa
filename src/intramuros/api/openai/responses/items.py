"""The items of a conversation: as programs send them, as they are kept and listed, and as a model reads them.

Called by `request` and by the routes. What a model here can't read is refused with the reason; what OpenAI's models
leave behind (reasoning, calls of searches) and programs send back is kept, and not shown to the model. Of a compaction
the model reads what is sealed in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, TypedDict

from intramuros.api.openai.fields import inside, unknown, words
from intramuros.api.openai.messages import MOST_IMAGES, plain
from intramuros.api.openai.pictures import picture
from intramuros.api.openai.schemas import name as function_name
from intramuros.errors import BadRequest, kind_of

Item = dict[str, Any]


class ItemObject(TypedDict):
    """An item of a conversation: a message, a call, its output, a search, a compaction."""

    id: str
    type: str


ShownItem = Annotated[Item, ItemObject]

MOST_ITEMS = 2000
ROLES = ("user", "assistant", "system", "developer")
NOT_SHOWN = frozenset({"reasoning", "file_search_call", "web_search_call"})
"""What a program may send back of an earlier output, and no model here reads."""
NO_SUMMARIES: Mapping[str, str] = MappingProxyType({})
_STATES = ("in_progress", "completed", "incomplete")
_CALL = {"id", "type", "call_id", "name", "arguments", "status"}
_OUTPUT = {"id", "type", "call_id", "output", "status", "name"}
_COMPACTION = {"id", "type", "encrypted_content", "created_by"}


def items(value: Any, path: str, hints: list[str]) -> list[Item]:
    """The input as items, each with its id. Raises: BadRequest whose `param` is the place."""
    if isinstance(value, str):
        return [message_item("user", [{"type": "input_text", "text": value}])]
    if not isinstance(value, list):
        raise BadRequest(f"'{path}' must be text or a list of items, not {kind_of(value)}.", param=path)
    if len(value) > MOST_ITEMS:
        raise BadRequest(f"'{path}' has more than {MOST_ITEMS} items.", param=path)
    read = [_item(one, f"{path}[{index}]", hints) for index, one in enumerate(value)]
    pictures = [part for one in read for part in _parts_of(one) if part.get("type") == "input_image"]
    if len(pictures) > MOST_IMAGES:
        raise BadRequest(f"'{path}' has more than {MOST_IMAGES} images.", param=path)
    return read


def new_id(prefix: str) -> str:
    """An id as OpenAI's look: `msg_…`."""
    return f"{prefix}_{secrets.token_hex(24)}"


def message_item(role: str, content: Sequence[Item], *, status: str = "completed") -> Item:
    """A message."""
    return {"id": new_id("msg"), "type": "message", "status": status, "role": role, "content": list(content)}


def sealed_in(some: Iterable[Item]) -> list[str]:
    """What is sealed in the compactions among them."""
    return [str(item.get("encrypted_content")) for item in some if item["type"] == "compaction"]


def as_messages(some: Sequence[Item], summaries: Mapping[str, str] = NO_SUMMARIES) -> list[dict[str, Any]]:
    """The items as an engine reads them: calls that follow one another are one message.

    `summaries`: what a model reads of each compaction, by what is sealed in it; nothing where it is empty.
    """
    found: list[dict[str, Any]] = []
    for item in some:
        if item["type"] == "message":
            found.append(_as_message(item))
        elif item["type"] == "function_call":
            call = {
                "id": plain(item["call_id"]),
                "type": "function",
                "function": {"name": item["name"], "arguments": plain(item["arguments"])},
            }
            if found and found[-1]["role"] == "assistant":
                found[-1].setdefault("tool_calls", []).append(call)
            else:
                found.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif item["type"] == "function_call_output":
            output = item["output"]
            text = output if isinstance(output, str) else "\n".join(part["text"] for part in output)
            found.append({"role": "tool", "tool_call_id": plain(item["call_id"]), "content": plain(text)})
        elif item["type"] == "compaction" and (summary := summaries[item["encrypted_content"]]):
            asked = bool(found) and found[-1]["role"] == "user"
            found.append({"role": "assistant" if asked else "user", "content": plain(summary)})
    return _alternating(found) if summaries else found


def _alternating(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a person said several times on end as one: a compaction takes the answers between, and templates want turns
    to alternate."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if found and found[-1]["role"] == message["role"] == "user":
            found[-1] = {"role": "user", "content": _joined(found[-1]["content"], message["content"])}
        else:
            found.append(message)
    return found


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    parts = [[{"type": "text", "text": one}] if isinstance(one, str) else one for one in (first, second)]
    return [*parts[0], *parts[1]]


def words_of(item: Mapping[str, Any]) -> str:
    """What a message says, without its pictures."""
    return "\n".join(part["text"] for part in _parts_of(item) if "text" in part)


def _parts_of(item: Mapping[str, Any]) -> list[Item]:
    return list(item["content"]) if item["type"] == "message" else []


def _as_message(item: Item) -> dict[str, Any]:
    role = "system" if item["role"] == "developer" else item["role"]
    parts = [_as_part(part) for part in item["content"]]
    if all(part["type"] == "text" for part in parts):
        return {"role": role, "content": "\n".join(part["text"] for part in parts)}
    return {"role": role, "content": parts}


def _as_part(part: Item) -> Item:
    if part["type"] == "input_image":
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    return {"type": "text", "text": plain(part["refusal"] if part["type"] == "refusal" else part["text"])}


def _item(value: Any, path: str, hints: list[str]) -> Item:
    if not isinstance(value, dict):
        raise BadRequest(f"'{path}' must be an object, not {kind_of(value)}.", param=path)
    kind = value.get("type", "message")
    if kind == "message":
        return _message(value, path, hints)
    if kind == "function_call":
        return _call(value, path)
    if kind == "function_call_output":
        return _output(value, path)
    if kind == "compaction":
        return _compaction(value, path)
    if isinstance(kind, str) and kind in NOT_SHOWN:
        hints.append(path)
        return {**value, "id": _id(value, path) or new_id("item")}
    reason = "Send the item itself: nothing is looked up by its id." if kind == "item_reference" else ""
    raise BadRequest(
        f"'{path}' is of a type that can't be read here. {reason}".strip(),
        hint="Messages, function calls, their outputs and compactions can be.",
        code="unsupported_content",
        param=f"{path}.type",
    )


def _message(value: Any, path: str, hints: list[str]) -> Item:
    role = value.get("role")
    if role not in ROLES:
        raise BadRequest(f"'{path}.role' must be one of: {', '.join(ROLES)}.", param=f"{path}.role")
    inside(value, path, {"id", "type", "role", "content", "status", "phase"})
    _status(value, path)
    if value.get("phase") is not None:
        hints.append(f"{path}.phase")
    content = value.get("content")
    kind = "output_text" if role == "assistant" else "input_text"
    parts = [{"type": kind, "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not parts:
        raise BadRequest(f"'{path}.content' must be text or a list of parts.", param=f"{path}.content")
    read = [_part(part, f"{path}.content[{index}]", role, hints) for index, part in enumerate(parts)]
    return {**message_item(role, read), **({"id": given} if (given := _id(value, path)) else {})}


def _part(value: Any, path: str, role: str, hints: list[str]) -> Item:
    if not isinstance(value, dict):
        raise BadRequest(f"'{path}' must be an object, not {kind_of(value)}.", param=path)
    kind = value.get("type")
    if value.get("prompt_cache_breakpoint") is not None:
        hints.append(f"{path}.prompt_cache_breakpoint")
    part = {name: held for name, held in value.items() if name != "prompt_cache_breakpoint"}
    if kind in ("input_text", "output_text", "text"):
        inside(part, path, {"type", "text", "annotations", "logprobs"})
        text = words()(part.get("text"), f"{path}.text")
        return _said(text) if role == "assistant" else {"type": "input_text", "text": text}
    if kind == "refusal" and role == "assistant":
        inside(part, path, {"type", "refusal"})
        return {"type": "refusal", "refusal": words()(part.get("refusal"), f"{path}.refusal")}
    if kind == "input_image" and role == "user" and part.get("image_url") is not None:
        inside(part, path, {"type", "image_url", "detail", "file_id"})
        return {"type": "input_image", "image_url": picture(part["image_url"], f"{path}.image_url"), "detail": "auto"}
    if isinstance(kind, str) and kind in {"input_image", "input_file", "input_audio"}:
        raise BadRequest(
            f"'{path}' is of type {kind}, which can't be read here.",
            hint="Send images as data URLs in a user's message; put files into a project and search them.",
            code="unsupported_content",
            param=f"{path}.type",
        )
    raise BadRequest(f"'{path}.type' must be 'input_text', 'output_text' or 'input_image'.", param=f"{path}.type")


def _said(text: str) -> Item:
    return {"type": "output_text", "text": text, "annotations": []}


def _call(value: Any, path: str) -> Item:
    for name in value:
        if name not in _CALL and value[name] is not None:
            raise unknown(f"{path}.{name[:64]}")
    _status(value, path)
    return {
        "id": _id(value, path) or new_id("fc"),
        "type": "function_call",
        "status": "completed",
        "call_id": words(256, shortest=1)(value.get("call_id"), f"{path}.call_id"),
        "name": function_name(value.get("name"), f"{path}.name"),
        "arguments": words()(value.get("arguments"), f"{path}.arguments"),
    }


def _output(value: Any, path: str) -> Item:
    for name in value:
        if name not in _OUTPUT and value[name] is not None:
            raise unknown(f"{path}.{name[:64]}")
    _status(value, path)
    output = value.get("output")
    if isinstance(output, list):
        output = [_part(part, f"{path}.output[{index}]", "tool", []) for index, part in enumerate(output)]
    else:
        words()(output, f"{path}.output")
    return {
        "id": _id(value, path) or new_id("fco"),
        "type": "function_call_output",
        "status": "completed",
        "call_id": words(256, shortest=1)(value.get("call_id"), f"{path}.call_id"),
        "output": output,
    }


def _compaction(value: Any, path: str) -> Item:
    for name in value:
        if name not in _COMPACTION and value[name] is not None:
            raise unknown(f"{path}.{name[:64]}")
    return {
        "id": _id(value, path) or new_id("cmp"),
        "type": "compaction",
        "encrypted_content": words(shortest=1)(value.get("encrypted_content"), f"{path}.encrypted_content"),
    }


def _id(value: Mapping[str, Any], path: str) -> str | None:
    given = value.get("id")
    if given is None:
        return None
    return str(words(256, shortest=1)(given, f"{path}.id"))


def _status(value: Mapping[str, Any], path: str) -> None:
    if value.get("status") is not None and value["status"] not in _STATES:
        raise BadRequest(f"'{path}.status' must be one of: {', '.join(_STATES)}.", param=f"{path}.status")
