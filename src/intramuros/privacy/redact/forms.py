"""Names that the form of a text gives away: columns headed Name, lines of a chat, "… wrote:".

Called by `names`. Here a name needs no capital: who writes in a chat does so under any name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from intramuros.privacy.redact.capitals import UPPER
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import fold
from intramuros.privacy.redact.words import NOT_NAMES, phrases

_HEADINGS = frozenset(
    fold(heading)
    for heading in phrases(
        """
        nom | prénom | noms | prénoms | nom et prénom | nom prénom | prénom nom | nom de famille | nom complet |
        nom d'usage | nom de naissance | salarié | salariée | collaborateur | employé | patient | élève |
        étudiant | locataire | participant | assuré | titulaire | bénéficiaire | interlocuteur | responsable |
        vorname | nachname | familienname | name | name vorname | vorname name | name, vorname |
        vor- und nachname | mitarbeiter | mitarbeiterin | mitarbeitende | patientin | schüler | schülerin |
        mieter | teilnehmer | teilnehmerin | versicherter | inhaber | ansprechpartner | sachbearbeiter | nome |
        cognome | cognome e nome | nome e cognome | nominativo | dipendente | collaboratore | paziente | alunno
        | allievo | inquilino | partecipante | assicurato | intestatario | first name | last name | firstname |
        lastname | first_name | last_name | full name | full_name | fullname | surname | forename | given name |
        family name | employee | student | tenant | attendee | customer name | contact name | contact person |
        account holder | cardholder
        """
    )
)  # fmt: skip
_GENERAL = frozenset({"name", "nom", "nome", "responsable", "titulaire", "inhaber", "patient"})
"""Headings that also stand over things; they count where a cell looks like a name, or beside a sure heading."""
_SURE = frozenset(fold(h) for h in ("prénom", "prénoms", "vorname", "nachname", "cognome", "surname", "forename"))
_CELL_NAME = re.compile(r"[^\W\d_][\w'’.-]{0,40}(?: [^\W\d_][\w'’.-]{0,40}){0,4}")
_CHAT = re.compile(
    r"^[ \t>]{0,4}(?:"
    r"\[?(?:[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{2,4},? (?:à |at )?)?[0-9]{1,2}[:h.][0-9]{2}(?::[0-9]{2})?\]?"
    r"(?: ?[ap]m)?\]?(?: ?-)? {1,4}<?(?P<after>[^\W\d_][^\n:<>\[\]{}()=/\\;]{0,39}?)>? ?:(?= |\n|$)|"
    r"(?P<before>[^\W\d_][^\n:<>\[\]{}()=/\\;,]{0,39}?),? [(\[]?[0-9]{1,2}[:h][0-9]{2}(?::[0-9]{2})?[)\]]? ?[:\n])",
    re.MULTILINE,
)
_CHAT_NAME = re.compile(r"[\w'’-]{2,30}(?: [\w'’.-]{1,30}){0,3}")
_LOG_LEVELS = frozenset(
    phrases(
        """
    info | warn | warning | error | debug | trace | fatal | notice | critical | kernel | system | start | end | début |
    fin | beginn | ende | inizio | fine | pause | note | total | to | from
        """
    )
)
_WROTE_GATES = ("a écrit", "ha scritto", "wrote", "schrieb")


def formed(text: str) -> Iterator[Finding]:
    """Every name that a form gives away."""
    yield from _columns(text)
    yield from _chat(text)
    yield from _quoted(text)


_BIRTH_HEADINGS = frozenset(
    phrases(
        """
    date de naissance | naissance | ne le | nee le | ne(e) le | ddn | geburtsdatum | geburtstag | geboren | geboren am |
    geb. | geb.datum | data di nascita | nascita | nato il | date of birth | birth date | birthdate | birthday | dob |
    date_of_birth | birth_date | date_naissance
        """
    )
)
_DATE = re.compile(r"[0-9]{1,4}[./ -][0-9]{1,2}[./ -][0-9]{2,4}|[0-9]{1,2}\.? [^\W\d_]{3,10}\.? [0-9]{4}")


def _columns(text: str) -> Iterator[Finding]:
    """Cells under a heading of persons, in rows that have as many cells as the heading's."""
    columns: list[int] = []
    separator, count, place = "", 0, 0
    lines = text.split("\n")
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if columns and line.count(separator) == count:
            yield from _cells(line, place, separator, columns)
        else:
            separator, count, columns = _headed(line, below)
        place += len(line) + 1


def _headed(line: str, below: str) -> tuple[str, int, list[int]]:
    """The columns of persons, if this is a heading: the separator, how often it stands in a line, which columns."""
    if len(line) > 400 or not line:
        return "", 0, []
    for separator in ("\t", ";", "|", ","):
        count = line.count(separator)
        if count and below.count(separator) == count:
            cells = [fold(cell.strip(" \"'*_")) for cell in line.split(separator)]
            columns = [i for i, cell in enumerate(cells) if cell in _HEADINGS]
            is_sure = any(cells[i] not in _GENERAL for i in columns) or any(cell in _SURE for cell in cells)
            births = [-1 - i for i, cell in enumerate(cells) if cell in _BIRTH_HEADINGS]
            columns = (columns if is_sure else []) + births
            return (separator, count, columns) if columns else ("", 0, [])
    return "", 0, []


def _cells(line: str, place: int, separator: str, columns: list[int]) -> Iterator[Finding]:
    """The persons of a row; a column below zero is one of dates of birth."""
    start = 0
    for number, cell in enumerate(line.split(separator)):
        if -1 - number in columns and (date := _DATE.fullmatch(cell.strip(" \"'*_\r"))):
            at = place + start + cell.index(date.group())
            yield Finding("DATE_OF_BIRTH", at, at + len(date.group()), 0.85)
        match = _CELL_NAME.fullmatch(cell.strip(" \"'*_\r")) if number in columns else None
        if match and not any(fold(word) in NOT_NAMES for word in match.group().split()[:1]):
            at = place + start + cell.index(match.group())
            yield Finding("PERSON", at, at + len(match.group()), 0.85)
        start += len(cell) + 1


def _chat(text: str) -> Iterator[Finding]:
    """Who speaks in a chat; only where at least two lines have its form."""
    if "\n" not in text or ":" not in text:
        return
    spoken = [
        (match.start(group), match.end(group))
        for match in _CHAT.finditer(text)
        for group in ("after", "before")
        if match.group(group)
    ]
    spoken = [(start, end) for start, end in spoken if _is_speaker(text[start:end])]
    if len(spoken) < 2:
        return
    for start, end in spoken:
        yield Finding("PERSON", start, end, 0.75)


def _is_speaker(name: str) -> bool:
    if not _CHAT_NAME.fullmatch(name):
        return False
    words = [fold(word) for word in name.split()]
    return not any(word in NOT_NAMES or word in _LOG_LEVELS for word in words)


def _quoted(text: str) -> Iterator[Finding]:
    """ "Le 12 mars 2025 à 08:41, Anne Dupont a écrit :"."""
    if not any(gate in text for gate in _WROTE_GATES):
        return
    place = 0
    for line in text.split("\n"):
        if len(line) < 300 and any(gate in line for gate in _WROTE_GATES):
            yield from _writer(line, place)
        place += len(line) + 1


_BEFORE_WROTE = re.compile(
    rf"(?P<name>[{UPPER}][\w'’.-]{{0,30}}(?:,? [{UPPER}][\w'’.-]{{0,30}}){{0,4}}) ?(?:<[^>\n]{{1,80}}> ?)?"
    r"(?:a écrit|ha scritto|wrote) ?:"
)
_AFTER_WROTE = re.compile(rf"schrieb (?P<name>[{UPPER}][\w'’.-]{{0,30}}(?:,? [{UPPER}][\w'’.-]{{0,30}}){{0,4}})")


def _writer(line: str, place: int) -> Iterator[Finding]:
    for pattern in (_BEFORE_WROTE, _AFTER_WROTE):
        if (match := pattern.search(line)) and fold(match.group("name").split()[0]) not in NOT_NAMES:
            yield Finding("PERSON", place + match.start("name"), place + match.end("name"), 0.85)
