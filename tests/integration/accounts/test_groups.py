from __future__ import annotations

import pytest

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.groups import Groups
from intramuros.accounts.projects import Project, Projects
from intramuros.accounts.users import Users
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.storage.database import Database
from tests.integration.conftest import People


@pytest.fixture
def groups(database: Database) -> Groups:
    return Groups(database)


def role(projects: Projects, project: Project, by: Caller) -> str | None:
    return next((found.role for found in projects.list(by) if found.id == project.id), None)


def test_a_group_opens_a_project_to_its_people(
    groups: Groups, projects: Projects, project: Project, people: People
) -> None:
    lawyers = groups.create("Lawyers")
    projects.add_group(project.id, group_id=lawyers.id, role="reader", by=people.alice)
    assert role(projects, project, people.charlie) is None
    groups.add("Lawyers", user_id=people.charlie.user_id, by=people.alice)
    assert role(projects, project, people.charlie) == "reader"
    groups.leave("Lawyers", user_id=people.charlie.user_id)
    assert role(projects, project, people.charlie) is None
    with pytest.raises(NotFound):
        projects.get(project.id, by=people.charlie)


def test_the_highest_role_wins(groups: Groups, projects: Projects, project: Project, people: People) -> None:
    for name, given in (("Readers", "reader"), ("Writers", "contributor")):
        groups.add(groups.create(name).id, user_id=people.bob.user_id, by=people.alice)
        projects.add_group(project.id, group_id=groups.get(name).id, role=given, by=people.alice)  # type: ignore[arg-type]
    assert role(projects, project, people.bob) == "contributor"
    bob = next(member for member in projects.members(project.id, by=people.bob) if member.name == "Bob")
    assert (bob.role, bob.through) == ("contributor", ("Writers",))
    projects.remove_group(project.id, group_id=groups.get("Writers").id, by=people.alice)
    assert role(projects, project, people.bob) == "reader"
    assert [(grant.name, grant.people, grant.role) for grant in projects.groups(project.id, by=people.bob)] == [
        ("Readers", 1, "reader")
    ]


def test_only_an_owner_shares_with_groups(groups: Groups, projects: Projects, project: Project, people: People) -> None:
    group = groups.create("Everybody")
    for by, error in ((people.bob, NotAllowed), (people.charlie, NotFound)):
        with pytest.raises(error):
            projects.add_group(project.id, group_id=group.id, role="owner", by=by)
        with pytest.raises(error):
            projects.remove_group(project.id, group_id=group.id, by=by)
    with pytest.raises(NotFound):
        projects.groups(project.id, by=people.charlie)
    with pytest.raises(NotFound):
        projects.add_group(project.id, group_id="none", role="reader", by=people.alice)
    with pytest.raises(BadRequest):
        projects.add_group(project.id, group_id=group.id, role="god", by=people.alice)  # type: ignore[arg-type]


def test_nobody_lets_themselves_in(groups: Groups, projects: Projects, project: Project, people: People) -> None:
    """Who manages groups could else read every project that is shared with one."""
    group = groups.create("Lawyers")
    groups.add(group.id, user_id=people.charlie.user_id, by=people.charlie)  # it opens nothing yet
    groups.leave(group.id, user_id=people.charlie.user_id)
    projects.add_group(project.id, group_id=group.id, role="reader", by=people.alice)
    with pytest.raises(NotAllowed) as caught:
        groups.add(group.id, user_id=people.charlie.user_id, by=people.charlie)
    assert caught.value.code == "self_grant"
    assert role(projects, project, people.charlie) is None
    projects.add_group(project.id, group_id=group.id, role="owner", by=people.alice)
    with pytest.raises(NotAllowed):
        groups.add(group.id, user_id=people.bob.user_id, by=people.bob)  # he reads it, and would own it


def test_a_project_keeps_an_owner(groups: Groups, projects: Projects, project: Project, people: People) -> None:
    group = groups.create("Owners")
    projects.add_group(project.id, group_id=group.id, role="owner", by=people.alice)
    with pytest.raises(Conflict):  # an empty group owns nothing
        projects.remove_member(project.id, user_id=people.alice.user_id, by=people.alice)
    groups.add(group.id, user_id=people.bob.user_id, by=people.alice)
    projects.remove_member(project.id, user_id=people.alice.user_id, by=people.alice)
    assert role(projects, project, people.bob) == "owner"
    for attempt in (
        lambda: groups.leave(group.id, user_id=people.bob.user_id),
        lambda: groups.remove(group.id),
        lambda: projects.remove_group(project.id, group_id=group.id, by=people.bob),
        lambda: projects.add_group(project.id, group_id=group.id, role="reader", by=people.bob),
    ):
        with pytest.raises(Conflict) as caught:
            attempt()
        assert caught.value.code == "last_owner"
    assert role(projects, project, people.bob) == "owner"


def test_a_directory_decides_of_its_groups_only(groups: Groups, people: People) -> None:
    lawyers = groups.create("Lawyers", external_name="CN=Lawyers,OU=Firm")
    staff = groups.create("Staff", external_name="staff")
    groups.add(staff.id, user_id=people.bob.user_id, by=people.charlie)
    groups.create("Chess")
    bob = people.bob.user_id
    assert set(groups.set_external(bob, ["cn=lawyers,ou=firm", "staff", "unknown", "Chess"])) == {lawyers.id, staff.id}
    assert [(group.name, group.people) for group in groups.list(of=bob)] == [("Lawyers", 1), ("Staff", 1)]
    assert [member.is_external for member in groups.members("Lawyers")] == [True]
    groups.set_external(bob, [])
    assert [group.name for group in groups.list(of=bob)] == ["Staff"], "put there by hand, so it stays"


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\u202eb", "a\x00b", "a\u200bb"])
def test_bad_names(groups: Groups, projects: Projects, people: People, name: str) -> None:
    with pytest.raises(BadRequest):
        groups.create(name)
    with pytest.raises(BadRequest):
        projects.create(name, by=people.alice)


@pytest.mark.parametrize("name", ["../../etc/passwd", "%2e%2e/", "'; DROP TABLE groups; --", "<script>", "é 𝒳 中"])
def test_odd_names_are_only_names(groups: Groups, name: str) -> None:
    made = groups.create(name)
    assert groups.get(name).id == made.id
    assert [group.name for group in groups.list()] == [name]
    with pytest.raises(Conflict):
        groups.create(name)


def test_changing_and_removing(groups: Groups, users: Users, people: People) -> None:
    group = groups.create("Law", external_name="law")
    assert groups.change("Law", name="Lawyers").external_name == "law"
    assert groups.change("Lawyers", external_name="").external_name is None
    groups.add(group.id, user_id=people.bob.user_id, by=people.charlie)
    groups.remove("Lawyers")
    assert groups.list() == []
    assert users.get(people.bob.user_id)
    for attempt in (lambda: groups.get("Lawyers"), lambda: groups.remove(group.id), lambda: groups.members(group.id)):
        with pytest.raises(NotFound):
            attempt()


def test_the_operator_belongs_to_no_group(groups: Groups, people: People) -> None:
    group = groups.create("Lawyers")
    for user_id in (LOCAL.user_id, "nobody"):
        with pytest.raises(NotFound):
            groups.add(group.id, user_id=user_id, by=people.charlie)
    with pytest.raises(NotFound):
        groups.leave(group.id, user_id=people.bob.user_id)
