"""Addresses as people type them in a chat, and some forms of the British Isles and South Tyrol."""

from __future__ import annotations

import pytest

from tests.unit.privacy.redact.found import values


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("12:04 mia: lindenstr 14 50674 köln, komm vorbei", "lindenstr 14 50674 köln"),
        ("bin in der gartenstrasse 7b 3012 bern", "gartenstrasse 7b 3012 bern"),
        ("am markt 3 24103 kiel", "am markt 3 24103 kiel"),
        ("c'est au 12 rue des lilas 69003 lyon 3e étage", "12 rue des lilas 69003 lyon"),
        ("8 bis av jean jaures 38000 grenoble", "8 bis av jean jaures 38000 grenoble"),
        ("livraison chemin du lac 4 1260 nyon svp", "chemin du lac 4 1260 nyon"),
        ("abito in via mazzini 12 20123 milano citofono", "via mazzini 12 20123 milano"),
        ("viale europa 33/a 6900 lugano", "viale europa 33/a 6900 lugano"),
        ("im at 14 station road, leeds ls6 3hn come", "14 station road, leeds ls6 3hn"),
        ("to flat 2 9 acacia avenue bristol bs3 1qq", "flat 2 9 acacia avenue bristol bs3 1qq"),
        ("we moved to 14 station road, leeds", "14 station road, leeds"),
        ("14 Main Street, Bundoran, Co. Donegal F94 X2K7", "14 Main Street, Bundoran, Co. Donegal F94 X2K7"),
        ("Rose Cottage, Ballymore, Co. Kildare, R56 K123", "Rose Cottage, Ballymore, Co. Kildare, R56 K123"),
        ("The Old Forge, 3 Church Lane, Ludlow SY8 1AP", "The Old Forge, 3 Church Lane, Ludlow SY8 1AP"),
        ("in Dantestraße/Via Dante 12, 39100 Bozen", "Dantestraße/Via Dante 12, 39100 Bozen"),
        ("Via Museo / Museumstraße 8, 39100 Bolzano", "Via Museo / Museumstraße 8, 39100 Bolzano"),
    ],
)
def test_addresses_in_chats_and_islands(text: str, address: str) -> None:
    assert address in values(text, "ADDRESS")


@pytest.mark.parametrize(
    "text",
    [
        "le code postal est 69003 partout",
        "per via email 12 20123 utenti",
        "rue de la paix 12 2024 personnes",
        "a 5 minute drive, then 10 mile road, flat",
        "model A65 F4E2 and part F94 X2K7",
        "im jahr 4 5000 arbeiter, wir am berg 12 10000 leute; corso base 2 10000 cittadini",
        "traffic 12 park lane, cars; then 3 more drive, enter",
        "port 8080 open, 12 way 14500 users",
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert not values(text, "ADDRESS")
