"""Projects and who may do what in them: the one place that decides it.

Called by tasks, doors and the command line before anything of a project is touched. What a caller may not see does
not exist for them. Administrators see only the projects they belong to; the operator at the machine's own command
line, who holds the data's key, sees all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Select, delete, func, insert, literal, or_, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.schema import members, new_id, now, projects, users

Role = Literal["reader", "contributor", "owner"]
"""What a member may do; each may do what those before it may."""

_RANK: dict[str, int] = {"reader": 1, "contributor": 2, "owner": 3}


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
    """A person in a project."""

    user_id: str
    name: str
    email: str
    role: str


class Projects:
    """The projects of this installation."""

    def __init__(self, database: Database, keys: SubjectKeys) -> None:
        self._database = database
        self._keys = keys

    def create(self, name: str, by: Caller) -> Project:
        """A new project that belongs to the caller; one made at the command line also to all administrators.

        Raises: BadRequest for a bad name, Conflict if it is taken.
        """
        name = " ".join(name.split())
        if not 1 <= len(name) <= 100:
            raise BadRequest("The name of a project must have 1 to 100 characters.", code="bad_name")
        project = Project(new_id(), name, "owner", now())
        self._keys.create("project", project.id)
        try:
            self._insert(project, by)
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
        """Who belongs to a project, by name. Raises: NotFound."""
        with self._database.read() as connection:
            found = self._get(connection, project, by, "reader")
            rows = connection.execute(
                select(users.c.id, users.c.name, users.c.email, members.c.role)
                .join(users, users.c.id == members.c.user_id)
                .where(members.c.project_id == found.id, users.c.id != LOCAL.user_id)
                .order_by(func.lower(users.c.name))
            )
            return [Member(row.id, row.name, row.email, row.role) for row in rows]

    def add_member(self, project: str, *, user_id: str, role: Role, by: Caller) -> None:
        """Lets a person into a project, or changes their role in it; only an owner may.

        Raises: NotFound, NotAllowed, BadRequest, Conflict if the last owner would become something else.
        """
        if role not in _RANK:
            raise BadRequest(f"The role must be one of {', '.join(_RANK)}.", code="bad_role")
        with self._database.write(durable=True) as connection:
            found = self._get(connection, project, by, "owner")
            if connection.scalar(select(users.c.id).where(users.c.id == user_id)) is None:
                raise NotFound("There is no such person.")
            statement = sqlite_insert(members).values(project_id=found.id, user_id=user_id, role=role)
            connection.execute(
                statement.on_conflict_do_update(index_elements=["project_id", "user_id"], set_={"role": role})
            )
            _keep_an_owner(connection, found)

    def remove_member(self, project: str, *, user_id: str, by: Caller) -> None:
        """Takes a person out of a project; an owner may, and everybody may leave.

        Raises: NotFound, NotAllowed, Conflict if nobody would own it.
        """
        with self._database.write(durable=True) as connection:
            found = self._get(connection, project, by, "reader" if user_id == by.user_id else "owner")
            statement = delete(members).where(members.c.project_id == found.id, members.c.user_id == user_id)
            if connection.execute(statement).rowcount != 1:
                raise NotFound("This person does not belong to the project.")
            _keep_an_owner(connection, found)

    def list(self, by: Caller) -> list[Project]:
        """The projects the caller may see, by name."""
        with self._database.read() as connection:
            rows = connection.execute(_visible(by).order_by(func.lower(projects.c.name)))
            return [Project(row.id, row.name, row.role, row.created_at) for row in rows]

    def _insert(self, project: Project, by: Caller) -> None:
        values = {"id": project.id, "name": project.name, "created_at": project.created_at}
        with self._database.write(durable=True) as connection:
            try:
                connection.execute(insert(projects).values(values))
            except IntegrityError as error:
                raise Conflict("There is a project of this name already.", code="project_exists") from error
            self._give_to_owner(connection, project, by)

    def _get(self, connection: Connection, name_or_id: str, by: Caller, need: Role) -> Project:
        statement = _visible(by).where(or_(projects.c.id == name_or_id, projects.c.name == name_or_id))
        # An id wins over a project that was given this id as its name.
        row = connection.execute(statement.order_by((projects.c.id == name_or_id).desc())).first()
        if row is None:
            raise _no_project()
        project = Project(row.id, row.name, row.role, row.created_at)
        if not project.allows(need):
            raise NotAllowed(
                f"This takes the role '{need}' in the project; yours is '{project.role}'.",
                hint="Ask an owner of the project for that role.",
            )
        return project

    @staticmethod
    def _give_to_owner(connection: Connection, project: Project, by: Caller) -> None:
        owners = [by.user_id]
        if by.user_id == LOCAL.user_id:
            people = select(users.c.id).where(users.c.role == "administrator", users.c.id != LOCAL.user_id)
            owners += connection.scalars(people)
        rows = [{"project_id": project.id, "user_id": user_id, "role": "owner"} for user_id in owners]
        connection.execute(insert(members), rows)


def _visible(by: Caller) -> Select[Any]:
    """The projects a caller may see, with their role: the access rule."""
    columns = (projects.c.id, projects.c.name, projects.c.created_at)
    if by == LOCAL:
        return select(*columns, literal("owner").label("role"))
    return (
        select(*columns, members.c.role)
        .join(members, members.c.project_id == projects.c.id)
        .where(members.c.user_id == by.user_id)
    )


def _keep_an_owner(connection: Connection, project: Project) -> None:
    statement = select(members.c.user_id).where(members.c.project_id == project.id, members.c.role == "owner")
    if connection.execute(statement.limit(1)).first() is None:
        raise Conflict("This is the last owner of the project.", hint="Make somebody else an owner first.")


def _no_project() -> NotFound:
    return NotFound(
        "There is no such project, or you may not see it.",
        hint="Check its name or id, or ask an owner of the project to add you.",
        code="project_not_found",
    )
