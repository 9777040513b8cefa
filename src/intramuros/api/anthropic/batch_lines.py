"""The lines of a batch of messages: each is answered by the task of single messages, behind them.

Handed to `tasks.batch_run` by the routes and by the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intramuros.accounts.caller import Caller
from intramuros.api.anthropic.errors import error_object
from intramuros.api.anthropic.messages import weighed
from intramuros.api.anthropic.replies import message
from intramuros.api.anthropic.schemas import message_call
from intramuros.api.body import only, parse_object
from intramuros.api.openai.batch_lines import custom_id_of
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, IntramurosError, kind_of
from intramuros.tasks.batch_door import Answered, BadLine, FailedLine, LineDoor, Result, Unasked
from intramuros.tasks.complete import CompleteTask

ENDPOINT = "/v1/messages"
PREFIX = "msgbatch_"


@dataclass(frozen=True, slots=True)
class MessageLines:
    """Reads and answers them. Good results and bad ones stand in one file, in the order of the requests."""

    task: CompleteTask
    scope: str = "chat"
    in_one_file: bool = True
    prefix: str = PREFIX

    def knows(self, values: Mapping[str, Any]) -> bool:
        """Whether it has what only lines of messages have."""
        return "params" in values

    def read(self, line: bytes) -> tuple[str, dict[str, Any]]:
        """The line's own id, and its request. Raises: BadLine."""
        custom_id = None
        try:
            custom_id, params = request_of(parse_object(line))
            if params.get("stream"):
                raise BadRequest("A batch has no streams: leave 'stream' out.", param="stream")
            message_call(params)
        except BadRequest as error:
            raise BadLine(error, custom_id) from None
        return custom_id, params

    async def answer(self, request: Mapping[str, Any], *, by: Caller, entry: Entry, line: str) -> Answered:
        """The message, behind everybody's single requests."""
        call = weighed(message_call(request), self.task, by=by)
        reply = await self.task.run(call.request, by=by, entry=entry, is_batch=True)
        return Answered(message(reply, call, message_id=f"msg_{entry.id}"), call.not_used)

    def answered(self, custom_id: str, answered: Answered, *, line: str, record: str) -> Result:
        """A line of the results; what was of no use is named as the header of a single request names it."""
        said = _result(custom_id, type="succeeded", message=answered.body)
        return said | ({"not_used": list(answered.not_used)} if answered.not_used else {})

    def failed(self, custom_id: str, error: IntramurosError, *, line: str, record: str) -> Result:
        """A line of the results, with the body that a single request would have got."""
        return _result(custom_id, type="errored", error=error_object(error, f"req_{record}" if record else None))

    def refused(self, error: BadLine, *, number: int) -> Result:
        """The same; there is no record of it."""
        return _result(error.custom_id, type="errored", error=error_object(error, None))

    def unasked(self, custom_id: str, why: Unasked) -> Result | None:
        """A line of the results without a reply."""
        return _result(custom_id, type="expired" if why == "expired" else "canceled")

    def is_answer(self, result: Result) -> bool:
        """Whether it has a message."""
        return bool(result["result"]["type"] == "succeeded")

    def failure(self, result: Result) -> FailedLine:
        """What a line of the results says that has no message: an error, or only that it was not asked."""
        said = result["result"]
        error = said["error"]["error"] if "error" in said else {"code": said["type"]}
        return FailedLine(
            custom_id=result["custom_id"] or "",
            code=str(error.get("code") or ""),
            message=str(error.get("message") or ""),
        )


def message_doors(task: CompleteTask) -> dict[str, LineDoor]:
    """The endpoint that batches of messages are for."""
    return {ENDPOINT: MessageLines(task)}


def request_of(values: Any, path: str = "") -> tuple[str, dict[str, Any]]:
    """The id and the parameters of one request; what the parameters say is not looked at. Raises: BadRequest."""
    place = path or "The request"
    if not isinstance(values, dict):
        raise BadRequest(f"'{place}' must be an object, not {kind_of(values)}.", param=path)
    only(values, {"custom_id", "params"})
    custom_id = custom_id_of(values, f"{path}.custom_id".lstrip("."))
    params, name = values.get("params"), f"{path}.params".lstrip(".")
    if not isinstance(params, dict):
        raise BadRequest(f"'{name}' must be an object, not {kind_of(params)}.", param=name)
    return custom_id, params


def _result(custom_id: str | None, **result: Any) -> Result:
    return {"custom_id": custom_id, "result": result}
