"""Codes of doors, cards and networks told in a chat; a code of anything else is none."""

from __future__ import annotations

import pytest

from tests.unit.privacy.redact.found import values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("le code de la porte c'est 4582B", "4582B"),
        ("le code a changé. le nouveau code est 7731", "7731"),
        ("digicode : A2719", "A2719"),
        ("code du wifi c'est Lune2024!", "Lune2024!"),
        ("code porte 47A12, elle est là", "47A12"),
        ("PIN für die Karte ist 4471", "4471"),
        ("Türcode 2580#", "2580#"),
        ("der Code für die Tiefgarage lautet jetzt 90217", "90217"),
        ("il codice del cancello è 1947", "1947"),
        ("codice allarme 55821", "55821"),
        ("door code 5582, alarm pin is 9013", "9013"),
        ("the key safe code is C2580Y", "C2580Y"),
        ("the gate code? its 4410#", "4410#"),
        ("Tom: what's the gate code?\nAnna: it's 4410", "4410"),
        ("Für die Tür unten: Code 4719E, oben Schlüssel", "4719E"),
        ("alors l'interphone : 26B48", "26B48"),
        ("Aufzugscode: 7788", "7788"),
        ("il codice per il cancelletto è 5512", "5512"),
        ("the code for the bin store is Z3307", "Z3307"),
        ("boîte à clés à gauche, code 0415", "0415"),
        ("Hallo, Türcode unten 3391, oben klingeln", "3391"),
        ("nico: et le code en bas\nemma: 51B29", "51B29"),
        ("minutes: new Zoom passcode 448120", "448120"),
        ("Bikeshed padlock 2214", "2214"),
        ("Safe combination is 45-12-88", "45-12-88"),
        ("Lockbox on the left, combo 7314", "7314"),
        ("wifi: Gurke!2024salat", "Gurke!2024salat"),
        ("mdp netflix chatnoir44", "chatnoir44"),
        ("14:02 Anna: wifi?\n14:03 Tom: Brezn4ever!", "Brezn4ever!"),
    ],
)
def test_codes_that_are_told(text: str, value: str) -> None:
    assert value in values(text, "SECRET")


@pytest.mark.parametrize(
    "text",
    [
        "commit 3f2a91bc77d0e1f2a3b4c5d6e7f8091a2b3c4d5e by the build",
        "reset password form, see commit 3f2a91bc77d0",
        "9fceb02d fix token 3f2a91bc77d0e1f2",
        "le code postal est 69003, code promo ETE2024, code client : 4582, code APE 6201Z",
        "le code couleur est 1234 et le Code civil 1382",
        "error code 4045, code 2000 returned, zip code 90210, the error code is 4045",
        "codice articolo 55821, codice fiscale mancante",
        "the door code will change in 2025",
        "PIN_CODE = 4096; pin(4471)",
        "pin the version to 2024; the code is 2019 style; the combination of 1200 files",
        "PIN-Belegung: 1234 5678, code 4512 lines, la combinaison 1-2-3 gagne",
        "The building code is 2015 IBC. Fire code 1019. Bank code 83000.",
        "WLAN: SSID Gast_2024. Wi-Fi: 802.11ax, wifi: 2.4GHz",
        "shopping 2024, pinned 4471 times",
    ],
)
def test_other_codes_and_hashes(text: str) -> None:
    assert not values(text, "SECRET")
