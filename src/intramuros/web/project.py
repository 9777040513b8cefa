"""A project's page: the question box, the person's own conversations, the documents. Called by the router."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from intramuros.accounts.projects import Project
from intramuros.documents import samples
from intramuros.storage.erasable import Subject
from intramuros.web.documents import project_of
from intramuros.web.problems import Problem
from intramuros.web.shelf import shelf_of
from intramuros.web.turns import Turn, turn_of
from intramuros.web.visit import Form, Visit, redirect

TITLE_CHARACTERS = 80
CONVERSATIONS = 30


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation in the list: its first question and when it was last continued."""

    id: str
    title: str
    updated_at: float


def show(visit: Visit) -> Response:
    """The project, ready for a first question."""
    return page(visit, project_of(visit))


def conversation(visit: Visit) -> Response:
    """The project with one of the person's own conversations. Raises: NotFound for anybody else's."""
    return page(visit, project_of(visit), conversation=visit.path("conversation"))


def remove_conversation(visit: Visit, form: Form) -> Response:
    """Deletes one of the person's own conversations, with its questions and answers."""
    project = project_of(visit)
    visit.app.conversations.check(visit.path("conversation"), project=project, by=visit.caller)
    subject = Subject("conversation", visit.path("conversation"))
    visit.entry.note(erasure=visit.app.erasure.remove(subject, by=visit.caller.user_id))
    visit.entry.note(conversation=visit.path("conversation"))
    return redirect(f"/projects/{project.id}")


def page(
    visit: Visit,
    project: Project,
    *,
    conversation: str | None = None,
    said: Problem | None = None,
    asked: str = "",
    status: int = 200,
) -> Response:
    """The page; `asked` is a question that could not be answered and stays in the box."""
    shelf = shelf_of(visit, project)
    return visit.page(
        "project.html",
        section="projects",
        status=status,
        problem=said,
        project=project,
        may_add=project.allows("contributor"),
        is_owner=project.allows("owner"),
        kept=visit.app.retention.get(project.id),
        shelf=shelf,
        conversation=conversation,
        turns=turns(visit, project, conversation) if conversation else [],
        talks=talks(visit, project),
        questions=_sample_questions(visit, {item.name for item in shelf.documents}),
        asked=asked,
    )


def turns(visit: Visit, project: Project, conversation: str) -> list[Turn]:
    """The turns of a conversation, newest first: the answer is under the box it was asked in."""
    there = {document.id: document for document in visit.app.library.list(project)}
    found = visit.app.conversations.turns(conversation, project=project, by=visit.caller)
    shown = [
        turn_of(visit, project, id=turn.id, question=turn.question, answer=turn.answer, there=there) for turn in found
    ]
    return shown[::-1]


def talks(visit: Visit, project: Project) -> list[Talk]:
    """The person's own conversations here, latest first."""
    found = visit.app.conversations.list(project, by=visit.caller)[:CONVERSATIONS]
    return [Talk(item.id, item.title[:TITLE_CHARACTERS], item.updated_at) for item in found]


def _sample_questions(visit: Visit, names: set[str]) -> list[str]:
    """Questions to begin with, where the samples are among the documents."""
    if not names & {path.name for path in samples.paths()}:
        return []
    return [question["question"] for question in samples.questions()]
