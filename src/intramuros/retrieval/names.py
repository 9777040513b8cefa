"""Finds what a text must not make up besides numbers and dates: proper names, references and literal quotations.

Called by verification. A name is known by its capital letter where grammar asks for none; in German, where every noun
has one, only acronyms, words after a title and runs of capitalised words count. Knows no dictionary of names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from intramuros.documents.analyse import fold

_WORD = re.compile(r"(?<!\w)[^\W\d_]{2,}(?:-[^\W\d_]+)*(?!\w)|(?<!\w)[^\W\d_](?!\w)")
_ELIDED = re.compile(r"(?:[cdjlmnstCDJLMNST]|[Qq]u|[Dd]ell|[Aa]ll|[Nn]ell|[Ss]ull|[Dd]all|[Uu]n)$")
_OPENS = re.compile(r"(?:^|[.!?:;…•*|\n]|[«“„\"‹(\[]|(?:^|\s)[-–—])\s*$")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _words(
    "M MM Mm Mme Mmes Mlle Me Dr Pr Prof Monsieur Madame Messieurs Mesdames Maître Herr Herrn Frau Familie Mr Mrs Ms "
    "Sig Sigra Signor Signora Dott Avv"
)
_POLITE = _words("I Vous Votre Vos Sie Ihr Ihre Ihnen Lei Suo Sua")
_NO_NAMES = _words(
    "eur chf usd gbp january february march april may june july august september october november december januar "
    "februar marz mai juni juli oktober dezember janner monday tuesday wednesday thursday friday saturday sunday "
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag"
)
_REFERENCE = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:https?://|www\.)[^\s,;)»\"]+|[\w-]+(?:\.[\w-]+)*\.(?:fr|ch|de|it|eu|com|org|net)\b"
    r"|(?<!\w)[A-Z]+[A-Za-z]{0,4}[-/]?\d\w*(?:[./-]\w+)*|(?<!\w)\d+[A-Z]\w*\d\w*|(?<![\w.,])v?\d+(?:\.\d+){2,}(?!\w)"
)
_QUOTED = re.compile(r"«\s*([^«»]+?)\s*»|“([^“”]+)”|„([^„“”]+)[“”]|\"([^\"]+)\"|‹([^‹›]+)›")
_LEFT_OUT = re.compile(r"\s*(?:\[(?:…|\.\.\.)\]|\((?:…|\.\.\.)\)|…|\.\.\.)\s*")


@dataclass(frozen=True, slots=True)
class _Capitalised:
    """A word with a capital: whether it opens a sentence, follows a title, directly follows another name."""

    word: str
    opens: bool
    is_titled: bool
    is_joined: bool


def names(text: str, language: str) -> list[str]:
    """The words of a text that can only be proper names or acronyms, each once, as written."""
    if text.isupper():
        return []
    words = list(_capitalised(text))
    followed = [following.is_joined for following in words[1:]] + [False]
    found = [
        word.word for word, is_followed in zip(words, followed, strict=False) if _is_name(word, is_followed, language)
    ]
    return [name for name in dict.fromkeys(found) if fold(name.lower()) not in _NO_NAMES]


def _is_name(word: _Capitalised, is_followed: bool, language: str) -> bool:
    if len(word.word) == 1 or word.word in _TITLES or word.word in _POLITE:
        return False
    if word.is_titled or any(part[1:] != part[1:].lower() for part in word.word.split("-")):
        return True
    return not word.opens and (language != "de" or word.is_joined or is_followed)


def _capitalised(text: str) -> Iterator[_Capitalised]:
    before: re.Match[str] | None = None  # the word before, when it is capitalised or a title
    is_run = False
    for match in _WORD.finditer(text):
        word, is_elided = match.group(), text[match.end() : match.end() + 1] in {"'", "’"}
        if is_elided and _ELIDED.match(word):
            continue
        if not word[0].isupper():
            is_title = word.capitalize() in _TITLES and text.startswith(".", match.end())
            before, is_run = match if is_title else None, False
            continue
        gap = text[before.end() : match.start()] if before else ""
        is_titled = before is not None and before.group().capitalize() in _TITLES and not gap.strip(" .\u00a0\u202f")
        opens = not is_titled and _opens(text, match.start())
        yield _Capitalised(word, opens, is_titled, is_run and gap in {" ", "\u00a0", "\u202f"})
        before, is_run = match, not opens and word not in _TITLES


def _opens(text: str, start: int) -> bool:
    """Whether a capital here is owed to the place: after a full stop, colon, bracket, quotation mark or bullet."""
    before = re.sub(r"(?<!\w)[^\W\d_]{1,5}['’]$", "", text[max(0, start - 12) : start])
    return _OPENS.search(before) is not None and (bool(before.strip()) or start <= 12)


def references(text: str) -> list[re.Match[str]]:
    """References of letters and digits (A-1234/2024, F34062), versions (1.2.3), addresses of mail and web."""
    return list(_REFERENCE.finditer(text))


def quotations(text: str) -> list[list[str]]:
    """The literal quotations of a text, each as the pieces between its ellipses."""
    found = []
    for match in _QUOTED.finditer(text):
        quoted = next(group for group in match.groups() if group is not None)
        pieces = [piece for piece in _LEFT_OUT.split(quoted) if literal(piece)]
        if pieces:
            found.append(pieces)
    return found


def quotes_literally(source: str, pieces: list[str]) -> bool:
    """Whether the pieces stand in the source word for word and in this order."""
    place, within = 0, f" {literal(source)} "
    for piece in pieces:
        at = within.find(f" {literal(piece)} ", place)
        if at < 0:
            return False
        place = at + len(literal(piece)) + 1
    return True


def literal(text: str) -> str:
    """The words of a text in order, as spelled, without case, punctuation and layout: what "word for word" compares."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def compact(text: str) -> str:
    """Letters and digits only, folded: for references written with or without dashes and spaces."""
    return "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalnum())
