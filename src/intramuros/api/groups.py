"""Groups for administration programs: `/api/v1/groups…`. Groups are named by their id or name. Called by the router."""

from __future__ import annotations

import asyncio
from typing import TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.groups import Group, GroupMember, Groups
from intramuros.accounts.users import Users
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Shape, emptied, words

NEW = Shape({"name": words(200), "external_name": emptied()}, required=("name",))
CHANGED = NEW.but()
NOT_SAID = object()


class GroupObject(TypedDict):
    """A group. `people`: how many; `external_name`: what a directory calls it; `created_at`: seconds since 1970."""

    id: str
    name: str
    external_name: str | None
    people: int
    created_at: float


class GroupObjects(TypedDict):
    """All groups, by name."""

    groups: list[GroupObject]


class GroupMemberObject(TypedDict):
    """A person in a group. `external`: a directory put them there."""

    id: str
    email: str
    name: str
    external: bool


class GroupWithMembers(GroupObject):
    """A group with its people."""

    members: list[GroupMemberObject]


class GroupRoutes:
    """The routes about groups."""

    def __init__(self, groups: Groups, users: Users) -> None:
        self.groups, self.users = groups, users

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one = "/api/v1/groups/{group}"
        return [
            Route("/api/v1/groups", self.index, methods=["GET"]),
            Route("/api/v1/groups", self.create, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(one + "/members/{user}", self.add, methods=["PUT"]),
            Route(one + "/members/{user}", self.leave, methods=["DELETE"]),
        ]

    async def index(self, request: Request) -> Response:
        """All groups, by name."""
        found = await asyncio.to_thread(self.groups.list)
        return as_json(GroupObjects(groups=[group_object(group) for group in found]))

    async def create(self, request: Request) -> Response:
        """Makes an empty group. Raises: Conflict when the name is taken."""
        values = await NEW.of(request.receive)
        external = values.get("external_name") or None
        group = await asyncio.to_thread(lambda: self.groups.create(values["name"], external_name=external))
        entry_of(request).about(group.id)
        return as_json(group_object(group), status=201)

    async def show(self, request: Request) -> Response:
        """One group, with its people."""
        group = await self._group(request)
        members = await asyncio.to_thread(self.groups.members, group.id)
        return as_json(GroupWithMembers(**group_object(group), members=[member_object(member) for member in members]))

    async def change(self, request: Request) -> Response:
        """Renames a group, or changes what a directory calls it (empty text: nothing)."""
        values = await CHANGED.of(request.receive)
        name, external = values.get("name"), values.get("external_name", NOT_SAID)
        group = await self._group(request)
        changed = await asyncio.to_thread(
            lambda: self.groups.change(
                group.id, name=name, external_name=None if external is NOT_SAID else external or ""
            )
        )
        return as_json(group_object(changed))

    async def remove(self, request: Request) -> Response:
        """Removes a group, and with it what was shared with it."""
        group = await self._group(request)
        await asyncio.to_thread(self.groups.remove, group.id)
        return Response(status_code=204)

    async def add(self, request: Request) -> Response:
        """Puts a person into a group."""
        group, user_id = await self._group(request), await self._user_id(request)
        changed = await asyncio.to_thread(lambda: self.groups.add(group.id, user_id=user_id, by=caller_of(request)))
        return as_json(group_object(changed))

    async def leave(self, request: Request) -> Response:
        """Takes a person out of a group."""
        group, user_id = await self._group(request), await self._user_id(request)
        changed = await asyncio.to_thread(lambda: self.groups.leave(group.id, user_id=user_id))
        return as_json(group_object(changed))

    async def _group(self, request: Request) -> Group:
        group = await asyncio.to_thread(self.groups.get, request.path_params["group"])
        entry_of(request).about(group.id)
        return group

    async def _user_id(self, request: Request) -> str:
        user = await asyncio.to_thread(self.users.find, request.path_params["user"])
        entry_of(request).note(user=user.id)
        return user.id


def group_object(group: Group) -> GroupObject:
    """A group as programs see it."""
    return {
        "id": group.id,
        "name": group.name,
        "external_name": group.external_name,
        "people": group.people,
        "created_at": group.created_at,
    }


def member_object(member: GroupMember) -> GroupMemberObject:
    """A person in a group as programs see them."""
    return {"id": member.user_id, "email": member.email, "name": member.name, "external": member.is_external}
