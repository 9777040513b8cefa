"""How the vectors of a text's tokens become one, in the words of sentence-transformers, as one number everywhere here.

Called by the readers of formats; what computes gets the number. Source: sentence-transformers, `modules.json` and
`1_Pooling/config.json`; the numbers are llama.cpp's, llama.h, `llama_pooling_type`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intramuros.errors import ModelFileError

BY_ITSELF, MEAN, FIRST, LAST, RANK = range(5)
"""The model does it; the mean of all tokens; that of the first; that of the last; a score in place of a vector."""
MODULES, POOLING = "modules.json", "1_Pooling/config.json"
FLAG = "pooling_mode_"
MODES = {"mean_tokens": MEAN, "cls_token": FIRST, "lasttoken": LAST}
WORDS = {"mean": MEAN, "cls": FIRST, "lasttoken": LAST}
"""Newer files have one word in place of the flags."""
STEPS = frozenset({"Transformer", "Pooling", "Normalize"})


def steps_in(modules: Any) -> frozenset[str]:
    """The steps that make a vector, each by the last part of its type. Raises: ModelFileError."""
    if not isinstance(modules, list) or not all(isinstance(step, dict) for step in modules):
        raise ModelFileError(f"The model's {MODULES} is damaged.", hint="")
    return frozenset(str(step.get("type", "")).rpartition(".")[2] for step in modules)


def check_steps(steps: frozenset[str]) -> None:
    """Raises: ModelFileError for one that is not done here."""
    if more := sorted(steps - STEPS):
        raise ModelFileError(
            f"The model's vectors go through a step {more[0][:40]!r} afterwards, which is not done here.", hint=""
        )


def pooling_in(said: Mapping[str, Any]) -> int:
    """What the file of the pooling says; the mean, as there, where it says nothing. Raises: ModelFileError."""
    modes = [mode.removeprefix(FLAG) for mode, is_on in said.items() if mode.startswith(FLAG) and is_on is True]
    found = [MODES.get(mode) for mode in modes]
    if isinstance(word := said.get("pooling_mode"), str):
        found = [WORDS.get(word)]
    elif not any(name.startswith(FLAG) for name in said):
        return MEAN
    if len(found) != 1 or found[0] is None:
        raise ModelFileError("The model pools its tokens in a way that is not known here: not by mean, first or last.")
    return found[0]
