"""Stored conversations: each belongs to whoever began it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.projects import Project, Projects
from intramuros.errors import NotFound, StorageCorrupt
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.schema import turns
from intramuros.tasks.conversation import Conversations
from tests.integration.conftest import People


@pytest.fixture
def conversations(database: Database, subject_keys: SubjectKeys) -> Conversations:
    return Conversations(database, subject_keys)


def test_turns_are_kept_in_order(conversations: Conversations, project: Project, people: People) -> None:
    begun = conversations.create(project, by=people.alice)
    for number in range(3):
        conversations.append(
            begun, project=project, by=people.alice, question=f"Q{number}", answer={"answer": f"A{number}"}
        )
    kept = conversations.turns(begun, project=project, by=people.alice)
    assert [(turn.question, turn.answer) for turn in kept] == [(f"Q{n}", {"answer": f"A{n}"}) for n in range(3)]


def test_the_list_has_the_first_questions_latest_first(
    conversations: Conversations, project: Project, people: People
) -> None:
    one, other = (conversations.create(project, by=people.alice) for _ in range(2))
    conversations.create(project, by=people.alice)  # without a question yet
    for conversation, question in ((one, "Old"), (other, "New"), (one, "Follow-up")):
        conversations.append(conversation, project=project, by=people.alice, question=question, answer={})
    listed = conversations.list(project, by=people.alice)
    assert [(item.id, item.title) for item in listed] == [(one, "Old"), (other, "New")]


def test_nobody_else_reaches_it(
    conversations: Conversations, project: Project, projects: Projects, people: People
) -> None:
    begun = conversations.create(project, by=people.alice)
    conversations.append(begun, project=project, by=people.alice, question="Q", answer={})
    elsewhere = projects.create("Other", by=people.alice)
    for place, person in (
        (project, people.bob),
        (project, people.charlie),
        (project, LOCAL),
        (elsewhere, people.alice),
    ):
        with pytest.raises(NotFound):
            conversations.turns(begun, project=place, by=person)
        with pytest.raises(NotFound):
            conversations.append(begun, project=place, by=person, question="Q", answer={})
        with pytest.raises(NotFound):
            conversations.check(begun, project=place, by=person)
        assert conversations.list(place, by=person) == []
    assert len(conversations.turns(begun, project=project, by=people.alice)) == 1


def test_what_was_asked_is_sealed_and_ends_with_the_person_or_the_project(
    conversations: Conversations, project: Project, people: People, database: Database, subject_keys: SubjectKeys
) -> None:
    begun = conversations.create(project, by=people.alice)
    conversations.append(begun, project=project, by=people.alice, question="zebulon", answer={"answer": "quatorzaine"})
    with database.read() as connection:
        stored = repr(connection.execute(select(turns)).all())
    assert "zebulon" not in stored
    assert "quatorzaine" not in stored
    subject_keys.destroy("user", people.alice.user_id)
    with pytest.raises(StorageCorrupt):  # a restored row of somebody whose key was destroyed
        conversations.turns(begun, project=project, by=people.alice)
