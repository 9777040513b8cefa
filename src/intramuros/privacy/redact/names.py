"""Names of persons in four languages without a model: by the words around them and lists of first names.

One tier of the redactor. Evidence, strongest first: a title (Mme, Herr, Sig.ra), a label (Nom :, Mitarbeiterin:), a
greeting or signature, the display name of a mail address, a known first name with a word in capitals beside it, an
initial. Who is mentioned again by surname alone is found by `people`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intramuros.privacy.redact.around import RELATIONS, is_of_a_person, is_subject
from intramuros.privacy.redact.capitals import RUN, UPPER, Token, name_length, tokens_of
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import AMBIGUOUS, fold
from intramuros.privacy.redact.forms import formed
from intramuros.privacy.redact.lines import signatures, turned
from intramuros.privacy.redact.surnames import MIDDLE, ORIENTAL, SURNAMES, is_surname
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
    WEAK_LABELS,
)

_LABEL = re.compile(rf"({LABELS})[*_]{{0,2}}(?: ?\([^)\n]{{1,24}}\))?[ \t]{{0,12}}")
_LABEL_BEGINS = re.compile(r"(?:^|(?<=[\s,;|>*•(\-_#\"]))(?=[^\W\d_])")
_SEPARATOR = re.compile(rf"[:|\t][*_]{{0,2}}[ \t|]{{0,16}}(?=[{UPPER}])")
_OPENS = re.compile(r"(?:^|[.!?:;…•*|>\n\t][\"»)]?|(?:^|\s)-|[«\"(\[])\s*$")
_LAST_WORD = re.compile(r"([^\W\d_]+)['. ]{1,2}$")
_SIGNED_ON_LINE = tuple(f"{closing}, " for closing in CLOSINGS)
_AFTER_GREETING = re.compile(r"[ ]?(?:[,!:;.\n]|- |$)")
_MAIL_AFTER = re.compile(r"[\"']?[ ]?[<(\[][\w.+-]+@")
_BORN = re.compile(
    r",? (?:née?|born|geboren|geb\.|nat[oa]|demeurant|domiciliée?|wohnhaft|residente|residing|domiciled)(?!\w)"
)
_CELL_BEGINS = re.compile(r"(?:^|[\n;|\t] ?)$")
_CELL_ENDS = re.compile(r" ?[;|\t\n]")
_SMALL_WORDS = frozenset({"lo", "la", "le", "li", "di", "da", "de"})
_SHORT_ORIENTAL = frozenset({"do", "le", "vu", "vo", "ly", "ho", "ma", "la"})
_NEXT = re.compile(rf"(?:[,;] |\) ?[,;] | et | und | e | and )(?=[{UPPER}])")


class Names:
    """The tier of names. It keeps nothing between texts."""

    name = "names"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """Every name there is evidence for; the language is not needed."""
        labelled = dict(_labelled(text))
        found: list[Finding] = list(signatures(text))
        for run in RUN.finditer(text):
            tokens = tokens_of(text, run)
            if tokens:
                found += _in_run(text, tokens, labelled)
        return [*found, *turned(text), *formed(text), *_paired(text)]


_NO_INITIALS = frozenset({"C.F.", "P.S.", "N.B.", "S.A.", "P.O.", "C.P.", "R.C.S.", "T.V.A.", "U.S.", "U.K.", "E.U."})
_PLURAL = re.compile(
    rf"(?<!\w)(?:(?:MM|Mmes|Messrs|Drs|[Ss]igg)\.?|Mmes|Messieurs|Mesdames|Herren|Frauen|[Ss]ignori"
    r"|[Mm]aîtres|Rechtsanwälte)"
    rf" (?:[{UPPER}][\w'-]{{1,30}}(?:,? )){{1,6}}(?:et|und|e|and|&) (?P<last>[{UPPER}][\w'-]{{2,30}})"
)
_SPOKEN = re.compile(
    rf"(?<!\w)mit (?P<last>[{UPPER}][\w'-]{{2,30}}) (?:telefoniert|gesprochen|besprochen|vereinbart|geredet|abgemacht"
    r"|abgesprochen|abgestimmt|geklärt)(?!\w)"
)


_JOINS = (" et ", " und ", " e ", " and ", " & ")


def _paired(text: str) -> Iterator[Finding]:
    """The last of several after a title for all of them, and whom somebody spoke with."""
    for pattern, gates in ((_PLURAL, _JOINS), (_SPOKEN, ("mit ",))):
        if not any(gate in text for gate in gates):
            continue
        for match in pattern.finditer(text):
            if fold(match.group("last")) not in NOT_NAMES:
                yield Finding("PERSON", *match.span("last"), 0.7)


def _in_run(text: str, tokens: list[Token], labelled: dict[int, bool]) -> Iterator[Finding]:
    """Reads a run of words with capitals from left to right and takes what there is evidence for."""
    first = tokens[0].start
    before = text[max(0, first - 40) : first].lower()
    at = 0
    if first in labelled or (before[-1:] == " " and before.endswith(INTRODUCERS)):
        is_weak = labelled.get(first, False)
        length = name_length(tokens, 0, is_titled=True)
        if length and not _is_firm(text, tokens, length) and (not is_weak or length > 1 or tokens[0].is_first_name):
            yield _finding(tokens, 0, length, 0.85)
            at = length
    elif (before[-2:] == ", " and before.endswith(_SIGNED_ON_LINE)) or (
        len(tokens) > 1 and (_MAIL_AFTER.match(text, tokens[-1].end) or _BORN.match(text, tokens[-1].end))
    ):
        length = name_length(tokens, 0)
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


def _at(text: str, tokens: list[Token], at: int) -> tuple[int, float, int]:
    """The name that begins at this word: how many words, how sure, and how many words to leave out before it."""
    token = tokens[at]
    if token.is_title:
        skip = 1
        while at + skip < len(tokens) and tokens[at + skip].is_title:
            skip += 1
        length = name_length(tokens, at + skip, is_titled=True)
        return (length, 0.9, skip) if length else (0, 0.0, skip - 1)
    if token.folded in GREETINGS and at + 1 < len(tokens):
        length = name_length(tokens, at + 1)
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
    if token.folded in _SHORT_ORIENTAL and at + 1 < len(tokens) and tokens[at + 1].folded in MIDDLE:
        return 1 + name_length(tokens, at + 1), 0.8, 0
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
        if (
            len(tokens) == 2
            and _CELL_BEGINS.search(text[max(0, token.start - 3) : token.start])
            and _CELL_ENDS.match(text, tokens[1].end)
        ):
            return 2, 0.65, 0
    return _unlisted(text, tokens, at)


def _unlisted(text: str, tokens: list[Token], at: int) -> tuple[int, float, int]:
    """A name none of whose words is a listed first name: by its surname, or by the sentence around it."""
    if tokens[at].folded in RELATIONS and at + 1 < len(tokens):
        return 0, 0.0, 0
    length = name_length(tokens, at)
    score = _unlisted_score(text, tokens, at, length) if length else 0.0
    if not score:
        return 0, 0.0, 0
    if _names_a_place(text, tokens, at) or _is_firm(text, tokens, at + length):
        return 0, 0.0, length - 1
    return length, score, 0


def _unlisted_score(text: str, tokens: list[Token], at: int, length: int) -> float:
    """How sure it is that these words are a name; 0 where nothing says so."""
    token, last = tokens[at], tokens[at + length - 1]
    if token.folded in ORIENTAL and any(t.folded in MIDDLE or t.is_first_name for t in tokens[at + 1 : at + length]):
        return 0.8
    if length > 3 or at + length != len(tokens):
        return 0.0
    is_capitals = token.text.isupper()
    if length > 1 and (token.folded in SURNAMES if is_capitals else is_surname(last.folded)):
        return 0.65
    if (
        len(token.folded) < 3
        or (is_capitals and len(token.text) < 5)
        or not (at == 0 or _stands_alone(text, tokens, at))
    ):
        return 0.0
    return 0.65 if is_of_a_person(text, token.start, last.end, words=length) else 0.0


def _after_initial(text: str, tokens: list[Token], at: int) -> tuple[int, float, int]:
    length = 1
    if tokens[at].text in _NO_INITIALS:
        return 0, 0.0, 0
    while at + length < len(tokens) and tokens[at + length].is_initial:
        length += 1
    if at + length >= len(tokens):
        return 0, 0.0, 0
    surname = tokens[at + length]
    if (
        surname.folded in {"lo", "la", "le", "li", "di", "da", "de"}
        and (more := name_length(tokens, at + length, is_titled=True)) > 1
    ):
        return length + more, 0.65, 0
    if not surname.can_be_name or len(surname.folded) < 3 or (surname.text.isupper() and len(surname.text) < 5):
        return 0, 0.0, 0
    has_several = length > 1 or tokens[at].text.count(".") > 1
    if (
        has_several
        or surname.folded in COMMON_SURNAMES
        or is_surname(surname.folded)
        or not _opens(text, tokens[at].start)
    ):
        return length + 1, 0.65, 0
    return 0, 0.0, 0


def _after_first_name(text: str, tokens: list[Token], at: int) -> tuple[int, float, int]:
    token = tokens[at]
    length = name_length(tokens, at)
    if _names_a_place(text, tokens, at) or (length > 1 and _is_firm(text, tokens, at + length)):
        return 0, 0.0, max(0, length - 1)
    if length > 1:
        others = tokens[at + 1 : at + length]
        is_sure = token.folded not in AMBIGUOUS or any(
            o.folded in COMMON_SURNAMES or is_surname(o.folded) or o.is_first_name for o in others
        )
        return length, 0.85 if is_sure else 0.7, 0
    is_joined = at + 1 < len(tokens) and not tokens[at + 1].is_title
    if text[max(0, token.start - 2) : token.start] == "& ":
        return 0, 0.0, 0  # Marks & Spencer
    if token.text.isupper() or is_joined or (at and not _stands_alone(text, tokens, at)):
        return 0, 0.0, 0
    if token.folded in AMBIGUOUS and not (
        is_subject(text, token.start, token.end) or is_of_a_person(text, token.start, token.end, words=1)
    ):
        return 0, 0.0, 0
    return 1, 0.55, 0


def _stands_alone(text: str, tokens: list[Token], at: int) -> bool:
    """Whether the word before is no part of a longer proper name: "Merci Anna", but not "Villa Anna"."""
    if text[tokens[at - 1].end : tokens[at].start].strip():
        return True
    before = tokens[at - 1].folded
    return before in NOT_NAMES or before in GREETINGS or before in RELATIONS


def _is_firm(text: str, tokens: list[Token], end: int) -> bool:
    """Whether a legal form follows or stands among the words: "Pierre Fabre SA"."""
    following = tokens[end].folded if end < len(tokens) else ""
    if following in LEGAL_FORMS:
        return True
    return (
        re.match(
            r",? ?(?:& (?:Cie|Co|Söhne|Fils|Sons|Bros|Figli|Partners?|Associés)"
            r"|et (?:fils|associés|cie)\b|e figli\b|S\.[aA])",
            text[tokens[end - 1].end :][:24],
        )
        is not None
    )


def _names_a_place(text: str, tokens: list[Token], at: int) -> bool:
    """Whether a street, school or prize is named after someone: the word before says so."""
    if at and tokens[at - 1].folded in PLACES_BEFORE:
        return True
    if at:
        return False
    before = _LAST_WORD.search(text[max(0, tokens[0].start - 24) : tokens[0].start])
    return before is not None and fold(before.group(1)) in PLACES_BEFORE


def _opens(text: str, start: int) -> bool:
    return _OPENS.search(text[max(0, start - 6) : start]) is not None


def _finding(tokens: list[Token], at: int, length: int, score: float) -> Finding:
    last = tokens[at + length - 1]
    return Finding("PERSON", tokens[at].start, last.end, score)


def _skip_spaces(text: str, place: int) -> int:
    while text[place] == " ":
        place += 1
    return place


def _label_at_end(before: str) -> re.Match[str] | None:
    """The longest label that ends where the separator stands. Tried at beginnings of words only, for speed."""
    for start in _LABEL_BEGINS.finditer(before):
        if match := _LABEL.fullmatch(before, start.start()):
            return match
    return None


def _labelled(text: str) -> Iterator[tuple[int, bool]]:
    """Where a value begins after a label of a person, and whether the label is a weak one."""
    for separator in _SEPARATOR.finditer(text):
        before = text[max(0, separator.start() - 48) : separator.start()].lower()
        match = _label_at_end(before)
        if match is None:
            continue
        label = fold(match.group(1))
        is_weak = label in WEAK_LABELS
        if (
            is_weak
            and len(label) < 5
            and label != "name"
            and before[: match.start(1)].rpartition("\n")[2].strip(" >*_-#|\t")
        ):
            continue  # "Fahrzeug A:" is nobody's address
        yield separator.end(), is_weak
        if label in LIST_LABELS:
            end = text.find("\n", separator.end())
            for match in _NEXT.finditer(text, separator.end(), end if end >= 0 else len(text)):
                yield match.end(), True
