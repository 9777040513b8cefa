"""Removes a project with everything in it, and gives the receipt. Called by the API and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project, Projects
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.erase.receipt import Receipt
from intramuros.storage.erasable import Subject


@dataclass(frozen=True, slots=True)
class RemoveProject:
    """An erasure that only an owner may ask for."""

    projects: Projects
    erasure: Erasure

    def remove(self, project: Project, *, by: Caller) -> Receipt:
        """Removes it. Raises: NotFound, NotAllowed, ErasureUnfinished."""
        owned = self.projects.get(project.id, by=by, need="owner")
        return self.erasure.run(Subject("project", owned.id), by=by.user_id)
