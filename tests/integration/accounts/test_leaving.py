"""Somebody leaves: what only they owned finds an owner who can sign in, and nothing is changed where that is refused."""

from __future__ import annotations

import pytest

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.groups import Groups
from intramuros.accounts.leaving import leave
from intramuros.accounts.projects import Project, Projects
from intramuros.accounts.users import User, Users
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.storage.database import Database
from tests.integration.conftest import PASSWORD, People


def owners(projects: Projects, project: Project) -> set[str]:
    return {member.user_id for member in projects.members(project.id, by=LOCAL) if member.role == "owner"}


@pytest.fixture
def alice(users: Users, people: People) -> User:
    return users.get(people.alice.user_id)


def test_what_only_they_owned_goes_to_the_heir(
    database: Database, users: Users, projects: Projects, project: Project, people: People, alice: User
) -> None:
    shared = projects.create("Shared", by=people.bob)
    projects.add_member(shared.id, user_id=alice.id, role="owner", by=people.bob)
    with pytest.raises(Conflict) as caught:
        leave(database, alice, by=people.charlie)
    assert caught.value.code == "needs_heir" and caught.value.details["projects"] == 1
    assert not users.get(alice.id).is_suspended, "refused, so nothing is changed"
    assert leave(database, alice, by=people.charlie, heir=users.get(people.bob.user_id)) == 1
    assert users.get(alice.id).is_suspended
    assert people.bob.user_id in owners(projects, project)
    assert leave(database, alice, by=people.charlie) == 0, "cut short, it can be done again"


@pytest.mark.parametrize("heir", ["themselves", "suspended", "service", "whoever asks"])
def test_who_can_t_take_over(
    database: Database, users: Users, projects: Projects, project: Project, people: People, alice: User, heir: str
) -> None:
    users.suspend(people.bob.user_id)
    service = users.create("bot@firm.example", "Bot", role="service")
    named = {
        "themselves": alice.id, "suspended": people.bob.user_id, "service": service.id,
        "whoever asks": people.charlie.user_id,
    }[heir]  # fmt: skip
    with pytest.raises((BadRequest, NotAllowed)) as caught:
        leave(database, alice, by=people.charlie, heir=users.get(named))
    assert caught.value.code == ("self_grant" if heir == "whoever asks" else "bad_heir")
    assert owners(projects, project) == {alice.id} and not users.get(alice.id).is_suspended


def test_the_last_administrator_stays(database: Database, users: Users, people: People) -> None:
    charlie = users.get(people.charlie.user_id)
    with pytest.raises(Conflict) as caught:
        leave(database, charlie, by=LOCAL)
    assert caught.value.code == "last_administrator" and not users.get(charlie.id).is_suspended
    users.create("dora@firm.example", "Dora", role="administrator", password=PASSWORD)
    assert leave(database, charlie, by=LOCAL) == 0
    local = User(LOCAL.user_id, "", "", "administrator", "fr", 0.0, False)
    with pytest.raises(NotFound):
        leave(database, local, by=LOCAL)


def test_an_owner_who_is_locked_out_is_no_owner_to_leave_a_project_with(
    database: Database, users: Users, projects: Projects, project: Project, people: People, alice: User
) -> None:
    projects.add_member(project.id, user_id=people.bob.user_id, role="owner", by=people.alice)
    users.suspend(people.bob.user_id)
    with pytest.raises(Conflict, match="no owner"):
        leave(database, alice, by=LOCAL)
    with pytest.raises(Conflict) as caught:
        projects.remove_member(project.id, user_id=alice.id, by=people.alice)
    assert caught.value.code == "last_owner"
    projects.remove_member(project.id, user_id=people.bob.user_id, by=people.alice)


@pytest.mark.parametrize("way", ["remove", "demote", "leave the group", "remove the group", "the group's role"])
def test_the_operator_s_own_row_is_no_owner(
    database: Database, projects: Projects, people: People, alice: User, way: str
) -> None:
    """A project made at the command line has a hidden owner, who never signs in."""
    groups = Groups(database)
    if "group" in way:
        made = projects.create("Demo", by=LOCAL, owner=people.bob.user_id)
        group = groups.create("Lawyers").id
        groups.add(group, user_id=alice.id, by=LOCAL)
        projects.add_group(made.id, group_id=group, role="owner", by=LOCAL)
        projects.remove_member(made.id, user_id=people.bob.user_id, by=LOCAL)
    else:
        made, group = projects.create("Demo", by=LOCAL, owner=alice.id), ""
    with pytest.raises(Conflict) as caught:
        match way:
            case "remove":
                projects.remove_member(made.id, user_id=alice.id, by=LOCAL)
            case "demote":
                projects.add_member(made.id, user_id=alice.id, role="reader", by=LOCAL)
            case "leave the group":
                groups.leave(group, user_id=alice.id)
            case "remove the group":
                groups.remove(group)
            case _:
                projects.add_group(made.id, group_id=group, role="reader", by=LOCAL)
    assert caught.value.code == "last_owner"
    assert owners(projects, made) == {alice.id}


def test_what_was_made_with_no_owner_may_go_on_so(projects: Projects, users: Users) -> None:
    made = projects.create("Demo", by=LOCAL)  # before there is anybody
    reader = users.create("erin@firm.example", "Erin", role="member", password=PASSWORD)
    projects.add_member(made.id, user_id=reader.id, role="reader", by=LOCAL)
    projects.remove_member(made.id, user_id=reader.id, by=LOCAL)
    assert owners(projects, made) == set()
    projects.add_member(made.id, user_id=reader.id, role="owner", by=LOCAL)
    with pytest.raises(Conflict):
        projects.remove_member(made.id, user_id=reader.id, by=LOCAL)


def test_one_owner_named_at_the_command_line_is_the_only_one(projects: Projects, people: People) -> None:
    made = projects.create("Demo", by=LOCAL, owner=people.alice.user_id)
    assert owners(projects, made) == {people.alice.user_id}
    with pytest.raises(NotFound):
        projects.get(made.id, by=Caller(people.charlie.user_id, "", "administrator", "session"))
