"""Names in four languages: the evidence that counts, and the words that are none."""

from __future__ import annotations

import pytest

from intramuros.privacy.redact.people import Directory
from tests.unit.privacy.redact.found import EVERYTHING, values


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("J'ai vu Mme Trémeau hier.", ["Trémeau"]),
        ("MM. Quesnoy et Tarbouriech", ["Quesnoy", "Tarbouriech"]),
        ("die Herren Zellhofer und Grabow", ["Zellhofer", "Grabow"]),
        ("Ich habe mit Zellhofer telefoniert", ["Zellhofer"]),
        ("il geom. Brusadelli e la prof.ssa Monticelli", ["Brusadelli", "Monticelli"]),
        ("I spoke to Pettigrew about it", ["Pettigrew"]),
        ("anna.zellhofer@firma.de schreibt; Zellhofer kommt", ["Zellhofer"]),
        ("Delphine's off sick", ["Delphine"]),
        ("Counsel: A. R. Vosper", ["A. R. Vosper"]),
        ("Sehr geehrter Herr Prof. Dr. Odermatt", ["Odermatt"]),
        ("Gentile Sig.ra Ambrosini,", ["Ambrosini"]),
        ("Dear Mr Fairweather,", ["Fairweather"]),
        ("maître Aubrac a signé", ["Aubrac"]),
        ("Herr von Allmen kommt", ["von Allmen"]),
        ("Bonjour Thiémo,\nmerci", ["Thiémo"]),
        ("Cordialement,\n\nXyla Quorn\nDirection", ["Xyla Quorn"]),
        ("Freundliche Grüsse\nXyla Quorn", ["Xyla Quorn"]),
        ("Nom : QUORN", ["QUORN"]),
        ("Mitarbeiterin: Xyla Quorn", ["Xyla Quorn"]),
        ("From: Xyla Quorn <x@corp.lan>", ["Xyla Quorn"]),
        ("avec Jean-Baptiste Le Goff demain", ["Jean-Baptiste Le Goff"]),
        ("BENALI Karim est absent", ["BENALI Karim"]),
        ("Müller, Anna", ["Müller, Anna"]),
        ("selon J. Quorn, rien", ["J. Quorn"]),
        ("Kannst du Reto informieren?", ["Reto"]),
        ("Jean Dupont est venu. DUPONT signe, puis Dupont part.", ["Jean Dupont", "DUPONT", "Dupont"]),
        ("Dear Ms Quorn, is this Quorn's?", ["Quorn", "Quorn"]),
        ("M. et Mme Da Costa Ribeiro", ["Da Costa Ribeiro"]),
        ("Xyla Quorn\nWiesenweg 8, 3073 Gümligen\n\nGuten Tag", ["Xyla Quorn"]),
        ("Lefort Antoine ; 12\nZed Nour ; 13", ["Lefort Antoine", "Zed Nour"]),
        ("Présents : Xyla Quorn (présidente), Zed Wibble", ["Xyla Quorn", "Zed Wibble"]),
    ],
)
def test_names_are_found(text: str, names: list[str]) -> None:
    assert values(text, "PERSON") == names


@pytest.mark.parametrize(
    "text",
    [
        "La société Pierre Fabre SA et l'Université Paul Sabatier",
        "Das Bundesgericht hat entschieden. Der Arbeitgeber zahlt.",
        "Grace periods end in August. Will the Commission act before June?",
        "Madame, Monsieur,\nVeuillez agréer nos salutations.\nLa direction",
        "Sehr geehrte Damen und Herren",
        "class Martin:\n    pass\nRose = 12",
        "Voir la rue Victor Hugo et le lycée Jean Moulin.",
        "V. Fehlercode, Art. Gesetz, S. Tabelle",
    ],
)
def test_words_with_capitals_are_no_names(text: str) -> None:
    assert values(text, "PERSON") == []


def test_a_surname_that_is_a_common_word_of_the_text_is_left_alone() -> None:
    text = "M. Petit arrive. Le petit bureau est libre. Petit à petit."
    assert values(text, "PERSON") == ["Petit"]


def test_the_directory_finds_its_names_however_written() -> None:
    redactor = EVERYTHING.with_names(["Xyla Quorn", "Zoé Marquérite"])
    text = "hier xyla quorn et Quorn Xyla, puis zoe marquerite, puis Quorn."
    assert [text[f.start : f.end] for f in redactor.analyse(text)] == [
        "xyla quorn",
        "Quorn Xyla",
        "zoe marquerite",
        "Quorn",
    ]
    assert Directory([]).analyse("Quorn", "") == []
