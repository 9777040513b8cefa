"""Decoding at about 1,700 tokens of context: the raw engine with its defaults against ours with what autotuning found.

Both answer the same requests in turn, several times; each ratio is the median of the rounds. Three kinds of text:
*writing* is free and repeats little, *answering* is what the model says of the sources by itself,
*quoting* begins a passage of the sources and goes on with it. `busy` repeats the writing while another process uses a
processor, as a server's other work does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.running import MODEL
from intramuros.engines import child
from intramuros.engines.autotune import Tuned, tune
from intramuros.engines.child import Child
from intramuros.engines.local import LocalEngine
from intramuros.engines.openai_http import OpenAIHttp
from intramuros.engines.options import choose
from intramuros.engines.rights import THE_MACHINE, Rights, libraries
from intramuros.engines.runners import LLAMA
from intramuros.errors import EngineError
from intramuros.models.gguf import read_header
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.privacy.egress import Egress
from intramuros.settings import Settings

CONTEXT_TOKENS = 1700
NAMES = ("Lumen", "Astrée", "Corvin", "Delorme", "Estival", "Farge", "Gauthier", "Hervet", "Imbert", "Jaurès")
THINGS = ("la chaudière", "le toit", "le portail", "l'ascenseur", "la cave", "le jardin", "la façade")
QUOTED = 14


def article(number: int) -> str:
    """One article of an invented contract; each says something else."""
    name, thing = NAMES[number % 10], THINGS[number % 7]
    return (
        f"Article {number}. La société {name} entretient {thing} du bâtiment {chr(65 + number % 5)} et vient dans les "
        f"{number + 3} heures. Le prix est de {100 + 37 * number} francs par an, payable le {1 + number % 28} mars. "
        f"Toute pièce remplacée par {name} est garantie {6 + number % 30} mois à compter de la facture. "
    )


async def sources(http: OpenAIHttp) -> str:
    """Articles of about as many tokens as wanted."""
    text, number = "", 1
    while len(await http.tokenise(text)) < CONTEXT_TOKENS - 120:
        text, number = text + article(number), number + 1
    return text


def requests(text: str) -> dict[str, Callable[[int], dict[str, Any]]]:
    """The kinds of text, each for the number of a round."""

    def asking(question: str, **more: Any) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": f"{text}\n\n{question}"}], **more}

    begun = article(QUOTED)[: len(article(QUOTED)) // 3]
    quoting = asking(f"Recopie l'article {QUOTED} mot pour mot.", max_tokens=64, temperature=0)
    quoting["messages"].append({"role": "assistant", "content": begun})
    free = {"max_tokens": 64, "temperature": 1.0, "ignore_eos": True}
    return {
        "writing": lambda round_: asking("Écris un poème.", seed=round_, **free),
        "answering": lambda round_: asking("Qui entretient le toit ?", max_tokens=64, seed=round_, temperature=0.7),
        "quoting": lambda round_: quoting,
    }


async def speed(stream: AsyncIterator[bytes]) -> float:
    """Tokens a second as a reader of the stream sees them, from the first to the last."""
    first = last = 0.0
    usage: dict[str, Any] = {}
    async for chunk in stream:
        parsed = json.loads(chunk)
        if parsed.get("choices") and parsed["choices"][0]["delta"].get("content"):
            last = time.perf_counter()
            first = first or last
        usage = parsed.get("usage") or usage
    return (usage["completion_tokens"] - 1) / (last - first) if last > first else 0.0


@asynccontextmanager
async def raw_engine(folder: Path) -> AsyncIterator[OpenAIHttp]:
    """The engine as it comes: only a model, a socket, and a context."""
    socket = folder / "raw.sock"
    spinning, child.SPINNING = child.SPINNING, {}
    try:
        rights = Rights(read=(*libraries(LLAMA), *THE_MACHINE, str(MODEL)), listen_in=str(folder))
        wanted = {"model.path": str(MODEL), "hostnames": [str(socket)], "n_ctx": 4096}
        worker = await Child.start(wanted, socket=socket, rights=rights, timeout_s=120)
    finally:
        child.SPINNING = spinning
    http = OpenAIHttp(Egress().unix(socket), model="raw")
    try:
        yield http
    finally:
        await http.close()
        await worker.stop()


@asynccontextmanager
async def tuned_engine(folder: Path) -> AsyncIterator[tuple[LocalEngine, Tuned]]:
    """Ours, as the pool would start it."""
    header, settings, machine = read_header(MODEL), Settings(data=folder), Machine.detect()
    model = InstalledModel(
        "starter", "Starter", MODEL, "", MODEL.stat().st_size, header, "quotes", (), None, "benchmark", "nothing", 0
    )
    options = choose(header, machine, settings)
    for _ in range(5):
        tuned = await tune(model, options, machine, folder=folder / "tune", egress=Egress())
        if tuned.complete:
            break
    engine = await LocalEngine.start(model, tuned.applied(options), folder / "run", settings, egress=Egress())
    try:
        yield engine, tuned
    finally:
        await engine.close()


async def measure(rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="im-") as name:
        async with raw_engine(Path(name)) as raw, tuned_engine(Path(name)) as (ours, tuned):
            text = await sources(raw)
            found: dict[str, Any] = {
                "context_tokens": len(await raw.tokenise(text)),
                "autotune_s": tuned.measured.get("seconds"),
                "found": tuned.changes
                | {"flash_attention": ours.options.flash_attention, "keys": ours.options.cache_type_k},
            }
            for kind, request in requests(text).items():
                found |= await compared(kind, raw, ours, request, rounds)
            found |= await beside_another_process(raw, ours, requests(text)["writing"], rounds)
            found |= await through_local_engine(ours, requests(text)["writing"], rounds)
    return found


async def compared(
    kind: str, raw: OpenAIHttp, ours: LocalEngine, request: Callable[[int], dict[str, Any]], rounds: int
) -> dict[str, Any]:
    for engine in (raw, ours):  # read the sources once: decoding is what is measured
        await engine.generate(request(0) | {"max_tokens": 2})
    speeds = []
    for round_ in range(rounds):
        speeds.append((await speed(raw.stream(request(round_))), await speed(ours.stream(request(round_)))))
    defaults, tuned = (statistics.median(side) for side in zip(*speeds, strict=True))
    ratio = statistics.median(b / a for a, b in speeds if a)
    return {
        f"{kind}_defaults_tokens_s": round(defaults, 1),
        f"{kind}_tuned_tokens_s": round(tuned, 1),
        f"{kind}_ratio": round(ratio, 2),
    }


async def beside_another_process(
    raw: OpenAIHttp, ours: LocalEngine, request: Callable[[int], dict[str, Any]], rounds: int
) -> dict[str, Any]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            return await compared("busy", raw, ours, request, max(2, rounds // 2))
        finally:
            other.kill()


async def through_local_engine(
    ours: LocalEngine, request: Callable[[int], dict[str, Any]], rounds: int
) -> dict[str, Any]:
    """What a reader of the stream sees, against what the engine's own clock says of the same generation."""
    ratios = []
    for round_ in range(rounds):
        timings: dict[str, Any] = {}

        async def watched(seed: int = round_, timings: dict[str, Any] = timings) -> AsyncIterator[bytes]:
            async for chunk in ours.stream(request(seed)):
                timings |= json.loads(chunk).get("timings") or {}
                yield chunk

        seen = await speed(watched())
        ratios.append(seen / timings["predicted_per_second"])
    return {"stream_to_engine_clock_ratio": round(statistics.median(ratios), 3)}


def show(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Decoding at {figures['context_tokens']} tokens of context, tokens a second")
    for column in ("text", "engine's defaults", "autotuned", "ratio"):
        table.add_column(column, justify="left" if column == "text" else "right")
    for kind in ("writing", "answering", "quoting", "busy"):
        row = (figures[f"{kind}_defaults_tokens_s"], figures[f"{kind}_tuned_tokens_s"], figures[f"{kind}_ratio"])
        table.add_row(kind, *(str(value) for value in row))
    console = Console()
    console.print(table)
    console.print(f"autotuning took {figures['autotune_s']} s and found {figures['found']}")
    console.print(f"stream as read / engine's own clock: {figures['stream_to_engine_clock_ratio']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        result = asyncio.run(measure(options.rounds))
    except EngineError as error:
        sys.exit(error.message)
    if options.json:
        print(json.dumps(result))
    else:
        show(result)
