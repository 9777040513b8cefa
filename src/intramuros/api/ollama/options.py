"""`options` and `keep_alive` of a request: what each means to an engine here, or why it has no meaning.

Called by the routes that generate, and by `create` for a preset's parameters. Nothing is dropped silently: an option is
honoured, named in the header `x-intramuros-not-used`, or refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intramuros.errors import BadRequest, kind_of
from intramuros.models import sampling

OURS = {"num_predict": "max_tokens", "num_ctx": "context_tokens"}
"""Ollama's names for parameters that have another here."""
OF_LOADING = frozenset({
    "numa", "num_batch", "num_gpu", "main_gpu", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mmap",
    "use_mlock", "embedding_only", "num_thread", "num_keep",
})  # fmt: skip
"""How a model is loaded is chosen and measured here, once for all; where nothing is ever cut, nothing need be kept."""
ONLY_AS: Mapping[str, tuple[Any, ...]] = {"tfs_z": (1,), "penalize_newline": (False,)}
"""Options that the engine no longer has, with the value that says what happens anyway."""
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")
LONGEST_S = 365 * 86400.0


def options(value: Any, *, path: str = "options") -> tuple[dict[str, Any], list[str]]:
    """The parameters as a preset keeps them, and the names of those of no use here. Raises: BadRequest."""
    if value is None:
        return {}, []
    if not isinstance(value, dict):
        raise BadRequest(f"'{path}' must be an object, not {kind_of(value)}.", param=path)
    read: dict[str, Any] = {}
    not_used = []
    for name, given in value.items():
        if given is None:
            continue
        if name in OF_LOADING:
            not_used.append(f"{path}.{name}")
        elif name in ONLY_AS:
            if given not in ONLY_AS[name]:
                raise BadRequest(f"The engine has no '{name}' any more.", hint="Leave it out.", param=f"{path}.{name}")
        elif name in OURS.values():
            raise BadRequest(f"There is no option '{name}'.", param=f"{path}.{name}")
        elif not (name == "num_predict" and _is_endless(given)):
            read[OURS.get(str(name), str(name))] = given
    return sampling.checked(read, path=path), not_used


def keep_alive(value: Any) -> float | None:
    """How long a model stays loaded afterwards, in seconds; less than 0: for good; None: as is usual here.

    Raises: BadRequest for what is no duration: a number of seconds, or a text such as `10m` or `1h30m`.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _no_duration()
    if isinstance(value, str):
        return _seconds(value.strip())
    if not value >= -LONGEST_S:  # also what is no number
        raise _no_duration()
    return min(float(value), LONGEST_S)


def _seconds(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", digits):
        return sign * min(float(digits), LONGEST_S)
    parts = _DURATION.findall(digits)
    if not parts or "".join(number + unit for number, unit in parts) != digits:
        raise _no_duration()
    return sign * min(sum(float(number) * _UNITS[unit] for number, unit in parts), LONGEST_S)


def _is_endless(value: Any) -> bool:
    """-1 and -2 ask for as many tokens as there is room for, which is what happens without a limit."""
    return isinstance(value, int) and not isinstance(value, bool) and value in {-2, -1, 0}


def _no_duration() -> BadRequest:
    return BadRequest(
        '\'keep_alive\' must be a number of seconds, or a duration such as "10m" or "1h30m".', param="keep_alive"
    )
