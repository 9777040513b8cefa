"""Tool calls of a chat: how a model is brought to make them, and what of them is passed on.

Called by `tasks.complete`. A model whose chat template writes tools gets them there; any other is told of them in the
system message. Where a call has to be made, a JSON schema holds the answer to calls, on every model: engines enforce
`tool_choice` only for templates whose format they know. Where one may be made, the engine reads the calls of a template
with tools, and a schema holds others to text or calls. Whatever made a call, it is passed on only whole and only when
its arguments keep to the tool's schema.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from intramuros.engines.misfit import misfit
from intramuros.engines.schema import DEFINITIONS, Schema, checked_schema
from intramuros.errors import BadRequest
from intramuros.tasks.unquoted import Unquoted

Call = dict[str, Any]

FIELDS = ("tools", "tool_choice", "parallel_tool_calls")
MOST_CALLS = 8
"""Calls in one answer of a model that a schema holds: a small one would go on and on."""


@dataclass(frozen=True, slots=True)
class Calling:
    """The tools of one request. `is_held`: a schema holds the answer, and the engine reads no calls."""

    parameters: Mapping[str, Schema]
    must: bool
    only_one: bool
    is_held: bool

    def reply(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The whole reply with its calls checked. Raises: BadRequest as `checked`."""
        choices = []
        for choice in raw["choices"]:
            gate = Gate(self)
            message = dict(choice["message"])
            calls = [{**call, "index": index} for index, call in enumerate(message.pop("tool_calls", None) or ())]
            [*_, last] = gate.choice({**choice, "delta": {"content": message.get("content"), "tool_calls": calls}})
            message["content"] = gate.text or None
            if gate.calls:
                message["tool_calls"] = [{key: call[key] for key in call if key != "index"} for call in gate.calls]
            elif message["content"] is None:
                message["content"] = ""
            choices.append({**choice, "message": message, "finish_reason": last["finish_reason"]})
        return {**raw, "choices": choices}

    def checked(self, calls: Sequence[Call]) -> list[Call]:
        """The calls with what OpenAI's have. Raises: BadRequest for one that doesn't keep to its tool's schema."""
        if self.must and not calls:
            raise BadRequest(
                "The model answered without calling a tool, which 'tool_choice' asks for.",
                hint="Use a model that supports tools, or set tool_choice to 'auto'.",
                code="tool_not_called",
                param="tool_choice",
            )
        for call in calls:
            self._check(call["function"])
        return [
            {
                "index": index,
                "id": call.get("id") or f"call_{secrets.token_hex(12)}",
                "type": "function",
                "function": call["function"],
            }
            for index, call in enumerate(calls[:1] if self.only_one else calls)
        ]

    def _check(self, function: Mapping[str, Any]) -> None:
        name = str(function.get("name"))
        if name not in self.parameters:
            raise _invalid("The model called a tool that is not in 'tools'.")
        try:
            arguments = orjson.loads(function.get("arguments") or "{}")
        except orjson.JSONDecodeError:
            raise _invalid(f"The model called {name} with arguments that are not JSON.") from None
        if not isinstance(arguments, dict):
            raise _invalid(f"The model called {name} with arguments that are not an object.")
        if place := misfit(arguments, self.parameters[name]):
            broken = place.rpartition(": ")[2]  # where it is may be in the model's own words
            raise _invalid(f"The model called {name} with arguments that break its schema: {broken}.")


@dataclass(slots=True)
class Gate:
    """One choice on its way through: words pass at once, calls when they are whole and checked."""

    calling: Calling
    calls: list[Call] = field(default_factory=list)
    text: str = ""
    has_ended: bool = False
    _head: dict[str, Any] = field(default_factory=dict)
    _written: str = ""
    _words: Unquoted | None = None

    def take(self, chunk: bytes) -> list[bytes]:
        """What of a chunk can go out."""
        parsed = orjson.loads(chunk)
        if not parsed.get("choices"):
            return [chunk]
        self._head = parsed
        return [
            orjson.dumps({**parsed, "choices": [part]}) for choice in parsed["choices"] for part in self.choice(choice)
        ]

    def end(self) -> list[bytes]:
        """The stream is over: what is left of one that ended without saying so. Raises: BadRequest as `checked`."""
        left = [] if self.has_ended else self.choice({"index": 0, "finish_reason": "stop"})
        return [orjson.dumps({**self._head, "choices": [choice]}) for choice in left[:-1]]

    def choice(self, choice: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What goes out for one choice of a chunk. Raises: BadRequest as `Calling.checked`."""
        delta, finish = dict(choice.get("delta") or {}), choice.get("finish_reason")
        for part in delta.pop("tool_calls", None) or ():
            merge_call(self.calls, part)
        if content := delta.get("content"):
            content = self._read(content) if self.calling.is_held else content
            self.text += content
            delta["content"] = content or None
            if not content:
                del delta["content"]
        base = {key: held for key, held in choice.items() if key not in {"delta", "finish_reason", "message"}}
        out = [{**base, "delta": delta, "finish_reason": None}] if delta else []
        base.pop("logprobs", None)  # they are of this piece
        if finish:
            self.has_ended = True
            self.calls = self.calling.checked(self._gathered(finish))
            if self.calls:
                out.append({**base, "delta": {"tool_calls": self.calls}, "finish_reason": None})
            out.append({**base, "delta": {}, "finish_reason": "tool_calls" if self.calls else finish})
        return out

    def _read(self, content: str) -> str:
        """The words in a held answer: it is a JSON text, or calls that are kept back."""
        if self._words is None and not self._written:
            content = content.lstrip()
            if content.startswith('"'):
                self._words, content = Unquoted(), content[1:]
        if self._words is not None:
            return self._words.feed(content)
        self._written += content
        return ""

    def _gathered(self, finish: str) -> list[Call]:
        """All calls of the answer. Raises: BadRequest for one that was cut off."""
        if self.calls or not self._written.strip():
            return self.calls
        try:
            made = orjson.loads(self._written)
            calls = made if isinstance(made, list) else [made]
            return [
                {"function": {"name": call["name"], "arguments": orjson.dumps(call["arguments"]).decode()}}
                for call in calls
            ]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            pass
        if finish == "length":
            raise _invalid(
                "The limit of tokens ('max_tokens') ended the answer in the middle of a tool call.",
                hint="Raise it; among Ollama's options it is 'num_predict'.",
            )
        raise _invalid("The model wrote something that is neither an answer nor a tool call.")


def merge_call(calls: list[Call], part: Mapping[str, Any]) -> None:
    """Adds a piece of a streamed call to those that have come. Raises: BadRequest where its number can't be."""
    index = part.get("index", len(calls))
    if not isinstance(index, int) or not 0 <= index <= len(calls) or index > 128:
        raise _invalid("The engine numbered its tool calls wrongly.")
    if index == len(calls):
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call, function = calls[index], part.get("function") or {}
    call["id"] = part.get("id") or call["id"]
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


def without_tools(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with no word of tools."""
    return {name: value for name, value in request.items() if name not in FIELDS}


def with_tools(request: Mapping[str, Any], *, knows_tools: bool) -> tuple[dict[str, Any], Calling]:
    """What the engine gets, and what is made of its answer. Raises: BadRequest for tools that can't be held to."""
    choice, tools = request.get("tool_choice", "auto"), list(request["tools"])
    if isinstance(choice, Mapping):
        tools = [tool for tool in tools if tool["function"]["name"] == choice["function"]["name"]]
    calling = Calling(
        parameters={tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in tools},
        must=choice != "auto",
        only_one=request.get("parallel_tool_calls") is False or isinstance(choice, Mapping),
        is_held=choice != "auto" or not knows_tools,
    )
    if not calling.is_held:
        return {**request, "tools": tools, "tool_choice": "auto"}, calling
    formatted = request.get("response_format", {}).get("type", "text") != "text"
    beside = {
        "response_format": formatted,
        "logprobs": request.get("logprobs"),
        "stop": not calling.must and request.get("stop"),
    }
    if name := next((name for name, is_there in beside.items() if is_there), None):
        raise BadRequest(
            f"The model can't have both these tools and '{name}': a schema of their own holds the calls.",
            hint="Leave one of them out, or let a model made for tools choose: tool_choice 'auto'.",
            code="unsupported_value",
            param=name,
        )
    request = {name: value for name, value in request.items() if name != "stop"}  # a call is no text that one could end
    held: dict[str, Any] = {"type": "json_schema", "json_schema": {"schema": _schema(tools, calling)}}
    if knows_tools:  # its template shows them, and what was called before; the engine is not to read calls
        return {**request, "tools": tools, "tool_choice": "none", "response_format": held}, calling
    messages = _told(request["messages"], tools, calling)
    return {**without_tools(request), "messages": messages, "response_format": held}, calling


def _schema(tools: Sequence[Mapping[str, Any]], calling: Calling) -> Schema:
    """What an answer may be: calls, or a text too where none has to be made."""
    definitions: dict[str, Any] = {}
    kinds = [_call_schema(tool["function"], f"t{index}", definitions) for index, tool in enumerate(tools)]
    call: Schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    calls = call if calling.only_one else {"type": "array", "items": call, "minItems": 1, "maxItems": MOST_CALLS}
    whole: Schema = calls if calling.must else {"anyOf": [{"type": "string"}, calls]}
    return {**whole, "$defs": definitions} if definitions else whole


def _call_schema(function: Mapping[str, Any], prefix: str, definitions: dict[str, Any]) -> Schema:
    """One tool's call. Parameters that a grammar can't hold are free here, and checked once they are written."""
    name = function["name"]
    try:
        path = f"tools.{name}.parameters"
        parameters = checked_schema(function.get("parameters") or {"type": "object"}, path, foreign=[])
    except BadRequest as error:
        if error.code != "unsupported_schema":
            raise
        parameters = {"type": "object", "additionalProperties": True}
    for key in DEFINITIONS:
        for own, held in parameters.pop(key, {}).items():
            definitions[f"{prefix}-{key.strip('$')}-{own}"] = _renamed(held, prefix)
    properties = {"name": {"const": name}, "arguments": _renamed(parameters, prefix)}
    return {
        "type": "object",
        "properties": properties,
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _renamed(value: Any, prefix: str) -> Any:
    """The schema with its references to where its definitions stand now."""
    if isinstance(value, list):
        return [_renamed(item, prefix) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$ref"), str):
        _, key, own = value["$ref"].split("/", 2)
        return {**value, "$ref": f"#/$defs/{prefix}-{key.strip('$')}-{own}"}
    return {key: held if key in {"const", "enum"} else _renamed(held, prefix) for key, held in value.items()}


def _told(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], calling: Calling
) -> list[dict[str, Any]]:
    """The messages for a template without tools: they stand in the system message, calls and results are text."""
    shape = '{"name": …, "arguments": {…}}'
    shape = shape if calling.only_one else f"[{shape}, …]"
    may = "Answer with a call" if calling.must else "To call one, answer with a call instead of text"
    functions = "\n".join(orjson.dumps(tool["function"]).decode() for tool in tools)
    text = f"You can call these functions:\n{functions}\n{may}: {shape}"
    names = {call["id"]: call["function"]["name"] for message in messages for call in message.get("tool_calls") or ()}
    told = [_as_text(message, names) for message in messages]
    if told[0]["role"] != "system":
        return [{"role": "system", "content": text}, *told]
    first = told[0]["content"]
    first = f"{first}\n\n{text}" if isinstance(first, str) else [*first, {"type": "text", "text": text}]
    return [{**told[0], "content": first}, *told[1:]]


def _as_text(message: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    if message["role"] == "tool":
        name = names.get(message["tool_call_id"], "the function")
        content = message["content"]
        result = content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
        return {"role": "user", "content": f"Result of {name}: {result}"}
    if not message.get("tool_calls"):
        return dict(message)
    calls = [
        f'{{"name": {orjson.dumps(call["function"]["name"]).decode()}, "arguments": {call["function"]["arguments"]}}}'
        for call in message["tool_calls"]
    ]
    said = message.get("content") if isinstance(message.get("content"), str) else ""
    return {"role": message["role"], "content": "\n".join([*([said] if said else []), f"[{', '.join(calls)}]"])}


def _invalid(said: str, *, hint: str = "Ask again, or use a model that is better with tools.") -> BadRequest:
    return BadRequest(said, hint=hint, code="invalid_tool_call", param="tools")
