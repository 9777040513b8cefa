"""Finds by measuring how a model runs fastest on this machine: attention, cache types, threads, speculation.

Called at a model's first load by `engines.measures`, which remembers the result for the machine, the model and the
build of the engine. Takes about three seconds on two cores. Other processes disturb a measurement: each is repeated in
turn with the others and the best time counts, and on a busy machine nothing is measured and the first choice stands for
now.

Attention is measured at 1,700 tokens of context on a stand-in with the model's heads (see `stand_in`), threads and
speculation on the model itself. What counts is a turn of a conversation: TURN_READ new tokens are read (a question; the
sources before it come from the prefix cache) and TURN_WRITTEN are written.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from intramuros.engines.child import Child
from intramuros.engines.decrypted import in_memory
from intramuros.engines.openai_http import OpenAIHttp
from intramuros.engines.options import EngineOptions
from intramuros.engines.parameters import parameters
from intramuros.engines.published import Notices, remove_socket
from intramuros.engines.rights import rights
from intramuros.engines.stand_in import FIRST_BYTE, StandIn
from intramuros.errors import EngineError
from intramuros.models.gguf import GGUF
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.privacy.egress import Egress

log = logging.getLogger(__name__)

CONTEXT_TOKENS = 1700
TURN_READ, TURN_WRITTEN = 60, 200
READS = 2
ROUNDS, ROUND_TOKENS = 4, 24
STEP_S = 8.0
"""Longest time of one step, beyond what loading the model takes; a step that takes longer is given up."""
BUSY_SHARE = 0.3
"""Share of the processors that others may use while it is measured."""
DISTURBED = 1.3
"""The same measurement taking so much longer the median time than the best: somebody else used the processors."""
LOAD_TIMEOUT_S = 300
WORTH = 1.15
"""Speculation is turned on when copying becomes at least so much faster than writing."""
PHRASE = "Article 12. The tenant pays the rent in advance, on the first working day of each month, to the landlord. "
COPIED = PHRASE + "Charges are settled once a year, on the basis of the invoices that the landlord received. "
COPYING = {"prompt": COPIED, "n_predict": 48, "temperature": 0, "grammar": f'root ::= "{COPIED}"'}
"""A grammar makes every model write what stands in its prompt."""

Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What measuring found: options to change, and the numbers they stand on (`_s` seconds, `_tokens_s` a second).

    `complete`: every step was measured, so the result is worth remembering.
    """

    changes: dict[str, Any]
    measured: dict[str, float] = field(default_factory=dict)
    complete: bool = True

    def applied(self, options: EngineOptions) -> EngineOptions:
        """The options with what was found. Raises: TypeError, ValueError if they are not of this version."""
        return EngineOptions.from_json(options.to_json() | self.changes)

    def to_json(self) -> dict[str, Any]:
        """As JSON, to be remembered."""
        return asdict(self)


async def tune(
    model: InstalledModel,
    options: EngineOptions,
    machine: Machine,
    *,
    folder: Path,
    egress: Egress,
    report: Report = lambda step, share: None,
    required: str = "none",
) -> Tuned:
    """Measures what is worth measuring for this model; `report` is told the step and the share that is done, `required`
    is the level of isolation of every worker.

    What can't be measured stays as it is in `options`; a failure here never keeps a model from being used.
    """
    if options.kind != "chat" or options.gpu_layers or model.format != GGUF:
        return Tuned({})
    if await busy_share() > BUSY_SHARE:
        return Tuned({}, complete=False)
    bench = Bench(Notices(folder), egress, required)
    best, measured, complete, started = options, dict[str, float](), True, time.monotonic()
    steps: Sequence[tuple[str, Callable[..., Any]]] = (
        ("attention", bench.attention),
        ("threads", bench.threads),
        ("speculation", bench.speculation),
    )
    for place, (step, measure) in enumerate(steps):
        report(step, place / len(steps))
        try:
            best, numbers = await measure(model, best, machine)
            measured |= numbers
        except (EngineError, OSError, KeyError, ValueError) as error:  # TimeoutError is an OSError
            complete = False
            log.info("%s of %s not measured: %s", step, model.name, str(error) or type(error).__name__)
    complete = complete and await busy_share() <= BUSY_SHARE
    report("done", 1.0)
    measured["seconds"] = round(time.monotonic() - started, 2)
    before = options.to_json()
    changes = {name: value for name, value in best.to_json().items() if value != before[name]}
    return Tuned(changes, measured, complete)


async def busy_share(*, watched_s: float = 0.15, root: Path = Path("/")) -> float:
    """The share of the processors that others use now, while nothing is measured; 0 where the system doesn't say."""
    before = _processor_times(root)
    await asyncio.sleep(watched_s)
    total, idle = (now - then for now, then in zip(_processor_times(root), before, strict=True))
    return 1 - idle / total if total > 0 else 0.0


def _processor_times(root: Path) -> tuple[int, int]:
    """All time and idle time of all processors. Source: proc(5), /proc/stat."""
    try:
        line = (root / "proc/stat").read_text(encoding="ascii").splitlines()[0]
        times = [int(number) for number in line.split()[1:9]]
    except (OSError, ValueError, IndexError):
        return 0, 0
    return sum(times), times[3] + times[4]


def attention_candidates(options: EngineOptions) -> list[EngineOptions]:
    """What is worth trying: the engine's default, and no flash attention with the smallest keys that are allowed.

    Without flash attention the scores of a batch lie in memory, so a batch of 128 reads faster than one of 512.
    """
    default = replace(options, flash_attention=None, cache_type_k="f16", cache_type_v="f16", batch_tokens=512)
    return [default, replace(default, flash_attention=False, cache_type_k=options.cache_type_k, batch_tokens=128)]


def thread_candidates(machine: Machine) -> list[int]:
    """Numbers of threads worth trying: one a core first, then hyperthreads, and fewer where memory is the limit."""
    found = [machine.cores, machine.threads]
    if machine.cores >= 8:
        found.append(machine.cores // 2)
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Bench:
    """Starts workers to measure on; each lives only as long as it is measured."""

    notices: Notices
    egress: Egress
    required: str = "none"

    async def attention(
        self, model: InstalledModel, options: EngineOptions, machine: Machine
    ) -> tuple[EngineOptions, dict[str, float]]:
        """Measures reading and writing with a long context, by kind of attention."""
        stand_in, context = StandIn.of(model.header), min(CONTEXT_TOKENS, options.context_tokens - 100)
        if stand_in is None or context < 256:
            return options, {}
        candidates = [replace(c, slots=1, context_tokens=context + 100) for c in attention_candidates(options)]
        prompt = [FIRST_BYTE + number % 251 for number in range(context)]
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.notices.folder)))
            path = stand_in.write(folder / "stand-in.gguf", context_tokens=context + 100)
            await stack.enter_async_context(asyncio.timeout(STEP_S))
            workers = [
                await stack.enter_async_context(self._worker(model, candidate, stand_in=path))
                for candidate in candidates
            ]
            reads = [[await _read_s(worker, prompt) for worker in workers] for _ in range(READS)]
            rounds = [[await _written_s(worker, prompt) for worker in workers] for _ in range(ROUNDS)]
        by_worker = list(zip(*rounds, strict=True))
        if any(median(times) > DISTURBED * min(times) for times in by_worker):
            raise EngineError("Other processes disturbed the measurement.")
        read_s, written_s = ([min(times) for times in side] for side in (zip(*reads, strict=True), by_worker))
        layers = len(model.header.kv_heads) / stand_in.layers
        turns = [
            layers * (TURN_WRITTEN * written + TURN_READ * read / context)
            for written, read in zip(written_s, read_s, strict=True)
        ]
        best = candidates[turns.index(min(turns))]
        names = ("flash_attention", "cache_type_k", "cache_type_v", "batch_tokens")
        chosen = replace(options, **{name: getattr(best, name) for name in names})
        return chosen, {"attention_turn_s": round(min(turns), 3), "attention_default_turn_s": round(turns[0], 3)}

    async def threads(
        self, model: InstalledModel, options: EngineOptions, machine: Machine
    ) -> tuple[EngineOptions, dict[str, float]]:
        """Measures writing by number of threads, where there is a choice."""
        candidates = thread_candidates(machine)
        if len(candidates) == 1:
            return options, {}
        speed = {}
        for threads in candidates:
            small = replace(options, slots=1, context_tokens=512, threads=threads)
            async with self._worker(model, small) as worker, asyncio.timeout(STEP_S):
                speed[threads] = max([await _plain_speed(worker) for _ in range(2)])
        best = max(candidates, key=lambda threads: speed[threads])
        return replace(options, threads=best), {f"threads_{n}_tokens_s": round(s, 1) for n, s in speed.items()}

    async def speculation(
        self, model: InstalledModel, options: EngineOptions, machine: Machine
    ) -> tuple[EngineOptions, dict[str, float]]:
        """Measures how much faster a text is copied than written when the engine guesses from what it has read."""
        small = replace(options, slots=1, context_tokens=512, speculation="ngram-map-k")
        async with self._worker(model, small) as worker, asyncio.timeout(STEP_S):
            plain = max([await _plain_speed(worker) for _ in range(2)])
            copying = max([await _copying_speed(worker) for _ in range(2)])
        numbers = {"plain_tokens_s": round(plain, 1), "copying_tokens_s": round(copying, 1)}
        return replace(options, speculation="ngram-map-k" if copying > WORTH * plain else "none"), numbers

    @asynccontextmanager
    async def _worker(
        self, model: InstalledModel, options: EngineOptions, *, stand_in: Path | None = None
    ) -> AsyncIterator[OpenAIHttp]:
        """A worker that runs the model, or its stand-in, which is smaller."""
        socket = self.notices.new_socket()
        try:
            loaded = nullcontext((stand_in, tuple[int, ...]())) if stand_in else in_memory(model)
            async with loaded as (path, inherits):
                wanted = parameters(options, model=path, name="measured", socket=socket) | {"cache_ram_mib": 0}
                child = await Child.start(
                    wanted,
                    socket=socket,
                    rights=rights(options, model.header, files=(path,), socket=socket, inherits=inherits),
                    timeout_s=LOAD_TIMEOUT_S,
                    required=self.required,
                )
            http = OpenAIHttp(self.egress.unix(socket), model="measured")
            try:
                yield http
            finally:
                await http.close()
                await child.stop()
        finally:
            remove_socket(socket)


async def _read_s(worker: OpenAIHttp, prompt: Sequence[int]) -> float:
    """Seconds for the whole prompt, whatever the cache has of it."""
    body = {"prompt": list(prompt), "n_predict": 1, "temperature": 0, "cache_prompt": False}
    reply = await worker.post("/completion", body)
    return float(reply["timings"]["prompt_ms"]) / 1000


async def _written_s(worker: OpenAIHttp, prompt: Sequence[int]) -> float:
    """Seconds a token; the prompt comes from the prefix cache."""
    body = {"prompt": list(prompt), "n_predict": ROUND_TOKENS, "temperature": 0, "ignore_eos": True}
    return float((await worker.post("/completion", body))["timings"]["predicted_per_token_ms"]) / 1000


async def _plain_speed(worker: OpenAIHttp) -> float:
    """Tokens a second of text that repeats nothing."""
    body = {"prompt": PHRASE, "n_predict": 16, "temperature": 2.0, "top_k": 0, "min_p": 0.0, "ignore_eos": True}
    return float((await worker.post("/completion", body))["timings"]["predicted_per_second"])


async def _copying_speed(worker: OpenAIHttp) -> float:
    """Tokens a second of text that stands in the prompt."""
    return float((await worker.post("/completion", COPYING))["timings"]["predicted_per_second"])
