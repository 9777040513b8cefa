"""Sample documents of an invented firm, in French and English, to try the product with: read only when asked for.

Used by `intramuros demo`, the web page's "try it with sample documents" and the self-test.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from intramuros.documents.media import SUFFIXES

_FOLDER = Path(__file__).resolve().parent


class Question(TypedDict):
    """A question to the samples; `document`, `page` and `answer` (words of it) are None where they can't answer it."""

    question: str
    language: str
    document: str | None
    page: int | None
    answer: str | None


def paths() -> list[Path]:
    """The sample files, by name."""
    return sorted(path for path in _FOLDER.iterdir() if path.suffix in SUFFIXES)


def questions() -> list[Question]:
    """Three questions: one in French, one in English, one that the samples can't answer."""
    found: list[Question] = json.loads((_FOLDER / "questions.json").read_text(encoding="utf-8"))
    return found
