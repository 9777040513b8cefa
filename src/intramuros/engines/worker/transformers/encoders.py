"""The routes of a model that makes vectors or ranks, in the shapes of llama.cpp's server.

Used by the worker alone. One text after the other: none is padded to another's length, and requests take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from typing import Any

import torch

from intramuros.engines.worker.http import Call, Refused, Route
from intramuros.engines.worker.transformers import prompts
from intramuros.engines.worker.transformers.loading import INVALID, Loaded
from intramuros.engines.worker.turns import Turns
from intramuros.models.pooling import FIRST, LAST


class Encoder:
    """Answers the requests for one model, which is called `name`."""

    def __init__(self, loaded: Loaded, *, name: str, context_tokens: int) -> None:
        self.loaded, self.name, self.context_tokens = loaded, name, context_tokens
        self.turns = Turns()
        self.before, self.after = prompts.around(loaded.tokenizer)
        is_told = "token_type_ids" in signature(loaded.model.forward).parameters
        self.has_types = is_told and getattr(loaded.model.config, "type_vocab_size", 0) > 1
        """Whether the model is told which text of a pair a token is of."""

    @property
    def routes(self) -> dict[str, Route]:
        """What it answers."""
        routes: dict[str, Route] = {
            "GET /slots": self._slots,
            "POST /tokenize": lambda call: {"tokens": prompts.plain_tokens(call.body, self.loaded.tokenizer)},
        }
        if self.loaded.kind == "embed":
            return routes | {"POST /v1/embeddings": self._embed}
        return routes | {"POST /v1/rerank": self._rerank}

    def _slots(self, call: Call) -> list[Any]:
        """Whether it computes; the answer comes with the next beat, so it shows that the engine goes round."""
        self.loaded.heart.listen(lambda: not self.turns.waiting, call.check)
        return [{"id": 0, "n_ctx": self.context_tokens, "is_processing": self.turns.waiting > 0}]

    def _embed(self, call: Call) -> Mapping[str, Any]:
        inputs = call.body.get("input")
        given = [self._tokens(one) for one in (inputs if isinstance(inputs, list) else [inputs])]
        data = []
        for number, tokens in enumerate(given):
            vector = self._computed(call, partial(self._vector, tokens))
            data.append({"object": "embedding", "index": number, "embedding": vector})
        return {"object": "list", "model": self.name, "data": data, "usage": _usage(sum(map(len, given)))}

    def _rerank(self, call: Call) -> Mapping[str, Any]:
        query, texts = call.body.get("query"), call.body.get("documents")
        if not isinstance(query, str) or not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
            raise Refused(400, INVALID, "query and documents are not texts")
        pairs = [self.loaded.tokenizer(query, text, return_token_type_ids=self.has_types) for text in texts]
        for pair in pairs:
            prompts.check_length(len(pair["input_ids"]), self.context_tokens)
        results = []
        for number, pair in enumerate(pairs):
            score = self._computed(call, partial(self._score, pair))
            results.append({"index": number, "relevance_score": score})
        usage = _usage(sum(len(pair["input_ids"]) for pair in pairs))
        return {"object": "list", "model": self.name, "results": results, "usage": usage}

    def _computed(self, call: Call, compute: Callable[[], Any]) -> Any:
        """Computes one text, when its turn has come; not for a client that has left."""
        call.check()
        with self.turns.taken(call.check), torch.inference_mode():
            return compute()

    def _vector(self, tokens: list[int]) -> list[float]:
        """Of length 1 (Euclid), if the model's makers have it so."""
        given = torch.tensor([tokens], device=self.loaded.device)
        states = self.loaded.model(input_ids=given).last_hidden_state[0].float()
        pooling = self.loaded.pooling
        vector = states[0] if pooling == FIRST else states[-1] if pooling == LAST else states.mean(dim=0)
        vector = torch.nn.functional.normalize(vector, dim=0) if self.loaded.normalises else vector
        found: list[float] = vector.cpu().tolist()
        return found

    def _score(self, pair: Mapping[str, Any]) -> float:
        """How well a text answers a question, as the model's head has it."""
        given = {name: torch.tensor([list(value)], device=self.loaded.device) for name, value in pair.items()}
        return float(self.loaded.model(**given).logits[0, 0])

    def _tokens(self, value: Any) -> list[int]:
        """The tokens of an input, with the special ones around it. Raises: Refused."""
        if isinstance(value, str):
            tokens = list(self.loaded.tokenizer(value)["input_ids"])
        elif isinstance(value, list) and all(isinstance(one, int) for one in value):
            if not all(0 <= one < self.loaded.vocabulary for one in value):
                raise Refused(400, INVALID, "an input has a token that is not there")
            tokens = [*self.before, *value, *self.after]
        else:
            raise Refused(400, INVALID, "an input is neither a text nor a list of tokens")
        if not tokens:
            raise Refused(400, INVALID, "an input is empty")
        prompts.check_length(len(tokens), self.context_tokens)
        return tokens


def _usage(count: int) -> dict[str, int]:
    return {"prompt_tokens": count, "total_tokens": count}
