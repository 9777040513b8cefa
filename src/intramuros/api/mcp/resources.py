"""Documents as resources: listed with their addresses, read whole, by page or by passage.

Called by `methods`. A resource is looked up with the caller's rights each time: an address opens nothing by itself.
"""

from __future__ import annotations

import asyncio
from typing import Any

from intramuros.api.mcp.call import Call
from intramuros.api.mcp.leaving import Leaving
from intramuros.api.mcp.message import INVALID_PARAMS, NO_RESOURCE, Refused
from intramuros.api.mcp.places import PAGE, PASSAGE, Place
from intramuros.api.mcp.reading import Part, Reading
from intramuros.documents.library import Document
from intramuros.errors import NotFound

PER_PAGE = 100
MOST_CHARACTERS = 200_000
"""Of a document that is read whole; what is left out is said, with the address to go on at."""
PAGES_AT_ONCE = 20
_TEXT = "text/plain"


class Resources:
    """The documents a caller may read."""

    def __init__(self, reading: Reading, leaving: Leaving) -> None:
        self.reading, self.leaving = reading, leaving

    async def index(self, call: Call) -> dict[str, Any]:
        """One page of the list. Raises: Refused for a cursor that was not ours."""
        call.entry.action = "documents.list"
        self.leaving.check(call.by)
        cursor = call.message.params.get("cursor")
        if cursor is not None and not (isinstance(cursor, str) and cursor.isascii() and cursor.isdecimal()):
            raise Refused(INVALID_PARAMS, "This cursor was not given here.")
        begin = int(cursor[:12]) if cursor else 0
        found = await asyncio.to_thread(self._readable, call, begin + PER_PAGE + 1)
        shown = [_resource(document, name) for document, name in found[begin : begin + PER_PAGE]]
        more = {"nextCursor": str(begin + PER_PAGE)} if len(found) > begin + PER_PAGE else {}
        return await self.leaving.hidden(call, {"resources": shown, **more}, names={project for _, project in found})

    def templates(self) -> dict[str, Any]:
        """The addresses of parts of a document."""
        found = (
            (PAGE, "page", "A page of a document", "One page's text, from 1."),
            (PASSAGE, "passage", "A passage of a document", "One passage, as search finds them, counted from 0."),
        )
        return {
            "resourceTemplates": [
                {"uriTemplate": uri, "name": name, "title": title, "description": about, "mimeType": _TEXT}
                for uri, name, title, about in found
            ]
        }

    async def read(self, call: Call) -> dict[str, Any]:
        """The text of a document, a page or a passage. Raises: Refused where there is none for this caller."""
        call.entry.action = "document.show"
        self.leaving.check(call.by)
        address = call.text("uri")
        place = Place.parse(address)
        if place is None:
            raise _no_resource(call, address)
        try:
            document = await self.reading.document(call, place)
            if place.part is None:
                return await self.leaving.hidden(call, {"contents": await self._whole(document)})
            parts, at = await self.reading.around(document, place, neighbours=0)
        except NotFound:
            raise _no_resource(call, address) from None
        return await self.leaving.hidden(call, {"contents": [_content(parts[at])]})

    def _readable(self, call: Call, most: int) -> list[tuple[Document, str]]:
        """The first documents of all projects that can be read, with their projects' names."""
        found: list[tuple[Document, str]] = []
        for project in self.reading.projects.list(call.by):
            documents = self.reading.library.list(project)
            found += [(one, project.name) for one in documents if one.is_read and one.state != "failed"]
            if len(found) >= most:
                break
        return found

    async def _whole(self, document: Document) -> list[dict[str, Any]]:
        """All pages, as many as there is room for."""
        contents: list[dict[str, Any]] = []
        room, total = MOST_CHARACTERS, document.pages_total or 0
        for begin in range(1, total + 1, PAGES_AT_ONCE):
            for part in await self.reading.pages(document, range(begin, min(begin + PAGES_AT_ONCE, total + 1))):
                room -= len(part.text)
                if room < 0 and contents:
                    return [*contents, _left_out(part.place, total)]
                contents.append(_content(part))
        return contents


def _resource(document: Document, project: str) -> dict[str, Any]:
    return {
        "uri": str(Place(document.project_id, document.id)),
        "name": document.name,
        "title": document.title or document.name,
        "description": f"{project}, {document.pages_total or 0} pages",
        "mimeType": _TEXT,
    }


def _content(part: Part) -> dict[str, Any]:
    return {"uri": str(part.place), "mimeType": _TEXT, "text": part.text}


def _left_out(first: Place, total: int) -> dict[str, Any]:
    words = f"Pages {first.number} to {total} are left out here. Read them one by one, from {first}."
    return {"uri": str(first), "mimeType": _TEXT, "text": words}


def _no_resource(call: Call, address: str) -> Refused:
    call.entry.note(error="document_not_found")
    call.entry.outcome = "refused"
    code = INVALID_PARAMS if call.is_modern else NO_RESOURCE
    return Refused(code, "There is no such resource, or you may not see it.", data={"uri": address[:300]})
