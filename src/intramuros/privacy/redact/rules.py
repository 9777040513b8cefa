"""A rule: a pattern, a check of what it matched, and the words around it that make it sure. Rules run as one tier.

The rules themselves stand in the modules named after what they find. Every pattern begins with a set of characters
(the engine then skips prose quickly) and every repetition is bounded, so that no text takes more than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from intramuros.privacy.redact.finding import Finding

BEFORE = 60
AFTER = 24

DIGIT = r"[0-9](?<![0-9A-Za-z_].)(?<![0-9][.,'].)"
"""The first digit of a number that is no part of a longer one."""
END = r"(?![0-9A-Za-z_])(?![.,'][0-9])"
"""Where a number ends and no longer one goes on."""
CAPITAL = r"[A-Z](?<![0-9A-Za-z_].)"
"""A capital that begins a word."""


Context = Callable[[str], bool]
"""Whether the text around a match, in lower case and with NUL in its place, says what it is."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of entity is known.

    `score` holds for a match that passes the check; `context_score` when a context word stands near. Below the
    policy's threshold (0.5) a match alone is not enough. A word of `unless` just before it refutes it. `gate` is a
    literal without which the pattern can't match.
    """

    entity_type: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] | None = None
    score: float = 0.9
    context: Context | None = None
    context_score: float = 0.95
    before: int = BEFORE
    after: int = AFTER
    gate: str = ""
    unless: Context | None = None

    def findings(self, text: str) -> Iterator[Finding]:
        """Every match. Where a check fails, the search goes on one character later: the number may begin there."""
        if self.gate and self.gate not in text:
            return
        place, group = 0, "value" if "value" in self.pattern.groupindex else 0
        while match := self.pattern.search(text, place):
            start, end = match.span(group)
            if self.check is not None and not self.check(text[start:end]):
                place = match.start() + 1
                continue
            yield Finding(self.entity_type, start, end, self._score(text, start, end))
            place = max(end, match.start() + 1)

    def _score(self, text: str, start: int, end: int) -> float:
        if self.unless is not None and self.unless(text[max(0, start - 18) : start].lower()):
            return 0.1
        if self.context is None:
            return self.score
        near = text[max(0, start - self.before) : start] + " \x00 " + text[end : end + self.after]
        return self.context_score if self.context(near.lower()) else self.score


@dataclass(frozen=True, slots=True)
class Rules:
    """Several rules as one recogniser."""

    name: str
    rules: tuple[Rule, ...]

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """What the rules find; they are for all four languages at once."""
        return [finding for rule in self.rules for finding in rule.findings(text)]


def words(*alternatives: str) -> Context:
    """Context words: whether any of them begins a word of the text, given in lower case.

    The border is checked after the match: a pattern that begins with letters is found many times faster.
    """
    pattern = re.compile("|".join(alternatives))

    def is_near(text: str) -> bool:
        return any(not (at := match.start()) or not text[at - 1].isalnum() for match in pattern.finditer(text))

    return is_near


def shape(pattern: str) -> Context:
    """Context of a certain form; the entity stands at the character NUL in it."""
    compiled = re.compile(pattern)
    return lambda text: compiled.search(text) is not None
