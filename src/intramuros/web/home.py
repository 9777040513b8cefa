"""The start: a person's projects, a new one, and the samples that an empty installation offers.

Called by the router.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from starlette.responses import Response

from intramuros.accounts.projects import Project
from intramuros.documents import samples
from intramuros.errors import BadRequest, Conflict
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Form, Visit, redirect


@dataclass(frozen=True, slots=True)
class Tile:
    """A project and how many of its documents are where."""

    id: str
    name: str
    role: str
    ready: int
    waiting: int
    failed: int


def home(visit: Visit, *, said: Problem | None = None, status: int = 200) -> Response:
    """The projects of whoever asks, or the welcome when there are none."""
    projects = [_tile(visit, project) for project in visit.app.projects.list(visit.caller)]
    return visit.page("home.html", section="projects", projects=projects, problem=said, status=status)


def create(visit: Visit, form: Form) -> Response:
    """Makes a project and opens it."""
    try:
        project = visit.app.projects.create(form.get("name", ""), by=visit.caller)
    except (BadRequest, Conflict) as error:
        visit.entry.note(error=error.code)
        return home(visit, said=problem(error, visit.words), status=error.status)
    visit.entry.about(project.id)
    return redirect(f"/projects/{project.id}")


def try_samples(visit: Visit, form: Form) -> Response:
    """Makes a project with the sample documents; they are read while it opens."""
    project = _samples_project(visit)
    visit.entry.about(project.id)
    for path in samples.paths():
        with path.open("rb") as source:
            visit.app.library.receive(project, path.name, source, by=visit.caller)
    return redirect(f"/projects/{project.id}")


def _samples_project(visit: Visit) -> Project:
    """A project of this name; where it is taken by others, one with a number behind it."""
    name = visit.words("home.samples_project")
    for number in range(1, 100):
        try:
            return visit.app.projects.create(name if number == 1 else f"{name} {number}", by=visit.caller)
        except Conflict:
            continue
    raise Conflict("There are a hundred sample projects already.")


def _tile(visit: Visit, project: Project) -> Tile:
    states = Counter(document.state for document in visit.app.library.list(project))
    ready, failed = states["ready"], states["failed"]
    return Tile(project.id, project.name, project.role, ready, states.total() - ready - failed, failed)
