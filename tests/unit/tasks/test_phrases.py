"""The task's own sentences: complete in four languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from intramuros.documents.language import LANGUAGES, detect
from intramuros.retrieval import verify
from intramuros.retrieval.verify import Problem
from intramuros.tasks import phrases


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_answer_is_in_the_language_of_the_question(language: str) -> None:
    text = phrases.no_answer(language, has_nearest=True)
    assert detect(text) == language
    assert len(phrases.no_answer(language, has_nearest=False)) < len(text)


def test_every_kind_of_problem_has_words_in_every_language() -> None:
    kinds = set(re.findall(r'Problem\("(\w+)"', Path(verify.__file__).read_text(encoding="utf-8")))
    assert kinds == phrases._REASONS.keys()
    for kind in kinds:
        for language in LANGUAGES:
            words = phrases.reason([Problem(kind, "42")], language)
            assert words
            assert "{" not in words


def test_no_problem_has_no_words() -> None:
    assert phrases.reason([], "fr") is None
