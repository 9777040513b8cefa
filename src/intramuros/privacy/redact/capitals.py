"""Words with a capital: what names are made of.

Used by `names` and `lines`. A run is a line's neighbouring words with capitals, with the small words of names (de la,
von) between them; a token is one of them with what the lists say of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from intramuros.privacy.redact.first_names import FIRST_NAMES, fold
from intramuros.privacy.redact.surnames import ORIENTAL
from intramuros.privacy.redact.words import COMMON_SURNAMES, LEGAL_FORMS, NOT_NAMES, SHORT_TITLES, SURNAMES_TOO, TITLES

UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪİŁŃŇŌŐŒŘŚŞŠŢŤŪŮŰŹŻŽȘȚ"
_TITLE_DOT = (
    r"(?:Dr|Mr|Mrs|Ms|Prof|Sig|Dott|Avv|Ing|Mme|Mlle|Me|Pr|Sigg|Rag|Geom|Arch|Fam|Mag|Lic|Dipl|MM|M)\.(?:ra|ssa)?"
)
_TOKEN = (
    rf"(?:{_TITLE_DOT}|(?:[{UPPER}]|Ph|Ch|Th|Chr|Jos)\.(?:-?[{UPPER}]\.)*|[{UPPER}]\w{{0,30}}(?:['-]\w{{1"
    rf",30}}){{0,3}})"
)
_PARTICLE = (
    r"(?:(?:de la|de|du|des|da|dal|dalla|de'|di|del|della|dos|das|van der|van den|van de|van|von und zu|von der"
    r"|von dem|von|vom"
    r"|ten|ter|el|al|ben|bin|le|la|y) |d')"
)
RUN = re.compile(rf"{_TOKEN}(?:[ ]{{1,2}}{_PARTICLE}?{_TOKEN}){{0,7}}")
_TOKENS = re.compile(_TOKEN)
_ELIDED = re.compile(r"(?:[LDJMNSTC]|Qu|Dell|All|Nell|Sull|Dall|Un)'(?=.)")
_INITIALS = re.compile(rf"(?:[{UPPER}]|Ph|Ch|Th|Chr|Jos)\.(?:-?[{UPPER}]\.)*")
_JOINING = frozenset(
    {"le", "la", "lo", "li", "du", "de", "des", "da", "di", "del", "van", "von", "den", "der", "dos", "el", "al", "ben"}
)
_NEVER_NAMES = NOT_NAMES | LEGAL_FORMS
_ROMAN = re.compile(r"[IVX]{2,5}")


@dataclass(frozen=True, slots=True)
class Token:
    """A word with a capital: its letters folded, and what the lists say of it."""

    text: str
    start: int
    end: int
    folded: str

    @property
    def is_title(self) -> bool:
        """Whether it stands before a name."""
        if self.folded in SHORT_TITLES and self.folded in {"m", "me", "sig", "arch", "rag", "ing", "pr"}:
            return self.text.endswith(".") or self.text in {"M", "Me", "Pr", "Sig", "Ing"}
        return self.folded in TITLES

    @property
    def is_initial(self) -> bool:
        """Whether it is a first letter with its dot."""
        return _INITIALS.fullmatch(self.text) is not None

    @property
    def is_first_name(self) -> bool:
        """Whether the lists know it as a first name, also both parts of a double one."""
        if self.folded in FIRST_NAMES:
            return True
        first, dash, rest = self.folded.partition("-")
        return bool(dash) and first in FIRST_NAMES and rest.split("-")[0] in FIRST_NAMES

    @property
    def can_be_name(self) -> bool:
        """Whether nothing speaks against its being part of a name."""
        if (
            self.folded in _NEVER_NAMES
            or self.text[-1].isdigit()
            or (self.text[0] in "IVX" and _ROMAN.fullmatch(self.text))
        ):
            return False
        return not self.is_title


def tokens_of(text: str, run: re.Match[str]) -> list[Token]:
    """The words of a run; none when it is the end of a longer word, an identifier or an address."""
    start = run.start()
    if start and (text[start - 1].isalnum() or text[start - 1] in "_@/\\°"):
        return []
    tokens = []
    for match in _TOKENS.finditer(text, start, run.end()):
        word, at = match.group(), match.start()
        if "'" in word and (elided := _ELIDED.match(word)):
            word, at = word[elided.end() :], at + elided.end()
        end = match.end()
        if word.endswith("'s") and len(word) > 4:  # Delphine's
            word, end = word[:-2], end - 2
        tokens.append(Token(word, at, end, fold(word).replace(".", "")))
    after = text[run.end() : run.end() + 1]
    if after in {"_", "(", "/", "=", "@"} or (after == "." and text[run.end() + 1 : run.end() + 2].isalnum()):
        tokens.pop()  # an identifier in code, a host, an address
    return tokens


def name_length(tokens: list[Token], at: int, *, is_titled: bool = False) -> int:
    """How many words from here can be one person's name: at most five, none of them a word that is no name."""
    length = 0
    while at + length < len(tokens) and length < 5:
        token, following = tokens[at + length], tokens[at + length + 1 : at + length + 2]
        is_between = length > 0 and bool(following) and _joins(token, following[0])
        is_oriental = length > 0 and tokens[at].folded in ORIENTAL and len(token.folded) < 5 and not token.is_title
        is_surname = is_titled and length == 0 and (token.folded in SURNAMES_TOO or _begins(token, following))
        if not (token.can_be_name or is_between or is_surname or is_oriental):
            break
        length += 1
    if not any(len(token.folded) > 1 for token in tokens[at : at + length]):
        return 0
    return length


def _begins(token: Token, following: list[Token]) -> bool:
    """Whether it is the small word a surname begins with: Da Costa, LE BIHAN."""
    return token.folded in _JOINING and bool(following) and following[0].can_be_name


def _joins(token: Token, following: Token) -> bool:
    """Whether a word that is no name stands inside one: Le Goff, Thi Mai Nguyen."""
    if token.is_title or not following.can_be_name:
        return False
    return token.folded in _JOINING or following.folded in COMMON_SURNAMES
