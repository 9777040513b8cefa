from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest

from intramuros.observability import log as module


@pytest.fixture
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    handler, stream = module.start(request.param), io.StringIO()
    handler.setStream(stream)
    yield stream
    logging.getLogger().removeHandler(handler)
    logging.getLogger("intramuros").setLevel(logging.NOTSET)


@pytest.mark.parametrize("written", ["info"], indirect=True)
def test_a_line_has_its_time_in_utc_its_level_and_its_place(written: io.StringIO) -> None:
    logging.getLogger("intramuros.engines.pool").info("engine of %s unloaded: idle", "tiny")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO intramuros\.engines\.pool: engine of tiny unloaded: idle\n",
        written.getvalue(),
    )


@pytest.mark.parametrize("written", ["error"], indirect=True)
def test_what_is_below_the_level_is_not_written(written: io.StringIO) -> None:
    logging.getLogger("intramuros.x").warning("less")
    logging.getLogger("intramuros.x").error("more")
    assert written.getvalue().count("\n") == 1


@pytest.mark.parametrize("written", ["info"], indirect=True)
@pytest.mark.parametrize("end", ["\n", "\r", "\u2028", "\x85", "\x1b[2K"])
def test_a_message_can_t_pose_as_another_record(written: io.StringIO, end: str) -> None:
    forged = f"model{end}2026-01-01T00:00:00Z INFO intramuros.server: all is well"
    logging.getLogger("intramuros.models").warning("model left out: %s", forged)
    said = written.getvalue()
    assert len(re.findall(r"^\d{4}-", said, re.MULTILINE)) == 1 and "\x1b" not in said
