"""Frames between the reader process and the gateway: only what fits the protocol passes."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.documents.document import Block, Line, Page
from intramuros.documents.reader import wire


def sent(content: bytes, *, max_bytes: int = 1 << 20) -> list[Any]:
    return list(wire.frames(io.BytesIO(content).read, max_bytes=max_bytes))


def test_a_page_comes_as_it_went() -> None:
    block = Block("Bonjour à tous", "heading", 2, (Line(0, 7, (1.25, 2.5, 30.0, 14.0)),))
    page = Page(3, (block, Block("x")), 595.28, 841.89)
    [message] = sent(wire.json_frame({"page": wire.page_message(page)}))
    assert wire.page_from(message["page"], number=3) == page


def test_frames_follow_each_other_and_a_cut_one_is_dropped() -> None:
    content = wire.json_frame({"a": 1}) + wire.bytes_frame(b"\x89PNG") + wire.json_frame({"b": 2})
    assert sent(content) == [{"a": 1}, b"\x89PNG", {"b": 2}]
    assert sent(content[:-1]) == [{"a": 1}, b"\x89PNG"]


@pytest.mark.parametrize("content", [b"j\x00\x00\x00\x02xx", b"q\x00\x00\x00\x02{}", b"j\x00\x00\x00\x02[]"])
def test_what_is_no_frame(content: bytes) -> None:
    with pytest.raises(wire.BadFrame):
        sent(content)


def test_more_than_was_allowed() -> None:
    with pytest.raises(OverflowError):
        sent(b"b\xff\xff\xff\xff", max_bytes=1000)  # announced is enough


GOOD: dict[str, Any] = {"number": 1, "width": 10.0, "height": None, "blocks": [["abc", "row", 0, [[0, 3, 1, 2, 3, 4]]]]}


@pytest.mark.parametrize(
    "change",
    [
        {"number": 2},
        {"width": "wide"},
        {"width": float("nan")},
        {"blocks": None},
        {"blocks": [["abc", "script", 0, []]]},
        {"blocks": [[7, "row", 0, []]]},
        {"blocks": [["abc", "row", True, []]]},
        {"blocks": [["abc", "row", 99, []]]},
        {"blocks": [["abc", "row", 0, [[0, 4, 1, 2, 3, 4]]]]},
        {"blocks": [["abc", "row", 0, [[2, 1, 1, 2, 3, 4]]]]},
        {"blocks": [["abc", "row", 0, [[0, 1, 1, 2, 3]]]]},
        {"blocks": [["abc", "row", 0, [[0, 1, 1, 2, 3, 1e9]]]]},
    ],
)
def test_what_a_taken_over_parser_might_send(change: dict[str, Any]) -> None:
    assert wire.page_from(GOOD, number=1).blocks[0].text == "abc"
    with pytest.raises(wire.BadFrame):
        wire.page_from(GOOD | change, number=1)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["number", "width", "height", "blocks"]), inner),
)


@given(_json)
def test_any_message_is_a_page_or_refused(message: Any) -> None:
    try:
        page = wire.page_from(message, number=1)
    except wire.BadFrame:
        return
    assert page.number == 1
