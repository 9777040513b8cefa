"""Tries an upstream: whether it answers, with what models, and on request whether a model says something.

Called by the doors of administrators. It sends nothing but one fixed sentence, so no consent is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from intramuros.engines.remote import RemoteEngine
from intramuros.engines.upstream import Upstream
from intramuros.errors import IntramurosError
from intramuros.storage.schema import new_id

SENTENCE = {"messages": [{"role": "user", "content": "Reply with one word: ready"}], "max_tokens": 8}
DEFAULT_TAG = ":latest"
"""Ollama lists `name:latest` and knows it as `name` too."""
MOST_KEPT, KEPT_S = 32, 600.0


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went; `code` is that of the error. `missing` are models that the upstream was described with and does
    not offer.
    """

    state: str
    detail: str
    models: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    context_tokens: int = 0
    took_ms: float = 0.0
    code: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is shown."""
        return asdict(self)


@dataclass(slots=True)
class Trials:
    """What the latest trials found, in memory, for the page that a browser is sent to after one."""

    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, tuple[float, str, str, Trial]] = field(default_factory=dict)

    def keep(self, trial: Trial, *, of: str, version: str) -> str:
        """Keeps a trial of the upstream `of`, described as `version`, for some minutes; returns its id."""
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[identity := new_id()] = (self.clock(), of, version, trial)
        return identity

    def find(self, identity: str, *, versions: Mapping[str, str]) -> tuple[str, Trial] | None:
        """The upstream and how it did, unless that is long ago or of how it was described before."""
        kept = self._kept.get(identity)
        if kept is None:
            return None
        at, of, version, trial = kept
        return (of, trial) if versions.get(of) == version and self.clock() - at <= KEPT_S else None


async def try_out(upstream: Upstream, *, ask: str | None = None) -> Trial:
    """Asks for its models and, with `ask`, one of them for a word. What fails is in the result; raises nothing."""
    model = ask or (upstream.models[0] if upstream.models else "")
    engine = RemoteEngine(upstream, model)
    began = time.perf_counter()
    try:
        offered = tuple(entry["id"] for entry in await engine.models())
        if ask:
            async for _ in engine.stream(SENTENCE):  # as almost every request goes there
                pass
        health = await engine.health() if model else None
    except IntramurosError as error:
        return Trial("failed", error.message, took_ms=_since(began), code=error.code)
    finally:
        await engine.close()
    missing = missing_in(upstream.models, offered)
    tokens = health.context_tokens if health else 0
    return Trial("ready", "", offered, missing, tokens, took_ms=_since(began))


def _since(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 1)


def missing_in(named: Iterable[str], offered: Collection[str]) -> tuple[str, ...]:
    """The models that are named and not offered."""
    return tuple(name for name in named if name not in offered and name + DEFAULT_TAG not in offered)
