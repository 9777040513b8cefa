"""Fitting a conversation into a context: what fits is sent, what does not is counted."""

from __future__ import annotations

import pytest

from intramuros.errors import ContextOverflow
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.prompt import Earlier, Given, messages
from intramuros.tasks.fitting import Fitted, fitted
from tests.unit.retrieval.made import passage
from tests.unit.tasks.writers import Writer, said


def passages(count: int, words: int = 100) -> list[Passage]:
    """Passages of different documents, in the opposite order of their rank."""
    return [passage("mot " * words, chunk_id=n, document_id=f"d{9 - n}", ordinal=n) for n in range(1, count + 1)]


def turn(number: int, words: int = 100) -> Earlier:
    held = passage("vieux " * words, chunk_id=100 + number, document_id=f"e{number}")
    return Earlier(f"Question {number} ?", f"Réponse {number} [{number}].", (Given(number, held),), "fr")


async def fit(context: int, found: list[Passage], earlier: list[Earlier] | None = None) -> Fitted:
    engine = Writer(context_tokens=context)
    result = await fitted(engine, "Quel préavis ?", passages=found, earlier=earlier or [], language="fr")
    assert said(result.messages) + result.max_tokens <= context
    return result


async def test_everything_fits_into_a_long_context() -> None:
    result = await fit(4096, passages(4))
    assert len(result.given) == 4
    assert (result.left_out, result.turns_left_out) == (0, 0)


async def test_sources_are_in_a_stable_order_whatever_their_rank() -> None:
    found = passages(4)
    one, other = await fit(4096, found), await fit(4096, found[::-1])
    assert one.messages == other.messages
    assert [given.passage.document_id for given in one.given] == ["d5", "d6", "d7", "d8"]


async def test_the_best_are_kept_and_the_others_counted() -> None:
    result = await fit(700, passages(5))
    assert {given.passage.chunk_id for given in result.given} == {1, 2, 3}
    assert result.left_out == 2


async def test_a_shorter_passage_takes_the_room_a_longer_one_left() -> None:
    long, short = passages(2)
    result = await fit(520, [passage("mot " * 300, chunk_id=7), short, long])
    assert {given.passage.chunk_id for given in result.given} == {1, 2}
    assert result.left_out == 1


async def test_not_even_one_passage_is_an_error_with_counts() -> None:
    with pytest.raises(ContextOverflow) as caught:
        await fit(300, passages(2))
    assert caught.value.details["context_tokens"] == 300
    assert int(str(caught.value.details["prompt_tokens"])) > 200


async def test_a_follow_up_only_adds_what_was_not_given_before() -> None:
    before = turn(1)
    known = before.given[0].passage
    result = await fit(4096, [known, *passages(2)], [before])
    assert [given.number for given in result.given] == [2, 3]
    assert result.known == before.given
    first = messages(before.question, given=before.given, language="fr")
    assert result.messages[: len(first)] == first


async def test_a_follow_up_on_the_same_sources_adds_none() -> None:
    before = turn(1)
    result = await fit(4096, [before.given[0].passage], [before])
    assert result.given == ()
    assert result.left_out == 0


async def test_the_oldest_turns_are_left_out_first_and_counted() -> None:
    result = await fit(900, passages(1), [turn(1, 200), turn(2), turn(3)])
    assert [given.number for given in result.known] == [2, 3]
    assert result.turns_left_out == 1


async def test_a_source_of_a_turn_left_out_comes_back_with_its_number() -> None:
    old = turn(1, 300)
    result = await fit(1200, [old.given[0].passage, *passages(1)], [old, turn(2, 200)])
    assert sorted(given.number for given in result.given) == [1, 3]
