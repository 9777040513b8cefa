"""A question and its answer as shown: the text with its marks, the sources as cards, what is not confirmed.

Called by the project page for what was asked before, and by the ask page for what was just answered. It reads the
answer in its stored form, so both look the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from intramuros.accounts.projects import Project
from intramuros.documents.library import Document
from intramuros.errors import NotFound
from intramuros.web import passages
from intramuros.web.prose import Marks, Sentence, prose
from intramuros.web.visit import Visit
from intramuros.web.words import NARROW_SPACE, Words

_FRENCH = re.compile("« | »")
SHOWN_WORDS = 14
"""Words of an unconfirmed sentence that are repeated below the answer."""


@dataclass(frozen=True, slots=True)
class Card:
    """One source: the quoted words, where they are, the address that shows them (empty: the document is gone)."""

    number: int | None
    document: str
    page: int
    quote: str
    href: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer. `mode` is quote, write or none."""

    id: str
    question: str
    mode: str
    html: Markup
    sources: tuple[Card, ...]
    nearest: tuple[Card, ...]
    doubts: tuple[str, ...]
    limits: tuple[str, ...]
    model: str
    seconds: float


def turn_of(
    visit: Visit, project: Project, *, id: str, question: str, answer: Mapping[str, Any], there: Mapping[str, Document]
) -> Turn:
    """The turn as it is shown. `there`: the documents that still exist, by id."""
    words = visit.words
    sources = tuple(_card(visit, project, source, there) for source in answer.get("sources", ()))
    sentences = answer.get("sentences", ())
    marks = marks_of(id, sources, words)
    blocks = prose(str(answer.get("answer", "")), [_sentence(sentence) for sentence in sentences], marks)
    return Turn(
        id=id,
        question=question,
        mode=str(answer.get("mode", "none")),
        html=Markup("").join(blocks),
        sources=sources,
        nearest=tuple(_card(visit, project, source, there) for source in answer.get("nearest", ())),
        doubts=tuple(_doubts(answer, words)),
        limits=tuple(_limits(answer, words)),
        model=_title(visit, answer.get("model")),
        seconds=_seconds(answer.get("timings", {})),
    )


def marks_of(turn: str, sources: Sequence[Card], words: Words) -> Marks:
    """The marks of an answer's sources."""
    labels = {
        source.number: words("answer.marker", number=source.number, document=source.document, page=source.page)
        for source in sources
        if source.number is not None
    }
    return Marks(turn, labels, words)


def _card(visit: Visit, project: Project, source: Mapping[str, Any], there: Mapping[str, Document]) -> Card:
    document = there.get(source["document_id"])
    page, quote = int(source["page"]), str(source.get("quote", ""))
    href = ""
    if document is not None:
        at = _located(visit, document, page, quote)
        rects = source.get("rects") or ()
        href = passages.address(project.id, document.id, page, rects=rects, at=at, is_cited=True)
    return Card(source.get("number"), str(source["document"]), page, " ".join(quote.split()), href)


def _located(visit: Visit, document: Document, page: int, quote: str) -> tuple[int, int] | None:
    try:
        return passages.located(quote, visit.app.library.page(document, page).text)
    except NotFound:
        return None


def _sentence(sentence: Mapping[str, Any]) -> Sentence:
    return Sentence(str(sentence["text"]), tuple(sentence.get("sources", ())), bool(sentence.get("supported", True)))


def _doubts(answer: Mapping[str, Any], words: Words) -> list[str]:
    """What is not confirmed: of a written answer each sentence, of quotations what they leave open, once."""
    doubtful = [sentence for sentence in answer.get("sentences", ()) if not sentence.get("supported", True)]
    if answer.get("mode") != "quote":
        return [_doubt(sentence, words) for sentence in doubtful]
    reasons = dict.fromkeys(_reason(sentence, words) for sentence in doubtful)
    return [f"{reason[0].upper()}{reason[1:]}." for reason in reasons]


def _doubt(sentence: Mapping[str, Any], words: Words) -> str:
    """The sentence's first words and why it is not confirmed."""
    text = " ".join(str(sentence["text"]).split()[:SHOWN_WORDS])
    return words("answer.doubt", text=text, reason=_reason(sentence, words))


def _reason(sentence: Mapping[str, Any], words: Words) -> str:
    reason = str(sentence.get("reason") or words("reason.unsupported")).replace("'", "’")
    return _FRENCH.sub(lambda found: found[0].replace(" ", NARROW_SPACE), reason)


def _limits(answer: Mapping[str, Any], words: Words) -> Iterator[str]:
    """What the model could not read or finish: nothing is left out silently."""
    if answer.get("is_cut"):
        yield words("answer.is_cut")
    if answer.get("lexical_only"):
        yield words("answer.lexical_only")
    if left_out := int(answer.get("left_out", 0)):
        yield words.count("answer.left_out", left_out)
    if turns_left_out := int(answer.get("turns_left_out", 0)):
        yield words.count("answer.turns_left_out", turns_left_out)


def _title(visit: Visit, name: object) -> str:
    entry = visit.app.catalogue.find(str(name))
    return entry.title if entry else str(name or "")


def _seconds(timings: Mapping[str, Any]) -> float:
    total = timings.get("total_s") or timings.get("total_ms", 0) / 1000
    return float(total or 0)
