"""The limits of a project, looked up when a question of it is about to cost something. Called by the answer task."""

from __future__ import annotations

from dataclasses import dataclass, replace

from intramuros.accounts.projects import Project
from intramuros.accounts.quotas import Quotas
from intramuros.accounts.usage import Usage


@dataclass(frozen=True, slots=True)
class ProjectLimits:
    """What all that is asked about a project's documents may use together."""

    quotas: Quotas
    usage: Usage

    def admit(self, project: Project) -> None:
        """Lets one question in and counts it. Raises: TooMany, QuotaReached."""
        limit = self.quotas.find("project", project.id)
        refusal = self.usage.admit([replace(limit, name=project.name)], spends=True).refusal
        if refusal is not None:
            raise refusal
