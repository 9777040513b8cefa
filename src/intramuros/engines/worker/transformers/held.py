"""Answers held to a JSON schema: which tokens may come next, computed by llguidance from the schema and the vocabulary.

Used by the worker alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import llguidance
import numpy as np
import torch

from intramuros.engines.worker.http import Refused
from intramuros.engines.worker.transformers.loading import INVALID

SPACING = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""One way to write it: a small model would fill its answer with white space."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer as llguidance knows it. Made once for a model: it takes up to a second."""

    tokens: llguidance.LLTokenizer
    size: int

    @classmethod
    def of(cls, tokenizer: Any, *, size: int, ends: Sequence[int]) -> Vocabulary:
        """That of a fast tokenizer of `transformers`, with as many tokens as the model has scores."""
        written = tokenizer.backend_tokenizer.to_str()
        return cls(llguidance.LLTokenizer(written, n_vocab=size, eos_token=list(ends)), size)

    def held_to(self, schema: Mapping[str, Any]) -> Held:
        """What holds one answer to a schema. Raises: Refused for one that is invalid or can't be kept to."""
        try:
            grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=SPACING)
            matcher = llguidance.LLMatcher(self.tokens, grammar, log_level=0)
        except ValueError:
            raise Refused(400, INVALID, "the JSON schema is invalid") from None
        if matcher.is_error():
            raise Refused(400, INVALID, "the JSON schema is invalid, or has what is not known")
        return Held(matcher, self.size)


@dataclass(slots=True)
class Held:
    """One answer on its way, held to its schema."""

    matcher: llguidance.LLMatcher
    size: int

    def allowed(self) -> torch.Tensor:
        """Which tokens may come next. Shape: [vocabulary], Boolean."""
        bits = np.frombuffer(self.matcher.compute_bitmask(), dtype=np.uint8)
        return torch.from_numpy(np.unpackbits(bits, count=self.size, bitorder="little").astype(bool))

    def take(self, token: int) -> bool:
        """Notes the token that was chosen; whether the answer is whole with it. Raises: Refused if it gets lost."""
        self.matcher.consume_token(token)
        if self.matcher.is_error():
            raise Refused(500, "server_error", "the answer left its grammar")
        return bool(self.matcher.is_stopped())
