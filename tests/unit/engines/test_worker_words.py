from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.engines.worker.transformers.thoughts import CONTENT, REASONING, Thoughts, is_open
from intramuros.engines.worker.transformers.words import Words


def decode(tokens: list[int]) -> str:
    return bytes(tokens).decode("utf-8", "replace")


def pieces(text: bytes, *stops: str) -> tuple[list[str], str | None]:
    words = Words(decode, stops)
    out = []
    for byte in text:
        out.append(words.push(byte))
        if words.stopped_by is not None:
            break
    return [*out, words.rest()], words.stopped_by


def test_a_character_goes_out_whole() -> None:
    assert pieces("aé€".encode())[0] == ["a", "", "é", "", "", "€", ""]


def test_a_character_that_never_comes_whole_goes_out_as_it_is() -> None:
    assert "".join(pieces(b"a\xe2\x82")[0]).startswith("a")
    assert "".join(pieces(b"\xff" * 20 + b"z")[0]).endswith("z")


@given(st.text(max_size=30))
def test_all_that_is_pushed_comes_out(text: str) -> None:
    assert "".join(pieces(text.encode("utf-8", "replace"))[0]) == text.encode("utf-8", "replace").decode()


def test_a_stop_ends_the_text_before_it_and_no_part_of_it_goes_out() -> None:
    assert pieces(b"one STOP two", "STOP") == (["o", "n", "e", " ", "", "", "", "", ""], "STOP")
    out, stopped = pieces(b"one STO", "STOP")
    assert "".join(out) == "one STO" and stopped is None
    assert pieces(b"abcabd", "abd", "zz")[1] == "abd" and "".join(pieces(b"abcabd", "abd")[0]) == "abc"


@given(st.text(alphabet="ab", max_size=20), st.lists(st.text(alphabet="ab", min_size=1, max_size=4), min_size=1))
def test_stops_are_found_wherever_they_are(text: str, stops: list[str]) -> None:
    out, stopped = pieces(text.encode(), *stops)
    places = [text.find(stop) + len(stop) for stop in stops if stop in text]
    assert (stopped is not None) == bool(places)
    said = "".join(out)
    assert text.startswith(said) and not any(stop in said for stop in stops)
    if stopped is None:
        assert said == text


def said(text: str, *, is_inside: bool = False) -> dict[str, str]:
    thoughts, found = Thoughts(is_inside), {REASONING: "", CONTENT: ""}
    for letter in text:
        for name, piece in thoughts.push(letter):
            found[name] += piece
    for name, piece in thoughts.rest():
        found[name] += piece
    return found


@pytest.mark.parametrize(
    ("text", "is_inside", "thought", "answer"),
    [
        ("<think>\nhm </b>\n</think>\n\nyes", False, "hm </b>", "yes"),
        ("\n<think></think>yes", False, "", "yes"),
        ("hm</think>yes <think>no", True, "hm", "yes <think>no"),
        ("hm</thi", True, "hm</thi", ""),
        (" <b>yes", False, "", " <b>yes"),
        ("<thin", False, "", "<thin"),
        ("", False, "", ""),
    ],
)
def test_thoughts_stand_apart_from_the_answer(text: str, is_inside: bool, thought: str, answer: str) -> None:
    assert {name: piece.rstrip() for name, piece in said(text, is_inside=is_inside).items()} == {
        REASONING: thought,
        CONTENT: answer,
    }


def test_a_prompt_that_opens_the_thoughts() -> None:
    assert is_open("<|assistant|><think>\n") and not is_open("<think></think>")
