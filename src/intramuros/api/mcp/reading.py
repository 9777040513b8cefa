"""Reads a document, a page or a passage for a caller: for the tool `read_passage` and for resources.

What the caller may not see, what is elsewhere and what never was are one answer: not found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from intramuros.accounts.projects import Projects
from intramuros.api.mcp.call import Call
from intramuros.api.mcp.places import Place, place_of
from intramuros.documents.library import Document, Library
from intramuros.errors import NotFound
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.search import Search


@dataclass(frozen=True, slots=True)
class Part:
    """A page or passage with its text."""

    place: Place
    page: int
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Documents as callers of this door may read them."""

    projects: Projects
    library: Library
    search: Search

    async def document(self, call: Call, place: Place) -> Document:
        """The document of an address. Raises: NotFound."""
        call.entry.note(document=place.document)
        project = await call.project(self.projects, place.project)
        return await asyncio.to_thread(self.library.get, project, place.document)

    async def around(self, document: Document, place: Place, *, neighbours: int) -> tuple[list[Part], int]:
        """The part an address names with those before and after it, and which of them it is. Raises: NotFound."""
        number = place.number if place.part else 1
        first, last = max(number - neighbours, 0), number + neighbours
        if place.part == "passages":
            there = await asyncio.to_thread(
                self.search.stretch, document.id, first=first, last=last, projects=[document.project_id]
            )
            parts = _parts(there)
        else:
            parts = await self.pages(document, range(max(first, 1), min(last, document.pages_total or 0) + 1))
        for index, part in enumerate(parts):
            if part.place.number == number:
                return parts, index
        raise not_there()

    async def pages(self, document: Document, numbers: Sequence[int]) -> list[Part]:
        """Pages of a document, those that have been read."""
        return await asyncio.to_thread(self._pages, document, numbers)

    def _pages(self, document: Document, numbers: Sequence[int]) -> list[Part]:
        found = []
        for number in numbers:
            try:
                page = self.library.page(document, number)
            except NotFound:  # not read yet, or without text
                continue
            found.append(Part(Place(document.project_id, document.id, "pages", number), number, page.text))
        return found


def not_there() -> NotFound:
    """The answer to every address that leads nowhere for its caller."""
    return NotFound(
        "There is no such passage, page or document, or you may not see it.",
        hint="Take the address from search, from ask, or from the list of resources.",
        code="document_not_found",
    )


def _parts(passages: Sequence[Passage]) -> list[Part]:
    return [Part(place_of(passage), passage.page, passage.text) for passage in passages]
