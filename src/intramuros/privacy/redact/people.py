"""The same person again: once "Jean Dupont" is found, "Dupont" and "DUPONT" further on are found too.

Called by the redactor after all tiers, whichever of them found the name. Also a tier of its own: the organisation's
directory, a list of names handed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from intramuros.privacy.redact.capitals import UPPER
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import AMBIGUOUS, FIRST_NAMES, fold
from intramuros.privacy.redact.words import GREETINGS, LEGAL_FORMS, NOT_NAMES, PLACES_BEFORE, TITLES

_WORD = re.compile(r"[^\W\d_][\w'-]*")
_ADDRESS = re.compile(r"(?<![\w.+%'&/=-])[\w.+%'&/=-]{1,64} {0,2}@ {0,2}[\w.-]{1,190}")
_SMALL = re.compile(r"[a-zà-ÿ](?<![\w.@/\-].)[\w'-]*(?![\w@/])(?!\.\w)")
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
_NAMELIKE = re.compile(rf"[{UPPER}]\w*(?:['-]\w+)*")
_MIN_SCORE = 0.6
_MAX_WORDS = 2000


def name_words(name: str) -> tuple[str, ...]:
    """The words of a name as they are compared: folded, without titles, particles and dots."""
    words = (fold(word).strip("'-") for word in _WORD.findall(name))
    return tuple(word for word in words if word and (len(word) == 1 or word not in _PARTICLES | TITLES))


def again(text: str, findings: Sequence[Finding], known: Iterable[str] = ()) -> Iterator[Finding]:
    """Further mentions of the persons among the findings, or of those known already, by one word of their name."""
    names = [
        text[finding.start : finding.end]
        for finding in findings
        if finding.entity_type == "PERSON" and finding.score >= _MIN_SCORE
    ]
    names += _written_to(text, findings)
    wanted = _distinct_words(text, [*names, *known])
    if not wanted:
        return
    taken = sorted((f.start, f.end) for f in findings)
    at = 0
    for match in _NAMELIKE.finditer(text):
        start, word = match.start(), match.group()
        if word not in wanted:
            word = word.partition("'")[0]  # Dupont's
            if word not in wanted and not (word.endswith("s") and word[:-1] in wanted):  # Annas
                continue
        end = start + len(word)
        while at < len(taken) and taken[at][1] <= start:
            at += 1
        if at < len(taken) and taken[at][0] < end:
            continue
        if start and (text[start - 1].isalnum() or text[start - 1] in "_-@/."):
            continue
        if text[end : end + 1] in {"@", "_"} or _is_of_a_place(text, start) or _is_of_a_firm(text, end):
            continue
        if particle := _PARTICLE_BEFORE.search(text[max(0, start - 12) : start]):
            start -= len(particle.group())
        yield Finding("PERSON", start, end, 0.7)


_LOCAL = re.compile(r"([^\W\d_]+)[._-]([^\W\d_]{3,30})@")


def _written_to(text: str, findings: Sequence[Finding]) -> Iterator[str]:
    """Names that mail addresses are made of: anna.keller@ and a.keller@, but not support.paris@."""
    for finding in findings:
        if finding.entity_type != "EMAIL_ADDRESS":
            continue
        match = _LOCAL.match(text, finding.start, finding.end)
        if match and (len(match.group(1)) == 1 or fold(match.group(1)) in FIRST_NAMES):
            yield f"{match.group(1).title()} {match.group(2).title()}"


def _distinct_words(text: str, names: Iterable[str]) -> set[str]:
    wanted: set[str] = set()
    ordinary: set[str] | None = None
    for name in names:
        words = _WORD.findall(name)
        for word in words:
            folded = fold(word)
            if (
                len(word) < 3
                or folded in NOT_NAMES
                or folded in _PARTICLES
                or folded in LEGAL_FORMS
                or folded in GREETINGS
            ):
                continue
            if not word[0].isupper() or (len(words) > 1 and folded in AMBIGUOUS and word == words[0]):
                continue
            if ordinary is None:
                ordinary = {match.group() for match in _SMALL.finditer(text)}
            if word.lower() in ordinary:
                continue  # a common word of this very text
            wanted |= {word, word.upper()} if not word.isupper() else {word, word.title()}
        if len(wanted) > _MAX_WORDS:
            break
    return wanted


def _is_of_a_place(text: str, start: int) -> bool:
    before = re.search(r"([^\W\d_]+)[ '.]$", text[max(0, start - 24) : start])
    return before is not None and fold(before.group(1)) in PLACES_BEFORE


def _is_of_a_firm(text: str, end: int) -> bool:
    after = _WORD.match(text, end + 1)
    return after is not None and fold(after.group()) in LEGAL_FORMS and after.group()[0].isupper()


def joined(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """Findings with neighbouring words of one name put together: "Jean" and "Dupont" with one space between."""
    result: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (f.start, -f.end)):
        last = result[-1] if result else None
        if (
            last is not None
            and finding.entity_type == last.entity_type == "PERSON"
            and text[last.end : finding.start] == " "
            and fold(text[last.start : last.end]) != fold(text[finding.start : finding.end])
            and (" " not in text[last.start : last.end] or " " not in text[finding.start : finding.end])
        ):
            result[-1] = Finding("PERSON", last.start, finding.end, max(last.score, finding.score))
        else:
            result.append(finding)
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
