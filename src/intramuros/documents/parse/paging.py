"""Pages for formats that have none: about 3,000 characters each, cut between blocks."""

from __future__ import annotations

from collections.abc import Iterable

from intramuros.documents.document import Block, Page
from intramuros.documents.parse.limits import Limits

PAGE_CHARACTERS = 3_000


def paged(blocks: Iterable[Block], limits: Limits) -> tuple[Page, ...]:
    """The blocks on pages; a heading goes with what follows it.

    Raises: DocumentError `too_much_text`, `too_many_pages`.
    """
    pages: list[list[Block]] = [[]]
    size = total = 0
    for block in blocks:
        total += len(block.text)
        limits.check_characters(total)
        full = size >= PAGE_CHARACTERS or (size and size + len(block.text) > PAGE_CHARACTERS * 1.2)
        early = block.kind == "heading" and size > PAGE_CHARACTERS * 0.85
        if full or early:
            moved = _trailing_headings(pages[-1])
            pages.append(moved)
            size = sum(len(heading.text) for heading in moved)
            limits.check_pages(len(pages))
        pages[-1].append(block)
        size += len(block.text)
    return tuple(Page(number, tuple(page)) for number, page in enumerate(pages, start=1))


def _trailing_headings(page: list[Block]) -> list[Block]:
    """Takes the headings at the end of a page off it, unless there is nothing else on it."""
    keep = len(page)
    while keep and page[keep - 1].kind == "heading":
        keep -= 1
    if not keep:
        return []
    moved = page[keep:]
    del page[keep:]
    return moved
