"""Identifiers without a check digit, as people of four countries write them: beside a person, in a column, in any groups."""

from __future__ import annotations

import pytest

from tests.unit.privacy.redact.found import values


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Karim Delaunay, maçon, 3 oct. 1994", "3 oct. 1994"),
        ("Sabine Petersen (12.03.87), ledig", "12.03.87"),
        ("Das Dossier von Torsten Ackermann (1987-03-12) ist da.", "1987-03-12"),
        ("Giulia Colombo / F / 7.9.1962", "7.9.1962"),
        ("Re: Graham Whitfield, March 4, 1971", "March 4, 1971"),
        ("1;Petersen;Sabine;19.09.1945;6493", "19.09.1945"),
        ("une femme de 54 ans (12/03/1970)", "12/03/1970"),
        ("a boy, 03/09/2015 (aged 9)", "03/09/2015"),
        ("Paz. K.L., 12 mag 1949, vista oggi", "12 mag 1949"),
        ("Ich kam am 3. Mai 1961 in Bern zur Welt.", "3. Mai 1961"),
        ("Ma fille a vu le jour à Sion, le 3 mai 2011.", "3 mai 2011"),
        ("Nr   Name      Geb.         Klasse\n1    Kunz      12.03.2014   3B", "12.03.2014"),
        ("Geburtsdatum\n\n04.05.1981\nNationalität", "04.05.1981"),
        ("Sabine Petersen\n19.09.1945\n", "19.09.1945"),
        ("dossier : 13.05.1980, AVS 756.9217.0769.85", "13.05.1980"),
    ],
)
def test_dates_of_birth_by_what_stands_beside(text: str, date: str) -> None:
    assert date in values(text, "DATE_OF_BIRTH")


@pytest.mark.parametrize(
    "text",
    [
        "Karim Delaunay, entré le 3 octobre 1994",
        "Karim Delaunay, embauche 03.10.1994",
        "Sabine Petersen, Vertrag vom 12.03.1987",
        "Giulia Colombo, assunta 12.03.1999",
        "Torsten Ackermann, 12.03.2024",
        "Graham Whitfield (12.03.1999 - 31.12.2004)",
        "Graham Whitfield, 12/03/1999 14:30",
        "Name;Eintritt\nSabine Petersen;12.03.1999",
        "Loi du 6 janvier 1978, arrêt du 12 mars 1999",
    ],
)
def test_other_dates_beside_a_person(text: str) -> None:
    assert not values(text, "DATE_OF_BIRTH")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Reto Lüscher | 04921 58629871", "04921 58629871"),
        ("ruf 07621-658230 an", "07621-658230"),
        ("son numéro est le 06 - 12 - 05 - 33 - 44", "06 - 12 - 05 - 33 - 44"),
        ("le 41 79 612 30 45 ne répond pas", "41 79 612 30 45"),
        ("il 347.123.45.67 è spento", "347.123.45.67"),
        ("(212) 555-0134 is the desk", "(212) 555-0134"),
        ("Karim Delaunay, 0 666 293 837", "0 666 293 837"),
        ("Karim Delaunay,0033 6 12 34 56 78,3B", "0033 6 12 34 56 78"),
        ("Tel. +1 415 440 1618 / (617) 485-0934", "(617) 485-0934"),
        ("M: 0313166562", "0313166562"),
        ("Name;Tel.\nSabine Petersen;0313166562", "0313166562"),
        ("Sabine Petersen\nLeiterin\n0313166562", "0313166562"),
    ],
)
def test_numbers_that_are_dialled(text: str, number: str) -> None:
    assert number in values(text, "PHONE_NUMBER")


@pytest.mark.parametrize(
    "text",
    [
        "Boston, MA 02110-1301, USA",
        "facture n° 0123 456 789",
        "Auftrag 07621 658230",
        "set B 506 / 512",
        "numero 118.204",
        "Karim Delaunay, dossier 0123456789",
        "Karim Delaunay 01.06.2016",
    ],
)
def test_numbers_that_are_not_dialled(text: str) -> None:
    assert not values(text, "PHONE_NUMBER")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (
            "Karim Delaunay\n12 rue des Lilas\nBât. C, 3e étage\n69003 Lyon",
            "12 rue des Lilas\nBât. C, 3e étage\n69003 Lyon",
        ),
        ("Adresse : appt 12, 4 cours Gambetta, 69007 Lyon", "appt 12, 4 cours Gambetta, 69007 Lyon"),
        ("Lieu-dit Kerguen, 29280 Plouzané", "Lieu-dit Kerguen, 29280 Plouzané"),
        ("livrer : Les Granges\n2830 Courrendlin", "Les Granges\n2830 Courrendlin"),
        ("Rue du Lac 12, case postale 45, 1110 Morges", "Rue du Lac 12, case postale 45, 1110 Morges"),
        ("Obere Halde 7, 3. OG, 5400 Baden", "Obere Halde 7, 3. OG, 5400 Baden"),
        ("Sabine Petersen\nRüti\n81482 Freiburg im Breisgau", "Rüti\n81482 Freiburg im Breisgau"),
        ("Er wohnt In der Au 162a seit Mai.", "In der Au 162a"),
        ("Baustelle: Untere Zäune 14\n", "Untere Zäune 14"),
        ("Calle del Carmine n. 36/A, int. 4, 30121 Venezia", "Calle del Carmine n. 36/A, int. 4, 30121 Venezia"),
        ("Abita in Lungomare Colombo 51/A da maggio.", "Lungomare Colombo 51/A"),
        ("Cascina Nuova, 42121 Reggio nell’Emilia", "Cascina Nuova, 42121 Reggio nell’Emilia"),
        (
            "Flat 3, 2nd Floor, 8 Oak Quay, Newcastle upon Tyne NE1 5QN",
            "Flat 3, 2nd Floor, 8 Oak Quay, Newcastle upon Tyne NE1 5QN",
        ),
        ("Address: Manor Farm, Church Lane", "Manor Farm, Church Lane"),
        ("PO Box 123, Milton Keynes MK9 1AB", "PO Box 123, Milton Keynes MK9 1AB"),
    ],
)
def test_addresses_of_any_form(text: str, address: str) -> None:
    assert address.replace("’", "'") in [value.replace("’", "'") for value in values(text, "ADDRESS")]


@pytest.mark.parametrize(
    "text",
    [
        "Anhang 2 regelt die Gebühren.",
        "Parkplatz 12: frei",
        "Copyright: 2006 Free Software Foundation, Inc.\n  2000 Roland Bauer",
        "Max 614, PRO 6000 1792 GB/s",
        "sortie au château de Chambord le 28.",
        "December 14, 1996 Nigel",
        "Ort: Sitzungszimmer 4",
        "Currently it supports Python 3 (testing on 3.8)",
    ],
)
def test_what_only_looks_like_an_address(text: str) -> None:
    assert not values(text, "ADDRESS")


@pytest.mark.parametrize(
    ("text", "plate"),
    [
        ("La FL-318-QB bloque la sortie", "FL-318-QB"),
        ("die M-AB 1234 war es", "M-AB 1234"),
        ("VD 274 816 est mal garée", "VD 274 816"),
        ("YK71 DFE is in my bay", "YK71 DFE"),
        ("on a vu 1-ABC-123", "1-ABC-123"),
        ("Halter von BAR KE 191 bitte melden", "BAR KE 191"),
        ("Dacia Jogger 2 LXX 921", "2 LXX 921"),
        ("Fahrer\tFahrzeug\tKm\nReto Lüscher\tUR-4437\t54738", "UR-4437"),
        ("targa: fz612kd", "fz612kd"),
        ("witness saw the car, 191-D-12345", "191-D-12345"),
        ("fourgon immatriculé 306 SKN 79", "306 SKN 79"),
    ],
)
def test_plates(text: str, plate: str) -> None:
    assert plate in values(text, "LICENSE_PLATE")


@pytest.mark.parametrize(
    "text",
    [
        "réf. AB-123-CD",
        "EN-ISO 9001",
        "art. HP-X 360",
        "SI 1998/1833, reg 13",
        "0.722 +BM25 RRF",
        "CHF 123 456",
        "Muster AG 123 456 Franken",
        "vol BA12 CDG",
    ],
)
def test_what_only_looks_like_a_plate(text: str) -> None:
    assert not values(text, "LICENSE_PLATE")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Pass wurde gestohlen, Nummer C4F71K93N", "PASSPORT", "C4F71K93N"),
        (
            "passeport délivré par la préfecture du Rhône le 3 mars 2019 sous le numéro 19CY25246",
            "PASSPORT",
            "19CY25246",
        ),
        ("identité vérifiée (CNI W1500275)", "ID_CARD", "W1500275"),
        ("Permesso di soggiorno n.: CA 27959 XZ", "ID_CARD", "CA 27959 XZ"),
        ("son permis est le 120535201877", "ID_CARD", "120535201877"),
        ("Niederlassungsbewilligung: 13820047", "ID_CARD", "13820047"),
        ("BRP number ZX5769769", "ID_CARD", "ZX5769769"),
        ("Surname;Licence no;Kat.\nMalik;ZX5769769;C", "ID_CARD", "ZX5769769"),
    ],
)
def test_papers(text: str, kind: str, value: str) -> None:
    assert value in values(text, kind)


@pytest.mark.parametrize(
    "text",
    ["pièce d'identité et formulaire cerfa n°11530", "def find(self, order_id: int = 1000000)", "Personal-Nr. 00318"],
)
def test_numbers_of_no_paper(text: str) -> None:
    assert not values(text, "ID_CARD")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("passeport malien AA0347719, titre de séjour 9903117042", "ID_CARD", "9903117042"),
        ("permis 880931200417, véhicule Fiat Tipo EV-617-DS", "ID_CARD", "880931200417"),
        ("permis 880931200417, véhicule Fiat Tipo EV-617-DS", "LICENSE_PLATE", "EV-617-DS"),
        ("témoin : HL-637-RM", "LICENSE_PLATE", "HL-637-RM"),
        ("ZA de Kerscao, BP 21, 29480 Le Relecq-Kerhuon", "ADDRESS", "ZA de Kerscao, BP 21, 29480 Le Relecq-Kerhuon"),
        ("demeurant La Grande Borde, 24590 Salignac", "ADDRESS", "La Grande Borde, 24590 Salignac"),
        (
            "Level 3, Lister Building, 16 Alexandra Parade\nGlasgow G31 2ER",
            "ADDRESS",
            "Level 3, Lister Building, 16 Alexandra Parade\nGlasgow G31 2ER",
        ),
        ("Élèves\nLéon Maillard\t12.08.2013\tmère", "DATE_OF_BIRTH", "12.08.2013"),
        ("Noemi Cattaneo\n11 set. 1996 · italiana", "DATE_OF_BIRTH", "11 set. 1996"),
        ("il mio numero nuovo è 3491180276", "PHONE_NUMBER", "3491180276"),
        ("Kessler / Wiesenweg 4 / 4623 Neuendorf / Natel", "ADDRESS", "Wiesenweg 4 / 4623 Neuendorf"),
        ("Peinture\nKerautret, 29400 Landivisiau\n", "ADDRESS", "Kerautret, 29400 Landivisiau"),
        ("8 hent ar Feunteun, 29250 Saint-Pol", "ADDRESS", "8 hent ar Feunteun, 29250 Saint-Pol"),
        ("52 bis boulevard Sérurier, Paris 19e", "ADDRESS", "52 bis boulevard Sérurier, Paris 19e"),
        ("Bed 6 Yeo, L 29.11.1966 NOK none", "DATE_OF_BIRTH", "29.11.1966"),
        ("Niederlassungsausweis C, 002.714.882", "ID_CARD", "002.714.882"),
        ("(rue du Moulin 9, Cugy)", "ADDRESS", "rue du Moulin 9, Cugy"),
        ("residente in Contrada Bruca snc, 94100 Enna", "ADDRESS", "Contrada Bruca snc, 94100 Enna"),
        ("Permis : 13AL77041 (B)", "ID_CARD", "13AL77041"),
        ("the password was Heron4Marsh!; I've reset it to Marsh-Heron-8812", "SECRET", "Marsh-Heron-8812"),
        ("Le minibus VD-418277 sera vendu", "LICENSE_PLATE", "VD-418277"),
        ("codice fiscale rss mra 80a01 h501 u", "IT_FISCAL_CODE", "rss mra 80a01 h501 u"),
    ],
)
def test_what_fresh_texts_showed(text: str, kind: str, value: str) -> None:
    assert value in values(text, kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("gültig bis 14.08.2029, geboren in Charkiw", "DATE_OF_BIRTH"),
        ("Netzteil AC-DC 24", "LICENSE_PLATE"),
        ("Switch SW-B 24, Port 12", "LICENSE_PLATE"),
        ("réf. produit AB-204-XK", "LICENSE_PLATE"),
        ("carte d'identité remise. Mutuelle : adhésion n° 771840.", "ID_CARD"),
        ("Haltestelle Kreuzplatz 8 Min. später", "ADDRESS"),
        ("Référence pièce 06 11 84 022", "PHONE_NUMBER"),
        ("Train 14 312 à 07h42, voie 3, quai 2.", "ADDRESS"),
        ("Fulvio Donati. Il comodato in 6517 Arbedo", "ADDRESS"),
    ],
)
def test_what_fresh_clean_texts_showed(text: str, kind: str) -> None:
    assert not values(text, kind)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Blue Corsa, AIG 7713, blocking the drive", "LICENSE_PLATE", "AIG 7713"),
        (
            "url=jdbc:oracle:thin:app_rh/S3cret99@//ora.local:1521/HR",
            "URL_CREDENTIALS",
            "jdbc:oracle:thin:app_rh/S3cret99@//ora.local:1521/HR",
        ),
        ("sqlplus scott/Tig3r@db01", "URL_CREDENTIALS", "sqlplus scott/Tig3r@db01"),
        ("Steueridentifikationsnummer\n8 6 0 9 5 7 4 2 7 1 9", "DE_TAX_ID", "8 6 0 9 5 7 4 2 7 1 9"),
        ("Steuernummer: 181/815/08155", "DE_TAX_ID", "181/815/08155"),
        ("Reisepass-Nr.\nC01X 00T4 7", "PASSPORT", "C01X 00T4 7"),
        ("Ausweis Nr.: L0 1X00 T47", "ID_CARD", "L0 1X00 T47"),
        ("Geburtsdatum\nGeburtsort\nZivilstand\n14.09.1983\nThun", "DATE_OF_BIRTH", "14.09.1983"),
        ("LEBENSLAUF\nBahnhofstrasse 4\n8001 Zürich\n5. März 1979, Olten\n", "DATE_OF_BIRTH", "5. März 1979"),
    ],
)
def test_forms_chats_and_lives(text: str, kind: str, value: str) -> None:
    assert value in values(text, kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Geburtsdatum\nEintritt 2019\n14.09.1983\n", "DATE_OF_BIRTH"),
        ("LEBENSLAUF\nDiplom vom 5. März 1999, Olten\n", "DATE_OF_BIRTH"),
        ("Protokoll\n5. März 1979, Olten\n", "DATE_OF_BIRTH"),
        ("la voiture, phase II 2024", "LICENSE_PLATE"),
        ("jdbc:postgresql://db/rh", "URL_CREDENTIALS"),
        ("Rechnung 181/815/08155", "DE_TAX_ID"),
    ],
)
def test_what_no_form_says(text: str, kind: str) -> None:
    assert not values(text, kind)
