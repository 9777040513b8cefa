"""The vector store of an address: a project, by its id behind `vs_`. Called by their routes."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from intramuros.accounts.projects import Project, Projects, Role
from intramuros.api.openai.listing import bare
from intramuros.api.request import caller_of, entry_of
from intramuros.errors import NotFound

PREFIX = "vs_"


async def store_of(request: Request, projects: Projects, *, need: Role) -> Project:
    """The project of the address, if the caller has that role in it. Raises: NotFound, NotAllowed."""
    wanted = bare(request.path_params["store"], PREFIX, _no_store)
    project = await asyncio.to_thread(projects.get, wanted, by=caller_of(request), need=need)
    if project.id != wanted:  # a name is no id
        raise _no_store()
    if entry_of(request).object is None:
        entry_of(request).about(project.id)
    return project


def _no_store() -> NotFound:
    return NotFound(
        "There is no such vector store, or you may not see it.",
        hint="List yours: GET /v1/vector_stores",
        code="vector_store_not_found",
    )
