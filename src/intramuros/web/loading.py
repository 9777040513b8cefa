"""How far a model's load is: as a bar with words beside it, and in one sentence.

Called by the pages about models, and by that of a question whose answer waits for one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from intramuros.engines.loading import STARTING, LoadProgress
from intramuros.tasks.answered import Loading
from intramuros.web.words import Words

MINUTE_S = 60
LEAST_S = 1.0
"""No shorter time is told."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The share that is done, from 0 to 1, or None for a bar that only moves; what is being done, and for how long."""

    share: float | None
    text: str
    time: str

    def to_json(self) -> dict[str, Any]:
        """As the page's script reads it."""
        return asdict(self)


def bar_of(progress: LoadProgress | None, words: Words) -> Bar:
    """The bar of a load; of one that says nothing yet, a bar that moves."""
    now = progress or LoadProgress()
    share = None if now.done_share is None else round(now.done_share, 3)
    return Bar(share, _text(progress, words), _time(now, words))


def loading_words(load: Loading, words: Words) -> str:
    """What somebody is told who waits for an answer of a model that is being loaded."""
    if (now := load.progress) is None:
        return words("ask.loaded", model=load.title)
    told = [_part(now, words)]
    if now.usual_s is not None:
        told.append(words("memory.usually", time=_span(max(LEAST_S, now.usual_s), words)))
    how = ", ".join(filter(None, told))
    return words("ask.loading_how", model=load.title, how=how) if how else words("ask.loading", model=load.title)


def _part(now: LoadProgress, words: Words) -> str:
    """How far it is: in percent where bytes are counted, else what is being done."""
    if now.stage in {"decrypting", "loading"}:
        share = now.done_share
        return "" if share is None else words("ask.percent", percent=words.number(round(100 * share)))
    return _text(now, words).rstrip("…")


def _text(now: LoadProgress | None, words: Words) -> str:
    if now is None:
        return words("memory.state.loading")
    if now.stage == "measuring":
        percent = words.number(100 * (now.share or 0))
        return words("memory.stage.measuring", step=words.or_else(f"memory.step.{now.step}", now.step), percent=percent)
    if now.step == STARTING:
        return words("memory.stage.starting")
    if now.total_bytes:
        done, total = words.size(now.done_bytes), words.size(now.total_bytes)
        return words(f"memory.stage.{now.stage}", done=done, total=total)
    return words("memory.stage.waiting" if now.stage == "waiting" else "memory.state.loading")


def _time(now: LoadProgress, words: Words) -> str:
    told = [words("memory.since", time=_span(now.elapsed_s, words))] if now.elapsed_s >= LEAST_S else []
    if now.usual_s is not None:
        told.append(words("memory.usually", time=_span(max(LEAST_S, now.usual_s), words)))
    return ", ".join(told)


def _span(seconds: float, words: Words) -> str:
    minutes, rest = divmod(round(seconds), MINUTE_S)
    if not minutes:
        return words("memory.seconds", number=words.number(rest))
    return words("memory.minutes_seconds", minutes=words.number(minutes), seconds=f"{rest:02d}")
