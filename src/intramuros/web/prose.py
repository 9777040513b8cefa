"""A written answer as HTML: its Markdown, the numbered marks of its sources, and what the documents do not confirm.

Called for answers while they are written and when they are complete. Marks travel through the Markdown as characters
of Unicode's private use area, which are taken out of the text first, and become HTML only after the sanitiser:
nothing a model writes can make one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from intramuros.web import markdown
from intramuros.web.words import Words

_START, _END = "\ue000", "\ue001"
_FIRST_SOURCE = 0xE100
_MOST_SOURCES = 999
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_SOURCE = re.compile(f"[{chr(_FIRST_SOURCE)}-{chr(_FIRST_SOURCE + _MOST_SOURCES)}]")
_CITATION = re.compile(r"[ \t\u00a0\u202f]*\[\s*(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\s*\]")
_LEAD = re.compile(r"(?:\s*(?:#{1,6}\s+|[-*+•–]\s+|\(?\d{1,3}[.)]\s+|>\s?|\|\s*)|\s+)*[*_`~]*")
_TAIL = re.compile(r"[*_`~]*[\s|]*\Z")
_OPENED = re.compile(f"((?:<(?:strong|em|s|code)>)+){_START}")
_CLOSED = re.compile(f"{_END}((?:</(?:strong|em|s|code)>)+)")
_DOUBTED = re.compile(f"{_START}([^{_START}{_END}]*){_END}")
_TAG = re.compile(r"<(/?)([a-z0-9]+)[^>]*>")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as it stands in the answer, the numbers of its sources, and whether they confirm it."""

    text: str
    sources: tuple[int, ...] = ()
    supported: bool = True


@dataclass(frozen=True, slots=True)
class Marks:
    """What the marks of one answer link to: `labels` say each source in words, `turn` names the answer on the page."""

    turn: str
    labels: Mapping[int, str]
    words: Words


def prose(text: str, sentences: Sequence[Sentence], marks: Marks) -> list[Markup]:
    """The blocks of an answer. A sentence that cites nothing itself gets the marks of the sources it was found in."""
    text = _PRIVATE.sub("", text)
    marked, done = [], 0
    for sentence in sentences:
        plain = _PRIVATE.sub("", sentence.text)
        start = text.find(plain, done)
        if not plain.strip() or start < 0:
            continue
        marked += [_cited(text[done:start], marks), _marked(plain, sentence, marks)]
        done = start + len(plain)
    marked.append(_cited(text[done:], marks))
    return [_shown(block, marks) for block in markdown.blocks("".join(marked))]


def _marked(text: str, sentence: Sentence, marks: Marks) -> str:
    """The sentence with its marks, put inside the signs that make it a list item, a table row or bold."""
    cited = _cited(text, marks)
    known = [number for number in sentence.sources if number in marks.labels]
    added = "" if cited != text else "".join(map(_mark, known))
    lead, tail = _LEAD.match(cited), _TAIL.search(cited)
    start = lead.end() if lead else 0
    end = max(start, tail.start()) if tail else len(cited)
    inside = cited[start:end] if sentence.supported else f"{_START}{cited[start:end]}{_END}"
    return cited[:start] + inside + added + cited[end:]


def _cited(text: str, marks: Marks) -> str:
    """The text with `[1]` and `[2, 3]` turned into marks; numbers of no source are dropped from them."""

    def mark(match: re.Match[str]) -> str:
        numbers = [int(number) for number in re.findall(r"\d+", match[1])]
        known = [number for number in numbers if number in marks.labels]
        return "".join(map(_mark, known)) if known else match[0]

    return _CITATION.sub(mark, text)


def _mark(number: int) -> str:
    return chr(_FIRST_SOURCE + min(number, _MOST_SOURCES))


def _shown(block: Markup, marks: Marks) -> Markup:
    """The block's HTML with the marks as links."""
    html = _CLOSED.sub(rf"\1{_END}", _OPENED.sub(rf"{_START}\1", str(block)))
    html = _DOUBTED.sub(lambda match: _doubted(match[1], marks), html)
    html = _SOURCE.sub(lambda match: _link(ord(match[0]) - _FIRST_SOURCE, marks), html)
    html = html.replace(_END, _badge(marks)).replace(_START, "")
    return Markup(html)  # noqa: S704  the sanitiser's output and what is escaped here


def _doubted(inside: str, marks: Marks) -> str:
    """Underlined where that makes whole elements; the words after it in any case."""
    if _is_balanced(inside):
        return f'<span class="unsupported">{inside}</span>{_badge(marks)}'
    return inside + _badge(marks)


def _is_balanced(html: str) -> bool:
    opened: list[str] = []
    for closing, name in _TAG.findall(html):
        if name in {"br", "hr"}:
            continue
        if name not in {"strong", "em", "s", "code", "span"}:
            return False
        if not closing:
            opened.append(name)
        elif not opened or opened.pop() != name:
            return False
    return not opened


def _badge(marks: Marks) -> str:
    return f'<a class="doubt" href="#doubts-{escape(marks.turn)}">{escape(marks.words("answer.unconfirmed"))}</a>'


def _link(number: int, marks: Marks) -> str:
    label = escape(marks.labels.get(number, str(number)))
    return f'<a class="marker" href="#s-{escape(marks.turn)}-{number}" aria-label="{label}">{number}</a>'
