"""Names of persons in four languages without a model: by the words around them and lists of first names.

One tier of the redactor. Evidence, strongest first: a title (Mme, Herr, Sig.ra), a label (Nom :, Mitarbeiterin:), a
greeting or signature, the display name of a mail address, a known first name with a word in capitals beside it, an
initial. Who is mentioned again by surname alone is found by `people`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace

from intramuros.privacy.redact import labels
from intramuros.privacy.redact.around import RELATIONS, is_of_a_person, is_subject
from intramuros.privacy.redact.beside import children, hasty, joined, told_of
from intramuros.privacy.redact.capitals import RUN, UPPER, Token, name_length, tokens_of
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import AMBIGUOUS, FIRST_NAMES, fold
from intramuros.privacy.redact.forms import formed
from intramuros.privacy.redact.lines import addressed, signatures, turned
from intramuros.privacy.redact.strangers import NONE, Met, strangers
from intramuros.privacy.redact.surnames import MIDDLE, ORIENTAL, SURNAMES, is_surname
from intramuros.privacy.redact.words import (
    CLOSINGS,
    COMMON_SURNAMES,
    GREETINGS,
    INTRODUCERS,
    LEGAL_FORMS,
    NOT_NAMES,
    PLACES_BEFORE,
    SURNAMES_TOO,
    TITLES,
)

_OPENS = re.compile(r"(?:^|[.!?:;…•*|>\n\t][\"»)]?|(?:^|\s)-|[«\"(\[])\s*$")
_LAST_WORD = re.compile(r"(?<![^\W\d_])([^\W\d_]++)['. ]{1,2}$")
_SIGNED_ON_LINE = tuple(f"{closing}, " for closing in CLOSINGS)
_INTRODUCED = {
    "".join(cased): tuple(phrase for phrase in INTRODUCERS if phrase.endswith(ending))
    for ending in {phrase[-3:] for phrase in INTRODUCERS}
    for cased in itertools.product(*({char, char.upper()} for char in ending))
}
"""What stands before a name, by its last letters: so that most words are not compared with all of it."""
_FIRM_AFTER = re.compile(
    r",? ?(?:& (?:Cie|Co|Söhne|Fils|Sons|Bros|Figli|Partners?|Associés)"
    r"|et (?:fils|associés|cie)\b|e figli\b|S\.[aA])"
)
_AFTER_GREETING = re.compile(r"[ ]?(?:[,!:;.\n]|- |$)")
_MAIL_OR_BORN = re.compile(
    r"[\"']?[ ]?[<(\[][\w.+-]+@"
    r"|,? (?:née?|born|geboren|geb\.|nat[oa]|demeurant|domiciliée?|wohnhaft|residente|residing|domiciled)(?!\w)"
)
"""After a name, its mail address in brackets, or where and when they were born."""
_ELIDED_BEFORE = re.compile(r"(?<![\w'])(?:Dell|Dall|D)'$")
_PARTICLE_OPENS = re.compile(r"(?:\n|[.!?:;] )((?:de|di|da|du|del|della|van|von) )$")
_PARTICLE_ENDS = frozenset({"de ", "di ", "da ", "du ", "el ", "la ", "an ", "on "})
_INITIAL_AFTER = re.compile(rf" [{UPPER}]\.(?!\w)")
_LISTED = re.compile(r"(?:[0-9][.)]?|[,;(•*-]) $")
_LISTED_END = re.compile(r" ?[,;()\n]|$")
_CELL_BEGINS = re.compile(r"(?:^|[\n;|\t] ?)$")
_CELL_ENDS = re.compile(r" ?[;|\t\n]")
_ALONE_NO_NAMES = frozenset(
    word.upper() if is_capitals else word.capitalize()
    for word in NOT_NAMES - TITLES - GREETINGS - SURNAMES_TOO
    if word.isascii()
    for is_capitals in (False, True)
)
"""Words that, with no other word beside them, nothing makes a name: most of those that begin a sentence."""
_SMALL_WORDS = frozenset({"lo", "la", "le", "li", "di", "da", "de"})
_SHORT_ORIENTAL = frozenset({"do", "le", "vu", "vo", "ly", "ho", "ma", "la"})


class Names:
    """The tier of names. It keeps nothing between texts."""

    name = "names"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """Every name there is evidence for; the language is not needed."""
        labelled = dict(labels.labelled(text))
        found: list[Finding] = list(signatures(text))
        rest: list[Met] = []
        for run in RUN.finditer(text):
            word = run.group()
            if word in _ALONE_NO_NAMES:
                continue
            folded = "" if not word.isalpha() else word.lower() if word.isascii() else fold(word)
            if folded and not _may_be_named(text, run, folded, labelled):
                if folded not in NONE:
                    rest.append((*run.span(), folded, None))
            elif tokens := tokens_of(text, run):
                found += _in_run(text, tokens, labelled)
                rest.append((*run.span(), folded, tokens))
        found += [*turned(text), *addressed(text), *formed(text), *told_of(text), *hasty(text), *children(text)]
        if "'" in text:
            found = [_with_prefix(text, finding) for finding in found]
        found = [*found, *joined(text, found)]
        return [_whole(text, finding) for finding in (*found, *strangers(text, rest, found))]


def _may_be_named(text: str, run: re.Match[str], folded: str, labelled: dict[int, bool]) -> bool:
    """Whether there can be evidence for a word with no other beside it: quick, for most have none."""
    start, end = run.span()
    if start in labelled or folded in FIRST_NAMES:
        return True
    before = text[start - 1 : start]
    if before == " ":
        if _is_introduced(text, start) or _is_signed(text, start):
            return True
    elif before != "(" and text[end : end + 1] != " ":
        return False
    return is_of_a_person(text, start, end, words=1)


def _whole(text: str, finding: Finding) -> Finding:
    """The name with the small word that a line begins with, "de Weck fragt", or a surname's letter: "Zlatko M."."""
    if text[finding.start - 3 : finding.start] in _PARTICLE_ENDS and (
        particle := _PARTICLE_OPENS.search(text[max(0, finding.start - 10) : finding.start])
    ):
        finding = replace(finding, start=finding.start - len(particle.group(1)))
    if text[finding.end + 2 : finding.end + 3] != "." or " " in text[finding.start : finding.end]:
        return finding
    return replace(finding, end=finding.end + 3) if _INITIAL_AFTER.match(text, finding.end) else finding


def _with_prefix(text: str, finding: Finding) -> Finding:
    """A surname with the elided word it begins with: Dell'Acqua, D'Agostino."""
    if text[finding.start - 1 : finding.start] != "'":
        return finding
    prefix = _ELIDED_BEFORE.search(text[max(0, finding.start - 6) : finding.start])
    return replace(finding, start=finding.start - len(prefix.group())) if prefix else finding


def _in_run(text: str, tokens: list[Token], labelled: dict[int, bool]) -> list[Finding]:
    """Reads a run of words with capitals from left to right and takes what there is evidence for."""
    names: list[Finding] = []
    first = tokens[0].start
    at = 0
    begins = _labelled_at(first, labelled) if labelled else -1
    if begins >= 0 or _is_introduced(text, first):
        is_weak = labelled.get(begins, False)
        length = name_length(tokens, 0, is_titled=True)
        if length and not _is_firm(text, tokens, length) and (not is_weak or length > 1 or tokens[0].is_first_name):
            names.append(_finding(tokens, 0, length, 0.85))
            at = length
    elif (len(tokens) > 1 and _MAIL_OR_BORN.match(text, tokens[-1].end)) or _is_signed(text, first):
        length = name_length(tokens, 0)
        if length == len(tokens) and not _is_firm(text, tokens, length):
            names.append(_finding(tokens, 0, length, 0.85))
            at = length
    count = len(tokens)
    while at < count:
        length, score, skip = _at(text, tokens, at)
        if length:
            begin = at + skip
            # a particle belongs to it
            start = _skip_spaces(text, tokens[begin - 1].end) if skip else tokens[begin].start
            names.append(Finding("PERSON", start, tokens[begin + length - 1].end, score))
        at += (skip + length) or 1
    return names


def _labelled_at(first: int, labelled: dict[int, bool]) -> int:
    """Where the value of a label begins in which a word is the first, -1 if it is none: L'Orange, Dell'Acqua."""
    if first in labelled:
        return first
    if first - 2 in labelled:
        return first - 2
    return first - 5 if first - 5 in labelled else -1


def _is_introduced(text: str, first: int) -> bool:
    if text[first - 1 : first] != " ":
        return False
    phrases = _INTRODUCED.get(text[first - 3 : first] if first > 3 else text[:first])
    return phrases is not None and text[max(0, first - 40) : first].lower().endswith(phrases)


def _is_signed(text: str, first: int) -> bool:
    return text[first - 2 : first] == ", " and text[max(0, first - 40) : first].lower().endswith(_SIGNED_ON_LINE)


def _at(text: str, tokens: list[Token], at: int) -> tuple[int, float, int]:
    """The name that begins at this word: how many words, how sure, and how many words to leave out before it."""
    token = tokens[at]
    if token.can_be_name and token.folded not in _SPECIAL and not token.is_initial:
        return _plain_at(text, tokens, at)
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
    if not token.can_be_name or token.folded in _PARTICLES:
        name = _after_particle(text, tokens, at)
        if name[0] or not token.can_be_name:
            return name
    return _plain_at(text, tokens, at)


def _plain_at(text: str, tokens: list[Token], at: int) -> tuple[int, float, int]:
    """The same for a word that is no title, greeting, initial or small word."""
    token = tokens[at]
    if token.is_first_name and not (token.text.isupper() and len(token.text) < 4):
        return _after_first_name(text, tokens, at)
    if at + 1 < len(tokens) and tokens[at + 1].is_first_name and tokens[at + 1].can_be_name:
        return _turned_round(text, tokens, at) or _unlisted(text, tokens, at)
    return _unlisted(text, tokens, at)


def _turned_round(text: str, tokens: list[Token], at: int) -> tuple[int, float, int] | None:
    """DUPONT Jean: a surname before a first name."""
    token = tokens[at]
    is_capitals = token.text.isupper() and len(token.text) > 2 and not tokens[at + 1].text.isupper()
    is_last = at + 2 == len(tokens)
    is_surname = token.folded in COMMON_SURNAMES
    if (is_capitals and (is_last or is_surname)) or (is_surname and is_last and not _names_a_place(text, tokens, at)):
        return 2, 0.75, 0
    if (
        len(tokens) == 2
        and _CELL_BEGINS.search(text[max(0, token.start - 3) : token.start])
        and _CELL_ENDS.match(text, tokens[1].end)
    ):
        return 2, 0.65, 0
    is_listed = len(tokens) == 2 and _LISTED.search(text[max(0, token.start - 3) : token.start])
    is_plain = tokens[1].folded not in AMBIGUOUS and token.folded not in RELATIONS if is_listed else False
    if is_plain and _LISTED_END.match(text, tokens[1].end) and not _names_a_place(text, tokens, at):
        return 2, 0.65, 0
    return None


def _unlisted(text: str, tokens: list[Token], at: int) -> tuple[int, float, int]:
    """A name none of whose words is a listed first name: by its surname, or by the sentence around it."""
    if at + 1 < len(tokens) and (
        tokens[at].folded in RELATIONS or tokens[at].folded in PLACES_BEFORE or _is_of_another(text, tokens, at)
    ):
        return 0, 0.0, 0
    length = name_length(tokens, at)
    score = _unlisted_score(text, tokens, at, length) if length else 0.0
    if not score:
        return 0, 0.0, 0
    if _names_a_place(text, tokens, at) or _is_firm(text, tokens, at + length):
        return 0, 0.0, length - 1
    return length, score, 0


def _is_of_another(text: str, tokens: list[Token], at: int) -> bool:
    """ "Nachfrage von Kowalczyk", "Idraulica Sanna di Efisio Sanna": the name begins after the small word."""
    for this, following in itertools.pairwise(tokens[at : at + 4]):
        if following.start - this.end < 4:  # spaces alone
            continue
        between = text[this.end : following.start].strip()
        if between == "di" and following.is_first_name:
            return True
        if between == "von" and this is tokens[at] and this.text.isalpha() and not is_surname(this.folded):
            return True
    return False


def _unlisted_score(text: str, tokens: list[Token], at: int, length: int) -> float:
    """How sure it is that these words are a name; 0 where nothing says so."""
    token, last = tokens[at], tokens[at + length - 1]
    if (
        length > 1
        and token.folded in ORIENTAL
        and any(t.folded in MIDDLE or t.is_first_name for t in tokens[at + 1 : at + length])
    ):
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


_PARTICLES = frozenset({"de", "di", "della", "dalla", "dal", "del", "degli", "dello", "lo", "la", "le"})
_SPECIAL = GREETINGS | _SHORT_ORIENTAL | _PARTICLES


def _after_particle(text: str, tokens: list[Token], at: int) -> tuple[int, float, int]:
    """A surname that begins with a small word in capitals: Di Lorenzo, Della Valle Gianmaria."""
    rest = tokens[at + 1 :]
    if tokens[at].folded not in _PARTICLES or not rest or not rest[0].can_be_name or tokens[at].text.isupper():
        return 0, 0.0, 0
    if _names_a_place(text, tokens, at) or _is_firm(text, tokens, at + 2):
        return 0, 0.0, 1
    if len(rest) == 2 and rest[1].is_first_name and not rest[0].is_first_name:
        return 3, 0.65, 0
    if len(rest) > 1:
        return 0, 0.0, 0
    is_certain = rest[0].folded in SURNAMES or is_surname(rest[0].folded)
    is_inside = (
        at == 0 and not _opens(text, tokens[at].start) and tokens[at].folded in {"de", "di", "della", "dal", "del"}
    )
    if is_certain or is_inside or is_of_a_person(text, tokens[at].start, rest[0].end, words=2):
        return 2, 0.6, 0
    return 0, 0.0, 0


_NO_INITIALS = frozenset(
    {"C.F.", "P.S.", "N.B.", "S.A.", "P.O.", "C.P.", "R.C.S.", "T.V.A.", "U.S.", "U.K.", "E.U.", "U.O.", "S.C.", "C.C."}
)


def _after_initial(text: str, tokens: list[Token], at: int) -> tuple[int, float, int]:
    length = 1
    if tokens[at].text in _NO_INITIALS or _UNIT.search(text[max(0, tokens[at].start - 2) : tokens[at].start]):
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
        or _stands_apart(text, tokens[at].start, surname.end)
    ):
        return length + 1, 0.65, 0
    return 0, 0.0, 0


_UNIT = re.compile(r"[0-9] $")
_LABEL_BEFORE = re.compile(r"[a-zà-ÿ)] ?:[ \t]{0,8}$")


def _stands_apart(text: str, start: int, end: int) -> bool:
    """ "(K. Ehrlich, 14:22)", or all there is after a label; a heading "A. Introduction" is no name."""
    after = text[end : end + 2]
    if text[start - 1 : start] == "(" and after[:1] in {",", ")"}:
        return True
    return (not after or after[0] == "\n" or after == "  ") and _LABEL_BEFORE.search(
        text[max(0, start - 12) : start]
    ) is not None


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
    return _FIRM_AFTER.match(text, tokens[end - 1].end) is not None


def _names_a_place(text: str, tokens: list[Token], at: int) -> bool:
    """Whether a street, school or prize is named after someone: the word before says so."""
    if at and tokens[at - 1].folded in PLACES_BEFORE:
        return True
    if at:
        return False
    start = tokens[0].start
    if not start or text[start - 1] not in " '.\n":
        return False
    last = text[max(0, start - 24, text.rfind(" ", 0, start - 1) + 1) : start - 1]
    if text[start - 1] == " " and last.isalpha():
        return fold(last) in PLACES_BEFORE
    before = _LAST_WORD.search(text[max(0, start - 24) : start])
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
