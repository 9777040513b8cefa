"""Cuts a reading into chunks: 250 to 350 tokens, never across a page or a heading, table rows and sentences kept whole.

A program may want another size, and chunks that overlap; pages, headings and sentences hold for those too.

Called by ingestion. A chunk's text is always a literal piece of its page's text, so that a quotation of it can be found
and shown. Tokens are an estimate: no tokenizer is loaded to read a document.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from intramuros.documents.document import Line, Page, Reading

CHARACTERS_PER_TOKEN = 3.5
"""French prose with a general multilingual vocabulary (100,000 entries and more).

Measured: the starter model's English vocabulary of 49,152 entries needs 2.83 characters a token on French
administrative text and 5.1 on English legal text; models made for French stand between.
"""
MIN_TOKENS, MAX_TOKENS = 250, 350
_FEW_TOKENS = 60  # a last piece this small goes with the one before if it can

_SENTENCE_END = re.compile(r"[.!?…][»”\"')\]]*(?=\s+[^\s])|\n")
_ABBREVIATION = re.compile(
    r"(?:\b(?:m|mm|mme|mlle|me|dr|pr|st|ste|art|al|cf|p|pp|n|no|nos|env|etc|ex|vol|chap|fig|réf|tél|av|bd|bzw|z\.b|d\.h|u\.a|nr|"
    r"abs|ziff|str|usw|vgl|ca|sig|dott|ing|mr|mrs|ms|inc|ltd|co|e\.g|i\.e|vs)|\b[A-Z])\.$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one page under one heading. `start` counts in the page's text, `lines` in the chunk's own."""

    ordinal: int
    page: int
    headings: tuple[str, ...]
    text: str
    start: int
    lines: tuple[Line, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a program wants of the chunks of a document: at most so many tokens, as many again of the one before."""

    most: int
    overlap: int


def tokens(text: str) -> int:
    """About how many tokens a text has."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def chunks(reading: Reading, sizes: Sizes | None = None) -> list[Chunk]:
    """The chunks of a document in reading order; `sizes` where a program says them."""
    most = sizes.most if sizes else MAX_TOKENS
    found: list[Chunk] = []
    path: list[tuple[int, str]] = []
    for page in (_titled(page, reading.title) for page in reading.pages):
        text, page_lines = page.text, _page_lines(page)
        for start, end, headings in _sections(page, path):
            units = _units(page, text, start, end, most)
            for a, b in _in_sizes(text, units, sizes) if sizes else _cut(text, start, end, units):
                lines = tuple(_moved(line, a, b) for line in page_lines if line.start < b and line.end > a)
                found.append(Chunk(len(found), page.number, headings, text[a:b], a, lines, tokens(text[a:b])))
    return found


def _titled(page: Page, title: str) -> Page:
    """The page with the document's title above the heading that follows it, though both may have the same level."""
    blocks = list(page.blocks)
    for place, (block, following) in enumerate(itertools.pairwise(page.blocks)):
        if block.kind == following.kind == "heading" and block.text == title and page.number <= 2:
            blocks[place] = replace(block, level=0)
    return replace(page, blocks=tuple(blocks))


def _page_lines(page: Page) -> list[Line]:
    """The lines of all blocks, counted in the page's text."""
    return [
        Line(start + line.start, start + line.end, line.rect)
        for start, block in zip(page.starts, page.blocks, strict=True)
        for line in block.lines
    ]


def _moved(line: Line, a: int, b: int) -> Line:
    return Line(max(line.start, a) - a, min(line.end, b) - a, line.rect)


def _sections(page: Page, path: list[tuple[int, str]]) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Stretches of the page under one heading: where their text stands, and the headings above. Goes on with `path`.

    Headings with nothing below them are a stretch of their own, or their words could not be found.
    """
    start = end = -1
    bare: tuple[int, int] | None = None  # headings that no text has followed yet
    for place, block in zip(page.starts, page.blocks, strict=True):
        if block.kind == "heading":
            if start >= 0:
                yield start, end, tuple(heading for _, heading in path)
                start = -1
            deeper = bool(path) and block.level > path[-1][0]
            if bare and not deeper:
                yield *bare, tuple(heading for _, heading in path[:-1])
                bare = None
            while path and path[-1][0] >= block.level:
                path.pop()
            path.append((block.level, block.text))
            bare = (bare[0] if bare else place, place + len(block.text))
        else:
            start = place if start < 0 else start
            end = place + len(block.text)
            bare = None
    if start >= 0:
        yield start, end, tuple(heading for _, heading in path)
    elif bare:
        yield *bare, tuple(heading for _, heading in path[:-1])


def _units(page: Page, text: str, start: int, end: int, most: int) -> list[tuple[int, int]]:
    """What is kept whole in a stretch: short blocks, sentences of long ones, and pieces of endless ones."""
    units: list[tuple[int, int]] = []
    for place, block in zip(page.starts, page.blocks, strict=True):
        if not start <= place < end:
            continue
        stop = place + len(block.text)
        if tokens(block.text) <= min(most, MAX_TOKENS) / 2:
            units.append((place, stop))
            continue
        for a, b in _sentences(text, place, stop):
            units.extend(_pieces(text, a, b, most))
    return units


def _sentences(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    position = start
    for match in _SENTENCE_END.finditer(text, start, stop):
        if _ABBREVIATION.search(text, max(position, match.end() - 8), match.end()):
            continue
        if match[0] == "." and text[match.start() - 1 : match.start()].isdigit() and _goes_on(text, match.end()):
            continue
        if match.end() > position:
            yield position, match.end()
        position = match.end()
        while position < stop and text[position].isspace():
            position += 1
    if position < stop:
        yield position, stop


def _goes_on(text: str, position: int) -> bool:
    """After a number and a full stop: whether what follows is no beginning of a sentence (the 3. of May)."""
    return text[position : position + 4].lstrip()[:1].islower()


def _pieces(text: str, start: int, stop: int, most: int) -> Iterator[tuple[int, int]]:
    """A sentence longer than a chunk is cut between words, a word longer than a chunk anywhere."""
    limit = int(most * CHARACTERS_PER_TOKEN)
    while stop - start > limit:
        cut = text.rfind(" ", start + limit // 2, start + limit)
        end = cut if cut > 0 else start + limit
        yield start, end
        start = end + (cut > 0)
    if start < stop:
        yield start, stop


def _introduces(unit: str) -> bool:
    """Whether a unit belongs to what follows it: "The cases are:", or a short line that ends no sentence."""
    return tokens(unit) <= _FEW_TOKENS and (unit.endswith(":") or (len(unit) <= 60 and unit[-1:].isalnum()))


def _cut(text: str, start: int, end: int, units: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Puts units together to chunks of about equal size."""
    total = tokens(text[start:end])
    aim = max(MIN_TOKENS, total / math.ceil(total / MAX_TOKENS)) if total > MAX_TOKENS else MAX_TOKENS
    group: list[tuple[int, int]] = []
    made: list[tuple[int, int]] = []
    for unit in units:
        size = tokens(text[group[0][0] : group[-1][1]]) if group else 0
        with_unit = tokens(text[group[0][0] : unit[1]]) if group else 0
        if group and (with_unit > MAX_TOKENS or (size >= aim * 0.9 and with_unit > aim * 1.1)):
            carried = [group.pop()] if len(group) > 1 and _introduces(text[group[-1][0] : group[-1][1]]) else []
            made.append((group[0][0], group[-1][1]))
            group = carried
        group.append(unit)
    if group:
        made.append((group[0][0], group[-1][1]))
    if len(made) > 1 and tokens(text[made[-1][0] : made[-1][1]]) < _FEW_TOKENS:
        joined = made[-2][0], made[-1][1]
        if tokens(text[joined[0] : joined[1]]) <= MAX_TOKENS + _FEW_TOKENS:
            made[-2:] = [joined]
    yield from (piece for piece in made if text[piece[0] : piece[1]].strip())


def _in_sizes(text: str, units: list[tuple[int, int]], sizes: Sizes) -> Iterator[tuple[int, int]]:
    """Puts units together to chunks of at most the wanted size; each begins with the last units of the one before, as
    many as the overlap has room for."""
    group: list[tuple[int, int]] = []
    for unit in units:
        if group and tokens(text[group[0][0] : unit[1]]) > sizes.most:
            yield group[0][0], group[-1][1]
            last, group = group, []
            for earlier in reversed(last[1:]):
                too_much = tokens(text[earlier[0] : last[-1][1]]) > sizes.overlap
                if too_much or tokens(text[earlier[0] : unit[1]]) > sizes.most:
                    break
                group.insert(0, earlier)
        group.append(unit)
    if group and text[group[0][0] : group[-1][1]].strip():
        yield group[0][0], group[-1][1]
