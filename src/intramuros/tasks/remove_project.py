"""Removes a project with everything in it. Called by every door."""

from __future__ import annotations

from dataclasses import dataclass

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project, Projects
from intramuros.documents.library import Library


@dataclass(frozen=True, slots=True)
class RemoveProject:
    """First the documents, then the project with its conversations and its key: interrupted, it can be run again."""

    projects: Projects
    library: Library

    def remove(self, project: Project, *, by: Caller) -> int:
        """Removes it; returns how many documents it had. Raises: NotFound, NotAllowed."""
        owned = self.projects.get(project.id, by=by, need="owner")
        documents = self.library.list(owned)
        for document in documents:
            self.library.remove(owned, document.id)
        self.projects.remove(owned.id, by=by)
        return len(documents)
