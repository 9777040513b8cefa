"""What a page shows of a download."""

from __future__ import annotations

from typing import Any, cast

from intramuros.web.downloads import Download, Downloads


def test_a_page_shows_it_as_it_was_when_it_was_asked_for() -> None:
    """Else a page could say that something is installed, and list what was there before."""
    downloads = Downloads(cast("Any", None))
    downloads.current = Download("tiny", "here")
    shown = downloads.shown(cast("Any", None))
    downloads.current.is_running = False
    assert shown["download"].is_running
