"""Markdown: its structure as blocks, its marks removed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from intramuros.documents.document import Block, Reading
from intramuros.documents.parse import tables
from intramuros.documents.parse.joining import clean
from intramuros.documents.parse.limits import Limits
from intramuros.documents.parse.paging import paged
from intramuros.documents.parse.text import decode

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)---[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE | re.IGNORECASE)
_TAG = re.compile(r"<!--.*?-->|<[^<>]*>", re.DOTALL)


def read(content: bytes, limits: Limits) -> Reading:
    """The document's headings, paragraphs, lists, tables and code."""
    text, warnings = decode(content)
    limits.check_characters(len(text))
    text = clean(text.replace("\r\n", "\n").replace("\r", "\n"))
    front = _FRONT_MATTER.match(text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text[front.end() :] if front else text)
    blocks = list(_Walk(tokens).blocks())
    title = next((block.text for block in blocks if block.kind == "heading"), "")
    if front and (named := _FRONT_TITLE.search(front[1])):
        title = named[1]
    return Reading(paged(blocks, limits), title=title, warnings=warnings)


class _Walk:
    """One pass over the tokens of a document."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._lists: list[int] = []  # the open lists' next numbers; 0 for bullets
        self._mark = ""

    def blocks(self) -> Iterator[Block]:
        index = 0
        while index < len(self._tokens):
            token = self._tokens[index]
            if token.type == "heading_open":
                if text := _inline(self._tokens[index + 1]):
                    yield Block(text, "heading", int(token.tag[1]))
                index += 2
            elif token.type == "table_open":
                table, index = _table(self._tokens, index)
                yield from tables.rows(table, has_header=any(table[0]))
            elif "list" in token.type:
                self._list(token)
            else:
                yield from self._text(token)
            index += 1

    def _list(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self._lists.append(0)
            case "ordered_list_open":
                self._lists.append(int(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
            case "list_item_open":
                self._mark = f"{self._lists[-1]}. " if self._lists[-1] else "- "
                self._lists[-1] += bool(self._lists[-1])

    def _text(self, token: Token) -> Iterator[Block]:
        if token.type == "inline" and (text := _inline(token)):
            yield Block(self._mark + text, "item" if self._mark else "paragraph")
            self._mark = ""
        elif token.type in {"fence", "code_block"} and token.content.strip():
            yield Block(token.content.rstrip("\n"), "code")
        elif token.type == "html_block" and (text := " ".join(_TAG.sub(" ", token.content).split())):
            yield Block(text)


def _table(tokens: Sequence[Token], index: int) -> tuple[list[list[str]], int]:
    table: list[list[str]] = []
    while tokens[index].type != "table_close":
        if tokens[index].type == "tr_open":
            table.append([])
        elif tokens[index].type == "inline":
            table[-1].append(_inline(tokens[index]))
        index += 1
    return table, index


def _inline(token: Token) -> str:
    """The words of a paragraph: no emphasis, no link addresses, images by their description."""
    parts = []
    for child in token.children or ():
        if child.type in {"text", "code_inline", "image"}:
            parts.append(child.content)
        elif child.type in {"softbreak", "hardbreak"} or (
            child.type == "html_inline" and "br" in child.content.lower()
        ):
            parts.append(" ")
    return " ".join("".join(parts).split())
