"""The conversations of one model: a fixed number of slots, whose tokens are computed in turns, one after the other.

Used by the worker alone. One thread computes; it looks after every step whether somebody still waits for the answer.
Each slot keeps the keys and values of what it has read, so that a prompt which begins as the last one did is not read
again.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from intramuros.engines.worker.http import Gone, Refused
from intramuros.engines.worker.transformers.held import Held
from intramuros.engines.worker.transformers.sampling import Likelihood, Sampling

LOOK_S = 0.02
"""How soon it is noticed that nobody waits any more, while a request itself waits for a slot."""


@dataclass(frozen=True, slots=True)
class Step:
    """One token of an answer. `is_end`: it is one of those that end an answer, and no text."""

    token: int
    likelihood: Likelihood | None = None
    is_end: bool = False
    is_whole: bool = False
    """The schema it was held to is complete with it."""


@dataclass(eq=False, slots=True)
class Job:
    """One answer to be written. What has been computed comes through `steps`; None ends it, an exception failed it."""

    prompt: Sequence[int]
    sampling: Sampling
    most: int
    check: Callable[[], None]
    """Raises Gone, or OSError, once nobody waits for the answer."""
    held: Held | None = None
    steps: queue.SimpleQueue[Step | Exception | None] = field(default_factory=queue.SimpleQueue)
    cached: int = 0
    """Tokens of the prompt that had been read before."""
    is_over: bool = False
    """Whoever asked has what was wanted: no further step."""


@dataclass(eq=False, slots=True)
class Slot:
    """One conversation's place: the tokens whose keys and values it keeps, and the job it works on."""

    cache: Any = None
    tokens: list[int] = field(default_factory=list)
    job: Job | None = None
    said: int = 0
    scores: torch.Tensor | None = None
    """Of the next token, once the prompt has been read. Shape: [vocabulary], 32-bit, on the processor."""

    def begins_like(self, prompt: Sequence[int]) -> int:
        """How many tokens of a prompt it has read already; the last one is always read, for its scores."""
        most = min(len(self.tokens), len(prompt) - 1)
        return next((n for n in range(most) if self.tokens[n] != prompt[n]), most)

    def keep(self, count: int) -> int:
        """Forgets all but the first tokens; how many are left, since some caches can't be cut."""
        if self.cache is None or count == 0:
            self.cache, self.tokens = None, []
        elif count < len(self.tokens):
            try:
                if not self.cache.is_croppable:
                    raise RuntimeError
                self.cache.crop(count - len(self.tokens))
                self.tokens = self.tokens[:count]
            except (RuntimeError, ValueError, NotImplementedError, AttributeError):
                self.cache, self.tokens = None, []
        return len(self.tokens)


class Slots:
    """Runs the jobs of one model. `ends`: tokens that end an answer; `batch`: tokens of a prompt read in one step."""

    def __init__(self, model: Any, *, count: int, batch: int, ends: Sequence[int], device: torch.device) -> None:
        self.model, self.batch, self.ends, self.device = model, batch, frozenset(ends), device
        self.slots = [Slot() for _ in range(count)]
        self._waiting: list[Job] = []
        self.rests = True
        """Whether there is nothing to compute, as the thread knows that computes."""
        self._changed = threading.Condition()

    def start(self) -> None:
        """Begins to compute."""
        threading.Thread(target=self._compute, name="compute", daemon=True).start()

    @property
    def working(self) -> list[bool]:
        """Whether each slot is at work."""
        return [slot.job is not None for slot in self.slots]

    def run(self, job: Job) -> Generator[Step]:
        """The steps of an answer, as they come. Leaving it ends the job. Raises: Gone, or what went wrong."""
        with self._changed:
            self.rests = False
            self._waiting.append(job)
            self._changed.notify()
        try:
            while (step := self._next(job)) is not None:
                if isinstance(step, Exception):
                    raise step
                yield step
        finally:
            job.is_over = True

    def _next(self, job: Job) -> Step | Exception | None:
        while True:
            try:
                return job.steps.get(timeout=LOOK_S)
            except queue.Empty:
                job.check()

    def _compute(self) -> None:
        with torch.inference_mode():
            while True:
                with self._changed:
                    self._hand_out()
                    while not any(self.working):
                        self.rests = True
                        self._changed.wait()
                        self._hand_out()
                for slot in self.slots:
                    if slot.job is not None:
                        self._advance(slot, slot.job)

    def _hand_out(self) -> None:
        """Gives waiting jobs to free slots: to that which has read the most of the prompt."""
        self._waiting = [job for job in self._waiting if not job.is_over]
        while self._waiting and (free := [slot for slot in self.slots if slot.job is None]):
            job = self._waiting.pop(0)
            slot = max(free, key=lambda one: (one.begins_like(job.prompt), -len(one.tokens)))
            job.cached = slot.keep(slot.begins_like(job.prompt))
            slot.job, slot.said, slot.scores = job, 0, None

    def _advance(self, slot: Slot, job: Job) -> None:
        """One step of a job: reads a piece of its prompt, or writes a token."""
        try:
            if job.is_over or _is_gone(job):
                slot.job = None
            elif slot.scores is None:
                piece = job.prompt[len(slot.tokens) : len(slot.tokens) + self.batch]
                scores = self._read(slot, piece)
                slot.scores = scores if len(slot.tokens) == len(job.prompt) else None
            elif slot.said >= job.most:
                self._finish(slot, job)
            else:
                self._write(slot, job, slot.scores)
        except Exception as error:
            slot.job, slot.cache, slot.tokens, slot.scores = None, None, [], None
            job.steps.put(error if isinstance(error, Refused) else Refused(500, "server_error", _said(error)))

    def _write(self, slot: Slot, job: Job, scores: torch.Tensor) -> None:
        allowed = job.held.allowed() if job.held is not None else None
        token, likelihood = job.sampling.choose(scores, slot.tokens, allowed)
        is_end = token in self.ends
        is_whole = job.held.take(token) if job.held is not None and not is_end else False
        slot.said += 1
        job.steps.put(Step(token, likelihood, is_end, is_whole))
        if is_end or is_whole or slot.said >= job.most:
            self._finish(slot, job)
        else:
            slot.scores = self._read(slot, [token])

    def _finish(self, slot: Slot, job: Job) -> None:
        slot.job = None
        job.steps.put(None)

    def _read(self, slot: Slot, tokens: Sequence[int]) -> torch.Tensor:
        """Has the model read tokens; the scores of what comes after them."""
        if slot.cache is None:
            slot.cache = DynamicCache(config=self.model.config)
        given = torch.tensor([list(tokens)], device=self.device)
        found = self.model(input_ids=given, cache=slot.cache, use_cache=True, logits_to_keep=1)
        slot.tokens.extend(tokens)
        return torch.as_tensor(found.logits[0, -1].float().cpu())


def _is_gone(job: Job) -> bool:
    try:
        job.check()
    except (Gone, OSError):
        return True
    return False


def _said(error: Exception) -> str:
    """What went wrong, without words that could quote a prompt."""
    return "out of memory" if "memory" in str(error).lower() else type(error).__name__
