from __future__ import annotations

import time
from datetime import datetime

import pytest

from intramuros.cli.moments import moment
from intramuros.errors import SettingsError


def test_none() -> None:
    assert moment(None) is None


def test_a_day_begins_and_ends() -> None:
    begin, end = moment("2026-11-03"), moment("2026-11-03", is_end=True)
    assert begin == datetime(2026, 11, 3).astimezone().timestamp()
    assert begin is not None
    assert end is not None
    assert datetime.fromtimestamp(end).isoformat() == "2026-11-03T23:59:59.999999"


def test_with_a_zone() -> None:
    assert moment("2026-11-03T14:30:00+00:00") == 1793716200
    assert moment("2026-11-03T14:30:00Z", is_end=True) == 1793716200


@pytest.mark.parametrize(("words", "seconds"), [("24h", 86_400), ("7d", 7 * 86_400)])
def test_ago(words: str, seconds: float) -> None:
    assert moment(words) == pytest.approx(time.time() - seconds, abs=7200)


@pytest.mark.parametrize("words", ["", "soon", "2026-13-01", "99999d9", "7 d", "99999d"])
def test_others_are_refused(words: str) -> None:
    if words == "99999d":
        assert moment(words) is not None
        return
    with pytest.raises(SettingsError, match="not a moment"):
        moment(words)
