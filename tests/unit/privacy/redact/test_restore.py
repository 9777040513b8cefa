"""Un-masking in a stream: what comes out does not depend on where it was cut."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from intramuros.privacy.redact.restore import Restorer, restore

VALUES = {"⟦PERSON_k7m⟧": 'Jean "le Grand" Dupont', "⟦PERSON_k7mb⟧": "Anna\nKeller", "⟦IBAN_CODE_bcd⟧": "CH93 ⟦X_bcd⟧"}
UNKNOWN = "⟦PERSON_zzz⟧"
PIECES = st.sampled_from(
    [*VALUES, UNKNOWN, "⟦", "⟧", "⟦PERSON", "PERSON_k7m⟧", " bon ", "k7", "\\", "a", "⟦PERSON_k7m"]
)
JSON_PIECES = st.sampled_from(
    ["\\u27e6PERSON_k7m\\u27e7", "\\u27E6PERSON_zzz\\u27E7", "\\\\", "\\n", "\\u27", "\\u27e6PERSON_"]
)


def whole(text: str, *, in_json: bool = False) -> tuple[str, int, int]:
    restorer = Restorer(VALUES, in_json=in_json)
    return restorer.feed(text) + restorer.close(), restorer.restored, restorer.unknown


def cut(text: str, at: list[int], *, in_json: bool = False) -> tuple[str, int, int]:
    restorer = Restorer(VALUES, in_json=in_json)
    places = [0, *sorted(p % (len(text) + 1) for p in at), len(text)]
    out = "".join(restorer.feed(text[a:b]) for a, b in pairwise(places))
    return out + restorer.close(), restorer.restored, restorer.unknown


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=12).map("".join), st.lists(st.integers(0, 400), max_size=40))
def test_output_and_counts_do_not_depend_on_the_chunks(text: str, at: list[int]) -> None:
    assert cut(text, at) == whole(text)


@settings(max_examples=400)
@given(st.lists(PIECES | JSON_PIECES, max_size=12).map("".join), st.lists(st.integers(0, 400), max_size=40))
def test_nor_in_json(text: str, at: list[int]) -> None:
    assert cut(text, at, in_json=True) == whole(text, in_json=True)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_character_by_character(text: str) -> None:
    assert cut(text, list(range(len(text)))) == whole(text)


@given(st.lists(PIECES, max_size=12).map("".join), st.lists(st.integers(0, 400), max_size=40))
def test_only_the_beginning_of_a_known_alias_is_held_back(text: str, at: list[int]) -> None:
    restorer, given, out = Restorer({alias: alias for alias in VALUES}), "", ""
    places = [0, *sorted(p % (len(text) + 1) for p in at), len(text)]
    for a, b in pairwise(places):
        given += text[a:b]
        out += restorer.feed(text[a:b])
        held = given[len(out) :]
        assert given.startswith(out)
        assert not held or any(alias.startswith(held) and alias != held for alias in VALUES)


def test_values_come_back() -> None:
    assert restore("De ⟦PERSON_k7m⟧ à ⟦PERSON_zzz⟧.", VALUES) == 'De Jean "le Grand" Dupont à ⟦PERSON_zzz⟧.'
    assert whole("⟦PERSON_k7m⟧ ⟦PERSON_zzz⟧ ⟦PERSON_k7mb⟧")[1:] == (2, 1)


def test_what_a_value_holds_is_not_restored_again() -> None:
    assert restore("⟦IBAN_CODE_bcd⟧", {**VALUES, "⟦X_bcd⟧": "wrong"}) == "CH93 ⟦X_bcd⟧"


def test_tool_call_arguments_stay_json() -> None:
    for source in (json.dumps({"to": "⟦PERSON_k7m⟧"}), json.dumps({"to": "⟦PERSON_k7m⟧"}, ensure_ascii=False)):
        out, restored, _ = cut(source, list(range(len(source))), in_json=True)
        assert json.loads(out) == {"to": 'Jean "le Grand" Dupont'}
        assert restored == 1
    literal = json.dumps({"to": "\\u27e6PERSON_k7m\\u27e7"})  # a backslash of the text, not an escape
    assert json.loads(whole(literal, in_json=True)[0]) == {"to": "\\u27e6PERSON_k7m\\u27e7"}
