"""Fits a conversation and its sources into a model's context, and says what did not fit: nothing is cut silently.

Called by the answer task before it asks a model to write. Counts with the model's own tokenizer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from intramuros.engines.engine import Engine
from intramuros.errors import ContextOverflow
from intramuros.retrieval import prompt
from intramuros.retrieval.passage import Passage, in_reading_order
from intramuros.retrieval.prompt import Earlier, Given

ANSWER_TOKENS = 600
"""Longest answer; a quarter of the context where that is less."""
NEW_SOURCES = 5
MESSAGE_TOKENS = 16  # what a chat template puts around one message, at most
HISTORY_SHARE = 0.6
"""Share of the context that earlier turns may take before the oldest are left out."""
UNKNOWN_CONTEXT = 4096  # tokens, for an engine that does not say


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is sent, and what is not. `given` are the new sources; `known` those of the turns that were kept."""

    messages: list[prompt.Message]
    given: tuple[Given, ...]
    known: tuple[Given, ...]
    max_tokens: int
    left_out: int
    turns_left_out: int


async def fitted(
    engine: Engine, question: str, *, passages: Sequence[Passage], earlier: Sequence[Earlier], language: str
) -> Fitted:
    """Keeps the latest turns and adds the best passages, best first, as long as they fit.

    Raises: ContextOverflow, with counts, when not even one passage fits beside the question.
    """
    context = (await engine.health()).context_tokens or UNKNOWN_CONTEXT
    max_tokens = min(ANSWER_TOKENS, context // 4)
    room = context - max_tokens
    room -= await _count(engine, prompt.instructions(language), prompt.asking(question, given=(), language=language))
    kept = await _latest(engine, earlier, room=int(room * HISTORY_SHARE))
    room -= sum(tokens for _, tokens in kept)
    turns = [turn for turn, _ in kept]
    known = tuple(given for turn in turns for given in turn.given)
    there = {given.passage.chunk_id for given in known}
    wanted = [passage for passage in passages if passage.chunk_id not in there][:NEW_SOURCES]
    chosen, needed = await _that_fit(engine, wanted, room=room)
    if not chosen and not known:
        raise _overflow(context=context, prompt_tokens=context - max_tokens - room + needed, max_tokens=max_tokens)
    given = _numbered(chosen, earlier)
    return Fitted(
        messages=prompt.messages(question, given=given, earlier=turns, language=language),
        given=given,
        known=known,
        max_tokens=max_tokens,
        left_out=len(wanted) - len(chosen),
        turns_left_out=len(earlier) - len(turns),
    )


async def _latest(engine: Engine, earlier: Sequence[Earlier], *, room: int) -> list[tuple[Earlier, int]]:
    """The last turns that fit, in order, each with its tokens."""
    kept: list[tuple[Earlier, int]] = []
    for turn in reversed(earlier):
        asked = prompt.asking(turn.question, given=turn.given, language=turn.language)
        tokens = await _count(engine, asked, turn.answer)
        room -= tokens
        if room < 0:
            break
        kept.insert(0, (turn, tokens))
    return kept


async def _that_fit(engine: Engine, passages: Sequence[Passage], *, room: int) -> tuple[list[Passage], int]:
    """The passages that fit, and how many tokens the smallest one needs."""
    blocks = [prompt.source(Given(100, passage)) for passage in passages]
    costs = [tokens + 2 for tokens in await asyncio.gather(*(_tokens(engine, block) for block in blocks))]
    chosen = []
    for passage, tokens in zip(passages, costs, strict=True):
        if tokens <= room:
            chosen.append(passage)
            room -= tokens
    return chosen, min(costs, default=0)


def _numbered(passages: Sequence[Passage], earlier: Sequence[Earlier]) -> tuple[Given, ...]:
    """New numbers after those of the conversation; a passage that had one keeps it."""
    had = {given.passage.chunk_id: given.number for turn in earlier for given in turn.given}
    following = max(had.values(), default=0) + 1
    given = []
    for passage in in_reading_order(passages):
        number = had.get(passage.chunk_id)
        if number is None:
            number, following = following, following + 1
        given.append(Given(number, passage))
    return tuple(sorted(given, key=lambda item: item.number))


async def _count(engine: Engine, *messages: str) -> int:
    return sum([await _tokens(engine, message) + MESSAGE_TOKENS for message in messages])


async def _tokens(engine: Engine, text: str) -> int:
    return len(await engine.tokenise(text))


def _overflow(*, context: int, prompt_tokens: int, max_tokens: int) -> ContextOverflow:
    return ContextOverflow(
        f"The question and one passage need {prompt_tokens + max_tokens} tokens, answer included; "
        f"this model reads {context}.",
        prompt_tokens=prompt_tokens,
        context_tokens=context,
    )
