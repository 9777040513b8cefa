"""The lines of a batch: read as OpenAI writes them, answered by the same tasks as single requests, behind them.

Handed to `tasks.batch_run` by the routes and by the command line, one door for each endpoint.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from intramuros.accounts.caller import Caller
from intramuros.api.body import parse_object
from intramuros.api.openai.chat import legacy_reply, weighed
from intramuros.api.openai.completions import CompletionCall, completion_call
from intramuros.api.openai.embeddings import EMBEDDING_FIELDS, embedding_reply
from intramuros.api.openai.errors import error_object
from intramuros.api.openai.responses.request import ResponseCall, response_call
from intramuros.api.openai.responses.routes import no_passages, of_line
from intramuros.api.openai.responses.running import Running
from intramuros.api.openai.schemas import ChatCall, chat_call
from intramuros.api.openai.stored import Keeping
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, IntramurosError, kind_of
from intramuros.tasks.batch_door import Answered, BadLine, FailedLine, LineDoor, Result, Unasked
from intramuros.tasks.complete import CompleteTask
from intramuros.tasks.continuing import ContinueTask
from intramuros.tasks.vectors import VectorTask

PREFIX = "batch_"
LONGEST_ID = 512
_FIELDS = {"custom_id", "method", "url", "body"}

Answer = Callable[..., Awaitable[Answered]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: `check` refuses a request that can't be, `reply` answers one that can."""

    url: str
    check: Callable[[Mapping[str, Any]], Any]
    reply: Answer
    scope: str = "chat"
    in_one_file: bool = False
    prefix: str = PREFIX

    def knows(self, values: Mapping[str, Any]) -> bool:
        """Whether it names this endpoint."""
        return values.get("url") == self.url

    def read(self, line: bytes) -> tuple[str, dict[str, Any]]:
        """The line's own id, and its request. Raises: BadLine."""
        custom_id = None
        try:
            values = parse_object(line)
            custom_id = custom_id_of(values)
            body = self._body(values)
            self.check(body)
        except BadRequest as error:
            raise BadLine(error, custom_id) from None
        return custom_id, body

    async def answer(self, request: Mapping[str, Any], *, by: Caller, entry: Entry, line: str) -> Answered:
        """The reply, behind everybody's single requests."""
        return await self.reply(self.check(request), by=by, entry=entry, line=line)

    def answered(self, custom_id: str, answered: Answered, *, line: str, record: str) -> Result:
        """A line of the output file; what was of no use is named as the header of a single request names it."""
        said = _said(custom_id, line, record, 200, answered.body)
        return said | ({"not_used": list(answered.not_used)} if answered.not_used else {})

    def failed(self, custom_id: str, error: IntramurosError, *, line: str, record: str) -> Result:
        """A line of the error file, with the status and body that a single request would have got."""
        return _said(custom_id, line, record, error.status, error_object(error))

    def refused(self, error: BadLine, *, number: int) -> Result:
        """The same, with the number of the line in the input file."""
        return _unanswered(error.custom_id, error.code, f"{error.message} {error.hint}".strip(), line=number)

    def unasked(self, custom_id: str, why: Unasked) -> Result | None:
        """The same for one whose time was over. One that was cancelled is in no file, as OpenAI does it."""
        said = "The request was not answered within the 24 hours of its batch."
        return _unanswered(custom_id, "batch_expired", said) if why == "expired" else None

    def is_answer(self, result: Result) -> bool:
        """Whether it has the status of one."""
        return bool(result["response"]) and result["response"]["status_code"] == 200

    def failure(self, result: Result) -> FailedLine:
        """What the line of an error file says."""
        response = result["response"] or {}
        error = result["error"] or response.get("body", {}).get("error") or {}
        return FailedLine(
            custom_id=result["custom_id"] or "",
            number=error.get("line"),
            status=response.get("status_code"),
            code=str(error.get("code") or ""),
            message=str(error.get("message") or ""),
        )

    def _body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        for name in values:
            if name not in _FIELDS:
                raise BadRequest(f"Unknown field '{name[:64]}'.", code="unknown_parameter", param=name[:64])
        if values.get("method") != "POST":
            raise BadRequest("'method' must be 'POST'.", param="method")
        if values.get("url") != self.url:
            raise BadRequest(f"'url' must be '{self.url}', as the batch's endpoint.", param="url")
        body = values.get("body")
        if not isinstance(body, dict):
            raise BadRequest(f"'body' must be an object, not {kind_of(body)}.", param="body")
        if body.get("stream"):
            raise BadRequest("A batch has no streams: leave 'stream' out.", param="stream")
        return body


def batch_doors(
    complete: CompleteTask, keeping: Keeping, running: Running, continuing: ContinueTask, vectors: VectorTask
) -> dict[str, LineDoor]:
    """The endpoints that batches may be for."""

    async def chat(call: ChatCall, *, by: Caller, entry: Entry, line: str) -> Answered:
        call = weighed(call, complete, by)
        await keeping.check_room(call, by)
        reply = await complete.run(call.request, by=by, entry=entry, is_batch=True)
        reply = legacy_reply(reply) if call.is_legacy else reply
        return Answered(await keeping.keep(reply, call, by, line=line) if call.store else reply, call.not_used)

    async def respond(call: ResponseCall, *, by: Caller, entry: Entry, line: str) -> Answered:
        return await of_line(call, running, by=by, entry=entry, line=line)

    async def text(call: CompletionCall, *, by: Caller, entry: Entry, line: str) -> Answered:
        return Answered(await continuing.run(call.wanted, by=by, entry=entry, is_batch=True), call.not_used)

    async def embed(read: tuple[dict[str, Any], list[str]], *, by: Caller, entry: Entry, line: str) -> Answered:
        asked, unused = read
        made = await vectors.embed(
            asked["input"], model=asked["model"], dimensions=asked.get("dimensions"), by=by, entry=entry, is_batch=True
        )
        return Answered(embedding_reply(made, is_base64=asked.get("encoding_format") == "base64"), tuple(unused))

    return {
        "/v1/chat/completions": Endpoint("/v1/chat/completions", chat_call, chat),
        "/v1/responses": Endpoint("/v1/responses", _response_call, respond),
        "/v1/completions": Endpoint("/v1/completions", completion_call, text),
        "/v1/embeddings": Endpoint("/v1/embeddings", EMBEDDING_FIELDS.read, embed),
    }


def _response_call(body: Mapping[str, Any]) -> ResponseCall:
    """One that says nothing that a batch says already, asks for no order of its lines, and for no passages.

    Lines and their output are sealed under their person's key alone: what is made from a project would outlive it.
    """
    call = response_call(body)
    if call.background:
        raise BadRequest("A batch is in the background anyway: leave 'background' out.", param="background")
    if call.conversation:
        raise BadRequest(
            "The lines of a batch are answered in no order: a conversation would have none.",
            hint="Continue it with single requests.",
            param="conversation",
        )
    if call.search is not None:
        raise no_passages("tools")
    return call


def custom_id_of(values: Mapping[str, Any], path: str = "custom_id") -> str:
    """What a line is called by whoever sent it. Raises: BadRequest."""
    custom_id = values.get("custom_id")
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= LONGEST_ID:
        raise BadRequest(f"'{path}' must be a text of 1 to {LONGEST_ID} characters.", param=path)
    return custom_id


def _said(custom_id: str, line: str, record: str, status: int, body: Mapping[str, Any]) -> Result:
    response = {"status_code": status, "request_id": record, "body": body}
    return {"id": f"batch_req_{line}", "custom_id": custom_id, "response": response, "error": None}


def _unanswered(custom_id: str | None, code: str, message: str, **more: int) -> Result:
    error = {"code": code, "message": message} | more
    return {"id": None, "custom_id": custom_id, "response": None, "error": error}
