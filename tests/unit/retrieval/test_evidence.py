"""Evidence: what a text holds, each character counted once."""

from __future__ import annotations

from intramuros.retrieval.evidence import Evidence, held_in, said_in

TEXT = "Le 12 mars 2024 à 10h30, contrat BX-77/2023 : 150 € pour Martin."


def test_a_date_and_a_reference_are_no_numbers_of_a_sentence() -> None:
    said = said_in(TEXT, "fr")
    assert [quantity.unit for quantity in said.quantities] == ["eur"]
    assert said.references == {"bx772023"}
    assert said.minutes == {630}
    assert len(said.dates) == 1


def test_a_passage_also_holds_the_numbers_within_its_references_but_they_count_nothing() -> None:
    held = held_in(TEXT, "fr")
    assert len(held.quantities) == 3
    assert {quantity.unit for quantity in held.quantities[1:]} == {None}
    assert not any(quantity.is_bare for quantity in held.quantities[1:])


def test_together_they_hold_what_each_holds() -> None:
    both = held_in(TEXT, "fr") | held_in("Am Montag: 5 Tage", "de")
    assert both.languages == {"fr", "de"}
    assert both.weekdays == {0}
    assert len(both.quantities) == 4
    assert "martin" in both.words
    assert Evidence() | both == both
