"""Names of persons in four languages without a model: by the words around them and lists of first names.

One tier of the redactor. Evidence, strongest first: a title (Mme, Herr, Sig.ra), a label (Nom :, Mitarbeiterin:), a
greeting or signature, the display name of a mail address, a known first name with a word in capitals beside it, an
initial. Who is mentioned again by surname alone is found by `people`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import AMBIGUOUS, FIRST_NAMES, fold
from intramuros.privacy.redact.words import (
    CLOSINGS,
    COMMON_SURNAMES,
    GREETINGS,
    INTRODUCERS,
    LABELS,
    LEGAL_FORMS,
    LIST_LABELS,
    NOT_NAMES,
    PLACES_BEFORE,
    SHORT_TITLES,
    SURNAMES_TOO,
    TITLES,
    WEAK_LABELS,
)

_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪİŁŃŇŌŐŒŘŚŞŠŢŤŪŮŰŹŻŽȘȚ"
_TITLE_DOT = r"(?:Dr|Mr|Mrs|Ms|Prof|Sig|Dott|Avv|Ing|Mme|Mlle|Me|Pr|Sigg|Rag|Geom|Arch|Fam|MM|M)\.(?:ra|ssa)?"
_TOKEN = (
    rf"(?:{_TITLE_DOT}|(?:[{_UPPER}]|Ph|Ch|Th|Chr|Jos)\.(?:-?[{_UPPER}]\.)*|[{_UPPER}]\w{{0,30}}(?:['-]\w{{1"
    rf",30}}){{0,3}})"
)
_PARTICLE = (
    r"(?:(?:de la|de|du|des|da|dal|dalla|de'|di|del|della|dos|das|van der|van den|van de|van|von der|von|vom"
    r"|zu|zur|zum|ten|ter|el|al|ben|bin|le|la|y) |d')"
)
_RUN = re.compile(rf"{_TOKEN}(?:[ ]{{1,2}}{_PARTICLE}?{_TOKEN}){{0,7}}")
_TOKENS = re.compile(_TOKEN)
_ELIDED = re.compile(r"(?:[LDJMNSTC]|Qu|Dell|All|Nell|Sull|Dall|Un)'(?=.)")
_INITIALS = re.compile(rf"(?:[{_UPPER}]|Ph|Ch|Th|Chr|Jos)\.(?:-?[{_UPPER}]\.)*")
_LABELLED = re.compile(rf"(?:^|[\s,;|>*•(\-_#\"])({LABELS})[*_]{{0,2}}(?: ?\([^)\n]{{1,24}}\))?[ \t]{{0,12}}$")
_SEPARATOR = re.compile(rf"[:|\t][*_]{{0,2}}[ \t|]{{0,16}}(?=[{_UPPER}])")
_OPENS = re.compile(r"(?:^|[.!?:;…•*|>\n\t][\"»)]?|(?:^|\s)-|[«\"(\[])\s*$")
_LAST_WORD = re.compile(r"([^\W\d_]+)['. ]{1,2}$")
_CLOSING_ENDS = (
    "salutations distinguées",
    "sentiments distingués",
    "sentiments les meilleurs",
    "salutations les meilleures",
    "freundlichen grüssen",
    "freundlichen grüßen",
    "sincères salutations",
    "meilleures salutations",
    "distinti saluti",
    "cordiali saluti",
    "kind regards",
    "best regards",
)
_CLOSING = frozenset(CLOSINGS)
_SIGNED_ON_LINE = tuple(f"{closing}, " for closing in CLOSINGS)
_AFTER_GREETING = re.compile(r"[ ]?(?:[,!:;.\n]|- |$)")
_MAIL_AFTER = re.compile(r"[\"']?[ ]?[<(\[][\w.+-]+@")
_JOINING = frozenset(
    {"le", "la", "du", "de", "des", "da", "di", "del", "van", "von", "den", "der", "dos", "el", "al", "ben"}
)
_ROMAN = re.compile(r"[IVX]{2,5}")
_BORN = re.compile(
    r",? (?:née?|born|geboren|geb\.|nat[oa]|demeurant|domiciliée?|wohnhaft|residente|residing|domiciled)(?!\w)"
)
_NEXT = re.compile(rf"(?:[,;] |\) ?[,;] | et | und | e | and )(?=[{_UPPER}])")
_AND = re.compile(r"[ ](?:et|und|e|and|&|u\.)[ ]$")


@dataclass(frozen=True, slots=True)
class _Token:
    """A word with a capital: its letters folded, and what the lists say of it."""

    text: str
    start: int
    end: int
    folded: str

    @property
    def is_title(self) -> bool:
        if self.folded in SHORT_TITLES and self.folded in {"m", "me", "sig", "arch", "rag", "ing", "pr"}:
            return self.text.endswith(".") or self.text in {"M", "Me", "Pr", "Sig", "Ing"}
        return self.folded in TITLES

    @property
    def is_initial(self) -> bool:
        return _INITIALS.fullmatch(self.text) is not None

    @property
    def is_first_name(self) -> bool:
        if self.folded in FIRST_NAMES:
            return True
        first, dash, rest = self.folded.partition("-")
        return bool(dash) and first in FIRST_NAMES and rest.split("-")[0] in FIRST_NAMES

    @property
    def can_be_name(self) -> bool:
        if self.folded in NOT_NAMES or self.folded in LEGAL_FORMS or _ROMAN.fullmatch(self.text):
            return False
        return not self.is_title


class Names:
    """The tier of names. It keeps nothing between texts."""

    name = "names"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """Every name there is evidence for; the language is not needed."""
        labelled = dict(_labelled(text))
        found: list[Finding] = list(_signatures(text))
        for run in _RUN.finditer(text):
            tokens = _tokens(text, run)
            if tokens:
                found += _in_run(text, tokens, labelled)
        return [*found, *_turned(text)]


def _tokens(text: str, run: re.Match[str]) -> list[_Token]:
    start = run.start()
    if start and (text[start - 1].isalnum() or text[start - 1] in "_@/\\"):
        return []
    tokens = []
    for match in _TOKENS.finditer(text, start, run.end()):
        word, at = match.group(), match.start()
        if elided := _ELIDED.match(word):
            word, at = word[elided.end() :], at + elided.end()
        tokens.append(_Token(word, at, match.end(), fold(word).replace(".", "")))
    after = text[run.end() : run.end() + 1]
    if after in {"_", "(", "/", "=", "@"} or (after == "." and text[run.end() + 1 : run.end() + 2].isalnum()):
        tokens.pop()  # an identifier in code, a host, an address
    return tokens


def _in_run(text: str, tokens: list[_Token], labelled: dict[int, bool]) -> Iterator[Finding]:
    """Reads a run of words with capitals from left to right and takes what there is evidence for."""
    first = tokens[0].start
    before = text[max(0, first - 40) : first].lower()
    at = 0
    if first in labelled or before.endswith(INTRODUCERS):
        is_weak = labelled.get(first, False)
        length = _name_length(tokens, 0)
        if length and not _is_firm(text, tokens, length) and (not is_weak or length > 1 or tokens[0].is_first_name):
            yield _finding(tokens, 0, length, 0.85)
            at = length
    elif before.endswith(_SIGNED_ON_LINE) or (
        len(tokens) > 1 and (_MAIL_AFTER.match(text, tokens[-1].end) or _BORN.match(text, tokens[-1].end))
    ):
        length = _name_length(tokens, 0)
        if length == len(tokens) and not _is_firm(text, tokens, length):
            yield _finding(tokens, 0, length, 0.85)
            at = length
    while at < len(tokens):
        length, score, skip = _at(text, tokens, at)
        if length:
            found = _finding(tokens, at + skip, length, score)
            start = _skip_spaces(text, tokens[at + skip - 1].end) if skip else found.start  # a particle belongs to it
            yield Finding("PERSON", start, found.end, score)
        at += max(1, skip + length)


def _at(text: str, tokens: list[_Token], at: int) -> tuple[int, float, int]:
    """The name that begins at this word: how many words, how sure, and how many words to leave out before it."""
    token = tokens[at]
    if token.is_title:
        skip = 1
        while at + skip < len(tokens) and tokens[at + skip].is_title:
            skip += 1
        length = _name_length(tokens, at + skip, is_titled=True)
        return (length, 0.9, skip) if length else (0, 0.0, skip - 1)
    if token.folded in GREETINGS and at + 1 < len(tokens):
        length = _name_length(tokens, at + 1)
        last = at + length
        if (
            length
            and last == len(tokens) - 1
            and _AFTER_GREETING.match(text, tokens[last].end)
            and _opens(text, token.start)
        ):
            return length, 0.85, 1
        return 0, 0.0, 0
    if token.is_initial:
        return _after_initial(text, tokens, at)
    if not token.can_be_name:
        return 0, 0.0, 0
    if token.is_first_name and not (token.text.isupper() and len(token.text) < 4):
        return _after_first_name(text, tokens, at)
    if at + 1 < len(tokens) and tokens[at + 1].is_first_name and tokens[at + 1].can_be_name:  # DUPONT Jean
        is_capitals = token.text.isupper() and len(token.text) > 2 and not tokens[at + 1].text.isupper()
        is_last = at + 2 == len(tokens)
        is_surname = token.folded in COMMON_SURNAMES
        if (is_capitals and (is_last or is_surname)) or (
            is_surname and is_last and not _names_a_place(text, tokens, at)
        ):
            return 2, 0.75, 0
    return 0, 0.0, 0


def _after_initial(text: str, tokens: list[_Token], at: int) -> tuple[int, float, int]:
    length = 1
    while at + length < len(tokens) and tokens[at + length].is_initial:
        length += 1
    if at + length >= len(tokens):
        return 0, 0.0, 0
    surname = tokens[at + length]
    if not surname.can_be_name or len(surname.folded) < 3 or (surname.text.isupper() and len(surname.text) < 5):
        return 0, 0.0, 0
    if surname.folded in COMMON_SURNAMES or not _opens(text, tokens[at].start):
        return length + 1, 0.65, 0
    return 0, 0.0, 0


def _after_first_name(text: str, tokens: list[_Token], at: int) -> tuple[int, float, int]:
    token = tokens[at]
    length = _name_length(tokens, at)
    if _names_a_place(text, tokens, at) or (length > 1 and _is_firm(text, tokens, at + length)):
        return 0, 0.0, max(0, length - 1)
    if length > 1:
        others = tokens[at + 1 : at + length]
        is_sure = token.folded not in AMBIGUOUS or any(o.folded in COMMON_SURNAMES or o.is_first_name for o in others)
        return length, 0.85 if is_sure else 0.7, 0
    is_joined = at + 1 < len(tokens) and not tokens[at + 1].is_title
    if token.folded in AMBIGUOUS or token.text.isupper() or is_joined or (at and not _stands_alone(text, tokens, at)):
        return 0, 0.0, 0
    return 1, 0.55, 0


def _stands_alone(text: str, tokens: list[_Token], at: int) -> bool:
    """Whether the word before is no part of a longer proper name: "Merci Anna", but not "Villa Anna"."""
    if text[tokens[at - 1].end : tokens[at].start].strip():
        return True
    return tokens[at - 1].folded in NOT_NAMES or tokens[at - 1].folded in GREETINGS


def _name_length(tokens: list[_Token], at: int, *, is_titled: bool = False) -> int:
    """How many words from here can be one person's name: at most five, none of them a word that is no name."""
    length = 0
    while at + length < len(tokens) and length < 5:
        token, following = tokens[at + length], tokens[at + length + 1 : at + length + 2]
        is_between = length > 0 and bool(following) and _joins(token, following[0])
        is_surname = is_titled and length == 0 and token.folded in SURNAMES_TOO
        if not (token.can_be_name or is_between or is_surname):
            break
        length += 1
    if not any(len(token.folded) > 1 for token in tokens[at : at + length]):
        return 0
    return length


def _joins(token: _Token, following: _Token) -> bool:
    """Whether a word that is no name stands inside one: Le Goff, Thi Mai Nguyen."""
    if token.is_title or not following.can_be_name:
        return False
    return token.folded in _JOINING or following.folded in COMMON_SURNAMES


def _is_firm(text: str, tokens: list[_Token], end: int) -> bool:
    """Whether a legal form follows or stands among the words: "Pierre Fabre SA"."""
    following = tokens[end].folded if end < len(tokens) else ""
    if following in LEGAL_FORMS:
        return True
    return (
        re.match(
            r",? ?(?:& (?:Cie|Co|Söhne|Fils|Partner|Associés)|et (?:fils|associés|cie)\b|e figli\b|S\.[aA])",
            text[tokens[end - 1].end :][:24],
        )
        is not None
    )


def _names_a_place(text: str, tokens: list[_Token], at: int) -> bool:
    """Whether a street, school or prize is named after someone: the word before says so."""
    if at and tokens[at - 1].folded in PLACES_BEFORE:
        return True
    if at:
        return False
    before = _LAST_WORD.search(text[max(0, tokens[0].start - 24) : tokens[0].start])
    return before is not None and fold(before.group(1)) in PLACES_BEFORE


def _opens(text: str, start: int) -> bool:
    return _OPENS.search(text[max(0, start - 6) : start]) is not None and (
        start > 6 or not text[:start].strip() or True
    )


def _finding(tokens: list[_Token], at: int, length: int, score: float) -> Finding:
    last = tokens[at + length - 1]
    return Finding("PERSON", tokens[at].start, last.end, score)


def _skip_spaces(text: str, place: int) -> int:
    while text[place] == " ":
        place += 1
    return place


def _labelled(text: str) -> Iterator[tuple[int, bool]]:
    """Where a value begins after a label of a person, and whether the label is a weak one."""
    for separator in _SEPARATOR.finditer(text):
        before = text[max(0, separator.start() - 48) : separator.start()].lower()
        match = _LABELLED.search(before)
        if match is None:
            continue
        label = fold(match.group(1))
        is_weak = label in WEAK_LABELS
        if is_weak and len(label) < 5 and before[: match.start(1)].rpartition("\n")[2].strip(" >*_-#|\t"):
            continue  # "Fahrzeug A:" is nobody's address
        yield separator.end(), is_weak
        if label in LIST_LABELS:
            end = text.find("\n", separator.end())
            for match in _NEXT.finditer(text, separator.end(), end if end >= 0 else len(text)):
                yield match.end(), True


def _signatures(text: str) -> Iterator[Finding]:
    """The line after "Cordialement" that holds nothing but a name."""
    if "\n" not in text:
        return
    place, to_look = 0, 0
    for line in text.split("\n"):
        content = line.strip(" \t>*_,.!-")
        lowered = content.lower() if len(content) < 200 else ""
        if content and to_look:
            to_look -= 1
            if finding := _signed(line, place):
                yield finding
                to_look = 0
        if (
            lowered in _CLOSING
            or lowered.endswith(_CLOSING_ENDS)
            or (len(lowered) < 48 and lowered.startswith(_CLOSING_ENDS))
        ):
            to_look = 2
        place += len(line) + 1


def _signed(line: str, place: int) -> Finding | None:
    match = re.match(r"[ \t>*_\-]*", line)
    start = match.end() if match else 0
    run = _RUN.match(line, start)
    if run is None or line[run.end() :].strip(" \t,.*_-\r") not in {"", "PhD", "MBA"}:
        return None
    tokens = _tokens(line, run)
    while tokens and tokens[0].is_title:
        tokens.pop(0)
    if not tokens or _name_length(tokens, 0) != len(tokens) or len(tokens) > 4:
        return None
    if len(tokens) == 1 and tokens[0].text.isupper() and len(tokens[0].text) > 3:
        return None
    return Finding("PERSON", place + tokens[0].start, place + tokens[-1].end, 0.8)


_TURNED = re.compile(rf"([{_UPPER}][\w'-]{{1,30}}(?: [{_UPPER}][\w'-]{{1,30}})?), ([{_UPPER}][\w'-]{{1,30}})(?![\w'])")


def _turned(text: str) -> Iterator[Finding]:
    """ "Müller, Anna": a surname, a comma, a first name; where a line begins or the surname is a common one."""
    if ", " not in text:
        return
    for match in _TURNED.finditer(text):
        surname, first = fold(match.group(1)), fold(match.group(2))
        if (
            first.split("-")[0] not in FIRST_NAMES
            or match.group(2).isupper()
            or surname in NOT_NAMES
            or surname in FIRST_NAMES
        ):
            continue
        if match.start() and (text[match.start() - 1].isalnum() or text[match.start() - 1] in "_-'"):
            continue
        starts = match.start() == 0 or text[match.start() - 1] in '\n|\t"'
        if surname.split(" ")[0] in COMMON_SURNAMES or (
            starts and not text[match.end() : match.end() + 2].startswith(",")
        ):
            yield Finding("PERSON", match.start(), match.end(), 0.7)
