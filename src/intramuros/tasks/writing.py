"""Write mode: a model writes the answer from the sources, and each sentence is checked as soon as it is complete.

Called by the answer task. Knows the engine contract and the checks; knows no projects, conversations or audit.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from intramuros.documents.analyse import terms
from intramuros.engines.engine import Engine, Usage
from intramuros.retrieval.analysed import analysed
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.quote import confirming
from intramuros.retrieval.sentences import split
from intramuros.retrieval.verify import Verdict, Verifier
from intramuros.tasks.answered import JudgedSentence, Source, Text
from intramuros.tasks.fitting import Fitted
from intramuros.tasks.phrases import reason

SETTLED = 24
"""Characters after a sentence from which on its end will not move any more."""


REPEATS, LEAST_REPEATED = 3, 20
"""How often a sentence of so many characters may be said before the model is stopped."""


@dataclass(slots=True)
class Writing:
    """One answer while a model writes it; afterwards what it wrote and what it cost."""

    engine: Engine
    fitted: Fitted
    language: str
    text: str = ""
    pieces: int = 0
    reported: Usage | None = None
    finish_reason: str = ""
    first_token_s: float | None = None
    verdicts: list[Verdict] = field(default_factory=list)

    async def events(self) -> AsyncGenerator[Text | JudgedSentence]:
        """The text as it comes, with a verdict after each sentence. Closing it frees the engine's slot."""
        verifier = Verifier(self.sources, self.language)
        judged = 0
        started = time.perf_counter()
        request = {
            "messages": self.fitted.messages,
            "max_tokens": self.fitted.max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "chat_template_kwargs": {"enable_thinking": False},
        }
        chunks = cast("AsyncGenerator[bytes]", self.engine.stream(request))
        async with aclosing(chunks):
            async for chunk in chunks:
                piece = self._take(orjson.loads(chunk))
                if not piece:
                    continue
                self.first_token_s = self.first_token_s or time.perf_counter() - started
                yield Text(piece)
                for verdict in self._settled(verifier, after=judged):
                    judged = verdict.sentence.end
                    yield sentence_of(verdict, self.language)
                if self._is_going_round(before=judged):
                    break
        self.verdicts = verifier.verify(self.text)
        for verdict in self.verdicts:
            if verdict.sentence.start >= judged:
                yield sentence_of(verdict, self.language)

    @property
    def sources(self) -> Mapping[int, Passage]:
        """Every passage the answer may cite, by number."""
        return {given.number: given.passage for given in (*self.fitted.known, *self.fitted.given)}

    @property
    def usage(self) -> Usage:
        """What it cost; a stream cut short reports nothing, but about one token came with each piece."""
        return self.reported or Usage(completion_tokens=self.pieces)

    @property
    def is_supported(self) -> bool:
        """Whether it asserts something and its sources confirm all of it."""
        claims = [verdict for verdict in self.verdicts if verdict.is_claim]
        return bool(claims) and all(verdict.supported for verdict in self.verdicts)

    def cited(self) -> list[Source]:
        """The sources the answer stands on, each with the words that confirm it."""
        sources = self.sources
        citing: dict[int, set[str]] = {}
        for verdict in self.verdicts:
            for number in verdict.sources:
                citing.setdefault(number, set()).update(terms(verdict.sentence.text, sources[number].language))
        return [
            Source.of(passage.passage, *confirming(passage, citing[number]), number=number)
            for number, passage in zip(sorted(citing), analysed(sources[n] for n in sorted(citing)), strict=True)
        ]

    def _take(self, chunk: Mapping[str, Any]) -> str:
        if numbers := chunk.get("usage"):
            cached = (numbers.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
            self.reported = Usage(numbers.get("prompt_tokens", 0), numbers.get("completion_tokens", 0), cached)
        if not chunk.get("choices"):
            return ""
        choice = chunk["choices"][0]
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        piece = (choice.get("delta") or {}).get("content") or ""
        piece = piece if self.text else piece.lstrip()
        self.text += piece
        self.pieces += bool(piece)
        return piece

    def _is_going_round(self, *, before: int) -> bool:
        """Whether the model says a sentence again and again, as small ones do; keeps the text up to the second time."""
        said = [sentence for sentence in split(self.text) if sentence.end <= before]
        same = [sentence for sentence in said if sentence.text == said[-1].text]
        if len(same) < REPEATS or len(same[0].text) < LEAST_REPEATED:
            return False
        self.text = self.text[: same[1].start].rstrip()
        self.finish_reason = "repetition"
        return True

    def _settled(self, verifier: Verifier, *, after: int) -> Iterator[Verdict]:
        """Verdicts on sentences that are complete whatever is written next."""
        for sentence in split(self.text):
            if sentence.start >= after and len(self.text) - sentence.end >= SETTLED:
                yield verifier.judge(sentence)


def sentence_of(verdict: Verdict, language: str) -> JudgedSentence:
    """The verdict in words."""
    return JudgedSentence(verdict.sentence.text, verdict.sources, verdict.supported, reason(verdict.problems, language))
