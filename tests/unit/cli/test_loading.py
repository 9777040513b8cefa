"""What `models load` shows while the server loads."""

from __future__ import annotations

import json

import pytest

from intramuros.cli.loaded import _state
from intramuros.cli.loading import load_shown, more_of
from intramuros.engines.loading import LoadProgress


def test_programs_get_a_line_of_json_for_each_report_beside_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    with load_shown("tiny", as_json=True) as report:
        report(LoadProgress("checking", 1.0, 50, 200).to_json())
        report(LoadProgress("loading", 1.0).to_json())
    said = capsys.readouterr()
    assert said.out == ""
    first, second = map(json.loads, said.err.splitlines())
    assert (first["event"], first["model"], first["stage"], first["share"]) == ("load", "tiny", "checking", 0.25)
    assert second["share"] is None


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (LoadProgress("checking", 1.0, 5_000_000, 20_000_000), "5 MB of 20 MB, 1 s"),
        (LoadProgress("loading", 4.4, usual_s=6.0), "4 s, usually 6 s"),
        (LoadProgress("loading", 9.0, 9, 9, step="starting"), "9 s"),
        (LoadProgress("measuring", 2.0, step="threads", share=0.3), "2 s"),
    ],
)
def test_behind_the_bar_stands_what_is_known(progress: LoadProgress, said: str) -> None:
    assert more_of(progress.to_json()) == said


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (LoadProgress("checking", 1.0, 50, 200), "loading 25%"),
        (LoadProgress("loading", 1.0), "loading"),
        (None, "loading"),
    ],
)
def test_ps_says_how_much_is_done_where_that_is_known(progress: LoadProgress | None, said: str) -> None:
    assert _state({"state": "loading", "progress": progress.to_json() if progress else None}) == said
