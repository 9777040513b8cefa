"""The fields of a request: each is honoured, has a value that changes nothing here, or is refused by its name.

Used by the worker alone. Whatever is not in a table is refused: a field of llama.cpp's server that would change an
answer there must not be without effect here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intramuros.engines.worker.http import Refused

HONOURED = frozenset(
    {
        *("messages", "prompt", "chat_template_kwargs", "tools", "response_format"),
        *("max_tokens", "max_completion_tokens", "stop", "ignore_eos"),
        *("seed", "logit_bias", "logprobs", "top_logprobs"),
        *("temperature", "top_k", "top_p", "min_p"),
        *("repeat_penalty", "presence_penalty", "frequency_penalty", "repeat_last_n"),
        *("stream", "verbose"),
    }
)
"""What is read elsewhere in this folder."""
WITHOUT_EFFECT = frozenset({"model", "stream_options", "parallel_tool_calls"})
"""There is one model; a stream always ends with its usage; who asks reads the calls."""
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "tool_choice": ("none", "auto"),
    "typical_p": (1,),
    "mirostat": (0,),
    "top_n_sigma": (-1,),
    "dry_multiplier": (0,),
    "xtc_probability": (0,),
    "dynatemp_range": (0,),
    "grammar": ("",),
    "echo": (False,),
    "suffix": ("",),
    "lora": ([],),
}
"""What is accepted with the values that say what happens anyway."""
OF_OTHERS: Mapping[str, str] = {"mirostat_tau": "mirostat", "mirostat_eta": "mirostat"}
"""What says how another field acts, which is refused where it would."""


def check(request: Mapping[str, Any]) -> None:
    """Raises: Refused for a field that is not honoured, which it names."""
    for name, value in request.items():
        if value is None or name in HONOURED or name in WITHOUT_EFFECT or name in OF_OTHERS:
            continue
        if value not in NEUTRAL.get(name, ()):
            known = name if name in NEUTRAL else "a field of the request"
            raise Refused(400, "not_supported_error", f"{known} is not supported")
