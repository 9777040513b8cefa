"""One response while it is written: its object, and the events that tell of every change, numbered.

Called by `running`, with the steps of the task.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from intramuros.api.openai.errors import error_object
from intramuros.api.openai.files import PREFIX as FILE
from intramuros.api.openai.responses.items import ShownItem, new_id
from intramuros.api.openai.responses.request import Retold
from intramuros.documents.attached import AttachedFile
from intramuros.errors import IntramurosError
from intramuros.retrieval.passage import Passage
from intramuros.tasks.respond import Cited, Hit, Looked, Step

Event = dict[str, Any]
Files = Mapping[str, AttachedFile]
"""Files by their documents' ids."""

_ERRORS = {400: "invalid_prompt", 429: "rate_limit_exceeded"}


class EventObject(TypedDict):
    """One event of a stream, numbered from 0."""

    type: str
    sequence_number: int


class ResponseUsage(TypedDict):
    """The tokens of a response."""

    input_tokens: int
    input_tokens_details: dict[str, int]
    output_tokens: int
    output_tokens_details: dict[str, int]
    total_tokens: int


class ResponseError(TypedDict):
    """Why a response failed."""

    code: str
    message: str


class ResponseObject(Retold):
    """A response, whole or as far as it is. Times: seconds since 1970."""

    id: str
    object: Literal["response"]
    created_at: int
    status: str
    background: bool
    completed_at: int | None
    error: ResponseError | None
    incomplete_details: dict[str, str] | None
    model: str
    output: list[ShownItem]
    store: bool
    usage: ResponseUsage | None
    user: None
    metadata: dict[str, str]


@dataclass(slots=True)
class Writing:
    """The response so far. `shown`: what of the request it tells again."""

    shown: Retold
    model: str
    metadata: Mapping[str, str]
    store: bool = True
    background: bool = False
    with_results: bool = False
    with_logprobs: bool = False
    id: str = field(default_factory=lambda: new_id("resp"))
    created_at: int = field(default_factory=lambda: int(time.time()))
    completed_at: int | None = None
    status: str = "in_progress"
    output: list[dict[str, Any]] = field(default_factory=list)
    usage: ResponseUsage | None = None
    error: ResponseError | None = None
    hits: tuple[Hit, ...] = ()
    pieces: list[str] = field(default_factory=list)
    _numbers: int = 0
    _finish: str | None = None
    _message: dict[str, Any] | None = None
    _logprobs: list[Any] = field(default_factory=list)
    _calls: list[dict[str, Any]] = field(default_factory=list)

    def response(self) -> ResponseObject:
        """The object as it is now."""
        is_cut = self.status == "incomplete"
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": self.status,
            "background": self.background,
            "completed_at": self.completed_at,
            "error": self.error,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            **self.shown,
            "model": self.model,
            "output": [dict(item) for item in self.output],
            "store": self.store,
            "usage": self.usage,
            "user": None,
            "metadata": dict(self.metadata),
        }

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self.pieces)

    def begin(self) -> Iterator[Event]:
        """It exists, and is worked on."""
        yield self._of_response("created")
        yield self._of_response("in_progress")

    def queued(self) -> Iterator[Event]:
        """It exists, and waits."""
        self.status = "queued"
        yield self._of_response("created")
        yield self._of_response("queued")

    def work(self) -> Iterator[Event]:
        """Its turn has come."""
        self.status = "in_progress"
        yield self._of_response("in_progress")

    def take(self, step: Step) -> Iterator[Event]:
        """What one step of the task changes."""
        if isinstance(step, Looked):
            yield from self._looked(step)
        elif isinstance(step, Cited):
            yield from self._cited(step)
        else:
            yield from self._piece(step.chunk)

    def end(self) -> Iterator[Event]:
        """The model has ended: whole, or cut by the limit of tokens."""
        self.status = "incomplete" if self._finish == "length" else "completed"
        if self._message is None and not self._calls:
            yield from self._open_message()
        yield from self._close_message(self.status)
        yield from self._function_calls()
        self.completed_at = int(time.time())
        yield self._of_response(self.status)

    def fail(self, error: IntramurosError) -> Iterator[Event]:
        """It failed: what was said so far stays."""
        said = error_object(error)["error"]
        self.status = "failed"
        self.error = {"code": _ERRORS.get(error.status, "server_error"), "message": said["message"]}
        self._leave_off()
        yield self._of_response("failed")

    def cancel(self) -> None:
        """Somebody ended it."""
        self.status = "cancelled"
        self._leave_off()

    def _looked(self, step: Looked) -> Iterator[Event]:
        self.hits = step.hits
        item: dict[str, Any] = {"id": new_id("fs"), "type": "file_search_call", "status": "in_progress"}
        item |= {"queries": [step.query], "results": None}
        place = len(self.output)
        self.output.append(item)
        yield self._event("output_item.added", output_index=place, item=dict(item))
        for state in ("in_progress", "searching", "completed"):
            yield self._event(f"file_search_call.{state}", output_index=place, item_id=item["id"])
        item["status"] = "completed"
        if self.with_results:
            item["results"] = results(step.hits, step.files)
        yield self._event("output_item.done", output_index=place, item=dict(item))

    def _piece(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        self.model = chunk.get("model") or self.model
        if chunk.get("usage"):
            self.usage = usage(chunk["usage"])
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if delta.get("content"):
                yield from self._said(delta["content"], (choice.get("logprobs") or {}).get("content") or [])
            self._calls += delta.get("tool_calls") or ()
            self._finish = choice.get("finish_reason") or self._finish

    def _said(self, text: str, logprobs: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
        if self._message is None:
            yield from self._open_message()
        assert self._message is not None
        found = [_logprob(one) for one in logprobs] if self.with_logprobs else []
        self._logprobs += found
        self.pieces.append(text)
        yield self._event("output_text.delta", **self._place(), content_index=0, delta=text, logprobs=found)

    def _open_message(self) -> Iterator[Event]:
        self._message = {"id": new_id("msg"), "type": "message", "status": "in_progress", "role": "assistant"}
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self._message["content"] = [{**part, "annotations": []}]  # whole at once: it may be left off between two events
        self.output.append(self._message)
        begun = {**self._message, "content": []}
        yield self._event("output_item.added", output_index=len(self.output) - 1, item=begun)
        yield self._event("content_part.added", **self._place(), content_index=0, part=part)

    def _cited(self, step: Cited) -> Iterator[Event]:
        if self._message is None:
            return
        annotations = self._message["content"][0]["annotations"]
        for place, passage in step.citations:
            annotation = {"type": "file_citation", "index": place, **file_of(passage, step.files)}
            annotations.append(annotation)
            yield self._event(
                "output_text.annotation.added",
                **self._place(),
                content_index=0,
                annotation_index=len(annotations) - 1,
                annotation=annotation,
            )

    def _close_message(self, status: str) -> Iterator[Event]:
        if self._message is None:
            return
        part = self._fill_message(status)
        where = {**self._place(), "content_index": 0}
        yield self._event("output_text.done", **where, text=part["text"], logprobs=part["logprobs"])
        yield self._event("content_part.done", **where, part=part)
        yield self._event("output_item.done", output_index=where["output_index"], item=dict(self._message))

    def _fill_message(self, status: str) -> dict[str, Any]:
        assert self._message is not None
        part: dict[str, Any] = self._message["content"][0]
        part |= {"text": self.text, "logprobs": list(self._logprobs)}
        self._message["status"] = status
        return part

    def _function_calls(self) -> Iterator[Event]:
        for call in self._calls:
            function = call["function"]
            item = {"id": new_id("fc"), "type": "function_call", "status": "in_progress", "arguments": ""}
            item |= {"call_id": call["id"], "name": function["name"]}
            where = {"output_index": len(self.output), "item_id": item["id"]}
            self.output.append(item)
            yield self._event("output_item.added", output_index=where["output_index"], item=dict(item))
            item |= {"arguments": function["arguments"], "status": "completed"}
            yield self._event("function_call_arguments.delta", **where, delta=item["arguments"])
            yield self._event("function_call_arguments.done", **where, arguments=item["arguments"], name=item["name"])
            yield self._event("output_item.done", output_index=where["output_index"], item=dict(item))

    def _leave_off(self) -> None:
        """The message as far as it came."""
        if self._message is not None:
            self._fill_message("incomplete")

    def _place(self) -> dict[str, Any]:
        assert self._message is not None
        return {"output_index": self.output.index(self._message), "item_id": self._message["id"]}

    def _of_response(self, name: str) -> Event:
        return self._event(name, response=self.response())

    def _event(self, kind: str, **what: Any) -> Event:
        event = {"type": f"response.{kind}", "sequence_number": self._numbers, **what}
        self._numbers += 1
        return event


def usage(numbers: Mapping[str, Any]) -> ResponseUsage:
    """A chat's usage as a response has it."""
    cached = (numbers.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {
        "input_tokens": numbers["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": numbers["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": numbers["total_tokens"],
    }


def results(hits: Iterable[Hit], files: Files) -> list[dict[str, Any]]:
    """What a search found, as `file_search_call.results` has it."""
    return [
        {
            **file_of(hit.passage, files),
            "score": round(hit.score, 6),
            "text": hit.passage.text,
            "attributes": dict(files[hit.passage.document_id].attributes) if hit.passage.document_id in files else {},
        }
        for hit in hits
    ]


def file_of(passage: Passage, files: Files) -> dict[str, Any]:
    """The file a passage is from."""
    file = files.get(passage.document_id)
    return {"file_id": FILE + (file.id if file else passage.document_id), "filename": passage.document}


def _logprob(entry: Mapping[str, Any]) -> dict[str, Any]:
    best = [_token(one) for one in entry.get("top_logprobs") or ()]
    return {**_token(entry), "top_logprobs": best}


def _token(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry.get(name) for name in ("token", "logprob", "bytes")}
