"""What fits where: which models of the catalogue, for how many people at once, with how long a context.

Called by `models fit` and the models page. Arithmetic on the catalogue's published numbers, with the options that an
engine would be started with; nothing is fetched or loaded.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from intramuros.engines.options import GOOD_CONTEXT, EngineOptions, base_options, footprint, seeing
from intramuros.engines.room import GIB, VRAM_KEPT_BYTES, default_budget
from intramuros.models.catalogue import CatalogueModel
from intramuros.models.machine import Machine
from intramuros.models.manifest import InstalledModel

TIERS_GB = (8, 16, 64)
MOST_USERS = 64
CONTEXTS = (2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model would run: its memory for models, and whether that is a graphics processor's."""

    memory_bytes: int
    on_gpu: bool

    @classmethod
    def with_vram(cls, gb: float) -> Place:
        """A graphics processor of so many gigabytes; one is kept for the screen and the driver."""
        return cls(max(0, round(gb * GIB) - VRAM_KEPT_BYTES), on_gpu=True)

    @classmethod
    def with_ram(cls, gb: float) -> Place:
        """A machine of so many gigabytes without one, as its default budget is."""
        size = round(gb * GIB)
        return cls(default_budget(Machine("", "", 1, 1, frozenset(), size, size)), on_gpu=False)

    @classmethod
    def of(cls, machine: Machine, budget_bytes: int) -> Place:
        """This machine."""
        return cls(budget_bytes, on_gpu=bool(machine.gpus))


@dataclass(frozen=True, slots=True)
class Fit:
    """How one model fits. `memory_bytes` is for the users and context asked for; `users` how many fit with that
    context, `context_tokens` the longest for so many users; 0: none.
    """

    model: CatalogueModel
    memory_bytes: int
    users: int
    context_tokens: int
    fits: bool

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.model.name,
            "title": self.model.title,
            "trust": self.model.trust,
            "licence": self.model.licence.id,
            "quantisation": self.model.quantisation,
            "size_bytes": self.model.weights_bytes,
            "memory_bytes": self.memory_bytes,
            "users": self.users,
            "context_tokens": self.context_tokens,
            "fits": self.fits,
        }


def fits(
    models: Iterable[CatalogueModel],
    place: Place,
    *,
    users: int = 1,
    context_tokens: int = GOOD_CONTEXT,
    installed: Iterable[InstalledModel] = (),
) -> list[Fit]:
    """How each model that writes fits: those that do first, best first. One that is installed takes what stands beside
    it along.
    """
    here = {one.sha256: one for one in installed}
    found = [
        _fit(model, place, users, context_tokens, here.get(model.sha256 or "")) for model in models if model.is_chat
    ]
    return sorted(found, key=lambda one: (not one.fits, -one.model.preference))


def _fit(
    model: CatalogueModel, place: Place, users: int, context_tokens: int, installed: InstalledModel | None = None
) -> Fit:
    options = base_options(model.header, on_gpu=place.on_gpu)
    options = seeing(options) if installed and installed.projector else options
    beside = installed.beside_bytes if installed else 0
    wished = min(context_tokens, model.context_tokens)
    needed = _needed(model, options, users, wished) + beside
    reachable = context_tokens <= model.context_tokens
    contexts = sorted({min(tokens, model.context_tokens) for tokens in CONTEXTS})
    people = range(1, MOST_USERS + 1)
    room = place.memory_bytes - beside
    fitting = bisect(people, room, key=lambda number: _needed(model, options, number, wished))
    longest = bisect(contexts, room, key=lambda tokens: _needed(model, options, users, tokens))
    return Fit(
        model=model,
        memory_bytes=needed,
        users=fitting if reachable else 0,
        context_tokens=contexts[longest - 1] if longest else 0,
        fits=reachable and needed <= place.memory_bytes,
    )


def _needed(model: CatalogueModel, options: EngineOptions, users: int, context_tokens: int) -> int:
    return footprint(replace(options, slots=users, context_tokens=context_tokens), model.header).total_bytes
