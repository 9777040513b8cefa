"""Names by the form of the text and the sentence around them."""

from __future__ import annotations

import pytest

from tests.unit.privacy.redact.found import found


def names(text: str) -> list[str]:
    return [value for kind, value in found(text) if kind == "PERSON"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Matricule;Nom;Prénom\n12;Quartenat;Zélie\n13;Ouvrard;Isolde", ["Quartenat", "Zélie", "Ouvrard", "Isolde"]),
        ("| Name | Vorname |\n| Brüschweil | Xeno |", ["Brüschweil", "Xeno"]),
        ("First name,Last name,Team\nQuillan,Storrow,Legal", ["Quillan", "Storrow"]),
        ("[09:02] mimi77: salut\n[09:03] Jo R.: oui", ["mimi77", "Jo R."]),
        ("Le 3 mai 2024 à 08:41, Xavière Moultard a écrit :\n> oui", ["Xavière Moultard"]),
        ("Ce matin Moultard a appelé.", ["Moultard"]),
        ("Pas de nouvelles : Brannigol est malade.", ["Brannigol"]),
        ("La victime et sa sœur Ysoline ont parlé.", ["Ysoline"]),
        ("Mon voisin du dessus, Xavérien Plouzec, est parti.", ["Xavérien Plouzec"]),
        ("Le devis de Xavérien Plouzec, électricien à Brest.", ["Xavérien Plouzec"]),
        ("Der Hauswart Brüllisauer ist informiert.", ["Brüllisauer"]),
        ("Yannoula Stankovski legt Rekurs ein.", ["Yannoula Stankovski"]),
        ("Il testimone, Ranunculi, ha visto tutto.", ["Ranunculi"]),
        ("Witness Oddbjorg said so.", ["Oddbjorg"]),
        ("Von: Kowalczyk, Anna\nBetreff: x", ["Kowalczyk, Anna"]),
        ("Nguyen Thi Mai Lan a signé.", ["Nguyen Thi Mai Lan"]),
        ("[kimmo 09:02] salut\n[Jo 09:03] oui @kimmo, demande à kimmo", ["kimmo", "Jo", "kimmo", "kimmo"]),
        ("xeno.b  10:41 AM\nhey\nZib K.  10:44 AM\nask thomas", ["xeno.b", "Zib K.", "thomas"]),
        ("09:01 Zib: wo ist oma ilse?\n09:02 Kox: bei mir", ["Zib", "ilse", "Kox"]),
        ("merci à mme quartenat. Quartenat viendra.", ["quartenat", "Quartenat"]),
        ("ich fahre zu frau brüschweil", ["brüschweil"]),
        ("To: Quornby, Zelda; van Ostrix, Pim <p@x.example>\nSubject: x", ["Quornby, Zelda", "van Ostrix, Pim"]),
        ("Cc: Dell'Orbo Quenda\n", ["Dell'Orbo Quenda"]),
        ("presenti: int. 4 Quarlesi Luca (mill. 80), int. 5 vuoto", ["Quarlesi Luca"]),
        ("Antrag von Yasemin al-Quorni liegt vor.", ["Yasemin al-Quorni"]),
        ("Notiz (K. Quendler, 14:22): Konfig geprüft", ["K. Quendler"]),
        ("Firma del funzionario: N. Quarlesi\n", ["N. Quarlesi"]),
        ("Yours sincerely\nX. Storrow (Mrs)\nClerk", ["X. Storrow"]),
        ("zwei Kinder (Xander und Oriel)", ["Xander", "Oriel"]),
        ("Kinder: Quilla, 12.09.2018 / Oriel, 1.2.2021", ["Quilla", "Oriel"]),
        ("Mme Ouvrard née Quartenat", ["Ouvrard", "Quartenat"]),
        ("Kontaktperson Hr. Brüschweil jun.", ["Brüschweil"]),
        ("Auf Nachfrage von Kowalczyk sagt er zu. Kowalczyk geht.", ["Kowalczyk", "Kowalczyk"]),
        ("Idraulica Quarlesi di Ettore Quarlesi", ["Quarlesi", "Ettore Quarlesi"]),
        ("Annas Bruder grüsst. Anna Keller kommt.", ["Annas", "Anna Keller"]),
    ],
)
def test_names_no_list_knows(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Name;Preis;Menge\nHammer;12;3\nZange;8;2",
        "Nom;Réf\nPerceuse;12",
        "2025-03-11 08:14:22 INFO: started\n2025-03-11 08:14:23 WARN: slow",
        "La Commission demande un rapport. Bruxelles propose de voter.",
        "Die Beklagte sagt nichts. Der Bundesrat will sparen.",
        "Chauffer à 160 °C. Servir chaud.",
        "on 24 V at 3.2 A. Tested to ISO 12100. Note: A. Introduction follows here",
        "0.6 ms more, meine frau kommt, des fs module, der dr und die frau haben",
        "Kinder: Betreuung ab August. Enfants : Tarif réduit, Gratuit",
        "Panificio Aurora S.n.c., U.O. Oculistica, Lex Koller, the Lord Chancellor, Travis CI",
        "09:01 INFO: axel und jean\n09:02 WARN: ok",
        "To: Sales, Marketing; Legal\nA: Milano, Italia",
        "Visitors like Green Park and the Royal Garden.",
        'password = os.environ["DB_PASSWORD"]',
    ],
)
def test_forms_and_sentences_without_persons(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Ort;Geburtsdatum\nBern;12.03.1974", "DATE_OF_BIRTH", "12.03.1974"),
        ("born on 7 May 1990", "DATE_OF_BIRTH", "7 May 1990"),
        ("DB_HOST=10.2.0.14", "IP_ADDRESS", "10.2.0.14"),
        ("le mdp du wifi invité c'est Tulipe!2031", "SECRET", "Tulipe!2031"),
        ("Passwort fürs Portal: Gr4nit#sommer", "SECRET", "Gr4nit#sommer"),
        ("Via dei Tigli 4, 20900 Monza", "ADDRESS", "Via dei Tigli 4, 20900 Monza"),
        ("Z.A. du Bois, 8 rue Ampère, 01600 Trévoux", "ADDRESS", "Z.A. du Bois, 8 rue Ampère, 01600 Trévoux"),
    ],
)
def test_what_the_third_set_showed(text: str, kind: str, value: str) -> None:
    assert (kind, value) in found(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Beat hat den Schlüssel.", ["Beat"]),
        ("Dossier suivi par Quorine.", ["Quorine"]),
        ("Il nuovo inquilino si chiama Bregor Zolt.", ["Bregor Zolt"]),
        ("Could you ping Zbygniew?", ["Zbygniew"]),
        ("La Rose est fanée.", []),
        ("Malerei Weiss AG liefert.", []),
    ],
)
def test_what_the_fourth_set_showed(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_a_card_of_the_new_kind_a_van_and_a_street_of_alla() -> None:
    assert ("ID_CARD", "X4RTBPFW4") in found("carte d'identité X4RTBPFW4")
    assert ("LICENSE_PLATE", "GA 118 XR") in found("Furgone GA 118 XR")
    assert ("ADDRESS", "Via alla Posta 6, 6850 Mendrisio") in found("Via alla Posta 6, 6850 Mendrisio")
