"""The messages of a request: turns of content blocks, as an engine reads them.

Called by `schemas`. What a model reads here is text and images; a block that is neither is refused, for an answer
that had not seen it would look as if it had. Texts are made plain and images looked at where the OpenAI door does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from intramuros.api.openai import fields
from intramuros.api.openai.fields import inside, words
from intramuros.api.openai.messages import MOST_IMAGES, plain
from intramuros.api.openai.pictures import picture
from intramuros.errors import BadRequest, kind_of

Part = dict[str, Any]
IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
CACHE = "cache_control"

BLOCKS: Mapping[str, set[str]] = {
    "text": {"text", "citations"},
    "image": {"source", "transformations"},
    "document": {"source", "title", "context", "citations"},
    "search_result": {"source", "title", "content", "citations"},
    "tool_use": {"id", "name", "input", "caller", "toolset_name"},
    "tool_result": {"tool_use_id", "content", "is_error", "toolset_name"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
}
"""What each kind of block may hold, besides `type` and `cache_control`."""
SAYS = {
    "system": {"text"},
    "user": {"text", "image", "document", "search_result", "tool_result"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
    "tool_result": {"text", "image", "document", "search_result"},
    "document": {"text", "image"},
    "search_result": {"text"},
}
"""Which blocks may stand where."""


class Turns:
    """Reads a conversation. `unused` gets the names of what was of no use here."""

    def __init__(self, unused: list[str]) -> None:
        self.unused = unused
        self.turns: list[dict[str, Any]] = []
        self._calls: set[str] = set()
        self._open: set[str] = set()

    @property
    def is_begun(self) -> bool:
        """Whether the last turn is the beginning of the answer."""
        return bool(self.turns[-1]["role"] == "assistant")

    def system(self, value: Any) -> None:
        """What stands before the conversation: text or text blocks."""
        self._add("system", self._parts(value, "system", where="system"))

    def messages(self, value: Any, path: str = "messages") -> None:
        """The conversation. Raises: BadRequest whose `param` is the place."""
        if not isinstance(value, list):
            raise BadRequest(f"'{path}' must be a list of messages, not {kind_of(value)}.", param=path)
        if not value:
            raise BadRequest(f"'{path}' is empty: send at least one message.", param=path)
        for index, message in enumerate(value):
            self._message(inside(message, f"{path}[{index}]", {"role", "content"}), f"{path}[{index}]")
        if self._open:
            raise BadRequest("A 'tool_use' has no 'tool_result' after it.", param=path)

    def read(self) -> list[dict[str, Any]]:
        """All turns, as an engine gets them."""
        images = sum(part["type"] != "text" for turn in self.turns for part in turn["content"])
        if images > MOST_IMAGES:
            raise BadRequest(f"'messages' has more than {MOST_IMAGES} images.", param="messages")
        return [{**turn, "content": _joined(turn["content"], calls="tool_calls" in turn)} for turn in self.turns]

    def _message(self, message: Mapping[str, Any], path: str) -> None:
        role = fields.choice("user", "assistant", "system")(message.get("role"), f"{path}.role")
        content, path = message.get("content"), f"{path}.content"
        if isinstance(content, str):
            self._add(role, [_text(content)])
            return
        blocks = self._blocks(content, path, where=role)
        if role == "assistant":
            self._add(role, [])
        elif not blocks:
            raise BadRequest(f"'{path}' is empty.", param=path)
        seen: list[Part] = []  # in results of tools: no template has images there
        for place, block in blocks:
            kind = block["type"]
            if kind == "tool_use":
                self._call(block, place)
            elif kind == "tool_result":
                seen += self._result(block, place)
            elif not kind.endswith("thinking"):  # what a model thought before is not shown to it again
                self._add(role, self._part(block, place))
        if seen:
            self._add(role, seen)

    def _add(self, role: str, parts: list[Part]) -> dict[str, Any]:
        """Turns that follow one another of one role are one turn."""
        last = self.turns[-1] if self.turns else {}
        if last.get("role") != role:
            last = {"role": role, "content": []}
            self.turns.append(last)
        last["content"] += parts
        return last

    def _call(self, block: Mapping[str, Any], path: str) -> None:
        called = words(shortest=1)(block.get("id"), f"{path}.id")
        name = words(256, shortest=1)(block.get("name"), f"{path}.name")
        given = block.get("input")
        if not isinstance(given, dict):
            raise BadRequest(f"'{path}.input' must be an object, not {kind_of(given)}.", param=f"{path}.input")
        arguments = plain(orjson.dumps(given).decode())
        call = {"id": plain(called), "type": "function", "function": {"name": plain(name), "arguments": arguments}}
        self._add("assistant", []).setdefault("tool_calls", []).append(call)
        self._calls.add(called)
        self._open.add(called)

    def _result(self, block: Mapping[str, Any], path: str) -> list[Part]:
        """Adds what a tool said, and returns what it showed."""
        called = words()(block.get("tool_use_id"), f"{path}.tool_use_id")
        if called not in self._calls:
            raise BadRequest(f"'{path}.tool_use_id' names no 'tool_use' before it.", param=f"{path}.tool_use_id")
        self._open.discard(called)
        content = block.get("content")
        parts = [] if content is None else self._parts(content, f"{path}.content", where="tool_result")
        texts = [part for part in parts if part["type"] == "text"]
        if block.get("is_error") is not None and fields.boolean(block["is_error"], f"{path}.is_error"):
            texts = [_text("Error:"), *texts]
        self.turns.append({"role": "tool", "tool_call_id": plain(called), "content": texts})
        return [part for part in parts if part["type"] != "text"]

    def _parts(self, value: Any, path: str, *, where: str) -> list[Part]:
        if isinstance(value, str):
            return [_text(value)]
        return [part for place, block in self._blocks(value, path, where=where) for part in self._part(block, place)]

    def _blocks(self, value: Any, path: str, *, where: str) -> list[tuple[str, dict[str, Any]]]:
        """The blocks of a list with their places, each of a kind that may stand there."""
        if not isinstance(value, list):
            raise BadRequest(f"'{path}' must be text or a list of blocks, not {kind_of(value)}.", param=path)
        found = []
        for index, block in enumerate(value):
            place = f"{path}[{index}]"
            kind = block.get("type") if isinstance(block, dict) else None
            if not isinstance(kind, str) or kind not in SAYS[where]:
                said = f"is of type {kind[:64]}, which" if isinstance(kind, str) else "has no type that"
                raise BadRequest(
                    f"'{place}' {said} can't be read there.",
                    hint=f"Blocks that can: {', '.join(sorted(SAYS[where]))}.",
                    code="unsupported_content",
                    param=f"{place}.type",
                )
            inside(block, place, {"type", CACHE, *BLOCKS[kind]})
            self.note(CACHE, block.get(CACHE))
            found.append((place, block))
        return found

    def note(self, name: str, value: Any) -> None:
        """Says that this is of no use here, if it came."""
        if value and name not in self.unused:
            self.unused.append(name)

    def _part(self, block: Mapping[str, Any], path: str) -> list[Part]:
        """What of a block a model reads."""
        return READERS[block["type"]](self, block, path)

    def _read_text(self, block: Mapping[str, Any], path: str) -> list[Part]:
        return [_text(words()(block.get("text"), f"{path}.text"))]

    def _read_image(self, block: Mapping[str, Any], path: str) -> list[Part]:
        self.note("image.transformations", block.get("transformations"))
        source = block.get("source")
        kind, path = source.get("type") if isinstance(source, dict) else None, f"{path}.source"
        if kind != "base64":
            raise BadRequest(
                f"'{path}' must be of type 'base64': nothing is fetched here.", code="invalid_image", param=path
            )
        source = inside(source, path, {"type", "media_type", "data"})
        media = fields.choice(*IMAGES)(source.get("media_type"), f"{path}.media_type")
        data = words(1 << 30)(source.get("data"), f"{path}.data")
        return [{"type": "image_url", "image_url": {"url": picture(f"data:{media};base64,{data}", f"{path}.data")}}]

    def _read_document(self, block: Mapping[str, Any], path: str) -> list[Part]:
        _without_citations(block, path)
        source = block.get("source")
        kind, place = source.get("type") if isinstance(source, dict) else None, f"{path}.source"
        if kind == "text":
            source = inside(source, place, {"type", "media_type", "data"})
            fields.choice("text/plain")(source.get("media_type"), f"{place}.media_type")
            parts = [_text(words(1 << 30)(source.get("data"), f"{place}.data"))]
        elif kind == "content":
            source = inside(source, place, {"type", "content"})
            parts = self._parts(source.get("content"), f"{place}.content", where="document")
        else:
            raise BadRequest(
                f"'{place}' must be of type 'text' or 'content'.",
                hint="Add other documents to a project, and ask it: POST /api/v1/projects/{project}/ask",
                code="unsupported_content",
                param=f"{place}.type",
            )
        names = [block[name] for name in ("title", "context") if block.get(name) is not None]
        return [*(_text(words()(name, path)) for name in names), *parts]

    def _read_result(self, block: Mapping[str, Any], path: str) -> list[Part]:
        _without_citations(block, path)
        head = [_text(words()(block.get(name), f"{path}.{name}")) for name in ("title", "source")]
        return head + self._parts(block.get("content"), f"{path}.content", where="search_result")


READERS: Mapping[str, Callable[[Turns, Mapping[str, Any], str], list[Part]]] = {
    "text": Turns._read_text,
    "image": Turns._read_image,
    "document": Turns._read_document,
    "search_result": Turns._read_result,
}


def _without_citations(block: Mapping[str, Any], path: str) -> None:
    citations = inside(block.get("citations") or {}, f"{path}.citations", {"enabled"})
    if citations.get("enabled"):
        raise fields.unsupported(
            f"{path}.citations", "Answers with their sources come from projects: POST /api/v1/projects/{project}/ask"
        )


def _text(text: str) -> Part:
    return {"type": "text", "text": plain(text)}


def _joined(parts: list[Part], *, calls: bool) -> Any:
    """Text as one text: not every template takes parts."""
    if calls and not parts:
        return None
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts
