"""A rule: a pattern, a check of what it matched, and the words around it that make it sure. Rules run as one tier.

The rules themselves stand in the modules named after what they find. Every pattern begins with a set of characters
(the engine then skips prose quickly) and every repetition is bounded, so that no text takes more than linear time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from intramuros.privacy.redact.finding import LEAST, Finding
from intramuros.privacy.redact.outline import says
from intramuros.privacy.redact.words import by_letters

BEFORE = 60
AFTER = 24

DIGIT = r"[0-9](?<![0-9A-Za-z_].)(?<![0-9][.,'].)"
"""The first digit of a number that is no part of a longer one."""
END = r"(?![0-9A-Za-z_])(?![.,'][0-9])"
"""Where a number ends and no longer one goes on."""
CAPITAL = r"[A-Z](?<![0-9A-Za-z_].)"
"""A capital that begins a word."""


CODES = re.compile(
    r"[A-ZÄÖÜ0-9](?<![0-9A-Za-z_].)[A-ZÄÖÜIl .\-:·']{0,24}[0-9][A-ZÄÖÜ0-9Il .\-:·']*",
)
"""Pieces of text made of capitals and digits, with what stands between: numbers of papers, cars, taxes."""

LETTERED = re.compile(
    r"[A-ZÄÖÜ0-9](?<![0-9A-Za-z_].)(?:(?<![0-9])[A-ZÄÖÜIl .\-:·']{0,24}[0-9][A-ZÄÖÜ0-9Il .\-:·']*"
    r"|(?<=[0-9])[0-9]{0,3} [A-Z]{2,3} [0-9][A-Z0-9]{1,2})"
)
"""Those of them that begin with a capital, or have some between two numbers as old French plates do."""


Context = Callable[[str], bool]
"""Whether the text around a match, in lower case and with NUL in its place, says what it is."""


Form = Callable[[str], object]
"""Whether a text may hold what a rule looks for; nothing, or what is false, where it can't."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of entity is known.

    `score` holds for a match that passes the check; `context_score` when a context word stands near. Where `score` is
    below `LEAST` a match alone is not enough. A word of `unless` just before it refutes it.

    What spares the search, all without a difference to what is found: `digits` is how many the pattern needs in one
    number, `gates` literals without one of which it can't match, `form` a quick question that
    the text has to answer with yes, `within` a
    pattern of the pieces of text where alone it can match, `said` literals one of which the text, in lower case, must
    say somewhere for the context to hold. With `digits` of nine and more or `within`, it begins a word, with a capital
    or a digit, or with a bracket.
    """

    entity_type: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] | None = None
    score: float = 0.9
    context: Context | None = None
    context_score: float = 0.95
    before: int = BEFORE
    after: int = AFTER
    gates: tuple[str, ...] = ()
    unless: Context | None = None
    digits: int = 0
    form: Form | None = None
    within: re.Pattern[str] | None = None
    said: tuple[str, ...] = ()

    def find(self, text: str, place: int, stop: int, found: list[Finding]) -> None:
        """Adds every match between two places."""
        if match := self.pattern.search(text, place, stop):
            self.add(text, match, stop, found)

    def add(self, text: str, first: re.Match[str], stop: int, found: list[Finding]) -> None:
        """Adds a match and those after it, up to a place.

        Where a check fails, the search goes on one character later: the number may begin there.
        """
        match: re.Match[str] | None = first
        search, check = self.pattern.search, self.check
        group = "value" if self.pattern.groupindex else 0
        while match:
            start, end = match.span(group)
            place = match.start() + 1
            if check is None or check(text[start:end]):
                score = self._score(text, start, end)
                if score >= LEAST:
                    found.append(Finding(self.entity_type, start, end, score))
                place = max(end, place)
            match = search(text, place, stop) if stop - place >= self.digits else None

    def _score(self, text: str, start: int, end: int) -> float:
        score = self.score
        if self.context is not None:
            near = text[max(0, start - self.before) : start] + " \x00 " + text[end : end + self.after]
            score = self.context_score if self.context(near.lower()) else score
        if score >= LEAST and self.unless is not None and self.unless(text[max(0, start - 28) : start].lower()):
            return 0.1
        return score


_NUMBER = re.compile(r"[0-9](?<![0-9A-Za-z_].)(?:[ .\-/()>\n]{0,5}[0-9ABab]){5,}")
"""A number of six digits or more however it is broken, A and B of Corsica too: the longest that can be."""
_BETWEEN_DIGITS = {ord(sign): None for sign in " .-/()>\n"}
_SIGNS_BEFORE, _LOOKED_AHEAD = 3, 4
_LONG = 9
_SIGNS = "_<:/=-"
"""Signs of gates that few texts have, the rarest first."""


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """One pattern that finds where the first of several does.

    Each begins with a bracket, or begins a word with a capital or a digit.
    """
    together = "|".join(f"(?:{pattern})" for pattern in patterns)
    return re.compile(rf"[(0-9A-ZÄÖÜ](?:(?<=\()|(?<![0-9A-Za-z_].))(?<=(?={together}).)")


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are spared together: they need the same `form`, or the same `within`.

    `any_of` is the patterns of those with `within` in one: before where it finds something, none of them does.
    """

    form: Form | None
    within: re.Pattern[str] | None
    any_of: re.Pattern[str] | None
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Group:
        """Rules with the same `form` and `within`."""
        first = rules[0]
        together = _any_of(rule.pattern.pattern for rule in rules) if first.within else None
        return cls(first.form, first.within, together, tuple(rules))


_Said = tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]
"""Words, and others by what several have in common: a text that doesn't say that says none of them."""


def _by_stem(words: Sequence[str]) -> _Said:
    """The words that share four letters with two others together, the rest alone."""
    rest = list(words)
    stems: list[tuple[str, tuple[str, ...]]] = []
    while rest:
        shared = Counter(stem for word in rest for stem in {word[i : i + 4] for i in range(len(word) - 3)})
        stem, count = max(shared.items(), key=lambda item: (item[1], item[0]), default=("", 0))
        if count < 3:
            break
        stems.append((stem, tuple(word for word in rest if stem in word)))
        rest = [word for word in rest if stem not in word]
    return tuple(rest), tuple(stems)


def _said_in(lowered: str, said: _Said) -> bool:
    words, stems = said
    for word in words:
        if word in lowered:
            return True
    for stem, words in stems:
        if stem in lowered:
            for word in words:
                if word in lowered:
                    return True
    return False


class Rules:
    """Several rules as one recogniser."""

    def __init__(self, name: str, rules: Sequence[Rule]) -> None:
        self.name = name
        numbers = sorted((rule for rule in rules if rule.digits), key=lambda rule: rule.digits)
        self._short = [
            (rule.digits, rule.said, rule.before, rule.after, rule.pattern.search, rule.add)
            for rule in numbers
            if rule.digits < _LONG
        ]
        self._long = [(rule.digits, rule.pattern.search, rule.add) for rule in numbers if rule.digits >= _LONG]
        self._any_long = _any_of(rule.pattern.pattern for rule in numbers if rule.digits >= _LONG)
        others = [rule for rule in rules if not rule.digits]
        self._gated = [rule for rule in others if rule.gates and not (rule.said or rule.form or rule.within)]
        self._gates: dict[str, dict[str, list[int]]] = {}
        for number, rule in enumerate(self._gated):
            for gate in rule.gates:
                self._gates.setdefault(_sign(rule.gates), {}).setdefault(gate, []).append(number)
        said: dict[tuple[str, ...], dict[tuple[object, ...], list[Rule]]] = {}
        for rule in others:
            if rule not in self._gated:
                said.setdefault(_shortest(rule.said), {}).setdefault((rule.form, rule.within), []).append(rule)
        self._groups = [
            (_by_stem(words) if words else None, [Group.of(group) for group in groups.values()])
            for words, groups in said.items()
        ]

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """What the rules find; they are for all four languages at once."""
        found: list[Finding] = []
        lowered = text.lower()
        self._in_numbers(text, lowered, found)
        length = len(text)
        self._in_gated(text, found)
        cut: dict[re.Pattern[str], list[tuple[int, int]]] = {}
        for said, groups in self._groups:
            if said is not None and not _said_in(lowered, said):
                continue
            for group in groups:
                if group.form is not None and not group.form(text):
                    continue
                if group.within is None or group.any_of is None:
                    for rule in group.rules:
                        if not rule.gates or says(text, rule.gates):
                            rule.find(text, 0, length, found)
                    continue
                pieces = cut.get(group.within)
                if pieces is None:
                    pieces = cut[group.within] = [match.span() for match in group.within.finditer(text)]
                for start, end in pieces:
                    if first := group.any_of.search(text, start, end + _LOOKED_AHEAD):
                        for rule in group.rules:
                            rule.find(text, first.start(), end + _LOOKED_AHEAD, found)
        return found

    def _in_gated(self, text: str, found: list[Finding]) -> None:
        """What the rules find that have nothing but literals, in texts that have one of them."""
        gated: list[int] = []
        for sign, gates in self._gates.items():
            if sign in text:
                for gate in gates:
                    if gate in text:
                        gated += gates[gate]
        for number in sorted(set(gated)):
            self._gated[number].find(text, 0, len(text), found)

    def _in_numbers(self, text: str, lowered: str, found: list[Finding]) -> None:
        """Looks only at numbers that are long enough for a rule.

        A number ends where no rule's pattern goes on, so that they find what they would find in the whole text.
        """
        anywhere: dict[object, list[str]] = {}  # of what has to be said near, what the text says
        for number in _NUMBER.finditer(text):
            start, stop = number.span()
            start, stop = max(0, start - _SIGNS_BEFORE), stop + _LOOKED_AHEAD
            digits = _digits(number.group())
            for fewest, said, before, after, search, add in self._short:
                if digits < fewest:
                    break
                if said:
                    words = anywhere.get(search)
                    if words is None:
                        words = anywhere[search] = [word for word in said if word in lowered]
                    if not words or not says(text[max(0, start - before) : stop + after].lower(), words):
                        continue
                if match := search(text, start, stop):
                    add(text, match, stop, found)
            if digits >= _LONG and self._long and (first := self._any_long.search(text, start, stop)):
                start = first.start()
                for fewest, search, add in self._long:
                    if digits < fewest:
                        break
                    if match := search(text, start, stop):
                        add(text, match, stop, found)


def _shortest(words: Sequence[str]) -> tuple[str, ...]:
    """The words without those that another one stands in: a text that says them says that one too."""
    return tuple(word for word in words if not any(other != word and other in word for other in words))


def _sign(gates: Sequence[str]) -> str:
    """A sign that all of them have, the empty text if there is none."""
    return next((sign for sign in _SIGNS if all(sign in gate for gate in gates)), "")


def _digits(number: str) -> int:
    return len(number.translate(_BETWEEN_DIGITS))


class Words:
    """Context words: whether any of them begins a word of the text, given in lower case.

    The border is checked after the match: a pattern that begins with letters is found many times faster.
    """

    def __init__(self, *alternatives: str) -> None:
        self.pattern = re.compile(by_letters(alternatives))

    def __call__(self, text: str) -> bool:
        """Whether one stands there."""
        for match in self.pattern.finditer(text):  # noqa: SIM110 quicker than any()
            if not (at := match.start()) or not text[at - 1].isalnum():
                return True
        return False


def shape(pattern: str, *literals: str) -> Context:
    """Context of a certain form; the entity stands at the character NUL in it. Without a literal it can't be."""
    compiled = re.compile(pattern)

    def is_there(text: str) -> bool:
        if literals and not says(text, literals):
            return False
        return compiled.search(text) is not None

    return is_there
