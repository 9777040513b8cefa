"""Removes an installed model for a program: never one that answers somebody just now, never another than was named.

Called by the OpenAI door. The guard has checked that the caller administers; the model's own name is needed, because
`default` and `starter` mean another model tomorrow.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest
from intramuros.models.installed import RESERVED, InstalledModels


class Pool(Protocol):
    """What is loaded."""

    async def unload(self, name: str, *, wait_s: float = 0.0) -> bool:
        """Ends the engine of a model; False if none is loaded. Raises: Conflict while it is in use."""
        ...


@dataclass(frozen=True, slots=True)
class RemoveModel:
    """Removes a model with its engine."""

    models: InstalledModels
    pool: Pool

    async def run(self, name: str, *, by: Caller, entry: Entry) -> None:
        """Raises: ModelNotFound, Conflict while it is in use or the default of several, BadRequest for `default`."""
        if name in RESERVED:
            raise BadRequest(f"'{name}' stands for a model: name the model itself.", param="model")
        by.rights.check_model(name)
        model = await asyncio.to_thread(self.models.get, name)
        entry.note(model=model.name)
        await asyncio.to_thread(self.models.check_removable, model.name)  # before its engine ends for nothing
        await self.pool.unload(model.name)
        await asyncio.to_thread(self.models.remove, model.name)
