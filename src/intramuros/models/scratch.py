"""The engine's scratch memory for one batch, from a model's header: its allocator replayed on its graph.

Called by `models.memory`. llama.cpp lays out the tensors of a batch once, when it loads a model: each is put into the
best fitting gap that earlier ones left, or at the end. What that comes to depends on the order of operations, so it is
followed operation by operation: of the first layers of each kind and of the last, since more of the same change little.
Tensors of a few bytes a token are left out.

Source: llama.cpp b11549, ggml/src/ggml-alloc.c and src/models/*.cpp; the tests compare with the engine's own report.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from intramuros.models.gguf import GgufHeader, Recurrent

ALIGNMENT = 64
NUMBER = 4  # bytes; scratch memory holds float32, but for masks with flash attention and indices
F16, INDEX = 2, 8
USUAL_FEED = 4  # times as wide as a layer, where a header does not say
MOST_EXPERTS = 64  # used at once; a header could say anything
SAME_LAYERS = 4
"""Layers of one kind that are followed: from the second on the gaps are where they stay."""


@dataclass(slots=True)
class Space:
    """The allocator: gaps by offset, the last of them endless."""

    gaps: list[list[int]] = field(default_factory=lambda: [[0, 1 << 62]])
    size: int = 0

    def take(self, size: int) -> tuple[int, int]:
        """Puts a tensor into the smallest gap it fits in, the later of equal ones; else at the end."""
        size = -(-size // ALIGNMENT) * ALIGNMENT
        gap, *others = reversed(self.gaps)
        best = 1 << 62
        for other in others:
            if size <= other[1] < best:
                gap, best = other, other[1]
        place = gap[0]
        gap[0], gap[1] = gap[0] + size, gap[1] - size
        if not gap[1]:
            self.gaps.remove(gap)
        self.size = max(self.size, place + size)
        return place, size

    def give_back(self, place: int, size: int) -> None:
        """Frees a tensor's memory; neighbouring gaps become one."""
        at = bisect(self.gaps, [place])
        if at < len(self.gaps) and place + size == self.gaps[at][0]:
            size += self.gaps.pop(at)[1]
        if at and sum(self.gaps[at - 1]) == place:
            self.gaps[at - 1][1] += size
        else:
            self.gaps.insert(at, [place, size])


@dataclass(slots=True)
class Graph:
    """Operations in their order: how large each result is, and which earlier ones it reads."""

    inputs: list[int] = field(default_factory=list)
    steps: list[tuple[int, tuple[int, ...], bool]] = field(default_factory=list)
    kept: set[int] = field(default_factory=set)

    def put(self, size: float, *reads: int, in_place: bool = False, is_kept: bool = False) -> int:
        """Adds an operation; its number. `in_place`: its result takes the place of the first one it reads; `is_kept`:
        it is never freed.
        """
        self.steps.append((round(size), reads, in_place))
        if is_kept:
            self.kept.add(len(self.steps) - 1)
        return len(self.steps) - 1

    def size(self) -> int:
        """The scratch memory that the engine takes for it."""
        space = Space()
        for size in self.inputs:
            space.take(size)
        readers = Counter(read for _, reads, _ in self.steps for read in reads)
        places: dict[int, tuple[int, int]] = {}
        for number, (size, reads, in_place) in enumerate(self.steps):
            if in_place and reads[0] in places:
                places[number] = places.pop(reads[0])
            elif size:
                places[number] = space.take(size)
            for read in reads:
                readers[read] -= 1
                if not readers[read] and read in places and read not in self.kept:
                    space.give_back(*places.pop(read))
        return space.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is read at once: tokens, the cells each sees in full and in window layers, and outputs."""

    tokens: int
    cells: int
    window_cells: int
    outputs: int
    sequences: int
    flash: bool


@lru_cache(maxsize=4096)
def scratch_bytes(header: GgufHeader, batch: Batch) -> int:
    """The scratch memory of one batch."""
    return _Model(header, batch).size()


class _Model:
    """The graph of one model, as llama.cpp builds it."""

    def __init__(self, header: GgufHeader, batch: Batch) -> None:
        self.header, self.batch, self.graph = header, batch, Graph()
        self.row = batch.tokens * NUMBER
        """Bytes of one number for each token."""
        self.wide = header.embedding_length * self.row
        state = header.recurrent or Recurrent(0, 0)
        self._taps, self._state_size = (
            values * NUMBER * batch.sequences for values in (state.convolution_values, state.state_values)
        )
        has_attention = not all(header.recurrent_layers)
        self._feed_length = header.widths.feed_length or header.embedding_length * USUAL_FEED * has_attention
        self._is_bare = not self._feed_length and not header.experts

    def size(self) -> int:
        header, graph = self.header, self.graph
        self._inputs()
        x = graph.put(self.wide, is_kept=True)
        if header.widths.scales_embedding:
            x = graph.put(self.wide, x)
        followed = self._followed()
        for layer in followed:
            x = self._layer(layer, x, is_last=layer == followed[-1])
        last = self.batch.outputs * NUMBER
        normed = self._norm(header.embedding_length * last, x)
        graph.put(header.vocabulary * last, normed)
        return graph.size()

    def _followed(self) -> list[int]:
        """The first layers of each kind, and the last."""
        seen: Counter[tuple[bool, ...]] = Counter()
        kept = []
        for layer in range(self.header.layers):
            kind = (self.header.recurrent_layers[layer], self.header.window_layers[layer], self._has_experts(layer))
            seen[kind] += 1
            if seen[kind] <= SAME_LAYERS or layer == self.header.layers - 1:
                kept.append(layer)
        return kept

    def _inputs(self) -> None:
        """Memory that is taken first: the batch itself, masks, and where in the caches it goes."""
        header, batch, inputs = self.header, self.batch, self.graph.inputs
        inputs += [self.row, self.wide, self.row]
        attention = [layer for layer in range(header.layers) if not header.recurrent_layers[layer]]
        kinds = {header.window_layers[layer] for layer in attention}
        widest = max((header.kv_heads[layer] for layer in attention), default=0) * header.value_length
        for is_window in sorted(kinds):
            cells = batch.window_cells if is_window else batch.cells
            inputs.append(batch.tokens * INDEX)
            if not header.latent:
                inputs.append(batch.tokens * INDEX * (1 if batch.flash else widest))
            inputs.append(cells * batch.tokens * (F16 if batch.flash else NUMBER))

    def _norm(self, size: float, x: int, *, has_weights: bool = True) -> int:
        normed = self.graph.put(size, x)
        return self.graph.put(size, normed) if has_weights else normed

    def _layer(self, layer: int, x: int, *, is_last: bool) -> int:
        graph, header = self.graph, self.header
        taps = graph.put(self._taps * header.recurrent_layers[layer])
        mixed = self._norm(self.wide, x)
        if header.recurrent_layers[layer]:
            mixed = self._state(taps, mixed)
        elif header.latent:
            mixed = self._latent(layer, mixed)
        else:
            mixed = self._attention(layer, mixed)
        wide, share = self.wide, 1.0
        if is_last:
            share = self.batch.outputs / self.batch.tokens
            wide = round(wide * share)
            mixed, x = graph.put(wide, mixed), graph.put(wide, x)
        if header.widths.has_post_norms:
            mixed = self._norm(wide, mixed)
        x = graph.put(wide, mixed, x)
        if self._is_bare:
            return x
        out = self._feed(layer, self._norm(wide, x), wide, share)
        if header.widths.has_post_norms:
            out = self._norm(wide, out)
        return graph.put(wide, out, x)

    def _attention(self, layer: int, x: int) -> int:
        header, graph, row = self.header, self.graph, self.row
        is_window = header.window_layers[layer]
        key = header.key_length_window if is_window else header.key_length
        value = header.value_length_window if is_window else header.value_length
        heads = header.heads[layer]
        queries = self._rotated(heads * key * row, x, is_scaled=header.widths.scales_queries)
        values = graph.put(header.kv_heads[layer] * value * row, x)
        keys = self._rotated(header.kv_heads[layer] * key * row, x)
        graph.put(0, keys)
        graph.put(0, values)
        return graph.put(self.wide, self._scores(heads, heads * value * row, queries, is_window=is_window))

    def _rotated(self, size: int, x: int, *, is_scaled: bool = False) -> int:
        made = self.graph.put(size, x)
        if self.header.widths.has_head_norms:
            made = self._norm(size, made)
        made = self.graph.put(size, made)
        return self.graph.put(0, made, in_place=True) if is_scaled else made

    def _scores(self, heads: int, out_size: int, queries: int, *, is_window: bool, mixes: int = 0) -> int:
        """What queries find in the caches. `mixes`: bytes of a step of latent attention after it."""
        graph, batch = self.graph, self.batch
        if batch.flash:
            found = graph.put(out_size, queries)
            return self._spread(found, mixes) if mixes else found
        cells = batch.window_cells if is_window else batch.cells
        turned = graph.put(cells * self.header.value_length * F16 * batch.sequences) if mixes else graph.put(0)
        scores = graph.put(heads * cells * self.row, queries)
        weights = graph.put(0, scores, in_place=True)
        found = graph.put(out_size, turned, weights)
        return self._spread(found, mixes) if mixes else graph.put(out_size, found)

    def _spread(self, found: int, size: int) -> int:
        made = self.graph.put(size, found)
        return self.graph.put(size, made)

    def _latent(self, layer: int, x: int) -> int:
        header, graph, row = self.header, self.graph, self.row
        heads, rank = header.heads[layer], header.value_length
        rope = max(0, header.key_length - rank)
        if header.widths.query_rank:
            x_queries = self._norm(header.widths.query_rank * row, graph.put(header.widths.query_rank * row, x))
        else:
            x_queries = x
        queries = graph.put(heads * header.widths.key_length_latent * row, x_queries)
        absorbed = graph.put(heads * rank * row, queries)
        rotated = graph.put(heads * rope * row, queries)
        joined = graph.put(heads * header.key_length * row, absorbed, rotated)
        both = graph.put(header.key_length * row, x)
        values = self._norm(rank * row, both)
        keys = graph.put(rope * row, both)
        stored = graph.put(header.key_length * row, values, keys)
        graph.put(0, values)
        graph.put(0, stored)
        mixes = heads * header.widths.value_length_latent * row
        found = self._scores(heads, heads * rank * row, joined, is_window=False, mixes=mixes)
        return graph.put(self.wide, found)

    def _state(self, taps: int, x: int) -> int:
        header = self.header
        if header.widths.inner_length == 0:
            return self._convolution(taps, x)
        return self._mamba2(taps, x) if header.widths.state_groups else self._mamba(taps, x)

    def _convolution(self, taps: int, x: int) -> int:
        graph, wide = self.graph, self.wide
        parts = graph.put(3 * wide, x)
        gated = graph.put(wide, parts)
        joined = graph.put(wide + self._taps, taps, gated)
        graph.put(0, joined)
        convolved = graph.put(wide, joined)
        out = graph.put(wide, parts, convolved)
        return graph.put(wide, out)

    def _mamba(self, taps: int, x: int) -> int:
        header, graph, row = self.header, self.graph, self.row
        inner, state, steps = header.widths.inner_length, header.widths.state_length, header.widths.state_steps
        both = graph.put(2 * inner * row, x)
        joined = graph.put(inner * row + self._taps, taps, both)
        graph.put(0, joined)
        convolved = graph.put(0, graph.put(inner * row, joined), in_place=True)
        convolved = graph.put(inner * row, convolved)
        small = graph.put((steps + 2 * state) * row, convolved)
        times = graph.put(0, graph.put(inner * row, small), in_place=True)
        scanned = graph.put(inner * row + self._state_size, convolved, times, small)
        graph.put(0, scanned)
        gate = graph.put(inner * row, both)
        skipped = graph.put(inner * row, convolved)
        added = graph.put(inner * row, scanned, skipped)
        gated = graph.put(inner * row, gate, added)
        return graph.put(self.wide, gated)

    def _mamba2(self, taps: int, x: int) -> int:
        header, graph, row = self.header, self.graph, self.row
        inner, heads = header.widths.inner_length, header.widths.state_steps
        mixed = inner + 2 * header.widths.state_groups * header.widths.state_length
        both = graph.put((inner + mixed + heads) * row, x)
        joined = graph.put(mixed * row + self._taps, taps, both)
        graph.put(0, joined)
        convolved = graph.put(0, graph.put(mixed * row, joined), in_place=True)
        convolved = graph.put(mixed * row, convolved)
        times = graph.put(0, graph.put(heads * row, both), in_place=True)
        scanned = graph.put(inner * row + self._state_size, convolved, times)
        graph.put(0, scanned)
        gate = graph.put(inner * row, both)
        skipped = graph.put(inner * row, convolved)
        added = graph.put(inner * row, scanned, skipped)
        gated = graph.put(inner * row, gate, added)
        return graph.put(self.wide, self._norm(inner * row, gated))

    def _has_experts(self, layer: int) -> bool:
        return self.header.experts > 0 and layer >= self.header.widths.dense_layers

    def _feed(self, layer: int, x: int, wide: int, share: float) -> int:
        header, graph = self.header, self.graph
        if not self._has_experts(layer):
            feed = self._feed_length * self.row * share
            gate = graph.put(feed, x)
            up = graph.put(feed, x)
            return graph.put(wide, graph.put(feed, gate, up))
        used = min(header.experts_used, MOST_EXPERTS)
        feed = used * header.widths.expert_feed_length * self.row * share
        gate = graph.put(feed, x)
        up = graph.put(feed, x)
        each = graph.put(used * wide, graph.put(feed, gate, up))
        weighted = graph.put(used * wide, each)
        total = graph.put(wide, weighted)
        for _ in range(used - 2):
            total = graph.put(wide, total, weighted)
        return total
