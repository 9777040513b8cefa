"""What a table's headings say of its cells: names, dates of birth, telephone numbers, papers, addresses.

One tier of the redactor. A table is a line of headings with at least one row below it that has as many cells, between
tabs, semicolons, bars or commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import fold
from intramuros.privacy.redact.words import NOT_NAMES, SURNAMES_TOO, phrases

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
        account holder | cardholder | surname and forename | titolare | cliente |
        accompagnatore | rufname | prénom usuel | preferred name | known as | family name | middle name
        """
    )
)  # fmt: skip
_DOERS = frozenset(
    fold(heading)
    for heading in phrases(
        """
        approved by | requested by | claimant | assigned to | handled by | author | driver | teacher | handler | clerk |
        validé par | approuvé par | demandé par | demandeur | suivi par | enseignant | conducteur | héritier |
        héritière | genehmigt von | beantragt von | antragsteller | bearbeiter | verantwortlich | fahrer | lehrer |
        lehrperson | erbe | approvato da | richiesto da | richiedente | assegnato a | autista | docente | erede |
        revisore
        """
    )
)  # fmt: skip
"""Headings of who did something; other words stand in these columns too, so that a name needs its capital."""
_GENERAL = frozenset({"name", "nom", "nome", "responsable", "titulaire", "inhaber", "patient"})
"""Headings that also stand over things; they count where a cell looks like a name, or beside a sure heading."""
_SURE = frozenset(fold(h) for h in ("prénom", "prénoms", "vorname", "nachname", "cognome", "surname", "forename"))
_KINDS = (
    (
        "DATE_OF_BIRTH",
        r"(?:date (?:de |of )?)?(?:naiss|birth)|date[_ -](?:naissance|birth)|birth[_ ]?d|ne(?:e|\(e\))? le|ddn"
        r"|geb(?:[. ]|urts)|geboren|data (?:di )?nasc|nascita|nat[oa](?:/a)? il|d\.?o\.?b",
        r"[0-9]{1,4}[./ -][0-9]{1,2}[./ -][0-9]{2,4}|[0-9]{1,2}\.? [^\W\d_]{3,10}\.? [0-9]{4}",
    ),
    (
        "PHONE_NUMBER",
        r"(?:n[o°]?\.? (?:de )?|numero (?:di |de )?)?(?:tel|phone|mobil|handy|natel|cell|portable|gsm|fax|festnetz|rufn"
        r"|recapito|(?:home|work|cell|office) phone|whatsapp)|contact (?:no|num|phone)",
        r"[+(0-9](?=(?:[^0-9]*[0-9]){5})[0-9 ./()\-]{5,22}[0-9]",
    ),
    (
        "PASSPORT",
        r"(?:n[o°]?\.? (?:de |du )?)?(?:passe?port|passaporto|reisepass|pass-?n)",
        r"(?=(?:[^0-9]*[0-9]){4})[A-Z0-9 ]{6,12}",
    ),
    (
        "ID_CARD",
        r"(?:n[o°]?\.? (?:de |du )?)?(?:carte (?:d')?ident|carte nat|carte de sej|cni\b|piece d'ident"
        r"|titre de sej|id[ -]?(?:card|nr|no|num|doc)"
        r"|identity card|[a-z]{0,14}ausweis|carta (?:d'|di )?ident|permis\b|fuhrersch|driving lic|licen[cs]e n"
        r"|patente|documento|permesso|c\.?i\.?e?\.?$"
        r"|national id|brp\b|perso\b|permit n|fs-nr|driver n|residence permit|aufenthalt)",
        r"(?=(?:[^0-9]*[0-9]){2})[A-Z0-9 .-]{6,18}",
    ),
    (
        "LICENSE_PLATE",
        r"immatric|plaque|(?:kfz-?)?kennz|kontrollsch|nummernsch|targa|(?:(?:number|licen[cs]e) )?plate"
        r"|(?:vehicle )?reg(?:istration)?\b",
        r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-zÄÖÜ])[A-Za-zÄÖÜ0-9][A-Za-zÄÖÜ0-9 .:-]{3,10}",
    ),
    (
        "LICENSE_PLATE",
        r"(?:vehic|fahrzeug|veicol|mezzo|autov|auto$|wagen|voiture|car$|vrm|immat|plaques?|lkw|camion)",
        r"(?=[^0-9]*[0-9]{2})(?:[A-ZÄÖÜ]{1,3}[ .:·'-]{0,3}[A-Z0-9 .'-]{2,8}"
        r"|[0-9]{1,4}[ -]?[A-Z]{2,3}[ -]?[0-9]{2,6}|[0-9]{2,3}-[A-Z]{1,2}-[0-9]{1,6})",
    ),
    (
        "SECRET",
        r"(?:initial |temp(?:orary)? |start|erst)?(?:mots? de passe|mdp|passwor[dt]|pwd?$|psw|passe$|kennwort)|pin\b",
        r"(?=[^\s]*[0-9]|[^\s]*[a-z][^\s]*[A-Z]|[^\s]+[!#$%&*@+])[^\s]{4,64}",
    ),
    (
        "street",
        r"(?:adresse|rue|voie|strasse|str\.|anschrift|indirizzo|via|(?:street )?address|street"
        r"|domicile|domicilio|residenza)(?: ?[1l]| privee?| postale| e n| und (?:haus)?nr\.?)?$|stra(?:ss|ß)e",
        r"(?=[^\W\d_]|[0-9]).{4,80}",
    ),
    ("town", r"(?:plz|cp|npa|cap|zip|post ?code|code postal|postleitzahl)\b", r"[A-Z0-9][A-Z0-9 -]{2,9}"),
    ("town", r"(?:ort|ville|localite|commune|citta|comune|localita|town|city|stadt|wohnort)$", r"[^\W\d_].{1,40}"),
)
"""What a heading, folded, begins with and what its cells look like. An address goes on in the cells after a street."""
_PERSONAL = frozenset({"DATE_OF_BIRTH", "PASSPORT", "ID_CARD"})
"""Columns that only tables of persons have."""
_SELDOM_ELSE = frozenset({"SECRET", "PASSPORT", "ID_CARD", "LICENSE_PLATE", "PHONE_NUMBER", "DATE_OF_BIRTH"})
"""Columns whose cells are what the heading says, also where it is the only one known."""
_COLUMNS = tuple((kind, re.compile(cell)) for kind, _, cell in _KINDS)
_ANY_COLUMN = re.compile("|".join(f"(?P<k{number}>{heading})" for number, (_, heading, _) in enumerate(_KINDS)))
_KNOWN = _HEADINGS | _DOERS
_CELL_NAME = re.compile(r"[^\W\d_][\w'’.-]{0,40}(?:,? [^\W\d_][\w'’.-]{0,40}){0,4}")
_MARKS = " \"'*_\r"
_PARTICLES = frozenset(
    {"de", "di", "da", "du", "des", "del", "la", "le", "zu", "zum", "zur", "von", "van", "st", "al", "d"}
)


class Tables:
    """Cells under the headings of a table."""

    name = "tables"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """What it finds; text of one line costs nothing."""
        return list(_in_rows(text)) if "\n" in text else []


def _in_rows(text: str) -> Iterator[Finding]:
    columns: dict[int, str] = {}
    separator, count, place = "", 0, 0
    separators = [sign for sign in ("\t", ";", "|", ",") if sign in text]
    if not separators:
        return
    lines = text.split("\n")
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if columns and line.count(separator) == count:
            yield from _cells(line, place, separator, columns)
        else:
            separator, count, columns = _headed(line, below, separators)
        place += len(line) + 1


def _headed(line: str, below: str, separators: Sequence[str]) -> tuple[str, int, dict[int, str]]:
    """If this is a heading: the separator, how often it stands in a line, and what its columns hold."""
    if len(line) > 400 or not line:
        return "", 0, {}
    for separator in separators:
        count = line.count(separator)
        if count and below.count(separator) == count:
            cells = [fold(cell.strip(_MARKS)) for cell in line.split(separator)]
            kinds = {i: kind for i, cell in enumerate(cells) if (kind := _kind(cell))}
            if not kinds and _KNOWN.isdisjoint(cells):
                return "", 0, {}
            columns = {i: "name" for i, cell in enumerate(cells) if cell in _HEADINGS}
            is_sure = any(cell in _SURE for cell in cells) or not _PERSONAL.isdisjoint(kinds.values())
            is_of_people = bool(columns)
            if all(cells[i] in _GENERAL for i in columns) and not is_sure:
                columns = {}
            columns |= {i: "doer" for i, cell in enumerate(cells) if cell in _DOERS}
            if len(kinds | columns) > 1 or is_of_people or _SELDOM_ELSE.intersection(kinds.values()):
                columns = kinds | columns
            return (separator, count, columns) if columns else ("", 0, {})
    return "", 0, {}


def _kind(heading: str) -> str:
    if not 1 < len(heading) <= 30:
        return ""
    known = _ANY_COLUMN.match(heading)
    return _KINDS[int(known.lastgroup[1:])][0] if known and known.lastgroup else ""


def _cells(line: str, place: int, separator: str, columns: dict[int, str]) -> Iterator[Finding]:
    """What stands in the cells of a row under headings that say what it is."""
    start, street = place, -1
    end = 0
    for number, cell in enumerate(line.split(separator)):
        content = cell.strip(_MARKS)
        column = columns.get(number, "")
        at = start + (cell.index(content) if content else 0)
        is_of_kind = bool(content) and any(
            kind == column and pattern.fullmatch(content) is not None for kind, pattern in _COLUMNS
        )
        if street >= 0 and column != "town":
            yield from _addressed(line, street - place, end - place, place)
            street = -1
        if column in {"name", "doer"}:
            yield from _named(content, at, column)
        elif column == "street" and is_of_kind:
            street, end = at, at + len(content)
        elif column == "town" and is_of_kind and street >= 0:
            end = at + len(content)
        elif column not in {"", "town"} and is_of_kind:
            yield Finding(column, at, at + len(content), 0.85)
        start += len(cell) + 1
    if street >= 0:
        yield from _addressed(line, street - place, end - place, place)


def _addressed(line: str, start: int, end: int, place: int) -> Iterator[Finding]:
    """An address has a number somewhere."""
    if any(c.isdigit() for c in line[start:end]):
        yield Finding("ADDRESS", place + start, place + end, 0.85)


def _named(content: str, at: int, column: str) -> Iterator[Finding]:
    match = _CELL_NAME.fullmatch(content)
    if match and not _is_word(content) and (column == "name" or content != content.lower()):
        yield Finding("PERSON", at, at + len(content), 0.85)


def _is_word(cell: str) -> bool:
    """Whether a cell begins with a word that is no name, no surname and no beginning of one either: Zu Rhein."""
    words = cell.split()
    first, *others = [fold(word.rstrip(",.")) for word in words]
    if first in _PARTICLES and others and others[-1] not in NOT_NAMES and words[-1][0].isupper():
        return False
    return (first in NOT_NAMES and first not in SURNAMES_TOO) or cell in _STATES


_STATES = frozenset(
    phrases(
        "refused | pending | open | none | n/a | unknown | refusé | en attente | aucun | inconnu | abgelehnt | "
        "offen | keine |"
        " unbekannt | rifiutato | in attesa | nessuno | sconosciuto | declined | rejected | approved | done | "
        "closed | tbd"
    )
)
