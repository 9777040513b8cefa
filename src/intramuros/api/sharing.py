"""Who has a project, for programs: `/api/v1/projects/{project}/members…` and `…/groups…`. Called by the router."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.groups import Groups
from intramuros.accounts.projects import Projects
from intramuros.accounts.users import Users
from intramuros.api.body import only, read_object, text
from intramuros.api.projects import as_json, caller_of, entry_of, project_object, project_of
from intramuros.tasks.remove_project import RemoveProject


class SharingRoutes:
    """The routes about who has a project. Only its owners may ask for changes, so they may name anybody."""

    def __init__(self, projects: Projects, users: Users, groups: Groups, removal: RemoveProject) -> None:
        self.projects, self.users, self.groups, self.removal = projects, users, groups, removal

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one = "/api/v1/projects/{project}"
        return [
            Route(one, self.show, methods=["GET"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(one + "/members", self.members, methods=["GET"]),
            Route(one + "/members/{user}", self.add_member, methods=["PUT"]),
            Route(one + "/members/{user}", self.remove_member, methods=["DELETE"]),
            Route(one + "/groups/{group}", self.add_group, methods=["PUT"]),
            Route(one + "/groups/{group}", self.remove_group, methods=["DELETE"]),
        ]

    async def show(self, request: Request) -> Response:
        """The project and the caller's role in it."""
        return as_json(project_object(await project_of(request, self.projects, need="reader")))

    async def remove(self, request: Request) -> Response:
        """Removes a project with all its documents and conversations."""
        project = await project_of(request, self.projects, need="owner")
        receipt = await asyncio.to_thread(lambda: self.removal.remove(project, by=caller_of(request)))
        entry_of(request).note(erasure=receipt.id)
        return as_json(receipt.to_json())

    async def members(self, request: Request) -> Response:
        """Everybody with access and through what, and the groups it is shared with."""
        project = await project_of(request, self.projects, need="reader")
        return as_json(await asyncio.to_thread(sharing_object, self.projects, project.id, caller_of(request)))

    async def add_member(self, request: Request) -> Response:
        """Lets a person in, or changes their role: `{"role": "reader"}`."""
        role = await _role(request)
        project = await project_of(request, self.projects, need="owner")
        user = await asyncio.to_thread(self.users.find, request.path_params["user"])
        entry_of(request).note(user=user.id, role=role)
        by = caller_of(request)
        await asyncio.to_thread(lambda: self.projects.add_member(project.id, user_id=user.id, role=role, by=by))
        return as_json(await asyncio.to_thread(sharing_object, self.projects, project.id, by))

    async def remove_member(self, request: Request) -> Response:
        """Takes a person out; everybody may leave."""
        project = await project_of(request, self.projects, need="reader")
        by = caller_of(request)
        named = request.path_params["user"]
        if named != by.user_id:
            project = await project_of(request, self.projects, need="owner")
            named = (await asyncio.to_thread(self.users.find, named)).id
        entry_of(request).note(user=named)
        await asyncio.to_thread(lambda: self.projects.remove_member(project.id, user_id=named, by=by))
        return Response(status_code=204)

    async def add_group(self, request: Request) -> Response:
        """Lets a group in, or changes its role: `{"role": "reader"}`. Others than managers name groups of their own."""
        role = await _role(request)
        project = await project_of(request, self.projects, need="owner")
        by = caller_of(request)
        group = await asyncio.to_thread(lambda: self.groups.nameable(request.path_params["group"], by=by))
        entry_of(request).note(group=group.id, role=role)
        await asyncio.to_thread(lambda: self.projects.add_group(project.id, group_id=group.id, role=role, by=by))
        return as_json(await asyncio.to_thread(sharing_object, self.projects, project.id, by))

    async def remove_group(self, request: Request) -> Response:
        """Ends what a group has in the project."""
        project = await project_of(request, self.projects, need="owner")
        by, named = caller_of(request), request.path_params["group"]
        find: Callable[[], str] = lambda: granted_group(self.projects, project.id, named, by)  # noqa: E731
        group_id = await asyncio.to_thread(find)
        entry_of(request).note(group=group_id)
        await asyncio.to_thread(lambda: self.projects.remove_group(project.id, group_id=group_id, by=by))
        return Response(status_code=204)


def granted_group(projects: Projects, project: str, named: str, by: Any) -> str:
    """The id of a group that the project is shared with, by id or name; else what was named."""
    for grant in projects.groups(project, by=by):
        if named in {grant.group_id, grant.name}:
            return grant.group_id
    return named[:64] if named.isascii() and named.replace("-", "").replace("_", "").isalnum() else "unknown"


def sharing_object(projects: Projects, project: str, by: Any) -> dict[str, Any]:
    """Who has a project, as programs see it."""
    return {
        "members": [
            {"id": m.user_id, "email": m.email, "name": m.name, "role": m.role, "through": list(m.through)}
            for m in projects.members(project, by=by)
        ],
        "groups": [
            {"id": g.group_id, "name": g.name, "people": g.people, "role": g.role}
            for g in projects.groups(project, by=by)
        ],
    }


async def _role(request: Request) -> Any:
    values = await read_object(request.receive)
    only(values, {"role"})
    return text(values, "role", longest=30)
