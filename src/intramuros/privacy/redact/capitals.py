"""Words with a capital: what names are made of.

Used by `names` and `lines`. A run is a line's neighbouring words with capitals, with the small words of names (de la,
von) between them; a token is one of them with what the lists say of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from intramuros.privacy.redact.first_names import AMBIGUOUS, FIRST_NAMES, fold
from intramuros.privacy.redact.surnames import ORIENTAL
from intramuros.privacy.redact.words import COMMON_SURNAMES, LEGAL_FORMS, NOT_NAMES, SURNAMES_TOO, TITLES

UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪİŁŃŇŌŐŒŘŚŞŠŢŤŪŮŰŹŻŽȘȚ"
_TITLE = r"(?:Dr|Hrn?|Mr|Mrs|Ms|Prof|Sig|Dott|Avv|Ing|Mme|Mlle|Me|Pr|Sigg|Rag|Geom|Arch|Fam|Mag|Lic|Dipl|MM|M)\."
_INITIAL = rf"(?:[{UPPER}]|Ph|Ch|Th|Chr|Jos)\."
_PARTS = r"(?:['-]\w{1,30}){0,3}"
_TOKEN = (
    rf"[{UPPER}](?:\w{{4,30}}{_PARTS}"
    rf"|(?=\w{{0,3}}\.)(?:(?<=(?={_TITLE}).)\w{{0,3}}\.(?:ra|ssa)?|(?<=(?={_INITIAL}).)\w{{0,2}}\.(?:-?[{UPPER}]\.)*)"
    rf"|\w{{0,30}}{_PARTS})"
)
"""A title with its dot, initials or a word. It begins with a set of characters, for speed: the engine skips to it."""
_PARTICLE = (
    r"(?:(?:de la|de|du|des|da|dal|dalla|de'|di|del|della|dos|das|van der|van den|van de|van|von und zu|von der"
    r"|von dem|von|vom"
    r"|ten|ter|el|al|ben|bin|ibn|abu|bint|le|la|y) |d'|(?:al|el)-)"
)
RUN = re.compile(rf"{_TOKEN}(?:[ ]{{1,2}}(?=[{UPPER}a-eiltvy]){_PARTICLE}?{_TOKEN}){{0,7}}")
_TOKENS = re.compile(_TOKEN)
_ELIDED = re.compile(r"(?:[LDJMNSTC]|Qu|Dell|All|Nell|Sull|Dall|Un)'(?=.)")
_INITIALS = re.compile(rf"{_INITIAL}(?:-?[{UPPER}]\.)*")
_JOINING = frozenset(
    {"le", "la", "lo", "li", "du", "de", "des", "da", "di", "del", "van", "von", "den", "der", "dos", "el", "al", "ben"}
)
_NEVER_NAMES = NOT_NAMES | LEGAL_FORMS
_TITLES_OR_NEVER_NAMES = TITLES | _NEVER_NAMES
_IN_CODE = frozenset({"_", "(", "/", "=", "@"})
_ROMAN = re.compile(r"[IVX]{2,5}")


_TITLES_WITH_DOT = frozenset({"m", "me", "sig", "arch", "rag", "ing", "pr"})
_TITLES_WITHOUT = frozenset({"M", "Me", "Pr", "Sig", "Ing"})


@dataclass(slots=True)
class Token:
    """A word with a capital: its letters folded, and what the lists say of it.

    `is_title`: it stands before a name. `is_initial`: it is a first letter with its dot. `is_first_name`: the lists
    know it as one, also both parts of a double one. `can_be_name`: nothing speaks against its being part of a name.
    """

    text: str
    start: int
    end: int
    folded: str
    is_title: bool
    is_initial: bool
    is_first_name: bool
    can_be_name: bool


def _plain_token(word: str, start: int, end: int) -> Token:
    """The token of a word of letters alone."""
    folded = word.lower() if word.isascii() else fold(word)
    can_be_name = word[0] not in "IVX" or _ROMAN.fullmatch(word) is None
    is_title = False
    if folded in _TITLES_OR_NEVER_NAMES:
        is_title = folded in TITLES and (folded not in _TITLES_WITH_DOT or word in _TITLES_WITHOUT)
        can_be_name = can_be_name and not is_title and folded not in _NEVER_NAMES
    return Token(word, start, end, folded, is_title, False, folded in FIRST_NAMES, can_be_name)


def _token(word: str, start: int, end: int) -> Token:
    if word.isalpha():
        return _plain_token(word, start, end)
    folded = fold(word)
    if "." in folded:
        folded = folded.replace(".", "")
    is_title = folded in TITLES
    if is_title and folded in _TITLES_WITH_DOT:
        is_title = word[-1] == "." or word in _TITLES_WITHOUT
    is_first_name = folded in FIRST_NAMES
    if not is_first_name and "-" in folded:
        first, _, rest = folded.partition("-")
        is_first_name = first in FIRST_NAMES and rest.partition("-")[0] in FIRST_NAMES
    can_be_name = not (
        is_title
        or folded in _NEVER_NAMES
        or word[-1].isdigit()
        or (word[0] in "IVX" and _ROMAN.fullmatch(word) is not None)
    )
    is_initial = word[-1] == "." and _INITIALS.fullmatch(word) is not None
    return Token(word, start, end, folded, is_title, is_initial, is_first_name, can_be_name)


def tokens_of(text: str, run: re.Match[str]) -> list[Token]:
    """The words of a run; none when it is the end of a longer word, an identifier or an address."""
    place, stop = run.span()
    if place and ((before := text[place - 1]).isalnum() or before in "_@/\\°"):
        return []
    words = run.group()
    after = text[stop : stop + 1]
    if words[-1] == "." and after.islower():  # Aurora S.n.c.
        return []
    tokens = []
    for part in words.split(" "):
        word, at = part, place
        place += len(part) + 1
        if part.isalpha() and part[0].isupper():  # the most, and there is less to ask
            tokens.append(_plain_token(part, at, place - 1))
            continue
        if not part:
            continue
        if word[0].islower():  # a particle: de, van, d'Angelo, al-Masri
            inner = _TOKENS.search(word)
            if inner is None:
                continue
            word, at = inner.group(), at + inner.start()
        end = at + len(word)
        if "'" in word:
            if elided := _ELIDED.match(word):
                word, at = word[elided.end() :], at + elided.end()
            if word.endswith("'s") and len(word) > 4:  # Delphine's
                word, end = word[:-2], end - 2
        tokens.append(_token(word, at, end))
    if after in _IN_CODE or (after == "." and text[stop + 1 : stop + 2].isalnum()):
        tokens.pop()  # an identifier in code, a host, an address
    return tokens


def name_length(tokens: list[Token], at: int, *, is_titled: bool = False) -> int:
    """How many words from here can be one person's name: at most five, none of them a word that is no name."""
    length = 0
    has_letters = False
    for token in tokens[at : at + 5]:
        if not token.can_be_name and not _stands_in_name(tokens, at, length, is_titled):
            break
        length += 1
        has_letters = has_letters or len(token.folded) > 1
    return length if has_letters else 0


def _stands_in_name(tokens: list[Token], at: int, length: int, is_titled: bool) -> bool:
    """Whether a word that is no name by itself is part of one here: between others, or right after a title."""
    token, following = tokens[at + length], tokens[at + length + 1 : at + length + 2]
    if length == 0:
        return is_titled and (token.folded in SURNAMES_TOO or _begins(token, following))
    if length == 1 and not following and token.folded in SURNAMES_TOO:
        return tokens[at].is_first_name and tokens[at].folded not in AMBIGUOUS  # Jens Sonntag
    is_oriental = tokens[at].folded in ORIENTAL and len(token.folded) < 5 and not token.is_title
    return is_oriental or (bool(following) and _joins(token, following[0]))


def _begins(token: Token, following: list[Token]) -> bool:
    """Whether it is the small word a surname begins with: Da Costa, LE BIHAN."""
    return token.folded in _JOINING and bool(following) and following[0].can_be_name


def _joins(token: Token, following: Token) -> bool:
    """Whether a word that is no name stands inside one: Le Goff, Thi Mai Nguyen."""
    if token.is_title or not following.can_be_name:
        return False
    return token.folded in _JOINING or following.folded in COMMON_SURNAMES
