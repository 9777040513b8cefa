"""Projects and who may do what in them: the one place that decides it.

Called by tasks, doors and the command line before anything of a project is touched. What a caller may not see does
not exist for them. A project is shared with people and with groups; who has it several ways has the highest role.
Administrators see only the projects they belong to, and for a while as readers what they broke the glass for
(`accounts.break_glass`); the operator at the machine's own command line, who holds the data's key, sees all.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, case, delete, exists, func, insert, literal, or_, select, union_all
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.schema import (
    break_glass,
    group_grants,
    group_members,
    groups,
    members,
    new_id,
    now,
    projects,
    users,
)

Role = Literal["reader", "contributor", "owner"]
"""What a member may do; each may do what those before it may."""

_RANK: dict[str, int] = {"reader": 1, "contributor": 2, "owner": 3}
_ROLES = {rank: role for role, rank in _RANK.items()}


@dataclass(frozen=True, slots=True)
class Project:
    """A project as one caller sees it: `role` is theirs."""

    id: str
    name: str
    role: str
    created_at: float

    def allows(self, need: Role) -> bool:
        """Whether the caller may do what takes this role."""
        return _RANK[self.role] >= _RANK[need]


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a project: their highest role, and the groups they have it through, if not by themselves."""

    user_id: str
    name: str
    email: str
    role: str
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupGrant:
    """A group that a project is shared with."""

    group_id: str
    name: str
    people: int
    role: str


class Projects:
    """The projects of this installation."""

    def __init__(self, database: Database, keys: SubjectKeys) -> None:
        self._database = database
        self._keys = keys

    def create(self, name: str, by: Caller, *, owner: str | None = None) -> Project:
        """A new project that belongs to the caller; one made at the command line also to `owner`, a person's id, or
        else to all administrators.

        Raises: BadRequest for a bad name, Conflict if it is taken, NotAllowed for a key of certain projects.
        """
        if by.rights.projects is not None:
            raise NotAllowed("This key is for certain projects only: it can't make another.", code="missing_project")
        name = clean_name(name, of="project")
        project = Project(new_id(), name, "owner", now())
        self._keys.create("project", project.id)
        try:
            self._insert(project, by, owner)
        except BaseException:
            self._keys.destroy("project", project.id)
            raise
        return project

    def get(self, name_or_id: str, *, by: Caller, need: Role = "reader") -> Project:
        """The project, if the caller has the role in it.

        Raises: NotFound if they may not see it or it does not exist, NotAllowed if they may see it but not this.
        """
        with self._database.read() as connection:
            return self._get(connection, name_or_id, by, need)

    def key(self, project: Project) -> bytes:
        """The key of a project's stored files.

        Raises: NotFound if it is gone, StorageCorrupt if the stored key was changed.
        """
        return self._keys.get("project", project.id)

    def members(self, project: str, *, by: Caller) -> list[Member]:
        """Who belongs to a project, by themselves or through a group, by name. Raises: NotFound."""
        with self._database.read() as connection:
            found = self._get(connection, project, by, "reader")
            return _members(connection, found.id)

    def groups(self, project: str, *, by: Caller) -> list[GroupGrant]:
        """The groups a project is shared with, by name. Raises: NotFound."""
        people = select(func.count()).where(group_members.c.group_id == groups.c.id).scalar_subquery()
        with self._database.read() as connection:
            found = self._get(connection, project, by, "reader")
            rows = connection.execute(
                select(groups.c.id, groups.c.name, people.label("people"), group_grants.c.role)
                .join(group_grants, group_grants.c.group_id == groups.c.id)
                .where(group_grants.c.project_id == found.id)
                .order_by(func.lower(groups.c.name))
            )
            return [GroupGrant(row.id, row.name, row.people, row.role) for row in rows]

    def add_member(self, project: str, *, user_id: str, role: Role, by: Caller) -> None:
        """Lets a person into a project, or changes their own role in it; only an owner may.

        Raises: NotFound, NotAllowed, BadRequest, Conflict if the last owner would become something else.
        """
        _check_role(role)
        with keeping_owners(self._database) as connection:
            found = self._get(connection, project, by, "owner")
            if connection.scalar(select(users.c.id).where(users.c.id == user_id)) is None:
                raise NotFound("There is no such person.")
            statement = sqlite_insert(members).values(project_id=found.id, user_id=user_id, role=role)
            connection.execute(
                statement.on_conflict_do_update(index_elements=["project_id", "user_id"], set_={"role": role})
            )

    def add_group(self, project: str, *, group_id: str, role: Role, by: Caller) -> None:
        """Lets everybody of a group into a project, or changes the group's role; only an owner may.

        Raises: NotFound, NotAllowed, BadRequest, Conflict if nobody would own it.
        """
        _check_role(role)
        with keeping_owners(self._database) as connection:
            found = self._get(connection, project, by, "owner")
            if connection.scalar(select(groups.c.id).where(groups.c.id == group_id)) is None:
                raise NotFound("There is no such group.", code="group_not_found")
            statement = sqlite_insert(group_grants).values(project_id=found.id, group_id=group_id, role=role)
            connection.execute(
                statement.on_conflict_do_update(index_elements=["project_id", "group_id"], set_={"role": role})
            )

    def remove_member(self, project: str, *, user_id: str, by: Caller) -> None:
        """Takes a person out of a project; an owner may, and everybody may leave. What they have through a group stays.

        Raises: NotFound, NotAllowed, Conflict if nobody would own it.
        """
        with keeping_owners(self._database) as connection:
            found = self._get(connection, project, by, "reader" if user_id == by.user_id else "owner")
            statement = delete(members).where(members.c.project_id == found.id, members.c.user_id == user_id)
            if connection.execute(statement).rowcount != 1:
                raise NotFound("This person does not belong to the project by themselves.", code="not_a_member")

    def remove_group(self, project: str, *, group_id: str, by: Caller) -> None:
        """Ends what a group has in a project; only an owner may. Raises: NotFound, NotAllowed, Conflict."""
        with keeping_owners(self._database) as connection:
            found = self._get(connection, project, by, "owner")
            statement = delete(group_grants).where(
                group_grants.c.project_id == found.id, group_grants.c.group_id == group_id
            )
            if connection.execute(statement).rowcount != 1:
                raise NotFound("The project is not shared with this group.", code="not_a_member")

    def list(self, by: Caller) -> list[Project]:
        """The projects the caller may see, by name."""
        with self._database.read() as connection:
            rows = connection.execute(_visible(by).order_by(func.lower(projects.c.name)))
            return [_project(row) for row in rows]

    def _insert(self, project: Project, by: Caller, owner: str | None) -> None:
        values = {"id": project.id, "name": project.name, "created_at": project.created_at}
        with self._database.write(durable=True) as connection:
            try:
                connection.execute(insert(projects).values(values))
            except IntegrityError as error:
                raise Conflict("There is a project of this name already.", code="project_exists") from error
            self._give_to_owner(connection, project, by, owner)

    def _get(self, connection: Connection, name_or_id: str, by: Caller, need: Role) -> Project:
        statement = _visible(by).where(or_(projects.c.id == name_or_id, projects.c.name == name_or_id))
        # An id wins over a project that was given this id as its name.
        row = connection.execute(statement.order_by((projects.c.id == name_or_id).desc())).first()
        if row is None:
            raise _no_project()
        project = _project(row)
        if not project.allows(need):
            raise NotAllowed(
                f"This takes the role '{need}' in the project; yours is '{project.role}'.",
                hint="Ask an owner of the project for that role.",
            )
        return project

    @staticmethod
    def _give_to_owner(connection: Connection, project: Project, by: Caller, owner: str | None) -> None:
        owners = [by.user_id]
        if owner is not None:
            owners.append(owner)
        elif by.user_id == LOCAL.user_id:
            people = select(users.c.id).where(users.c.role == "administrator", users.c.id != LOCAL.user_id)
            owners += connection.scalars(people)
        rows = [{"project_id": project.id, "user_id": user_id, "role": "owner"} for user_id in owners]
        connection.execute(insert(members), rows)


def _visible(by: Caller) -> Select[Any]:
    """The projects a caller may see, with the rank of their role: the access rule."""
    columns = (projects.c.id, projects.c.name, projects.c.created_at)
    if by == LOCAL:
        return select(*columns, literal(_RANK["owner"]).label("rank"))
    ways = [*_granted(by.user_id), *([_broken_glass(by)] if _may_break_glass(by) else [])]
    all_ways = union_all(*ways).subquery()
    best = (
        select(all_ways.c.project_id, func.max(all_ways.c.rank).label("rank"))
        .group_by(all_ways.c.project_id)
        .subquery()
    )
    statement = select(*columns, best.c.rank).join(best, best.c.project_id == projects.c.id)
    only = by.rights.projects  # of an API key
    return statement if only is None else statement.where(projects.c.id.in_(only))


def _granted(user_id: Any) -> list[Select[Any]]:
    """What a person has by themselves, and through their groups: project and rank."""
    through = group_members.c.group_id == group_grants.c.group_id
    return [
        select(members.c.project_id, _rank(members.c.role)).where(members.c.user_id == user_id),
        select(group_grants.c.project_id, _rank(group_grants.c.role))
        .join(group_members, through)
        .where(group_members.c.user_id == user_id),
    ]


def _may_break_glass(by: Caller) -> bool:
    """An administrator who is signed in: a key of theirs neither opens the glass nor looks through it."""
    return by.is_administrator and by.key_id is None


def _broken_glass(by: Caller) -> Select[Any]:
    return select(break_glass.c.project_id, literal(_RANK["reader"]).label("rank")).where(
        break_glass.c.user_id == by.user_id,
        break_glass.c.project_id.is_not(None),
        break_glass.c.ended_at.is_(None),
        break_glass.c.expires_at > now(),
    )


def _rank(role: Any) -> Any:
    return _level(role).label("rank")


def _level(role: Any) -> Any:
    return case(_RANK, value=role, else_=0)


def _project(row: Row[Any]) -> Project:
    return Project(row.id, row.name, _ROLES[row.rank], row.created_at)


def _members(connection: Connection, project_id: str) -> list[Member]:
    """Everybody with a grant: one row for each way they have it, gathered by person."""
    person = (users.c.id, users.c.name, users.c.email)
    own = select(*person, members.c.role, literal("").label("through")).join(members, members.c.user_id == users.c.id)
    through = (
        select(*person, group_grants.c.role, groups.c.name.label("through"))
        .join(group_members, group_members.c.user_id == users.c.id)
        .join(groups, groups.c.id == group_members.c.group_id)
        .join(group_grants, group_grants.c.group_id == groups.c.id)
    )
    found: dict[str, Member] = {}
    for statement, table in ((own, members), (through, group_grants)):
        for row in connection.execute(statement.where(table.c.project_id == project_id, users.c.id != LOCAL.user_id)):
            known = found.get(row.id)
            if known is None or _RANK[row.role] > _RANK[known.role]:
                found[row.id] = Member(row.id, row.name, row.email, row.role, _through(row))
            elif row.role == known.role and known.through:
                found[row.id] = Member(row.id, row.name, row.email, row.role, (*known.through, row.through))
    return sorted(found.values(), key=lambda member: (member.name.lower(), member.user_id))


def _through(row: Row[Any]) -> tuple[str, ...]:
    return (row.through,) if row.through else ()


def standing(connection: Connection, *, without: str = "") -> dict[str, int]:
    """How well each project is owned, by itself or through a group: 2 by a person who can sign in, 1 by one who is
    suspended or by a service.

    One that only the operator at the command line owns is not in it. `without` is a person who doesn't count.
    """
    ways = union_all(
        select(members.c.project_id, members.c.user_id).where(members.c.role == "owner"),
        select(group_grants.c.project_id, group_members.c.user_id)
        .join(group_members, group_members.c.group_id == group_grants.c.group_id)
        .where(group_grants.c.role == "owner"),
    ).subquery()
    can_sign_in = users.c.suspended_at.is_(None) & (users.c.role != "service")
    statement = (
        select(ways.c.project_id, func.max(case((can_sign_in, 2), else_=1)))
        .join(users, users.c.id == ways.c.user_id)
        .where(users.c.id.not_in([LOCAL.user_id, without]))
        .group_by(ways.c.project_id)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def owned_worse(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """The projects that lost their last owner who can sign in, or their last owner."""
    return [project for project, rank in before.items() if after.get(project, 0) < rank]


@contextmanager
def keeping_owners(database: Database) -> Iterator[Connection]:
    """The writing transaction for whatever takes people out of projects. What had no owner to begin with may go on so.

    Raises: Conflict if it would leave a project without an owner who can sign in; then nothing is changed.
    """
    with database.write(durable=True) as connection:
        before = standing(connection)
        yield connection
        if left := owned_worse(before, standing(connection)):
            raise Conflict(
                f"{len(left)} project(s) would have no owner who can sign in.",
                hint="Make somebody else an owner first.",
                code="last_owner",
                projects=len(left),
            )


def belong_to(connection: Connection | None, project: Any, user_id: str, *, owner: bool = False) -> Any:
    """Whether a person belongs to a project by themselves or through a group; without a connection, the condition."""
    ways = union_all(*_granted(user_id)).subquery()
    least = _RANK["owner" if owner else "reader"]
    condition = select(ways.c.project_id).where(ways.c.rank >= least)
    if connection is None:
        return project.in_(condition)
    return connection.scalar(condition.where(ways.c.project_id == project).limit(1)) is not None


def opens_more(connection: Connection, group_id: str, by: Caller) -> bool:
    """Whether belonging to this group would show the caller a project, or a role in one, that they don't have."""
    seen = _visible(by).subquery()
    has_it = exists().where(seen.c.id == group_grants.c.project_id, seen.c.rank >= _level(group_grants.c.role))
    more = select(group_grants.c.project_id).where(group_grants.c.group_id == group_id, ~has_it)
    return connection.scalar(more.limit(1)) is not None


def clean_name(name: str, *, of: str) -> str:
    """A name in one line without characters that can't be seen: none can pass for another. Raises: BadRequest."""
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not 1 <= len(name) <= 100 or any(unicodedata.category(letter)[0] == "C" for letter in name):
        raise BadRequest(f"The name of a {of} must have 1 to 100 characters, all of them visible.", code="bad_name")
    return name


def _check_role(role: str) -> None:
    if role not in _RANK:
        raise BadRequest(f"The role must be one of {', '.join(_RANK)}.", code="bad_role")


def _no_project() -> NotFound:
    return NotFound(
        "There is no such project, or you may not see it.",
        hint="Check its name or id, or ask an owner of the project to add you.",
        code="project_not_found",
    )
