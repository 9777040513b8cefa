"""Finds what a text says of people and firms, and hides it: tiers, overlaps, policy, aliases.

Called by the doors and by tasks before a text may reach a model outside. It fails closed: if one tier raises or
answers nonsense, there is no result.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from intramuros.errors import DetectorFailed, TextBlocked
from intramuros.privacy.redact.addresses import Addresses
from intramuros.privacy.redact.aliases import ALIAS, LITERAL, Aliases
from intramuros.privacy.redact.births import BIRTHS
from intramuros.privacy.redact.credentials import CREDENTIALS
from intramuros.privacy.redact.files import file_names, source_names
from intramuros.privacy.redact.finding import Finding, Recogniser
from intramuros.privacy.redact.mail_addresses import MailAddresses
from intramuros.privacy.redact.misread import covering, misread, read_again
from intramuros.privacy.redact.names import Names
from intramuros.privacy.redact.near_people import births_beside, homes_beside, phones_beside
from intramuros.privacy.redact.network import NETWORK
from intramuros.privacy.redact.normalise import normalise
from intramuros.privacy.redact.outline import Text
from intramuros.privacy.redact.papers import PAPERS
from intramuros.privacy.redact.passwords import Assigned
from intramuros.privacy.redact.people import Directory, again, joined
from intramuros.privacy.redact.phones import PHONES
from intramuros.privacy.redact.plates import Plates
from intramuros.privacy.redact.policy import ENTITIES, ENTITY_TYPE, Action, Policy
from intramuros.privacy.redact.registers import REGISTERS, Ibans
from intramuros.privacy.redact.rules import Rules
from intramuros.privacy.redact.tables import Tables

_NUMBERED: tuple[Recogniser, ...] = (
    Rules("numbers and keys", (*CREDENTIALS, *REGISTERS, *NETWORK, *PHONES, *PAPERS, *BIRTHS)),
    Addresses(),
)
"""What also reads numbers in which digits were taken for letters."""
_TABLES = Tables()
BUILT_IN: tuple[Recogniser, ...] = (
    *_NUMBERED,
    Assigned(),
    Ibans(),
    MailAddresses(),
    Plates(),
    _TABLES,
    Names(),
)
"""The tiers that need no model."""


_SHORTEST_MET = 4
_LOWEST, _HIGHEST = -math.inf, math.inf
_BUILT_IN_TYPES = frozenset(ENTITIES)


@dataclass(frozen=True, slots=True)
class Hidden:
    """One thing that was found and what was done with it. `start` and `end` are places in the original text."""

    entity_type: str
    start: int
    end: int
    score: float
    action: Action
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text that is pseudonymised, and what was done to it."""

    text: str
    entities: tuple[Hidden, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How much was hidden, by type: all that a record may say of it."""
        return dict(sorted(Counter(entity.entity_type for entity in self.entities).items()))


@dataclass(frozen=True, slots=True)
class Redactor:
    """The tiers and the policy. It keeps nothing of the texts it sees."""

    recognisers: tuple[Recogniser, ...] = BUILT_IN
    policy: Policy = field(default_factory=Policy)

    def with_tiers(self, *more: Recogniser) -> Redactor:
        """The redactor with further tiers, such as a directory or a model."""
        return replace(self, recognisers=(*self.recognisers, *more))

    def with_names(self, names: Iterable[str]) -> Redactor:
        """The redactor with an organisation's names."""
        return self.with_tiers(Directory(names))

    def analyse(self, text: str, *, language: str = "", known: Collection[str] = ()) -> list[Finding]:
        """Everything found that the policy doesn't allow, in order, without overlaps.

        `known` are persons met before: they are found again by one word of their name. Raises: DetectorFailed.
        """
        plain = normalise(text)
        found = self._found(plain.text, language, known)

        def look(names: str) -> Sequence[Finding]:
            people = {*known, *(plain.text[f.start : f.end] for f in found if f.entity_type == "PERSON")}
            return self._found(names, language, people)

        named = [*file_names(plain.text, look), *source_names(plain.text)]
        found += [finding for finding in named if self.policy.action(finding.entity_type) is not Action.ALLOW]
        found = joined(plain.text, _without_overlaps(plain.text, found, self.policy))
        if not plain.starts:
            return found
        return [Finding(f.entity_type, *plain.original(f.start, f.end), f.score) for f in found]

    def _found(self, text: str, language: str, known: Collection[str]) -> list[Finding]:
        """Everything the tiers find in a normalised text that the policy doesn't allow, with its overlaps."""
        text = Text(text)
        found = self._all(self.recognisers, text, language)
        found += again(text, found, known)
        digits, places = misread(text)
        if places:
            tiers = [tier for tier in _NUMBERED if tier in self.recognisers]
            found += read_again(text, digits, places, lambda piece: self._all(tiers, piece, language))
            tables = [tier for tier in self.recognisers if tier is _TABLES]
            found += covering(places, self._all(tables, digits, language))
        found += births_beside(digits, found)
        found += phones_beside(digits, found)
        found += homes_beside(digits, found)
        if not self.policy.allows_any:
            return found
        return [finding for finding in found if self.policy.action(finding.entity_type) is not Action.ALLOW]

    def _all(self, tiers: Iterable[Recogniser], text: str, language: str) -> list[Finding]:
        found: list[Finding] = []
        for tier in tiers:
            self._run(tier, text, language, found)
        return found

    def hide(self, text: str, aliases: Aliases, *, language: str = "") -> Redacted:
        """The text with everything hidden as the policy says.

        Raises: DetectorFailed when a tier fails, TextBlocked when there is something the policy lets nobody send.
        """
        aliases.refresh()
        found = self.analyse(text, language=language, known=aliases.people)
        found += _met_before(text, found, aliases)
        blocked = Counter(f.entity_type for f in found if self.policy.action(f.entity_type) is Action.BLOCK)
        if blocked:
            named = ", ".join(f"{count} {name}" for name, count in sorted(blocked.items()))
            raise TextBlocked(f"The text holds what may not leave: {named}.", found=dict(sorted(blocked.items())))
        found = sorted([*found, *_lookalikes(text, found, aliases)], key=lambda finding: finding.start)
        with aliases.changing():
            aliases.learn(
                text[f.start : f.end]
                for f in found
                if f.entity_type == "PERSON" and self.policy.action("PERSON") is Action.ALIAS
            )
            return self._hidden(text, found, aliases)

    def hide_all(self, texts: Sequence[str], aliases: Aliases, *, language: str = "") -> list[Redacted]:
        """Several texts of one conversation: whoever is found in one of them is hidden in all.

        Raises: DetectorFailed, TextBlocked, before any of them is let through.
        """
        for text in texts:
            self.hide(text, aliases, language=language)
        return [self.hide(text, aliases, language=language) for text in texts]

    def _hidden(self, text: str, found: Sequence[Finding], aliases: Aliases) -> Redacted:
        pieces: list[str] = []
        entities: list[Hidden] = []
        place = 0
        for finding in found:
            is_literal = finding.entity_type == LITERAL
            action = Action.ALIAS if is_literal else self.policy.action(finding.entity_type)
            value = text[finding.start : finding.end]
            alias = aliases.alias(finding.entity_type, value) if action is Action.ALIAS else None
            pieces += (text[place : finding.start], alias or f"[{finding.entity_type}]")
            place = finding.end
            if not is_literal:
                entities.append(Hidden(finding.entity_type, finding.start, finding.end, finding.score, action, alias))
        return Redacted("".join([*pieces, text[place:]]), tuple(entities))

    def _run(self, tier: Recogniser, text: str, language: str, found: list[Finding]) -> None:
        """Adds what one tier is sure enough of."""
        length, threshold = len(text), self.policy.threshold
        is_sound = True
        try:
            for f in tier.analyse(text, language):
                score = f.score
                is_known = f.entity_type in _BUILT_IN_TYPES or ENTITY_TYPE.fullmatch(f.entity_type)
                if not (is_known and 0 <= f.start < f.end <= length and _LOWEST < score < _HIGHEST):
                    is_sound = False
                if score >= threshold:
                    found.append(f)
        except Exception:  # whatever it is: nothing passes unseen
            raise DetectorFailed(f"The detector of {tier.name} failed, so the text was not let through.") from None
        if not is_sound:
            raise DetectorFailed(f"The detector of {tier.name} answered nonsense, so the text was not let through.")


def _without_overlaps(text: str, found: Sequence[Finding], policy: Policy) -> list[Finding]:
    """The findings in order; where several overlap, each place belongs to one of them."""
    kept: list[Finding] = []
    heap: list[Finding] = []
    end = 0
    for finding in sorted(found, key=lambda finding: finding.start):
        if heap and finding.start >= end:
            kept += heap if len(heap) < 2 else _parted(text, heap, policy)
            heap = []
        end = max(end, finding.end) if heap else finding.end
        heap.append(finding)
    kept += heap if len(heap) < 2 else _parted(text, heap, policy)
    return [f for f in kept if text[f.start].isalnum() or _says_something(text[f.start : f.end])]


def _says_something(piece: str) -> bool:
    return any(map(str.isalnum, piece))


def _parted(text: str, found: Sequence[Finding], policy: Policy) -> list[Finding]:
    """The surest first, then the longest; what is left of the others stays hidden too, if it has letters or digits."""

    def rank(finding: Finding) -> tuple[bool, float, int, int, str]:
        is_blocked = policy.action(finding.entity_type) is Action.BLOCK
        length = finding.end - finding.start
        return (not is_blocked, -(finding.score + min(length, 40) / 100), -length, finding.start, finding.entity_type)

    ranked = sorted(found, key=rank)
    best = ranked[0]
    if best.start == found[0].start and best.end >= max([finding.end for finding in found]):
        return [best]
    owner: dict[int, int] = {}
    for number, finding in enumerate(ranked):
        for place in range(finding.start, finding.end):
            owner.setdefault(place, number)
    kept: list[Finding] = []
    for number, finding in enumerate(ranked):
        start = finding.start
        while start < finding.end:
            end = start
            while end < finding.end and owner[end] == number:
                end += 1
            if end > start and _says_something(text[start:end]):
                kept.append(
                    replace(finding, start=start, end=end) if end - start < finding.end - finding.start else finding
                )
            start = max(end, start) + 1 if end == start else end
    return sorted(kept, key=lambda finding: finding.start)


def _met_before(text: str, found: Sequence[Finding], aliases: Aliases) -> list[Finding]:
    """Values of the conversation that stand in the text where no detector saw them: hidden all the same."""
    taken = [(finding.start, finding.end) for finding in found]
    met: list[Finding] = []
    for alias, value in aliases.values.items():
        if len(value) < _SHORTEST_MET or value not in text:
            continue
        kind = alias[1:-1].rpartition("_")[0]
        place = text.find(value)
        while place >= 0:
            end = place + len(value)
            is_whole = not (_inside_word(text, place) or _inside_word(text, end))
            if is_whole and not any(start < end and place < stop for start, stop in taken):
                met.append(Finding(kind, place, end, 1.0))
                taken.append((place, end))
            place = text.find(value, end)
    return met


def _inside_word(text: str, place: int) -> bool:
    return 0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()


def _lookalikes(text: str, found: Sequence[Finding], aliases: Aliases) -> list[Finding]:
    """What looks like an alias in the original but is none of this conversation's."""
    if "⟦" not in text:
        return []
    taken = [(finding.start, finding.end) for finding in found]
    return [
        Finding(LITERAL, *match.span(), 1.0)
        for match in ALIAS.finditer(text)
        if match.group() not in aliases.values
        and not any(start < match.end() and match.start() < end for start, end in taken)
    ]
