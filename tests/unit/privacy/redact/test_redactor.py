"""The redactor: fails closed, hides all that was found, and can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.errors import BadRequest, DetectorFailed, TextBlocked
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.policy import Policy
from intramuros.privacy.redact.redactor import Redactor
from intramuros.privacy.redact.restore import restore

LETTER = (
    "Madame Anna Keller, née le 12 mars 1985,\n12 rue des Acacias, 69003 Lyon\nIBAN\u00a0CH93 0076 2011 6238 5295 7, "
    "AVS 756.92\u200b17.0769.85, anna.keller@intranet, 06 12 34 56 78.\nMme Keller confirme."
)


@dataclass(frozen=True)
class Tier:
    """Finds what it is told to."""

    answer: Sequence[Finding] | Exception
    name: str = "a test"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_nothing_that_was_found_is_left_and_all_comes_back() -> None:
    aliases = Aliases()
    redacted = Redactor().hide(LETTER, aliases)
    for value in ("Keller", "1985", "Acacias", "0076", "0769", "intranet", "34 56"):
        assert value not in redacted.text
    assert restore(redacted.text, aliases.values) == LETTER.replace("Mme Keller", "Mme Anna Keller")
    assert redacted.counts == {
        "ADDRESS": 1, "CH_AVS": 1, "DATE_OF_BIRTH": 1, "EMAIL_ADDRESS": 1, "IBAN_CODE": 1, "PERSON": 2, "PHONE_NUMBER": 1,
    }  # fmt: skip


def test_places_are_the_originals() -> None:
    entities = Redactor().hide(LETTER, Aliases()).entities
    avs = next(entity for entity in entities if entity.entity_type == "CH_AVS")
    assert LETTER[avs.start : avs.end] == "756.92\u200b17.0769.85"


def test_aliases_are_stable_over_turns() -> None:
    aliases = Aliases()
    first = Redactor().hide("Mme Anna Keller a écrit.", aliases).entities[0].alias
    assert Redactor().hide("Que veut Mme Keller ?", aliases).entities[0].alias == first
    assert Redactor().hide("Mme Keller", Aliases()).entities[0].alias != first


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("the text is 'Anna'"),
        [Finding("PERSON", 3, 2, 0.9)],
        [Finding("PERSON", -1, 2, 0.9)],
        [Finding("PERSON", 0, 10_000, 0.9)],
        [Finding("PERSON", 0, 2, float("nan"))],
        [Finding("", 0, 2, 0.9)],
        [Finding("Anna!", 0, 2, 0.9)],
    ],
)
def test_a_tier_that_fails_lets_nothing_through(answer: Sequence[Finding] | Exception) -> None:
    with pytest.raises(DetectorFailed) as failure:
        Redactor().with_tiers(Tier(answer)).hide("Bonjour Anna", Aliases())
    assert failure.value.status == 503
    assert "Anna" not in failure.value.message
    assert failure.value.__cause__ is None and (failure.value.__context__ is None or failure.value.__suppress_context__)


def test_a_further_tier_is_heard() -> None:
    redacted = Redactor().with_tiers(Tier([Finding("ORGANIZATION", 0, 4, 0.9)])).hide("Acme paie", Aliases())
    assert redacted.entities[0].entity_type == "ORGANIZATION" and redacted.text.endswith(" paie")


def test_secrets_stop_the_text_and_are_not_named() -> None:
    with pytest.raises(TextBlocked) as blocked:
        Redactor().hide("password: hunter2Xyz!", Aliases())
    assert blocked.value.status == 422 and "hunter2" not in blocked.value.message
    assert blocked.value.details == {"found": {"SECRET": 1}}


def test_a_policy_for_each_entity() -> None:
    policy = Policy().changed({"PERSON": "allow", "IBAN_CODE": "mask", "SECRET": "mask"})
    text = "Mme Keller, CH93 0076 2011 6238 5295 7, password: hunter2Xyz!, a@b.ch"
    redacted = Redactor(policy=policy).hide(text, aliases := Aliases())
    assert redacted.text.startswith("Mme Keller, [IBAN_CODE], password: [SECRET], ⟦EMAIL_ADDRESS_")
    assert list(aliases.values.values()) == ["a@b.ch"]
    assert Redactor(policy=Policy().changed({"*": "allow"})).hide(LETTER, Aliases()).text == LETTER
    for wrong in ({"PERSON": "hide"}, {"person": "mask"}, {"PERSON": None}):
        with pytest.raises(BadRequest):
            Policy().changed(wrong)


def test_what_looks_like_an_alias_in_the_original_is_not_confused_with_one() -> None:
    aliases = Aliases()
    text = "⟦PERSON_bbb⟧ et Mme Keller"
    redacted = Redactor().hide(text, aliases)
    assert "⟦PERSON_bbb⟧" not in redacted.text
    assert restore(redacted.text, aliases.values) == text
    assert Redactor().hide(redacted.text, aliases).text == redacted.text  # known ones stay as they are


SPANS = st.lists(
    st.tuples(
        st.integers(0, 19), st.integers(1, 10), st.sampled_from(["A", "B", "C"]), st.sampled_from([0.4, 0.5, 0.9])
    ),
    max_size=8,
)


@given(SPANS)
def test_overlaps_leave_nothing_found_uncovered(spans: list[tuple[int, int, str, float]]) -> None:
    text = "abcdefghijklmnopqrst" + "u" * 10
    tier = Tier([Finding(kind, start, start + length, score) for start, length, kind, score in spans])
    kept = Redactor(recognisers=(tier,), policy=Policy({})).analyse(text)
    covered = [place for f in kept for place in range(f.start, f.end)]
    assert len(covered) == len(set(covered))
    assert set(covered) == {p for s, length, _, score in spans if score >= 0.5 for p in range(s, s + length)}


@given(st.text(max_size=200))
def test_any_text_comes_back(text: str) -> None:
    aliases = Aliases()
    redacted = Redactor(policy=Policy({})).hide(text, aliases)
    if all(entity.entity_type != "PERSON" for entity in redacted.entities):
        assert restore(redacted.text, aliases.values) == text


def test_a_policy_has_a_version_that_changes_with_what_it_does() -> None:
    one = Policy()
    assert one.version == Policy().changed({"SECRET": "block"}).version
    others = [one.changed({"PERSON": "mask"}), one.changed({"*": "mask"}), Policy(threshold=0.6)]
    assert len({policy.version for policy in (one, *others)}) == 4
