"""What the pages say of a load."""

from __future__ import annotations

import pytest

from intramuros.engines.loading import LoadProgress
from intramuros.tasks.answered import Loading
from intramuros.web import words
from intramuros.web.loading import Bar, bar_of, loading_words

FRENCH, ENGLISH = (words.load()[language] for language in ("fr", "en"))


@pytest.mark.parametrize(
    ("progress", "bar"),
    [
        (None, Bar(None, "loading", "")),
        (LoadProgress("waiting", 2.0), Bar(None, "waits for room in memory", "for 2 s")),
        (LoadProgress("checking", 0.2, 5_000_000, 20_000_000), Bar(0.25, "checking the file: 5.0 MB of 20 MB", "")),
        (LoadProgress("measuring", 1.2, step="threads", share=1 / 3), Bar(0.333, "measuring threads… 33%", "for 1 s")),
        (LoadProgress("loading", 4.2, usual_s=6.3), Bar(None, "loading", "for 4 s, usually 6 s")),
        (
            LoadProgress("loading", 61.0, 10**9, 2 * 10**9, usual_s=125.0),
            Bar(0.5, "in memory: 1.0 GB of 2.0 GB", "for 1 min 01 s, usually 2 min 05 s"),
        ),
        (LoadProgress("loading", 9.0, 9, 9, step="starting"), Bar(None, "in memory, starting…", "for 9 s")),
    ],
)
def test_the_bar_says_what_is_known_and_no_more(progress: LoadProgress | None, bar: Bar) -> None:
    found = bar_of(progress, ENGLISH)
    assert Bar(found.share, *(text.replace("\u00a0", " ") for text in (found.text, found.time))) == bar


def test_in_french() -> None:
    found = bar_of(LoadProgress("decrypting", 4.2, 5_000_000, 20_000_000, usual_s=6.0), FRENCH)
    assert found.text.replace("\u00a0", "_") == "déchiffre_: 5,0_Mo sur 20_Mo"
    assert found.time.replace("\u00a0", "_") == "depuis 4_s, d’habitude 6_s"


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (LoadProgress("waiting"), "The model Tiny is loading: waits for room in memory…"),
        (LoadProgress("measuring", step="threads", share=1 / 3), "The model Tiny is loading: measuring threads… 33%…"),
        (LoadProgress("loading"), "The model Tiny is loading…"),
        (LoadProgress("loading", 1.0, usual_s=7.2), "The model Tiny is loading: usually 7 s…"),
        (LoadProgress("loading", 1.0, 42, 100, usual_s=7.2), "The model Tiny is loading: 42%, usually 7 s…"),
        (LoadProgress("decrypting", 1.0, 1, 3), "The model Tiny is loading: 33%…"),
        (None, "The model Tiny is ready and reads the passages…"),
    ],
)
def test_in_one_sentence(progress: LoadProgress | None, said: str) -> None:
    assert loading_words(Loading("tiny", "Tiny", progress), ENGLISH).replace("\u00a0", " ") == said
