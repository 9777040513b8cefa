"""Who has a project, for programs: `/api/v1/projects/{project}/members…` and `…/groups…`. Called by the router."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypedDict, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.groups import Groups
from intramuros.accounts.projects import Projects, Role
from intramuros.accounts.users import Users
from intramuros.api.projects import project_object, project_of
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Shape, one_of
from intramuros.privacy.erase.erasure import Erasure
from intramuros.storage.erasable import Subject

ROLE = Shape({"role": one_of(*get_args(Role))}, required=("role",))


class MemberObject(TypedDict):
    """A person with access to a project. `through`: themselves, or the groups that have it."""

    id: str
    email: str
    name: str
    role: str
    through: list[str]


class GrantObject(TypedDict):
    """A group that a project is shared with. `people`: how many are in it."""

    id: str
    name: str
    people: int
    role: str


class SharingObject(TypedDict):
    """Who has a project."""

    members: list[MemberObject]
    groups: list[GrantObject]


class SharingRoutes:
    """The routes about who has a project. Only its owners may ask for changes, so they may name anybody."""

    def __init__(self, projects: Projects, users: Users, groups: Groups, erasure: Erasure) -> None:
        self.projects, self.users, self.groups, self.erasure = projects, users, groups, erasure

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
        """Erases a project with all its documents and conversations; the answer is the receipt."""
        project = await project_of(request, self.projects, need="owner")
        subject, by = Subject("project", project.id), caller_of(request).user_id
        receipt = await asyncio.to_thread(self.erasure.run, subject, by=by)
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


def sharing_object(projects: Projects, project: str, by: Any) -> SharingObject:
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
    return (await ROLE.of(request.receive))["role"]
