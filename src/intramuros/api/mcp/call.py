"""One request as this door's methods see it: who asks, under which revision, and how to tell of progress.

Made by the endpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project, Projects
from intramuros.api.mcp.message import INVALID_PARAMS, Message, Refused
from intramuros.api.mcp.versions import MODERN
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, kind_of


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `state` is what the guard keeps of it: a project named there is watched while the request runs."""

    message: Message
    version: str
    by: Caller
    entry: Entry
    state: dict[str, Any]
    tell: Callable[[str], Awaitable[None]]

    @property
    def is_modern(self) -> bool:
        """Whether it is of a revision without handshake."""
        return self.version in MODERN

    @property
    def is_french(self) -> bool:
        """Whether whoever asks reads French."""
        return self.by.language == "fr"

    def text(self, name: str) -> str:
        """A parameter that must be text. Raises: Refused."""
        value = self.message.params.get(name)
        if not isinstance(value, str):
            raise Refused(INVALID_PARAMS, f"'{name}' must be text, not {kind_of(value)}.")
        return value

    def values(self, name: str) -> dict[str, Any]:
        """A parameter that must be an object, or is left out. Raises: Refused."""
        value = self.message.params.get(name)
        if value is not None and not isinstance(value, dict):
            raise Refused(INVALID_PARAMS, f"'{name}' must be an object, not {kind_of(value)}.")
        return value or {}

    async def project(self, projects: Projects, name_or_id: str) -> Project:
        """A project that the caller may read; the record is about it from here on. Raises: NotFound."""
        project = await asyncio.to_thread(projects.get, name_or_id, by=self.by)
        self.entry.about(project.id)
        self.state["project"] = project.id
        return project

    async def only_project(self, projects: Projects) -> Project:
        """The one project the caller may read. Raises: BadRequest with the names where there are several or none."""
        found = await asyncio.to_thread(projects.list, self.by)
        if len(found) != 1:
            names = ", ".join(project.name for project in found[:50])
            raise BadRequest(
                "Say which project to ask.",
                hint=f"The projects are: {names}." if found else "This key may open none yet.",
                param="project",
            )
        return await self.project(projects, found[0].id)
