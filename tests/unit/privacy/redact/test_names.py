"""Names in four languages: the evidence that counts, and the words that are none."""

from __future__ import annotations

import pytest

from intramuros.privacy.redact.letters import likeness
from intramuros.privacy.redact.lists import listed
from intramuros.privacy.redact.people import Directory
from intramuros.privacy.redact.words import NOT_NAMES
from tests.unit.privacy.redact.found import EVERYTHING, values


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("J'ai vu Mme Trémeau hier.", ["Trémeau"]),
        ("Heute half Abinaya beim Waschen, dann kam Shpresa.", ["Abinaya", "Shpresa"]),
        ("ieri è venuta Nderime Hyseni con Tesfay", ["Nderime Hyseni", "Tesfay"]),
        ("we saw Merlin Quorn there", ["Merlin Quorn"]),
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
        ("[Tue 09:14] quorn: hi\n[Tue 09:15] Wib: hello", ["quorn", "Wib"]),
        ("09:14 Quorn > salut\n09:15 Wib > oui", ["Quorn", "Wib"]),
        ("[01.02.24, 13:43] Xyla Groß: ja\n[01.02.24, 13:44] Wib: nein", ["Xyla Groß", "Wib"]),
        ("[09:14] Günther Wib: ja\n[09:15] Quorn: frag günther", ["Günther Wib", "Quorn", "günther"]),
        ("Item | Claimant\nTrain | Quorn, Xyla\nBus | pending", ["Quorn, Xyla"]),
        ("Es war Jens Sonntag.", ["Jens Sonntag"]),
        ("ieri Di Quornio ha detto di no", ["Di Quornio"]),
        ("- Della Quorna Gianmarco", ["Della Quorna Gianmarco"]),
        ("We met Anna and Wibble there.", ["Anna", "Wibble"]),
        ("Kommentar 2 (Xyla Quorn):\nnein", ["Xyla Quorn"]),
        ("Bitte Quorn fragen.", ["Quorn"]),
        ("J'ai eu Quorn au téléphone", ["Quorn"]),
        ("approvato da Quorni il 3 maggio", ["Quorni"]),
        ("Anwesend: Keller Anna, Quorn, Wibble", ["Keller Anna", "Quorn", "Wibble"]),
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
        "Anwesend: Vorstand, Geschäftsleitung",
        "2018 to present: Engineer",
        "Item | Approved by\nTrain | pending\nBus | refused",
        "Fish and Chips, salt and vinegar; rouge et Blanc",
        "handler: Callable",
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


_MEETING = "Anwesend: Anna Keller, Beat Brunner, Urs Huber und Eva Widmer.\n"
_RÉUNION = "Présents : Anne Perret, Jean Favre, Luc Rochat et Éva Blanc.\n"
_RIUNIONE = "Presenti: Anna Galli, Luca Riva, Ugo Bianchi ed Eva Conti.\n"
_ROOM = "Present: Anna Hill, Jack Ward, Hugo Clarke and Eve Turner.\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (_MEETING + "Danach hat Ovajic nicht mehr gesprochen.", "Ovajic"),
        (_MEETING + "Das Angebot von Ovajic ist gut.", "Ovajic"),
        (_MEETING + "Zainabs Geburtstag wird am Montag gefeiert.", "Zainabs"),
        (_MEETING + "Arbeit Zgraggen, das genügt uns nicht mehr, und zwar.", "Zgraggen"),
        (_RÉUNION + "Selon Kerdovic, rien ne presse.", "Kerdovic"),
        (_RÉUNION + "On a vu Tjarvena Olmazek hier.", "Tjarvena Olmazek"),
        (_RÉUNION + "À faire : flyer (Ramovaja), gâteaux.", "Ramovaja"),
        (_RIUNIONE + "Ieri Olmarini ha firmato.", "Olmarini"),
        (_ROOM + "Ovajic's quote is too dear.", "Ovajic"),
        (_ROOM + "Arlo, Zainab and Ovelina swim.", "Ovelina"),
        ("Shift\tMon\nEarly\tAnna\nLate\tHildebrandtsson\nNight\tZainab\n", "Hildebrandtsson"),
        ("Nicole Amaury-Truffert kam; Amaury blieb, Truffert ging.", "Amaury"),
        ("On a vu Zainab M. hier.", "Zainab M."),
        ("Anwesend: P. de Wecklen, A. Keller\nde Wecklen fragt nach dem Budget.", "de Wecklen"),
        ("Anna kam. Danach sprachen Ovajka Velimar und Tjarvena Olmazek mit Sorvajic.", "Sorvajic"),
        (_RÉUNION + "On a élu Oumavna Sghalier et Tom Favre.", "Oumavna Sghalier"),
        (_RÉUNION + "À bientôt\nCheers, Ovajka", "Ovajka"),
    ],
)
def test_where_persons_are_spoken_of_letters_and_places_tell_who_else_is_one(text: str, name: str) -> None:
    assert name in values(text, "PERSON")


@pytest.mark.parametrize(
    "text",
    [
        "Danach hat Ovajic nicht gesprochen. On a vu Tjarvena Olmazek hier.",
        _MEETING + "Die Umwälzpumpe im Estrich ist defekt, der Zählerstand wurde notiert.",
        _MEETING + "Traktandum Kasse: Überschuss, Rückstellungen und Mitgliederbeiträge.",
        _RÉUNION + "Le Conseil siège à Vernier. Remplacement du robinet, déplacement compris.",
        _RIUNIONE + "Sostituzione caldaia a Bellinzona. Domani gita.",
        _ROOM + "The CMake and Postgres builds fail in Aberdeen. Pay is due.",
        "Port\tState\nEarly\tOpen\nLate\tClosed\n",
    ],
)
def test_where_nothing_tells_other_words_are_left(text: str) -> None:
    first = {"Anna", "Beat", "Urs", "Eva", "Anne", "Jean", "Luc", "Éva", "Luca", "Ugo", "Jack", "Hugo", "Eve"}
    assert {name.split(" ")[0] for name in values(text, "PERSON")} <= first


def test_letters_tell_names_from_words() -> None:
    names = ("kovalchuk", "ramabaja", "tsegaye", "xiulan", "oluwaseun", "quattropani")
    words = ("versicherung", "umwalzpumpe", "remplacement", "sostituzione", "settlement", "rechnung")
    assert min(likeness(name) for name in names) > max(likeness(word) for word in words)


def test_the_published_lists_are_read_and_hold_no_words() -> None:
    firsts, surnames = listed("first_names"), listed("surnames")
    assert len(firsts) > 5000
    assert len(surnames) > 5000
    assert {"orsolya", "bence"} <= firsts
    assert not (firsts | surnames) & (NOT_NAMES | {"walls", "tage", "drop", "bois", "lora"})
    assert values("Gestern hat Orsolya drei Tage gewartet.", "PERSON") == ["Orsolya"]
