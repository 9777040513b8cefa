"""The same person again: once "Jean Dupont" is found, "Dupont" and "DUPONT" further on are found too.

Called by the redactor after all tiers, whichever of them found the name. Also a tier of its own: the organisation's
directory, a list of names handed in.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import AMBIGUOUS, FIRST_NAMES, fold
from intramuros.privacy.redact.words import GREETINGS, LEGAL_FORMS, NOT_NAMES, PLACES_BEFORE, TITLES

_WORD = re.compile(r"[^\W\d_][\w'-]*")
_ADDRESS = re.compile(r"(?<![\w.+%'&/=-])[\w.+%'&/=-]{1,64} {0,2}@ {0,2}[\w.-]{1,190}")
_PARTICLES = frozenset(
    [
        "de",
        "la",
        "le",
        "du",
        "des",
        "d",
        "da",
        "di",
        "del",
        "della",
        "van",
        "von",
        "der",
        "den",
        "zu",
        "zur",
        "vom",
        "dal",
        "dos",
        "das",
        "el",
        "al",
        "ben",
        "bin",
        "ten",
        "ter",
        "y",
    ]
)
_PARTICLE_BEFORE = re.compile(r"(?<!\w)(?:von der|von|van der|van den|van|vom|zu|ten|ter|dal|dos|della) $")
_LAST_WORD = re.compile(r"(?<![^\W\d_])([^\W\d_]++)[ '.]$")
_PARTICLE_IN = re.compile(r"(?<!\w)((?:de la|de|di|da|du|del|della|van de|van|von|el|al|ben) )([^\W\d_]{3,30})")
"""A small word inside a name and the word it stands before."""
_NEVER = NOT_NAMES | _PARTICLES | LEGAL_FORMS | GREETINGS
_MIN_SCORE = 0.6
_MAX_WORDS = 2000


def name_words(name: str) -> tuple[str, ...]:
    """The words of a name as they are compared: folded, without titles, particles and dots."""
    words = (fold(word).strip("'-") for word in _WORD.findall(name))
    return tuple(word for word in words if word and (len(word) == 1 or word not in _PARTICLES | TITLES))


def again(text: str, findings: Sequence[Finding], known: Iterable[str] = ()) -> Iterator[Finding]:
    """Further mentions of the persons among the findings, or of those known already, by one word of their name."""
    names = [text[f.start : f.end] for f in findings if f.score >= _MIN_SCORE and f.entity_type == "PERSON"]
    names = list(dict.fromkeys((*names, *_written_to(text, findings))))
    if not names and not known:
        return
    said = {name: _WORD.findall(name) for name in (*names, *known)}
    yield from _in_small_letters(text, [said[name] for name in names])
    wanted = _distinct_words(text, said.values())
    if not wanted:
        return
    taken = sorted([(f.start, f.end) for f in findings])
    rest = _outside(text, taken)
    starts = [start for start, _ in taken]
    wanted = {word for word in wanted if word in rest}
    if not wanted:
        return
    small = {match.group(2): match.group(1) for name in names for match in _PARTICLE_IN.finditer(name)}
    for word in wanted:
        place = text.find(word)
        while place >= 0:
            is_taken = _is_taken(taken, starts, place, place + len(word))
            if not is_taken and (end := _mention_end(text, place, place + len(word))):
                particle = _PARTICLE_BEFORE.search(text[max(0, place - 12) : place])
                length = len(particle.group()) if particle else len(small.get(word, ""))
                if not particle and text[max(0, place - length) : place].lower() != small.get(word, ""):
                    length = 0
                yield Finding("PERSON", place - length, end, 0.7)
            place = text.find(word, place + 1)


def _mention_end(text: str, start: int, end: int) -> int:
    """Where a mention of a person ends that begins with a word of the name, "Anna", "Anna's" or "Annas"; 0 for none."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before.isalnum() or (before and before in "_-@/.") or (before == "'" and text[start - 2 : start - 1].isupper()):
        return 0
    if after == "s":
        end += 1
        after = text[end : end + 1]
    if after.isalnum() or (after and after in "_@") or (after == "-" and text[end + 1 : end + 2].isalnum()):
        return 0
    return 0 if _is_of_a_place(text, start) or _is_of_a_firm(text, end) else end


def _is_taken(taken: Sequence[tuple[int, int]], starts: Sequence[int], start: int, end: int) -> bool:
    """Whether a finding covers some of it; findings may lie one inside the other, but few do."""
    at = bisect_left(starts, end)
    return any(stop > start for _, stop in taken[max(0, at - 4) : at])


def _is_only_a_name(folded: str) -> bool:
    return len(folded) > 3 and folded in FIRST_NAMES and folded not in AMBIGUOUS


def _in_small_letters(text: str, names: Iterable[Sequence[str]]) -> Iterator[Finding]:
    """First names of the persons found, where somebody writes them small, as in a chat: "frag mal günther"."""
    firsts = {words[0].lower() for words in names if words and _is_only_a_name(fold(words[0]))}
    for first in firsts:
        place = text.find(first)
        while place >= 0:
            end = place + len(first)
            before, after = text[place - 1 : place] or " ", text[end : end + 1] or " "
            if before in " \n(" and after in " \n,.;:!?)" and text[end : end + 2].rstrip() in {"", *",.;:!?)"}:
                yield Finding("PERSON", place, end, 0.6)
            place = text.find(first, end)


def _outside(text: str, taken: Sequence[tuple[int, int]]) -> str:
    """What no finding covers: quick to search for a word."""
    pieces, place = [], 0
    for start, end in taken:
        if start > place:
            pieces.append(text[place:start])
        place = max(place, end)
    return "\n".join([*pieces, text[place:]])


_LOCAL = re.compile(r"([^\W\d_]+)[._-]([^\W\d_]{3,30})@")


def _written_to(text: str, findings: Sequence[Finding]) -> Iterator[str]:
    """Names that mail addresses are made of: anna.keller@ and a.keller@, but not support.paris@."""
    for finding in findings:
        if finding.entity_type != "EMAIL_ADDRESS":
            continue
        match = _LOCAL.match(text, finding.start, finding.end)
        if match and (len(match.group(1)) == 1 or fold(match.group(1)) in FIRST_NAMES):
            yield f"{match.group(1).title()} {match.group(2).title()}"


def _is_ordinary(text: str, small: str) -> bool:
    """Whether a word stands in the text in small letters, by itself and not as a part of an address."""
    place = text.find(small)
    while place >= 0:
        end = place + len(small)
        before, after = text[place - 1 : place], text[end : end + 1]
        is_inside = (
            before.isalnum() or after.isalnum() or (before and before in "_.@/-") or (after and after in "_'-@/")
        )
        if not is_inside and not (after == "." and text[end + 1 : end + 2].isalnum()):
            return True
        place = text.find(small, end)
    return False


def _distinct_words(text: str, names: Iterable[Sequence[str]]) -> set[str]:
    wanted: set[str] = set()
    for words in names:
        parts: Sequence[str] = ()
        if len(words) > 1 and "-" in "".join(words):
            parts = [part for word in words[1:] if "-" in word for part in word.split("-") if len(part) > 3]
        for word in (*words, *parts):
            folded = word.lower() if word.isascii() else fold(word)
            if len(word) < 3 or folded in _NEVER:
                continue
            if word.islower() and len(word) > 3 and folded not in AMBIGUOUS and len(words) == 1:
                wanted.add(word.capitalize())  # written small in a chat, with a capital elsewhere
            if not word[0].isupper() or (len(words) > 1 and folded in AMBIGUOUS and word == words[0]):
                continue
            small = word.lower()
            if small in text and not _is_only_a_name(folded) and _is_ordinary(text, small):
                continue  # a common word of this very text
            wanted.add(word)
            wanted.add(word.title() if word.isupper() else word.upper())
        if len(wanted) > _MAX_WORDS:
            break
    return wanted


def _is_of_a_place(text: str, start: int) -> bool:
    before = _LAST_WORD.search(text[max(0, start - 24) : start])
    return before is not None and fold(before.group(1)) in PLACES_BEFORE


def _is_of_a_firm(text: str, end: int) -> bool:
    after = _WORD.match(text, end + 1)
    return after is not None and fold(after.group()) in LEGAL_FORMS and after.group()[0].isupper()


def joined(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """Findings with neighbouring words of one name put together: "Jean" and "Dupont" with one space between."""
    result: list[Finding] = []
    last: Finding | None = None
    for finding in sorted(findings, key=lambda f: (f.start, -f.end)):
        if (
            last is not None
            and finding.start == last.end + 1
            and finding.entity_type == last.entity_type == "PERSON"
            and text[last.end : finding.start] == " "
            and fold(text[last.start : last.end]) != fold(text[finding.start : finding.end])
            and (" " not in text[last.start : last.end] or " " not in text[finding.start : finding.end])
        ):
            last = result[-1] = Finding("PERSON", last.start, finding.end, max(last.score, finding.score))
        else:
            result.append(finding)
            last = finding
    return result


class Directory:
    """The names an organisation knows: found however they are written, in either order, also in small letters.

    What has an at sign is an address: found with spaces around the sign too.
    """

    name = "directory"

    def __init__(self, names: Iterable[str]) -> None:
        self._by_first: dict[str, set[tuple[str, ...]]] = {}
        self._surnames: set[str] = set()
        self._addresses: set[str] = set()
        for name in names:
            if "@" in name:
                self._addresses.add(name.lower())
                continue
            words = tuple(fold(word) for word in _WORD.findall(name))
            if len(words) > 1:
                for order in (words, (words[-1], *words[:-1])):
                    self._by_first.setdefault(order[0], set()).add(order)
            if len(words) > 1 and len(words[-1]) > 3 and words[-1] not in NOT_NAMES and words[-1] not in FIRST_NAMES:
                self._surnames.add(words[-1])

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """The directory's addresses and names, and surnames where they have a capital."""
        return [*self._mail(text), *self._named(text)]

    def _mail(self, text: str) -> Iterator[Finding]:
        for match in _ADDRESS.finditer(text) if self._addresses and "@" in text else ():
            written = match.group().rstrip(".-")
            if "".join(written.split()).lower() in self._addresses:
                yield Finding("EMAIL_ADDRESS", match.start(), match.start() + len(written), 1.0)

    def _named(self, text: str) -> Sequence[Finding]:
        if not self._by_first and not self._surnames:
            return []
        words = list(_WORD.finditer(text))
        folded = [fold(word.group()) for word in words]
        found, at = [], 0
        while at < len(words):
            length = max(
                (
                    len(name)
                    for name in self._by_first.get(folded[at], ())
                    if tuple(folded[at : at + len(name)]) == name
                ),
                default=0,
            )
            if length and text[words[at].start() : words[at + length - 1].end()].count("\n") == 0:
                found.append(Finding("PERSON", words[at].start(), words[at + length - 1].end(), 0.95))
            elif folded[at] in self._surnames and words[at].group()[0].isupper():
                length = 1
                found.append(Finding("PERSON", *words[at].span(), 0.6))
            at += max(1, length)
        return found
