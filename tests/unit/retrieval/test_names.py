"""Names, references and quotations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.retrieval.names import compact, names, quotations, quotes_literally, references


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("fr", "Le bail de M. Martin à Lyon, selon l'URSSAF d'Amiens.", ["Martin", "Lyon", "URSSAF", "Amiens"]),
        ("fr", "Oui : Voir le bail. Fin. L'État paie.", []),
        ("fr", "- Paul est là\n- Le loyer", []),
        ("fr", "Vous pouvez contacter Votre mairie", []),
        ("fr", "LE BAIL EST SIGNÉ", []),
        ("en", "The contract with Acme Ltd ends in March, I think on Monday.", ["Acme", "Ltd"]),
        ("it", "Il sig. Rossi abita a Milano; la Banca d'Italia.", ["Rossi", "Milano", "Banca", "Italia"]),
        ("de", "Der Vertrag mit Herrn Müller endet im März.", ["Müller"]),
        (
            "de",
            "Die Zürcher Kantonalbank und Hans Meier zahlen die Miete.",
            ["Zürcher", "Kantonalbank", "Hans", "Meier"],
        ),
        ("de", "Die SBB erhöht den Preis.", ["SBB"]),
    ],
)
def test_names(language: str, text: str, expected: list[str]) -> None:
    assert names(text, language) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("le contrat A-1234/2024", ["a12342024"]),
        ("fiche F34062 et art. L1234-5", ["f34062", "l12345"]),
        ("version 1.2.3", ["123"]),
        ("écrivez à info@firme.ch ou www.firme.ch/a", ["infofirmech", "wwwfirmecha"]),
        ("bloctel.gouv.fr", ["bloctelgouvfr"]),
        ("20km, 10h, 1er, 2e, 150 €", []),
    ],
)
def test_references(text: str, expected: list[str]) -> None:
    assert [compact(match.group()) for match in references(text)] == expected


def test_quotations_in_all_marks() -> None:
    text = '« un bail » “two words” „drei Worte“ "quattro" et ‹cinq›'
    assert quotations(text) == [["un bail"], ["two words"], ["drei Worte"], ["quattro"], ["cinq"]]


@pytest.mark.parametrize(
    ("quoted", "holds"),
    [
        ("« le bail dure\u00a03 ans »", True),
        ("« Le bail […] renouvelable »", True),
        ("« le bail … trois »", False),
        ("« renouvelable […] le bail »", False),
        ("« 3 ans […] bail dure »", False),
        ("« bail durée 3 ans »", False),
        ("« nouvel »", False),
    ],
)
def test_word_for_word(quoted: str, holds: bool) -> None:
    source = "Le bail dure 3 ans. Il est\nrenouvelable."
    assert quotes_literally(source, quotations(quoted)[0]) is holds


words = st.lists(st.sampled_from(["le", "bail", "dure", "trois", "ans", "L'État", "2024"]), min_size=1, max_size=12)


@given(words, st.integers(0, 11), st.integers(1, 12))
def test_any_piece_of_a_text_is_literally_in_it(text: list[str], start: int, length: int) -> None:
    piece = text[start % len(text) :][:length]
    assert quotes_literally(" \n".join(text), [" ".join(piece)])
