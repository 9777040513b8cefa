"""Write mode: text as it comes, verdicts behind it, and what it stands on."""

from __future__ import annotations

import itertools
from contextlib import aclosing

from intramuros.retrieval.prompt import Given
from intramuros.tasks.answered import JudgedSentence, Text
from intramuros.tasks.fitting import Fitted
from intramuros.tasks.writing import Writing
from tests.unit.retrieval.made import passage
from tests.unit.tasks.writers import Writer

LEASE = passage("La cave est petite. Le préavis du bail est de trois mois. Le jardin est commun.", chunk_id=5)
DEPOSIT = passage("La caution est de 900 euros. Elle est rendue à la fin du bail.", chunk_id=6, page=2)
RIGHT = "Le préavis du bail est de 3 mois [1]. "
WRONG = "La caution est de 950 euros [2]. "


def writing(says: str, characters: int = 7) -> Writing:
    given = (Given(1, LEASE), Given(2, DEPOSIT))
    fit = Fitted([{"role": "user", "content": "?"}], given, (), max_tokens=99, left_out=0, turns_left_out=0)
    return Writing(Writer(says=says, characters=characters), fit, "fr")


async def test_text_then_verdicts_in_order() -> None:
    written = writing(RIGHT + WRONG + "Le jardin est commun [1].")
    events = [event async for event in written.events()]
    assert "".join(event.text for event in events if isinstance(event, Text)) == written.text
    judged = [event for event in events if isinstance(event, JudgedSentence)]
    assert [(event.text, event.supported) for event in judged] == [
        (RIGHT.strip(), True),
        (WRONG.strip(), False),
        ("Le jardin est commun [1].", True),
    ]
    assert events.index(judged[0]) < max(n for n, event in enumerate(events) if isinstance(event, Text))
    assert judged[1].reason == "le nombre « 950 eur » n'est pas dans les sources"
    assert not written.is_supported


async def test_verdicts_do_not_depend_on_how_the_text_arrives() -> None:
    texts = RIGHT + "M. Martin est cité à l'art. 5 [1]. " + WRONG
    results = []
    for characters in (1, 3, 50, 1000):
        written = writing(texts, characters)
        results.append([event async for event in written.events() if isinstance(event, JudgedSentence)])
    assert all(a == b for a, b in itertools.pairwise(results))


async def test_sources_are_quoted_where_they_confirm() -> None:
    written = writing(RIGHT)
    _ = [event async for event in written.events()]
    (source,) = written.cited()
    assert (source.number, source.chunk_id, source.quote) == (1, 5, "Le préavis du bail est de trois mois.")
    assert written.is_supported


async def test_what_is_asked_of_the_engine() -> None:
    written = writing(RIGHT)
    _ = [event async for event in written.events()]
    (request,) = written.engine.asked  # type: ignore[attr-defined]
    assert request["max_tokens"] == 99
    assert request["temperature"] == 0
    assert request["messages"] == written.fitted.messages
    assert written.usage.cached_tokens == 8


async def test_a_model_that_goes_round_is_stopped() -> None:
    written = writing(RIGHT + WRONG * 200)
    _ = [event async for event in written.events()]
    assert written.finish_reason == "repetition"
    assert written.text == (RIGHT + WRONG).strip()
    assert written.usage.completion_tokens < 40
    assert written.engine.cancelled == 1  # type: ignore[attr-defined]


async def test_closing_stops_the_model() -> None:
    written = writing(RIGHT * 3)
    async with aclosing(written.events()) as events:
        await anext(events)
    assert written.engine.running == 0  # type: ignore[attr-defined]
    assert written.engine.cancelled == 1  # type: ignore[attr-defined]


async def test_a_bare_yes_is_not_supported() -> None:
    written = writing("Oui.")
    _ = [event async for event in written.events()]
    assert not written.is_supported
