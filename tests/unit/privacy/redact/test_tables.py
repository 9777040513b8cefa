"""What the headings of a table say of its cells."""

from __future__ import annotations

import pytest

from tests.unit.privacy.redact.found import found, values

TABLE = """Nr;Nachname;Geb.-Datum;Straße;PLZ;Ort;Telefon;Reisepass-Nr.;Kennz.
1;Zu Rheinfels;04.05.1961;Mühlacker 3;79540;Lörrach;07621-33817;C01X0006H;LÖ RR 12
2;Quendler;1.12.1990;;79540;Lörrach;;;"""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("PERSON", ["Zu Rheinfels", "Quendler"]),
        ("DATE_OF_BIRTH", ["04.05.1961", "1.12.1990"]),
        ("ADDRESS", ["Mühlacker 3;79540;Lörrach"]),
        ("PHONE_NUMBER", ["07621-33817"]),
        ("PASSPORT", ["C01X0006H"]),
        ("LICENSE_PLATE", ["LÖ RR 12"]),
    ],
)
def test_columns(kind: str, expected: list[str]) -> None:
    assert values(TABLE, kind) == expected


def test_an_address_goes_on_only_under_headings() -> None:
    assert values("Prénom,Adresse,Solde\nZélie,5 la Grange,2020", "ADDRESS") == ["5 la Grange"]


def test_a_general_heading_counts_beside_dates_of_birth() -> None:
    assert values("Name,Born\nQuendler,1.12.1990", "PERSON") == []
    assert values("Name,Date of birth\nQuendler,1.12.1990", "PERSON") == ["Quendler"]


@pytest.mark.parametrize(
    "text",
    [
        "The field, the port, address\nexample, for port, packets",
        "Produit;Prix;Code\nRue;12;4711\nVia;3;0815",
        "Name|Wert|Ort\nTemperatur|12 Grad|Keller\nDruck|3 bar|Dach",
        "Task,Owner,Phone\nclean up,nobody,n/a",
    ],
)
def test_other_tables_are_clean(text: str) -> None:
    assert found(text) == []
