"""The names that Ollama's clients use, and which model or preset each is here.

Called by the routes of this folder. `:latest` means nothing here; `qwen3:0.6b` is `qwen3-0.6b`, for a colon, a hyphen
and a dot only set a name's parts apart. Where Ollama's library has a default size or another word, a table says which.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from intramuros.accounts.caller import Caller
from intramuros.errors import BadRequest, ModelNotFound
from intramuros.models.catalogue import Catalogue, CatalogueModel
from intramuros.models.installed import DEFAULT, InstalledModels
from intramuros.models.presets import Presets

LATEST = ":latest"
LIBRARY = ("registry.ollama.ai/library/", "library/")
KNOWN = {
    "llama3.2": "llama-3.2-3b",
    "llama3.1": "llama-3.1-8b",
    "llama3.3": "llama-3.3-70b",
    "phi4:14b": "phi-4",
    "phi4-mini:3.8b": "phi-4-mini",
    "gpt-oss": "gpt-oss-20b",
    "mistral-small3.2": "mistral-small-3.2-24b",
    "granite4:micro": "granite-4.0-micro",
    "granite4:tiny-h": "granite-4.0-h-tiny",
    "qwen3:4b-instruct": "qwen3-4b-2507",
    "qwen3:30b-instruct": "qwen3-30b-a3b-2507",
    "bge-m3:567m": "bge-m3",
}
"""Names of Ollama's library for models of the catalogue, where they don't say the same with other signs."""


@dataclass(frozen=True, slots=True)
class Names:
    """Finds what is meant."""

    models: InstalledModels
    presets: Presets
    catalogue: Catalogue
    routes: Callable[[], list[str]] = list
    """The names that are answered along a route."""

    def known(self, name: str, by: Caller) -> str:
        """The name of the installed model or preset that is meant; the name itself where none is."""
        plain = name.strip().removesuffix(LATEST)
        for candidate in (plain, tidy(name)):
            if candidate == DEFAULT or candidate in self.routes() or self.has(candidate, by):
                return candidate
        listed = self.in_catalogue(name)
        wanted = _squeezed(tidy(name))
        for model in self.models.list():
            if _squeezed(model.name) == wanted or (listed is not None and model.name == listed.name):
                return model.name
        return plain

    def has(self, name: str, by: Caller) -> bool:
        """Whether a model or a preset of the caller's is installed under exactly this name."""
        return bool(self.presets.find(name, by=by) or self.models.find(name))

    def in_catalogue(self, name: str) -> CatalogueModel | None:
        """The model of the catalogue that this name of Ollama's library means, if it is the same model."""
        name = tidy(name)
        if found := self.catalogue.find(KNOWN.get(name, name)):
            return found
        wanted = _squeezed(name)
        return next((model for model in self.catalogue if _squeezed(model.name) == wanted), None)

    def missing(self, name: str, by: Caller) -> ModelNotFound:
        """The error for a name that neither this machine nor the catalogue knows, with those that look alike."""
        names = [model.name for model in self.catalogue] + [preset.name for preset in self.presets.list(by=by)]
        near = difflib.get_close_matches(tidy(name).replace(":", "-"), names, n=3, cutoff=0.4)
        return ModelNotFound(
            f"Neither this machine nor its catalogue has a model {name[:80]!r}.",
            hint=(f"Near it: {', '.join(near)}. " if near else "")
            + "A file of a model hub is named hf:owner/repository/file.gguf",
        )


def tidy(name: str) -> str:
    """The name without what means nothing here."""
    name = name.strip().lower()
    for prefix in LIBRARY:
        name = name.removeprefix(prefix)
    return name.removesuffix(LATEST)


def new_name(name: str) -> str:
    """The name for something new. Raises: BadRequest if it is empty."""
    if not tidy(name):
        raise BadRequest("The new model needs a name.", param="model")
    return tidy(name)


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name)
