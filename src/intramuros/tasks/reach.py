""" "View as": what a person could retrieve, shown to who may know it, and a search as they would make it.

Called by the administration. It never opens anything: names come only from projects that the viewer may see as well,
and a search goes only through projects that both may. Of the others an administrator or auditor learns how many
documents they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project, Projects
from intramuros.accounts.users import User
from intramuros.documents.library import Document, Library
from intramuros.errors import NotAllowed
from intramuros.retrieval.search import Found, Search


@dataclass(frozen=True, slots=True)
class Reachable:
    """A project that a person may see. Its name and documents only where the viewer may see them too."""

    id: str
    role: str
    documents_count: int
    name: str | None = None
    documents: Sequence[Document] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """What somebody could retrieve."""

    projects: Projects
    library: Library
    search: Search

    def of(self, person: User, *, by: Caller) -> list[Reachable]:
        """The projects a person may see, those with a name first. Raises: NotAllowed."""
        mine = self._known(by)
        found = []
        for project in self.projects.list(seen_by(person)):
            documents = self.library.list(project)
            if project.id in mine:
                found.append(Reachable(project.id, project.role, len(documents), project.name, documents))
            elif by.is_auditor:
                found.append(Reachable(project.id, project.role, len(documents)))
        if not found and not by.is_auditor and person.id != by.user_id:
            raise NotAllowed("You own no project together with this person.", code="nothing_shared")
        return sorted(found, key=lambda one: (one.name is None, (one.name or "").lower()))

    async def ask(self, query: str, *, person: User, by: Caller, limit: int) -> Found:
        """The passages this person would find, within the projects that the viewer may see too. Raises: NotAllowed."""
        theirs = {project.id for project in self.projects.list(seen_by(person))}
        return await self.search.ask(query, projects=sorted(theirs & self._known(by)), limit=limit)

    def check(self, by: Caller) -> None:
        """Whether somebody may look at all: to be asked before a person is looked up, or it tells who is here.

        Raises: NotAllowed.
        """
        self._known(by)

    def _known(self, by: Caller) -> set[str]:
        """The projects whose inside a viewer may speak of: theirs, if they are an auditor; else those they own."""
        found: list[Project] = self.projects.list(by)
        known = {project.id for project in found if by.is_auditor or project.allows("owner")}
        if not known and not by.is_auditor:
            raise NotAllowed("Only owners of projects, auditors and administrators may do this.")
        return known


def seen_by(person: User) -> Caller:
    """The person as the access rule sees them; a suspended one sees nothing."""
    if person.is_suspended:
        return Caller("", person.name, "member", "view")
    return Caller(person.id, person.name, person.role, "view", person.language)
