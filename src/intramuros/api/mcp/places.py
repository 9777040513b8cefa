"""Resource addresses: where a document, a page or a passage is, as this door writes and reads them.

Called by tools and resources. An address holds ids and numbers only, and opens nothing by itself: what it names is
looked up with the rights of whoever asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from intramuros.retrieval.passage import Passage

SCHEME = "intramuros"
DOCUMENT = "intramuros://projects/{project}/documents/{document}"
PAGE = DOCUMENT + "/pages/{page}"
PASSAGE = DOCUMENT + "/passages/{passage}"

_FORM = r"intramuros://projects/([A-Za-z0-9_-]{16})/documents/([A-Za-z0-9_-]{16})(?:/(pages|passages)/([0-9]{1,9}))?"
_ADDRESS = re.compile(_FORM)
WITHIN = re.compile(re.sub(r"\((?!\?)", "(?:", _FORM).join("()"))
"""An address in a text, as its only group."""


@dataclass(frozen=True, slots=True)
class Place:
    """A document of a project, or the page (from 1) or passage (from 0) of this number in it."""

    project: str
    document: str
    part: Literal["pages", "passages"] | None = None
    number: int = 0

    @classmethod
    def parse(cls, address: str) -> Place | None:
        """What an address names; None for what is no address of ours."""
        found = _ADDRESS.fullmatch(address)
        if found is None:
            return None
        part: Literal["pages", "passages"] | None = "pages" if found[3] == "pages" else "passages" if found[3] else None
        return cls(found[1], found[2], part, int(found[4] or 0))

    def __str__(self) -> str:
        address = DOCUMENT.format(project=self.project, document=self.document)
        return address if self.part is None else f"{address}/{self.part}/{self.number}"


def place_of(passage: Passage) -> Place:
    """Where a passage is."""
    return Place(passage.project_id, passage.document_id, "passages", passage.ordinal)
