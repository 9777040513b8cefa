"""What is written on a project besides its name: a description, and pairs of short texts that programs keep there.

Called by the doors for programs. Who may see or change it is decided by `accounts.projects`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project, Projects, clean_name
from intramuros.errors import Conflict
from intramuros.storage.database import Database
from intramuros.storage.schema import projects

MOST_SAME = 100

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Described:
    """A project with what is written on it."""

    project: Project
    description: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Descriptions:
    """The descriptions of all projects."""

    database: Database
    projects: Projects

    def create(
        self, name: str, *, by: Caller, description: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Described:
        """A new project. One whose name is taken gets a number behind it: programs don't choose names for people.

        Raises: as `Projects.create`.
        """
        project = _first_free(name, lambda free: self.projects.create(free, by))
        self._write(project.id, {"description": description, "metadata": dict(metadata or {}) or None})
        return Described(project, description, dict(metadata or {}))

    def get(self, project: Project) -> Described:
        """What is written on a project that the caller may see."""
        return self.all([project])[0]

    def all(self, some: Sequence[Project]) -> list[Described]:
        """The same of several, in their order."""
        columns = (projects.c.id, projects.c.description, projects.c.metadata)
        with self.database.read() as connection:
            found = {row.id: row for row in connection.execute(select(*columns))}
        return [
            Described(one, found[one.id].description, found[one.id].metadata or {}) for one in some if one.id in found
        ]

    def change(
        self, project: Project, *, name: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Described:
        """Renames a project that the caller owns, as `create` names one, or replaces its metadata; None: as it is.

        Raises: BadRequest for a bad name.
        """
        if name is not None:
            _first_free(name, lambda free: self._write(project.id, {"name": free}))
        if metadata is not None:
            self._write(project.id, {"metadata": dict(metadata) or None})
        with self.database.read() as connection:
            name = connection.scalar(select(projects.c.name).where(projects.c.id == project.id)) or project.name
        return self.get(Project(project.id, name, project.role, project.created_at))

    def _write(self, project_id: str, values: Mapping[str, object]) -> None:
        try:
            with self.database.write(durable=True) as connection:
                connection.execute(update(projects).where(projects.c.id == project_id).values(**values))
        except IntegrityError as error:
            raise Conflict("There is a project of this name already.", code="project_exists") from error


def _first_free(name: str, give: Callable[[str], Result]) -> Result:
    """Gives this name, or the first with a number behind it that is free. Raises: BadRequest, Conflict."""
    name = clean_name(name, of="project")
    for number in range(1, MOST_SAME):
        try:
            return give(name if number == 1 else f"{name[:92]} ({number})")
        except Conflict:
            continue
    raise Conflict("There are too many projects of this name.", code="project_exists")
