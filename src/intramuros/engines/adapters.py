"""Which adapter acts on one request, in the engine's words.

Called by `engines.openai_http`. A model's adapters are all loaded with it; a request names one, or none.

The engine keeps what it has read of a prompt, and gives it to the next request that begins alike. It begins anew when a
request says that other adapters act, but not when it says nothing of adapters: then a plain request would go on from
what an adapter made of the prompt. So a plain request says that none acts.

Source: https://github.com/ggml-org/llama.cpp/issues/26207; tests/integration/engines/test_adapters.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from intramuros.errors import ModelNotFound
from intramuros.models.manifest import InstalledModel

FIELD = "adapter"
"""The field of a request that names its adapter."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """The adapters an engine has loaded, in its order."""

    model: str = ""
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: InstalledModel) -> Adapters:
        """Those of a model."""
        return cls(model.name, tuple(part.name for part in model.adapters))

    def fields(self, name: str | None) -> dict[str, Any]:
        """What a request says so that this adapter acts, or none. Raises: ModelNotFound."""
        if name is None:
            return {"lora": [{"id": 0, "scale": 0.0}]} if self.names else {}
        if name not in self.names:
            raise ModelNotFound(f"{self.model} has no adapter {name[:80]!r} any more.")
        return {"lora": [{"id": self.names.index(name), "scale": 1.0}]}
