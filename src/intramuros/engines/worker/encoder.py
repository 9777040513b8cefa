"""Runs an ONNX model that turns texts into vectors or ranks them. The only module that imports onnxruntime.

Called by `worker.__main__`, in its process. It answers as llama.cpp's server does: `/v1/embeddings`, `/v1/rerank`,
`/tokenize`, `/slots`. The texts of one request are computed together, ordered by length. With 8-bit numbers each is
computed alone: they are scaled by all that is computed at once, so a vector would depend on the texts beside it
(measured with all-MiniLM-L6-v2: a cosine of 0.988 to itself), and alone they are as fast.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}  # one pool of threads is enough

import numpy as np
import onnxruntime
import tokenizers

from intramuros.engines.worker.door import Door, Failed
from intramuros.engines.worker.http import Call, Refused, Route, Server
from intramuros.engines.worker.turns import Turns
from intramuros.models.pooling import FIRST, LAST, MEAN, RANK

ONLY_FATAL = 4
POOLED, OF_TOKENS, SCORES = "sentence_embedding", ("last_hidden_state", "token_embeddings"), "logits"
A_PATH = re.compile(r"/[^\s:]+")
STATM = Path("/proc/self/statm")

_running: list[Server] = []


class Piece(NamedTuple):
    """One text, or two, as the model reads it: token numbers, and which text each is of."""

    ids: list[int]
    types: list[int]


def serve(parameters: dict[str, Any], door: Door) -> str:
    """Loads the model and serves it; returns the address. Raises: Failed."""
    before = private_bytes()
    try:
        encoder = Encoder(parameters)
        loaded = private_bytes()
        encoder.warm_up(parameters["warm_up_tokens"])
    except Refused as error:
        raise Failed(str(error)) from None
    except Exception as error:  # both libraries raise anything
        raise Failed(A_PATH.sub("the file", str(error)).splitlines()[0][:300] if str(error) else "") from None
    if before:
        _tell(parameters, loaded - before, private_bytes() - loaded)
    onnxruntime.set_default_logger_severity(ONLY_FATAL)
    routes: dict[str, Route] = {
        "POST /v1/embeddings": encoder.embed,
        "POST /v1/rerank": encoder.rerank,
        "POST /tokenize": encoder.tokenise,
        "GET /slots": encoder.slots,
    }
    server = Server(Path(parameters["socket"]), routes)
    address = server.start()
    _running.append(server)
    door.close()
    return address


def devices() -> list[dict[str, Any]]:
    """Beside the processor it computes on nothing."""
    return []


class Encoder:
    """One model: its graph, its tokenizer, and how the two are used."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.context_tokens: int = parameters["context_tokens"]
        self.batch_tokens: int = parameters["batch_tokens"]
        self.pooling: int = parameters["pooling"]
        self.normalises: bool = parameters["normalises"]
        self.is_scaled: bool = parameters["is_scaled"]
        self.turns = Turns()
        self.tokenizer = tokenizers.Tokenizer.from_buffer(Path(parameters["tokenizer"]).read_bytes())
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.vocabulary = self.tokenizer.get_vocab_size()
        options = _options(parameters["threads"])
        held = _give_weights(options, parameters["weights"])
        self.session = onnxruntime.InferenceSession(parameters["graph"], options, providers=["CPUExecutionProvider"])
        del held
        self.inputs = {port.name: np.int32 if "int32" in port.type else np.int64 for port in self.session.get_inputs()}
        self.output = self._output()
        self.before, self.after = self._around()

    def warm_up(self, size: int) -> None:
        """Computes so many tokens: that it can is known then, and its memory is taken."""
        token = min(self.vocabulary - 1, 5)
        self._run([Piece([token] * size, [0] * size)])

    def embed(self, call: Call) -> dict[str, Any]:
        """`input` are texts or lists of token numbers; one vector for each."""
        if self.pooling == RANK:
            raise Refused(400, "not_supported_error", "this model does not support embeddings")
        pieces = [self._piece(one) for one in call.body.get("input") or ()]
        vectors = self._computed(pieces, call)
        data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        return {"object": "list", "data": data, "usage": _usage(pieces)}

    def rerank(self, call: Call) -> dict[str, Any]:
        """Scores each of `documents` against `query`; higher is better."""
        if self.pooling != RANK:
            raise Refused(400, "not_supported_error", "this model does not support reranking")
        query, documents = call.body["query"], call.body["documents"]
        pieces = [_of(self.tokenizer.encode(query, document)) for document in documents]
        self._check(pieces)
        scores = self._computed(pieces, call)
        results = [{"index": n, "relevance_score": float(score[0])} for n, score in enumerate(scores)]
        return {"object": "list", "results": results, "usage": _usage(pieces)}

    def tokenise(self, call: Call) -> dict[str, Any]:
        """The token numbers of `content`, without special ones."""
        return {"tokens": self.tokenizer.encode(call.body["content"], add_special_tokens=False).ids}

    def slots(self, call: Call) -> list[dict[str, Any]]:
        """Whether it computes; the answer comes in turn, so it shows that the engine goes round."""
        busy = self.turns.waiting > 0
        with self.turns.taken(call.check):
            return [{"id": 0, "n_ctx": self.context_tokens, "is_processing": busy}]

    def _computed(self, pieces: Sequence[Piece], call: Call) -> list[Any]:
        """What the graph makes of each piece, in order; a client that leaves ends it between two batches."""
        self._check(pieces)
        made: list[Any] = [None] * len(pieces)
        for batch in batches([len(piece.ids) for piece in pieces], 0 if self.is_scaled else self.batch_tokens):
            with self.turns.taken(call.check):
                found = self._run([pieces[place] for place in batch])
            for place, values in zip(batch, found, strict=True):
                made[place] = values
            call.check()
        return made

    def _run(self, pieces: Sequence[Piece]) -> Any:
        """Computes one batch. Shape: [pieces, width], 32-bit floats; [pieces, 1] for scores."""
        longest = max(len(piece.ids) for piece in pieces)
        ids, types, mask = (np.zeros((len(pieces), longest), dtype=np.int64) for _ in range(3))
        for row, piece in enumerate(pieces):
            ids[row, : len(piece.ids)], types[row, : len(piece.types)] = piece.ids, piece.types
            mask[row, : len(piece.ids)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        given["position_ids"] = np.broadcast_to(np.arange(longest), ids.shape)
        fed = {name: np.ascontiguousarray(given[name], dtype=kind) for name, kind in self.inputs.items()}
        [found] = self.session.run([self.output], fed)
        pooled = self._pooled(np.asarray(found, dtype=np.float32), mask)
        if not np.isfinite(pooled).all():
            raise Refused(500, "server_error", "the computation gave no numbers")
        return pooled

    def _pooled(self, found: Any, mask: Any) -> Any:
        """One row for each piece, from those of its tokens if the graph gives these."""
        if self.pooling == RANK:
            return found.reshape(len(mask), -1)[:, :1]
        if self.pooling == MEAN:
            weights = mask[:, :, None].astype(np.float32)
            found = (found * weights).sum(axis=1) / weights.sum(axis=1)
        elif self.pooling == FIRST:
            found = found[:, 0]
        elif self.pooling == LAST:
            found = found[np.arange(len(mask)), mask.sum(axis=1) - 1]
        if self.normalises:
            found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return found

    def _piece(self, one: str | list[int]) -> Piece:
        """A text as the model reads it; token numbers get the special ones around them that a text would have."""
        if isinstance(one, str):
            return _of(self.tokenizer.encode(one))
        if any(not 0 <= number < self.vocabulary for number in one):
            raise Refused(400, "invalid_request_error", "the model has no such token")
        before = [] if one[: len(self.before)] == self.before else self.before
        after = [] if self.after and one[-len(self.after) :] == self.after else self.after
        ids = [*before, *one, *after]
        return Piece(ids, [0] * len(ids))

    def _around(self) -> tuple[list[int], list[int]]:
        """The special tokens before and after a text."""
        plain = self.tokenizer.encode("a", add_special_tokens=False).ids
        whole = self.tokenizer.encode("a").ids
        for place in range(len(whole) - len(plain) + 1):
            if plain and whole[place : place + len(plain)] == plain:
                return whole[:place], whole[place + len(plain) :]
        return [], []

    def _check(self, pieces: Sequence[Piece]) -> None:
        longest = max((len(piece.ids) for piece in pieces), default=0)
        if longest > self.context_tokens:
            raise Refused(
                400,
                "exceed_context_size_error",
                "the text is too long",
                n_prompt_tokens=longest,
                n_ctx=self.context_tokens,
            )
        if any(not piece.ids for piece in pieces):
            raise Refused(400, "invalid_request_error", "the text has no tokens")

    def _output(self) -> str:
        ports = {port.name: port.shape for port in self.session.get_outputs()}
        of_tokens = [*OF_TOKENS, *(name for name, shape in ports.items() if len(shape) == 3)]
        wanted = [SCORES, *ports] if self.pooling == RANK else of_tokens if self.pooling else [POOLED]
        found = next((name for name in wanted if name in ports), None)
        if found is None:
            raise Refused(500, "server_error", "the graph does not give what it should")
        return found


def batches(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """The places of texts that are computed together: alike in length, within so many tokens with what fills them up.

    A text that is longer than that is computed alone.
    """
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > most_tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def private_bytes() -> int:
    """Memory of this process alone, in bytes; 0 without /proc. Source: proc(5), /proc/pid/statm."""
    if not STATM.exists():
        return 0
    _, resident, shared, *_ = map(int, STATM.read_text(encoding="ascii").split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _tell(parameters: dict[str, Any], weights: int, scratch: int) -> None:
    """Says in the log what it took, as llama.cpp does. What a whole batch takes is estimated from a small one."""
    expected, whole = parameters["warm_up_bytes"], parameters["compute_bytes"]
    compute = whole * max(1.0, scratch / expected)
    for kind, size in (("model", weights), ("compute", compute)):
        print(f"CPU {kind} buffer size = {max(size, 1 << 16) / (1 << 20):.3f} MiB", file=sys.stderr, flush=True)


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_mem_pattern = False  # it would keep a plan, and the memory for it, of each length of texts
    options.log_severity_level = ONLY_FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # see `engines.child.SPINNING`
    return options


def _give_weights(options: Any, weights: dict[str, str]) -> list[Any]:
    """Gives the engine the contents of files that it can't find by their names, since they were decrypted into memory.

    What is returned must be held until it has read them.
    """
    held = [np.memmap(path, dtype=np.uint8, mode="r") for path in weights.values()]
    if held:
        options.add_external_initializers_from_files_in_memory(list(weights), held, [len(one) for one in held])
    return held


def _of(encoding: Any) -> Piece:
    return Piece(encoding.ids, encoding.type_ids)


def _usage(pieces: Sequence[Piece]) -> dict[str, int]:
    total = sum(len(piece.ids) for piece in pieces)
    return {"prompt_tokens": total, "total_tokens": total}
