"""How the next token is chosen from a model's scores: the fields of a request, in llama.cpp's order of steps.

Used by the worker alone. Everything is computed on the processor, in 32 bits, so that a seed means the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from intramuros.engines.worker.http import Refused
from intramuros.engines.worker.transformers.loading import INVALID

NEVER = float("-inf")
RANDOM_SEED = 0xFFFFFFFF
USUAL: Mapping[str, float] = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "repeat_last_n": 64}
"""What llama.cpp does where neither the request nor the model says anything."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The log probabilities of one step, as the model has them: the chosen token, and the best with theirs."""

    chosen: float
    best: tuple[tuple[int, float], ...]


@dataclass(slots=True)
class Sampling:
    """The choice of one request's tokens. `top` is how many log probabilities are told; None tells none.

    `last`: of the tokens before, the prompt's too, so many count as said; less than 0: all of them.
    """

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repeat: float = 1.0
    presence: float = 0.0
    frequency: float = 0.0
    last: int = 64
    bias: tuple[tuple[int, float], ...] = ()
    never: frozenset[int] = frozenset()
    top: int | None = None
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(torch.seed()))

    def choose(
        self, scores: torch.Tensor, said: Sequence[int], allowed: torch.Tensor | None = None
    ) -> tuple[int, Likelihood | None]:
        """The next token. `allowed`: a grammar's mask.

        Shape: scores [vocabulary], 32-bit; allowed [vocabulary], Boolean.
        """
        likelihood = torch.log_softmax(scores, dim=-1) if self.top is not None else None
        token = self._chosen(self._adjusted(scores, said, allowed))
        if likelihood is None or self.top is None:
            return token, None
        values, places = torch.topk(likelihood, max(1, self.top))
        best = tuple(zip(places.tolist(), values.tolist(), strict=True))[: self.top]
        return token, Likelihood(float(likelihood[token]), best)

    def _adjusted(self, scores: torch.Tensor, said: Sequence[int], allowed: torch.Tensor | None) -> torch.Tensor:
        scores = scores.clone()
        last = said if self.last < 0 else said[max(0, len(said) - self.last) :]
        if last and (self.repeat != 1 or self.presence or self.frequency):
            tokens, counts = torch.unique(torch.tensor(last), return_counts=True)
            held = scores[tokens]
            held = torch.where(held > 0, held / self.repeat, held * self.repeat)
            scores[tokens] = held - counts * self.frequency - self.presence
        for token, bias in self.bias:
            scores[token] += bias
        if self.never:
            scores[list(self.never)] = NEVER
        if allowed is not None:
            scores[~allowed] = NEVER
        return scores

    def _chosen(self, scores: torch.Tensor) -> int:
        if self.temperature <= 0:
            return int(torch.argmax(scores))
        kept = min(self.top_k, scores.shape[-1]) or scores.shape[-1]
        values, places = torch.topk(scores, kept)
        shares = torch.softmax(values, dim=-1)
        beyond = torch.cumsum(shares, dim=-1) - shares >= self.top_p
        beyond |= shares < self.min_p * shares[0]
        beyond[0] = False
        shares = torch.softmax(values.masked_fill(beyond, NEVER) / self.temperature, dim=-1)
        return int(places[torch.multinomial(shares, 1, generator=self.generator)])


def sampling(
    request: Mapping[str, Any], usual: Mapping[str, Any], *, ends: Collection[int], vocabulary: int, beside: int | None
) -> Sampling:
    """Reads the fields of a request. `usual`: what the model's own files say; `beside`: log probabilities to tell.

    Raises: Refused for what is no number, or out of its range.
    """
    told = {**USUAL, **usual, **{name: value for name, value in request.items() if value is not None}}

    def number(name: str, default: float, low: float, high: float) -> float:
        value = told.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise Refused(400, INVALID, f"{name} is out of its range")
        return value

    def whole(name: str, default: int, low: int, high: int) -> int:
        value = number(name, default, low, high)
        if int(value) != value:
            raise Refused(400, INVALID, f"{name} is no whole number")
        return int(value)

    repeat, seed = number("repeat_penalty", 1, 0, 100), whole("seed", RANDOM_SEED, -1, 1 << 63)
    if not repeat:  # scores would be divided by it
        raise Refused(400, INVALID, "repeat_penalty is out of its range")
    generator = torch.Generator()
    generator.manual_seed(torch.seed() if seed in (-1, RANDOM_SEED) else seed)
    return Sampling(
        temperature=number("temperature", 1, 0, 100),
        top_k=max(0, whole("top_k", 0, -1, 1 << 30)),
        top_p=number("top_p", 1, 0, 1),
        min_p=number("min_p", 0, 0, 1),
        repeat=repeat,
        presence=number("presence_penalty", 0, -100, 100),
        frequency=number("frequency_penalty", 0, -100, 100),
        last=whole("repeat_last_n", 0, -1, 1 << 30),
        bias=_biases(request.get("logit_bias"), vocabulary),
        never=frozenset(ends) if request.get("ignore_eos") else frozenset(),
        top=beside,
        generator=generator,
    )


def _biases(value: Any, vocabulary: int) -> tuple[tuple[int, float], ...]:
    """Pairs of a token and what is added to its score. Raises: Refused."""
    if value is None:
        return ()
    pairs = list(value.items()) if isinstance(value, dict) else value
    try:
        found = tuple((int(token), NEVER if bias is False else float(bias)) for token, bias in pairs)
    except (TypeError, ValueError):
        raise Refused(400, INVALID, "logit_bias is not a list of pairs") from None
    if any(not 0 <= token < vocabulary or math.isnan(bias) for token, bias in found):
        raise Refused(400, INVALID, "logit_bias names a token that is not there")
    return found
