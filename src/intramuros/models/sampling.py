"""What a preset may set of how a model writes: each parameter's name, its bounds, and what it means to an engine.

Called by `models.presets` and by the doors that take the same values under other names. Names are the engine's; two are
ours: `max_tokens` (of the answer) and `context_tokens` (how much it must be able to read; nothing is ever cut to it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from intramuros.errors import BadRequest

MOST_TOKENS = 1 << 20
RANDOM_SEED = 0xFFFFFFFF  # llama.cpp takes this seed as "choose one"
MOST_STOPS, LONGEST_STOP = 16, 256


class Bound(NamedTuple):
    """From where to where a number may go, and whether it is a whole one."""

    low: float
    high: float
    is_whole: bool = False


BOUNDS: Mapping[str, Bound] = {
    "temperature": Bound(0, 2),
    "top_p": Bound(0, 1),
    "top_k": Bound(0, 1000, is_whole=True),
    "min_p": Bound(0, 1),
    "typical_p": Bound(0, 1),
    "repeat_penalty": Bound(0, 2),
    "repeat_last_n": Bound(-1, MOST_TOKENS, is_whole=True),
    "presence_penalty": Bound(-2, 2),
    "frequency_penalty": Bound(-2, 2),
    "mirostat": Bound(0, 2, is_whole=True),
    "mirostat_tau": Bound(0, 100),
    "mirostat_eta": Bound(0, 1),
    "seed": Bound(-(1 << 63), (1 << 63) - 1, is_whole=True),
    "max_tokens": Bound(1, MOST_TOKENS, is_whole=True),
    "context_tokens": Bound(1, 1 << 24, is_whole=True),
}
STOP = "stop"
NAMES = (*BOUNDS, STOP)


def checked(values: Mapping[str, Any], *, path: str = "parameters") -> dict[str, Any]:
    """The parameters as they are kept and sent. Raises: BadRequest whose `param` names the one that is wrong."""
    return {name: _one(name, value, f"{path}.{name[:64]}") for name, value in values.items() if value is not None}


def for_engine(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not an engine's to know."""
    return {name: value for name, value in values.items() if name != "context_tokens"}


def read(text: str, name: str) -> Any:
    """A parameter that was typed: a number, or a text to stop at. Raises: BadRequest."""
    if name not in BOUNDS:
        return text
    try:
        return int(text) if BOUNDS[name].is_whole else float(text)
    except ValueError:
        raise BadRequest(f"'{name}' must be a number, not {text[:40]!r}.", param=name) from None


def _one(name: str, value: Any, path: str) -> Any:
    if name == STOP:
        return _stops(value, path)
    bound = BOUNDS.get(name)
    if bound is None:
        raise BadRequest(
            f"There is no parameter '{name[:64]}'.",
            hint=f"Known parameters: {', '.join(NAMES)}.",
            code="unknown_parameter",
            param=path,
        )
    kind = "a whole number" if bound.is_whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if bound.is_whole else int | float):
        raise BadRequest(f"'{path}' must be {kind}.", param=path)
    if not bound.low <= value <= bound.high:
        raise BadRequest(f"'{path}' must be {kind} from {bound.low:g} to {bound.high:g}.", param=path)
    return value % RANDOM_SEED if name == "seed" else value


def _stops(value: Any, path: str) -> list[str]:
    stops = [value] if isinstance(value, str) else value
    if (
        not isinstance(stops, list)
        or len(stops) > MOST_STOPS
        or not all(isinstance(stop, str) and 0 < len(stop) <= LONGEST_STOP for stop in stops)
    ):
        raise BadRequest(f"'{path}' must be a text or a list of at most {MOST_STOPS} texts, none empty.", param=path)
    return stops
