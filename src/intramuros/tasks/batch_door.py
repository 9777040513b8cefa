"""What answers the lines of a batch: one door for each endpoint, in the shape of its protocol.

Made by the doors for programs, called by `tasks.batch_work`, which knows neither requests nor how a result is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import orjson

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, IntramurosError
from intramuros.tasks.batch import Batch

Result = dict[str, Any]
"""One line of a file of results."""
Unasked = Literal["expired", "cancelled"]
FIRST_LINES = 20
HEAD_BYTES = 1 << 20
"""So many lines, of so many bytes together, are looked at to see what a file is for."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply. `not_used`: fields of the request that changed nothing, to be named beside it."""

    body: Mapping[str, Any]
    not_used: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedLine:
    """One line that has no answer. `number`: its line in the input file, where that is known; `status`: the reply's."""

    custom_id: str
    number: int | None = None
    status: int | None = None
    code: str
    message: str


class LineDoor(Protocol):
    """Reads and answers the lines of one endpoint."""

    @property
    def scope(self) -> str:
        """What a key needs for it."""
        ...

    @property
    def in_one_file(self) -> bool:
        """Whether all results go into one file; the input is the batch's own then, and goes with its end."""
        ...

    @property
    def prefix(self) -> str:
        """What stands before the id of a batch in the name that its maker was given."""
        ...

    def knows(self, values: Mapping[str, Any]) -> bool:
        """Whether a line says that it is for this endpoint; the rest of it may be wrong."""
        ...

    def read(self, line: bytes) -> tuple[str, dict[str, Any]]:
        """The line's own id, and its request. Raises: BadLine."""
        ...

    async def answer(self, request: Mapping[str, Any], *, by: Caller, entry: Entry, line: str) -> Answered:
        """The reply. `line` names the line: what is stored of a reply under that name takes an earlier try's place.

        Raises: as its task.
        """
        ...

    def answered(self, custom_id: str, answered: Answered, *, line: str, record: str) -> Result:
        """The result of a line that has a reply. `record`: its id in the audit."""
        ...

    def failed(self, custom_id: str, error: IntramurosError, *, line: str, record: str) -> Result:
        """The result of a line that was answered with an error."""
        ...

    def refused(self, error: BadLine, *, number: int) -> Result:
        """The result of a line that is no request. `number` is its line in the input file."""
        ...

    def unasked(self, custom_id: str, why: Unasked) -> Result | None:
        """The result of a line that was never asked; None where such a line has none."""
        ...

    def is_answer(self, result: Result) -> bool:
        """Whether the result of a line is the reply it asked for."""
        ...

    def failure(self, result: Result) -> FailedLine:
        """What a result that is no answer says."""
        ...


class BadLine(BadRequest):
    """A line that is no request. `custom_id` if it could be read."""

    def __init__(self, error: BadRequest, custom_id: str | None) -> None:
        super().__init__(error.message, hint=error.hint, code=error.code, **error.details)
        self.custom_id = custom_id


def name_of(batch: Batch, doors: Mapping[str, LineDoor]) -> str:
    """What its maker knows it by."""
    return doors[batch.endpoint].prefix + batch.id


def id_in(name: str, doors: Mapping[str, LineDoor]) -> str:
    """The id in a batch's name, whatever protocol it was made with; an id is one already."""
    return next((name.removeprefix(one.prefix) for one in doors.values() if name.startswith(one.prefix)), name)


def endpoint_of(head: bytes, doors: Mapping[str, LineDoor]) -> str | None:
    """The endpoint that a file's first lines are for; None where none of them says one that there is."""
    for line in head.split(b"\n", FIRST_LINES)[:FIRST_LINES]:
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError:  # the door will say so, with its number
            continue
        if isinstance(values, dict):
            for endpoint, door in doors.items():
                if door.knows(values):
                    return endpoint
    return None
