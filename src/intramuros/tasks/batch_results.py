"""What a batch has come to, at any time: the answers it has, and the lines that failed, with the reason of each.

Called by the pages. While a batch runs, that stands with its lines; once it is over, in its files. Whoever calls this
has asked for the batch as its person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import orjson

from intramuros.storage.database import Database
from intramuros.tasks.batch import Batch, find, no_batch
from intramuros.tasks.batch_door import FailedLine, LineDoor
from intramuros.tasks.batch_lines import LineStore
from intramuros.tasks.batch_output import as_line
from intramuros.tasks.files import Files

What = Literal["completed", "failed"]


@dataclass(frozen=True, slots=True)
class BatchResults:
    """The results of the batches of one installation. `doors` by endpoint, as those who answer them have them."""

    database: Database
    files: Files
    doors: Mapping[str, LineDoor]

    def content(self, batch: Batch, what: What) -> bytes:
        """One JSON object a line, as in the batch's files; nothing where there is none.

        Raises: NotFound if it is over and its file has expired or was removed.
        """
        return b"".join(self._lines(batch, what))

    def failures(self, batch: Batch, *, skip: int = 0, most: int) -> list[FailedLine]:
        """Some of the lines that failed, in order: `most` after the first `skip`. Raises: as `content`.

        No more is held than these, and nothing is read behind them.
        """
        door = self.doors[batch.endpoint]
        return [door.failure(orjson.loads(line)) for line in self._lines(batch, "failed", skip=skip, most=most)]

    def _lines(self, batch: Batch, what: What, *, skip: int = 0, most: int | None = None) -> list[bytes]:
        if not batch.is_over:
            stored = LineStore(self.database, self.files.keys, batch, worker="")
            said = [as_line(one) for one in islice(stored.replies(what, skip=skip), most)]
            batch = find(self.database, batch.id) or _gone()
            if not batch.is_over:  # otherwise its lines went while they were read
                return said
        door = self.doors[batch.endpoint]
        file = batch.output_file if what == "completed" or door.in_one_file else batch.error_file
        if file is None:
            return []
        found = self.files.lines(self.files.of_person(file, batch.user_id))
        if door.in_one_file:
            found = (line for line in found if door.is_answer(orjson.loads(line)) == (what == "completed"))
        return list(islice(found, skip, None if most is None else skip + most))


def _gone() -> Batch:
    raise no_batch()
