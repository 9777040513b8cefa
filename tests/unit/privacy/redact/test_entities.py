"""Each kind of entity: found where it stands, and not where only its shape does."""

from __future__ import annotations

import pytest

from tests.unit.privacy.redact.found import found, values

FOUND = [
    ("EMAIL_ADDRESS", "Écrire à jean.dupont@intranet ou non.", "jean.dupont@intranet"),
    ("EMAIL_ADDRESS", "mail: a.b@corp.lan.", "a.b@corp.lan"),
    ("EMAIL_ADDRESS", "jean.dupont [at] example.fr", "jean.dupont [at] example.fr"),
    ("PHONE_NUMBER", "appelez le 06 12 34 56 78 demain", "06 12 34 56 78"),
    ("PHONE_NUMBER", "Tel. 044 668 18 00", "044 668 18 00"),
    ("PHONE_NUMBER", "unter +41 (0)44 668 18 00", "+41 (0)44 668 18 00"),
    ("PHONE_NUMBER", "Telefon: 030/1234567", "030/1234567"),
    ("PHONE_NUMBER", "cellulare 347 123 4567", "347 123 4567"),
    ("PHONE_NUMBER", "tél. 02 513 45 67", "02 513 45 67"),
    ("PHONE_NUMBER", "+352 26 12 34 56", "+352 26 12 34 56"),
    ("PHONE_NUMBER", "unter 07161/654-0", "07161/654-0"),
    ("PHONE_NUMBER", "(0341) 90 93 511", "(0341) 90 93 511"),
    ("PHONE_NUMBER", "0431 5580-213", "0431 5580-213"),
    ("PHONE_NUMBER", "011/4470926", "011/4470926"),
    ("PHONE_NUMBER", "it is 07955310518 now", "07955310518"),
    ("PHONE_NUMBER", "è 340-7719352", "340-7719352"),
    ("PHONE_NUMBER", "chiami l'assistenza, 800 442 918", "800 442 918"),
    ("ADDRESS", "wohnt Gewerbepark 9, 8580 Amriswil", "Gewerbepark 9, 8580 Amriswil"),
    ("ADDRESS", "Corso Francia 84, scala B, int. 12, 10143 Torino", "Corso Francia 84, scala B, int. 12, 10143 Torino"),
    ("ADDRESS", "12, chaussée de Mons, 59000 Lille", "12, chaussée de Mons, 59000 Lille"),
    ("ADDRESS", "8, um Bierg\nL-8030 Strassen", "8, um Bierg\nL-8030 Strassen"),
    ("ADDRESS", "Top Flat, 31 Quarry Row, Leith EH6 1HA", "Top Flat, 31 Quarry Row, Leith EH6 1HA"),
    ("DATE_OF_BIRTH", "né le onze mars mil neuf cent soixante-dix", "onze mars mil neuf cent soixante-dix"),
    ("DATE_OF_BIRTH", "geboren am siebten Mai neunzehnhundertdreissig", "siebten Mai neunzehnhundertdreissig"),
    ("DATE_OF_BIRTH", "nato il tre maggio millenovecentosettanta", "tre maggio millenovecentosettanta"),
    ("DATE_OF_BIRTH", "Date of birth: the ninth of May 1949", "the ninth of May 1949"),
    ("DATE_OF_BIRTH", "Patientin: Quorn Xyla, 14.3.1938, w", "14.3.1938"),
    ("ID_CARD", "Führerausweis-Nr.: 009214773002", "009214773002"),
    ("ID_CARD", "Carte d'identité n° 592-4471830-64", "592-4471830-64"),
    ("ID_CARD", "licence MORGA753116SM9IJ", "MORGA753116SM9IJ"),
    ("LICENSE_PLATE", "rimorchio TI 44 1082", "TI 44 1082"),
    ("SECRET", "Das Passwort vom Terminal ist jetzt neu: Garten2#Haus24", "Garten2#Haus24"),
    ("SECRET", "la password? la mia Pietrino.2015 non va", "Pietrino.2015"),
    ("IBAN_CODE", "IBAN:CH9300762011623852957.", "CH9300762011623852957"),
    ("IBAN_CODE", "ch93 0076 2011 6238 5295 7 AVS", "ch93 0076 2011 6238 5295 7"),
    ("CH_QR_REFERENCE", "21 00000 00003 13947 14300 09017", "21 00000 00003 13947 14300 09017"),
    ("CREDIT_CARD", "carte 4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("CH_AVS", "AHV 756.9217.0769.85", "756.9217.0769.85"),
    ("FR_NIR", "n° 2 95 10 99 126 111 93", "2 95 10 99 126 111 93"),
    ("FR_SIREN", "SIREN 732 829 320", "732 829 320"),
    ("FR_SIRET", "SIRET 73282932000074", "73282932000074"),
    ("FR_RCS", "RCS Paris B 732 829 320", "RCS Paris B 732 829 320"),
    ("FR_NIF", "Numéro fiscal : 30 23 217 600 053", "30 23 217 600 053"),
    ("VAT", "CHE-107.787.577 MWST", "CHE-107.787.577 MWST"),
    ("VAT", "TVA FR40303265045", "FR40303265045"),
    ("VAT", "P.IVA 00743110157", "00743110157"),
    ("DE_TAX_ID", "Steuer-ID: 36 574 261 809", "36 574 261 809"),
    ("IT_FISCAL_CODE", "codice fiscale RCCMNL83S18D969H", "RCCMNL83S18D969H"),
    ("PASSPORT", "passeport n° 14AB56789", "14AB56789"),
    ("PASSPORT", "P<FRADUPONT<<JEAN<<<<<<<<<<<<<<<<<<<<<<<<<<<<", "P<FRADUPONT<<JEAN<<<<<<<<<<<<<<<<<<<<<<<<<<<<"),
    ("ID_CARD", "carte nationale d'identité n° 180675301245", "180675301245"),
    ("LICENSE_PLATE", "véhicule immatriculé AB-123-CD", "AB-123-CD"),
    ("LICENSE_PLATE", "Kontrollschild ZH 734 512", "ZH 734 512"),
    ("DATE_OF_BIRTH", "née le 12 mars 1985", "12 mars 1985"),
    ("DATE_OF_BIRTH", "geboren am 5. Dezember 1988", "5. Dezember 1988"),
    ("DATE_OF_BIRTH", "ich bin am 19. Juni 1995 geboren", "19. Juni 1995"),
    ("PHONE_NUMBER", "Rückruf bitte auf 0171 641 37 57", "0171 641 37 57"),
    ("DATE_OF_BIRTH", "nato il 12/02/1944", "12/02/1944"),
    ("DATE_OF_BIRTH", "born on March 3, 1990", "March 3, 1990"),
    ("ADDRESS", "au 12 bis rue de la République, 69002 Lyon.", "12 bis rue de la République, 69002 Lyon"),
    ("ADDRESS", "Bahnhofstrasse 12, 8001 Zürich. Tel.", "Bahnhofstrasse 12, 8001 Zürich"),
    ("ADDRESS", "Chemin des Vignes 22\n1009 Pully", "Chemin des Vignes 22\n1009 Pully"),
    ("ADDRESS", "in Via Nassa 21, 6900 Lugano", "Via Nassa 21, 6900 Lugano"),
    ("IP_ADDRESS", "host 10.42.7.19 ok", "10.42.7.19"),
    ("IP_ADDRESS", "vers 2001:db8:4f::17", "2001:db8:4f::17"),
    ("MAC_ADDRESS", "carte 00:1B:44:11:3A:B7", "00:1B:44:11:3A:B7"),
    ("URL_CREDENTIALS", "see https://deploy:9fK2mQx7@git.corp.lan/app", "https://deploy:9fK2mQx7@git.corp.lan/app"),
    ("SECRET", "key ghp_" + "a1B2" * 9, "ghp_" + "a1B2" * 9),
    ("SECRET", "mot de passe : Tr0ub4dor&3", "Tr0ub4dor&3"),
    ("SECRET", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "value"), FOUND, ids=[f"{kind}-{value[:12]}" for kind, _, value in FOUND])
def test_found(kind: str, text: str, value: str) -> None:
    assert values(text, kind) == [value]


@pytest.mark.parametrize(("kind", "text", "value"), FOUND, ids=[f"{kind}-{value[:12]}" for kind, _, value in FOUND])
def test_found_with_spaces_that_do_not_break(kind: str, text: str, value: str) -> None:
    if kind not in {"URL_CREDENTIALS", "SECRET"}:
        assert values(text.replace(" ", "\u00a0"), kind) == [value.replace(" ", "\u00a0")]


@pytest.mark.parametrize(
    "text",
    [
        "Article 1.2.3.4 et version 4.18.0.2, IP locale 127.0.0.1",
        "FACTURE N° 2024000318, commande 4500123987, lot 100020003000",
        "Chiffre d'affaires 1 254 318 ; résultat 84 210 ; 302 145 887",
        "lodash@4.17.21 react@18.2.0 std::vector<int> a::b::c() 12:30:45",
        "password: str | None = None, token = get_token(), mot de passe : voir annexe",
        "Réunion le 12 mars 2024 à 18 h 45, rue fermée. Publié le 02.11.2023.",
        "Le code AB-123-CD de la pièce et 978-2-07-036822-8",
        "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "entre 50 000/75 000 habitants, à Malte et en Italie",
        "GROUP BY client_id HAVING SUM(montant) > 10000",
        "La voiture a fait un tour de 500 km et coûte la somme de 300 eu",
        "image: registry/app@sha256:4b1f0a2c et https://user:host/a b",
        "Kinder: Betreuung ab 01.09.2024 möglich",
        "the password? properties of the object\nname: properties",
        "Die Bank rechnet mit 1400 neuen Stellen im Jahr 2024 und 3 Prozent.",
    ],
)
def test_shape_alone_is_not_enough(text: str) -> None:
    assert found(text) == []


def test_the_next_date_is_no_birth() -> None:
    text = "Il est né le 21 décembre 1968 et sera à la retraite dès le 1er janvier 2025"
    assert values(text, "DATE_OF_BIRTH") == ["21 décembre 1968"]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("IBAN CH93 0076 2011\n6238 5295 7", "IBAN_CODE", "CH93 0076 2011\n6238 5295 7"),
        ("Portable : O6 12 34 56 78", "PHONE_NUMBER", "O6 12 34 56 78"),
        ("M: 07700 900123", "PHONE_NUMBER", "07700 900123"),
        ("Geb.-Dat.: 12.03.1975", "DATE_OF_BIRTH", "12.03.1975"),
        ("Né(e) le : 12 O3 1975", "DATE_OF_BIRTH", "12 O3 1975"),
        ("C.F. TRVGLI84C52F2O5Q", "IT_FISCAL_CODE", "TRVGLI84C52F2O5Q"),
        ("carte 4556 7375 8689 98S5", "CREDIT_CARD", "4556 7375 8689 98S5"),
        ("P.zza Duomo 3, 20121 Milano", "ADDRESS", "P.zza Duomo 3, 20121 Milano"),
        ("Flat 3, 12 Acacia Road, London NW3 4AB", "ADDRESS", "Flat 3, 12 Acacia Road, London NW3 4AB"),
        ("the car, registration LK19 XTB", "LICENSE_PLATE", "LK19 XTB"),
        ("Führerausweis 004 712 893 001", "ID_CARD", "004 712 893 001"),
        ("cache: redis://:Anguille-7@cache.lan:6379/0", "URL_CREDENTIALS", "redis://:Anguille-7@cache.lan:6379/0"),
        ("reperibile al 338.41.72.905", "PHONE_NUMBER", "338.41.72.905"),
        ("raggiungibile al 347 5518820", "PHONE_NUMBER", "347 5518820"),
        ("Quendler, Maurer, 7. Okt. 1988, AHV 756.9217.0769.85", "DATE_OF_BIRTH", "7. Okt. 1988"),
        ("Codice fiscale e iscrizione: 00743110157", "VAT", "00743110157"),
        ("her permit is ZB7730416", "ID_CARD", "ZB7730416"),
        ("un véhicule en W-417-BX", "LICENSE_PLATE", "W-417-BX"),
        ("Flüchtlingsausweis Nr. 30471165", "ID_CARD", "30471165"),
        ("cf: rccmnl83s18d969h, ciao", "IT_FISCAL_CODE", "rccmnl83s18d969h"),
        ("il furgone, dv 318 ht, è fuori", "LICENSE_PLATE", "dv 318 ht"),
        ("nimm den sprinter (OS-KX 417)", "LICENSE_PLATE", "OS-KX 417"),
        ("meiner Tochter, 05971 440 26", "PHONE_NUMBER", "05971 440 26"),
        ("ring 0114 4960 337 after six", "PHONE_NUMBER", "0114 4960 337"),
        ("Kinder: Ursin, 3.4.2017 / Gianna, 11.9.2020", "DATE_OF_BIRTH", "11.9.2020"),
        ("Date of birth: O9/07/1984", "DATE_OF_BIRTH", "O9/07/1984"),
        ("Anschrift: Mozartgasse 21/4/17, 4020 Linz", "ADDRESS", "Mozartgasse 21/4/17, 4020 Linz"),
        ("Beckmann Bau · Leipziger Str. 8 · 06108 Halle", "ADDRESS", "Leipziger Str. 8 · 06108 Halle"),
        ("Im Kleinen Felde 4 b\n30163 Hannover", "ADDRESS", "Im Kleinen Felde 4 b\n30163 Hannover"),
        ("Dock Gate 2, 8 Harbour Street, Hull HU1 3TB", "ADDRESS", "Dock Gate 2, 8 Harbour Street, Hull HU1 3TB"),
        ("net use X: \\\\nas\\bilan /user:DOM\\kv Pommier#41", "SECRET", "Pommier#41"),
        ("sshpass -p tulipe41 ssh root@nas", "SECRET", "tulipe41"),
        ("the wifi pw changed, it's RedKite-907 now", "SECRET", "RedKite-907"),
        ("[08:30] Ole: und das wlan pw?\n[08:31] Tim: Boje_1904", "SECRET", "Boje_1904"),
    ],
)
def test_other_ways_to_write_it(text: str, kind: str, value: str) -> None:
    assert value in values(text, kind)


@pytest.mark.parametrize(
    "text", ["Marks & Spencer est ouvert", "C.F. e P.IVA", "Ladina zur Geburt", "@Override public"]
)
def test_what_looks_like_a_name_and_is_none(text: str) -> None:
    assert not [name for name in values(text, "PERSON") if name != "Ladina"]
