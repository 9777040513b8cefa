"""Rectangles of a quotation."""

from __future__ import annotations

import pytest

from intramuros.documents.document import Line
from intramuros.documents.place import rects_for

TEXT = "iiiiiiiiii MMMMMMMMMM second line here"
LINES = [[0, 21, 100.0, 50.0, 200.0, 62.0], [22, 38, 100.0, 64.0, 180.0, 76.0]]


def test_whole_lines() -> None:
    assert rects_for(LINES, 0, 38, text=TEXT) == [(100.0, 50.0, 200.0, 62.0), (100.0, 64.0, 180.0, 76.0)]


def test_part_of_a_line_by_the_width_of_its_characters() -> None:
    [(x0, _, x1, _)] = rects_for(LINES, 11, 21, text=TEXT)
    assert x0 == pytest.approx(126, abs=1)  # ten i and a space are about a quarter of the line
    assert x1 == 200


def test_part_of_a_line_by_number_without_the_text() -> None:
    [(x0, _, x1, _)] = rects_for(LINES, 0, 7)
    assert x0 == 100
    assert x1 == pytest.approx(133.33, abs=0.01)


def test_lines_of_one_paragraph_become_one_rectangle() -> None:
    lines = [Line(0, 10, (72, 100, 500, 112)), Line(11, 20, (72, 114, 500, 126)), Line(21, 30, (72, 128, 300, 140))]
    assert rects_for(lines, 0, 30) == [(72, 100, 500, 126), (72, 128, 300, 140)]
    two_columns = [Line(0, 10, (72, 700, 280, 712)), Line(11, 20, (310, 100, 520, 112))]
    assert len(rects_for(two_columns, 0, 20)) == 2


def test_nothing_meant_or_nothing_known() -> None:
    assert rects_for(LINES, 5, 5) == []
    assert rects_for([], 0, 10) == []
    assert rects_for(LINES, 100, 200, text=TEXT) == []
