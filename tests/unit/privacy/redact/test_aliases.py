"""Aliases: the same for the same, prefix-free, keyed, and stored so that only the key opens them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.errors import BadRequest, StorageCorrupt
from intramuros.privacy.redact.aliases import ALIAS, Aliases


def test_spellings_of_one_value_are_one_alias() -> None:
    aliases = Aliases()
    assert aliases.alias("IBAN_CODE", "CH93 0076") == aliases.alias("IBAN_CODE", "ch930076")
    assert aliases.alias("EMAIL_ADDRESS", "A@b.ch") == aliases.alias("EMAIL_ADDRESS", "a@b.ch")
    assert aliases.alias("SECRET", "abC") != aliases.alias("SECRET", "abc")
    assert aliases.alias("IBAN_CODE", "1") != aliases.alias("PHONE_NUMBER", "1")


def test_a_person_is_one_alias_in_every_form() -> None:
    aliases = Aliases()
    alias = aliases.alias("PERSON", "Jean Dupont")
    for form in ("Dupont", "DUPONT Jean", "J. Dupont", "Jean", "dupont"):
        assert aliases.alias("PERSON", form) == alias
    assert aliases.values[alias] == "Jean Dupont"


def test_the_fullest_form_comes_back_even_when_it_comes_last() -> None:
    aliases = Aliases()
    alias = aliases.alias("PERSON", "Dupont")
    assert aliases.alias("PERSON", "Jean Dupont") == alias
    assert aliases.values[alias] == "Jean Dupont"


def test_two_of_one_surname_are_two_and_the_surname_alone_is_neither() -> None:
    aliases = Aliases()
    jean, marie = aliases.alias("PERSON", "Jean Dupont"), aliases.alias("PERSON", "Marie Dupont")
    assert len({jean, marie, aliases.alias("PERSON", "Dupont")}) == 3


@given(st.lists(st.tuples(st.sampled_from(["PERSON", "A", "A_B"]), st.text(min_size=1)), max_size=60))
def test_no_alias_is_the_beginning_of_another(values: list[tuple[str, str]]) -> None:
    aliases = Aliases(b"k" * 32)
    made = {aliases.alias(kind, value) for kind, value in values}
    assert all(ALIAS.fullmatch(alias) for alias in made)
    assert not any(a != b and b.startswith(a) for a in made for b in made)


def test_another_key_gives_other_aliases() -> None:
    values = [f"value {n}" for n in range(20)]
    one, other = Aliases(b"1" * 32), Aliases(b"2" * 32)
    assert [one.alias("X", v) for v in values] != [other.alias("X", v) for v in values]
    assert [one.alias("X", v) for v in values] == [Aliases(b"1" * 32).alias("X", v) for v in values]


def test_a_stored_conversation_goes_on() -> None:
    aliases = Aliases()
    alias = aliases.alias("PERSON", "Jean Dupont")
    again = Aliases.load(json.loads(json.dumps(aliases.dump())))
    assert again.alias("PERSON", "Dupont") == alias
    assert again.values == aliases.values


def test_sealed_it_opens_with_its_key_and_place_only() -> None:
    aliases = Aliases()
    alias = aliases.alias("PERSON", "Jean Dupont")
    sealed = aliases.sealed(b"k" * 32, context=b"alice")
    assert b"Dupont" not in sealed
    assert Aliases.opened(b"k" * 32, sealed, context=b"alice").values == {alias: "Jean Dupont"}
    for key, context in ((b"x" * 32, b"alice"), (b"k" * 32, b"bob")):
        with pytest.raises(StorageCorrupt):
            Aliases.opened(key, sealed, context=context)


@pytest.mark.parametrize(
    "stored",
    [None, [], {}, {"format": "intramuros-aliases-1"}, Aliases().dump() | {"values": {"x": "y"}}, Aliases().dump() | {"key": "eA=="},
     Aliases().dump() | {"spellings": [["A", "b", "⟦A_bbb⟧"]]}, Aliases().dump() | {"people": {"⟦A_bbb⟧": ["x"]}}],
)  # fmt: skip
def test_what_is_no_map_is_refused(stored: object) -> None:
    with pytest.raises(BadRequest):
        Aliases.load(stored)
