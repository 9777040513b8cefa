"""What a request to generate may hold, turned into the one that every door gives to the completion task.

Called by `generating`. Messages, tools, schemas and images are checked where the OpenAI door's are, so that both doors
mean the same by them; what Ollama writes in another way is written anew here first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from intramuros.api.body import flag
from intramuros.api.ollama.options import keep_alive, options
from intramuros.api.openai.schemas import chat_call
from intramuros.errors import BadRequest, kind_of
from intramuros.models import sampling

SHARED = {
    "model",
    "stream",
    "format",
    "options",
    "keep_alive",
    "think",
    "logprobs",
    "top_logprobs",
    "truncate",
    "shift",
}
CHAT = SHARED | {"messages", "tools"}
GENERATE = SHARED | {"prompt", "suffix", "system", "template", "context", "raw", "images"}
PICTURES = {"iVBORw0KGgo": "png", "/9j/": "jpeg", "R0lGOD": "gif", "UklGR": "webp"}
"""How the base64 of each kind of image begins."""
SCHEMA = "response_format.json_schema.schema"
EFFORTS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Call:
    """A checked request. `request` None: only load the model, or unload it.

    `context_tokens`: how much the client wants to be readable; 0: it does not say.
    """

    name: str
    request: dict[str, Any] | None
    is_chat: bool
    stream: bool
    keep_alive_s: float | None = None
    context_tokens: int = 0
    think: bool | str | None = None
    suffix: str = ""
    not_used: list[str] = field(default_factory=list)


def chat(body: Mapping[str, Any]) -> Call:
    """A request for a chat. Raises: BadRequest that names the field."""
    _only(body, CHAT)
    given = body.get("messages")
    if given is not None and not isinstance(given, list):
        raise BadRequest(f"'messages' must be a list, not {kind_of(given)}.", param="messages")
    return _call(body, messages=_messages(given or []), tools=body.get("tools") or None, is_chat=True)


def generate(body: Mapping[str, Any]) -> Call:
    """A request for an answer to one prompt: with the model's template, or with `raw` as it is."""
    _only(body, GENERATE)
    for name, reason in (
        ("template", "A model's own template is always used."),
        ("context", "Conversations are not kept as tokens: send their messages to /api/chat."),
    ):
        if body.get(name):
            raise BadRequest(f"'{name}' is not supported. {reason}", code="unsupported_parameter", param=name)
    texts = {name: _text(body.get(name), name) for name in ("prompt", "suffix", "system")}
    if flag(dict(body), "raw") or texts["suffix"]:
        return _raw(body, texts)
    own = [{"role": "system", "content": texts["system"]}] if texts["system"] else []
    turn: dict[str, Any] = {"role": "user", "content": texts["prompt"], "images": body.get("images")}
    asked = [*own, turn] if texts["prompt"] or turn["images"] else []
    return _call(body, messages=_messages(asked), tools=None, is_chat=False)


def _raw(body: Mapping[str, Any], texts: Mapping[str, str]) -> Call:
    for name in ("system", "images", "format", "logprobs", "think"):
        if body.get(name):
            raise BadRequest(
                f"'{name}' has no place beside 'raw' or 'suffix': the text goes to the model as it is.",
                code="unsupported_parameter",
                param=name,
            )
    call = _call(body, messages=[], tools=None, is_chat=False)
    parameters, _ = options(body.get("options"))
    request = {"model": call.name, "prompt": texts["prompt"], **sampling.for_engine(parameters)}
    return Call(**{**_fields(call), "request": request, "suffix": texts["suffix"]})


def _call(body: Mapping[str, Any], *, messages: list[Any], tools: Any, is_chat: bool) -> Call:
    name = body.get("model")
    if not isinstance(name, str) or not name.strip() or len(name) > 256:
        raise BadRequest("'model' must be the name of a model.", param="model")
    parameters, not_used = options(body.get("options"))
    not_used += [field for field in ("truncate", "shift") if body.get(field)]
    request = None
    if messages:
        asked = {"model": name, "messages": messages, "tools": tools, "response_format": _format(body.get("format"))}
        asked |= {field: body[field] for field in ("logprobs", "top_logprobs") if body.get(field)}
        checked, hints = _checked(asked)
        request, not_used = {**checked, **sampling.for_engine(parameters)}, [*not_used, *hints]
    return Call(
        name=name,
        request=request,
        is_chat=is_chat,
        stream=body["stream"] if _is_flag(body.get("stream"), "stream") else True,
        keep_alive_s=keep_alive(body.get("keep_alive")),
        context_tokens=parameters.get("context_tokens", 0),
        think=_think(body.get("think")),
        not_used=not_used,
    )


def _checked(asked: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """As the OpenAI door checks it, and what is of no use; places are named as this door's requests have them."""
    try:
        call = chat_call(asked)
    except BadRequest as error:
        error.message = error.message.replace(SCHEMA, "format").replace("response_format", "format")
        raise
    request = {name: value for name, value in call.request.items() if name != "stream"}
    return request, [name.replace(SCHEMA, "format") for name in call.not_used]


def _only(body: Mapping[str, Any], known: set[str]) -> None:
    for name in body:
        if name not in known:
            raise BadRequest(f"Unknown field '{name[:64]}'.", code="unknown_parameter", param=name[:64])


def _is_flag(value: Any, path: str) -> bool:
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"'{path}' must be true or false, not {kind_of(value)}.", param=path)
    return value is not None


def _text(value: Any, path: str) -> str:
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"'{path}' must be text, not {kind_of(value)}.", param=path)
    return value or ""


def _format(value: Any) -> dict[str, Any] | None:
    if value is None or value == "":
        return None
    if value == "json":
        return {"type": "json_object"}
    if not isinstance(value, dict):
        raise BadRequest("'format' must be \"json\" or a JSON schema.", param="format")
    return {"type": "json_schema", "json_schema": {"name": "format", "schema": value}}


def _think(value: Any) -> bool | str | None:
    if value is None or isinstance(value, bool) or (isinstance(value, str) and value in EFFORTS):
        return value
    raise BadRequest("'think' must be true, false, or one of: low, medium, high.", param="think")


def _messages(given: list[Any]) -> list[dict[str, Any]]:
    """The messages with calls numbered and images as parts, which is how other clients send them."""
    made: list[dict[str, Any]] = []
    open_calls: list[tuple[str, str]] = []  # id and name of calls that have no result yet
    for place, message in enumerate(given):
        path = f"messages[{place}]"
        if not isinstance(message, dict):
            raise BadRequest(f"'{path}' must be an object, not {kind_of(message)}.", param=path)
        turn = {name: value for name, value in message.items() if name not in TRANSLATED and value is not None}
        if message.get("thinking") is not None:
            turn["reasoning_content"] = message["thinking"]
        if message.get("images"):
            turn["content"] = [*_words(turn.get("content")), *_pictures(message["images"], path)]
        if message.get("tool_calls"):
            turn["tool_calls"] = [
                _tool_call(call, f"{path}.tool_calls[{number}]", f"call_{place}_{number}")
                for number, call in enumerate(_list(message["tool_calls"], f"{path}.tool_calls"))
            ]
            open_calls += [(call["id"], call["function"]["name"]) for call in turn["tool_calls"]]
        if turn.get("role") == "tool":
            turn["tool_call_id"] = _answered(message, open_calls)
        made.append(turn)
    return made


TRANSLATED = {"thinking", "images", "tool_calls", "tool_name", "tool_call_id"}


def _answered(message: Mapping[str, Any], open_calls: list[tuple[str, str]]) -> str:
    """The number of the call whose result this is: by its number or name, else the first that has none."""
    said, name = message.get("tool_call_id"), message.get("tool_name")
    for call in open_calls:
        if said == call[0] or (said is None and name in {None, call[1]}):
            open_calls.remove(call)
            return call[0]
    return next((text for text in (said, name) if isinstance(text, str) and text), "call")


def _tool_call(value: Any, path: str, number: str) -> dict[str, Any]:
    function = value.get("function") if isinstance(value, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadRequest(f"'{path}.function.name' must be the name of a function.", param=path)
    arguments = function.get("arguments", {})
    if not isinstance(arguments, dict):
        raise BadRequest(
            f"'{path}.function.arguments' must be an object, not {kind_of(arguments)}.", param=f"{path}.function"
        )
    known = value.get("id") if isinstance(value.get("id"), str) else None
    call = {"name": function["name"], "arguments": orjson.dumps(arguments).decode()}
    return {"id": known or number, "type": "function", "function": call}


def _words(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if content else []


def _pictures(images: Any, path: str) -> list[dict[str, Any]]:
    parts = []
    for image in _list(images, f"{path}.images"):
        kind = next(
            (kind for begin, kind in PICTURES.items() if isinstance(image, str) and image.startswith(begin)), None
        )
        if kind is None:
            raise BadRequest(
                f"'{path}.images' must hold PNG, JPEG, GIF or WebP images in base64.",
                code="invalid_image",
                param=f"{path}.images",
            )
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{image}"}})
    return parts


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequest(f"'{path}' must be a list, not {kind_of(value)}.", param=path)
    return value


def _fields(call: Call) -> dict[str, Any]:
    return {name: getattr(call, name) for name in Call.__dataclass_fields__}
