"""Passages made for tests."""

from __future__ import annotations

from typing import Any

from intramuros.retrieval.passage import Passage
from intramuros.retrieval.query import Query, stems_of, weighed


def passage(text: str, **more: Any) -> Passage:
    values: dict[str, Any] = {
        "chunk_id": 1,
        "document_id": "d1",
        "document": "Bail.pdf",
        "title": "",
        "language": "fr",
        "page": 1,
        "ordinal": 0,
        "headings": (),
        "start": 0,
        "lines": (),
        "score": 1.0,
    }
    return Passage(text=text, **values | more)


def query(question: str, language: str = "fr", **frequency: int) -> Query:
    """The question in a large collection that has none of its words but those whose stems are given."""
    return Query(question, weighed(stems_of(question, [language]), frequency=frequency, passages=1000))
