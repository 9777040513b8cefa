"""People for administration programs: `/api/v1/users…`, `/api/v1/invitations`.

Called by the router; who may call which route is in `server/access.py`. People are named by their id or e-mail address.
"""

from __future__ import annotations

import asyncio
from typing import NotRequired, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.factors import Factors
from intramuros.accounts.groups import Groups
from intramuros.accounts.sessions import Sessions
from intramuros.accounts.users import ROLES, User, Users, check_may_invite
from intramuros.api.projects import Passages, passage_object
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Shape, among, whole, words
from intramuros.privacy.erase.receipt import ReceiptObject
from intramuros.tasks.reach import Reach, Reachable
from intramuros.tasks.remove_person import RemovePerson

HOURS, MAX_HOURS = 72, 24 * 30
RESULTS, MAX_RESULTS = 10, 100
NEW = Shape(
    {"email": words(300), "name": words(300), "role": among(*ROLES), "password": words(1000), "language": words(2)},
    required=("email", "name", "role"),
)
INVITED = Shape({"role": among(*ROLES), "hours": whole(HOURS, 1, MAX_HOURS)})
ROLE = Shape({"role": among(*ROLES)}, required=("role",))
SEARCH = Shape({"query": words(2000), "limit": whole(RESULTS, 1, MAX_RESULTS)}, required=("query",))


class PersonObject(TypedDict):
    """A person or a service. `created_at`: seconds since 1970."""

    id: str
    email: str
    name: str
    role: str
    language: str
    created_at: float
    suspended: bool


class Named(TypedDict):
    """Something by its id and name."""

    id: str
    name: str


class People(TypedDict):
    """Everybody, by name."""

    users: list[PersonObject]


class PersonInGroups(PersonObject):
    """A person with their groups."""

    groups: list[Named]


class InvitationObject(TypedDict):
    """A one-time link, below the server's address, for somebody to add themselves."""

    path: str
    role: str
    hours: int


class Removed(ReceiptObject):
    """The receipt of a person's erasure. `inherited`: projects that have another owner now."""

    inherited: int


class ReachableObject(TypedDict):
    """A project that somebody could see; its name and documents only where the caller may see them too."""

    id: str
    role: str
    documents_count: int
    name: NotRequired[str]
    documents: NotRequired[list[Named]]


class ReachObject(TypedDict):
    """What a person could retrieve."""

    user: str
    projects: list[ReachableObject]


class PeopleRoutes:
    """The routes about people."""

    def __init__(
        self, users: Users, groups: Groups, removal: RemovePerson, *, reach: Reach, factors: Factors, sessions: Sessions
    ) -> None:
        self.users, self.groups, self.removal, self.reach = users, groups, removal, reach
        self.factors, self.sessions = factors, sessions

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one = "/api/v1/users/{user}"
        return [
            Route("/api/v1/users", self.index, methods=["GET"]),
            Route("/api/v1/users", self.add, methods=["POST"]),
            Route("/api/v1/invitations", self.invite, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(one + "/role", self.change_role, methods=["PUT"]),
            Route(one + "/suspend", self.suspend, methods=["POST"]),
            Route(one + "/resume", self.resume, methods=["POST"]),
            Route(one + "/reset-factor", self.reset_factor, methods=["POST"]),
            Route(one + "/sign-out", self.sign_out, methods=["POST"]),
            Route(one + "/reach", self.reachable, methods=["GET"]),
            Route(one + "/search", self.search_as, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """Everybody, by name."""
        found = await asyncio.to_thread(self.users.list)
        return as_json(People(users=[person_object(user) for user in found]))

    async def add(self, request: Request) -> Response:
        """Adds a person with a password, or a service without one."""
        values = await NEW.of(request.receive)
        user = await asyncio.to_thread(
            self.users.create,
            values["email"],
            values["name"],
            role=values["role"],
            password=values.get("password"),
            language=values.get("language", "fr"),
        )
        entry_of(request).note(user=user.id, role=user.role)
        return as_json(person_object(user), status=201)

    async def invite(self, request: Request) -> Response:
        """A one-time link for somebody to add themselves; a manager invites members only."""
        values = await INVITED.of(request.receive)
        role, hours = values.get("role", "member"), values.get("hours", HOURS)
        check_may_invite(caller_of(request), role)
        token = await asyncio.to_thread(self.users.invite, role, hours=hours)
        entry_of(request).note(role=role)
        return as_json(InvitationObject(path=f"/first/{token}", role=role, hours=hours), status=201)

    async def show(self, request: Request) -> Response:
        """One person, with their groups."""
        user = await self._person(request)
        groups = await asyncio.to_thread(lambda: self.groups.list(of=user.id))
        named: list[Named] = [{"id": one.id, "name": one.name} for one in groups]
        return as_json(PersonInGroups(**person_object(user), groups=named))

    async def remove(self, request: Request) -> Response:
        """Erases a person; `?heir=` takes over what only they owned. The answer is the receipt."""
        user = await self._person(request)
        named = request.query_params.get("heir")
        heir = await asyncio.to_thread(self.users.find, named) if named else None
        removed = lambda: self.removal.run(user, by=caller_of(request), heir=heir)  # noqa: E731
        receipt, inherited = await asyncio.to_thread(removed)
        entry_of(request).note(erasure=receipt.id)
        return as_json(Removed(**receipt.to_json(), inherited=inherited))

    async def change_role(self, request: Request) -> Response:
        """Gives a person another role."""
        role = (await ROLE.of(request.receive))["role"]
        user = await self._person(request)
        await asyncio.to_thread(self.users.set_role, user.id, role)
        entry_of(request).note(role=role)
        return as_json(person_object(await asyncio.to_thread(self.users.get, user.id)))

    async def suspend(self, request: Request) -> Response:
        """Locks a person out at once: sessions, keys and whatever of theirs is running end."""
        user = await self._person(request)
        await asyncio.to_thread(self.users.suspend, user.id)
        return as_json(person_object(await asyncio.to_thread(self.users.get, user.id)))

    async def resume(self, request: Request) -> Response:
        """Lets a suspended person in again."""
        user = await self._person(request)
        await asyncio.to_thread(self.users.resume, user.id)
        return as_json(person_object(await asyncio.to_thread(self.users.get, user.id)))

    async def reset_factor(self, request: Request) -> Response:
        """Takes a person's second factors away; they set up a new one before anything else."""
        user = await self._person(request)
        await asyncio.to_thread(self.factors.reset, user.id)
        return as_json(person_object(await asyncio.to_thread(self.users.get, user.id)))

    async def sign_out(self, request: Request) -> Response:
        """Ends every session of a person; they may sign in again, and their keys go on."""
        user = await self._person(request)
        await asyncio.to_thread(self.sessions.close_all, user.id)
        return as_json(person_object(await asyncio.to_thread(self.users.get, user.id)))

    async def reachable(self, request: Request) -> Response:
        """What a person could retrieve: names only of what the caller may see too."""
        await asyncio.to_thread(self.reach.check, caller_of(request))
        user = await self._person(request)
        found = await asyncio.to_thread(lambda: self.reach.of(user, by=caller_of(request)))
        return as_json(ReachObject(user=user.id, projects=[reachable_object(one) for one in found]))

    async def search_as(self, request: Request) -> Response:
        """The passages this person would find, within what both may see."""
        values = await SEARCH.of(request.receive)
        query, limit = values["query"], values.get("limit", RESULTS)
        await asyncio.to_thread(self.reach.check, caller_of(request))
        user = await self._person(request)
        found = await self.reach.ask(query, person=user, by=caller_of(request), limit=limit)
        entry_of(request).note(results=len(found.passages))
        return as_json(Passages(passages=[passage_object(passage) for passage in found.passages]))

    async def _person(self, request: Request) -> User:
        user = await asyncio.to_thread(self.users.find, request.path_params["user"])
        entry_of(request).about(user.id)
        return user


def person_object(user: User) -> PersonObject:
    """A person as programs see them."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "language": user.language,
        "created_at": user.created_at,
        "suspended": user.is_suspended,
    }


def reachable_object(one: Reachable) -> ReachableObject:
    """A project that somebody could see, as programs see it."""
    shown: ReachableObject = {"id": one.id, "role": one.role, "documents_count": one.documents_count}
    if one.name is not None:
        shown["name"] = one.name
        shown["documents"] = [{"id": document.id, "name": document.name} for document in one.documents]
    return shown
