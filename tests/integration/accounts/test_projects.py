from __future__ import annotations

import pytest

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.projects import Project, Projects
from intramuros.accounts.users import Users
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound, StorageCorrupt
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from tests.integration.conftest import PASSWORD, People


def names(projects: Projects, by: Caller) -> list[str]:
    return [project.name for project in projects.list(by)]


def test_alice_owns_bob_reads_charlie_sees_nothing(projects: Projects, project: Project, people: People) -> None:
    assert projects.get("Leases", by=people.alice, need="owner").role == "owner"
    assert projects.get(project.id, by=people.bob).role == "reader"
    with pytest.raises(NotAllowed):
        projects.get("Leases", by=people.bob, need="contributor")
    for name in ("Leases", project.id):
        with pytest.raises(NotFound):
            projects.get(name, by=people.charlie)
    assert names(projects, people.alice) == names(projects, people.bob) == ["Leases"]
    assert names(projects, people.charlie) == []


def test_what_charlie_may_not_see_looks_like_what_is_not_there(
    projects: Projects, project: Project, people: People
) -> None:
    said = set()
    for name in (project.name, project.id, "no such project"):
        for need in ("reader", "owner"):
            with pytest.raises(NotFound) as caught:
                projects.get(name, by=people.charlie, need=need)
            said.add((caught.value.message, caught.value.code, caught.value.status))
    assert len(said) == 1


def test_charlie_can_t_let_himself_in(projects: Projects, project: Project, people: People) -> None:
    charlie = people.charlie
    with pytest.raises(NotFound):
        projects.add_member(project.id, user_id=charlie.user_id, role="owner", by=charlie)
    with pytest.raises(NotFound):
        projects.remove_member(project.id, user_id=people.bob.user_id, by=charlie)
    with pytest.raises(NotFound):
        projects.members(project.id, by=charlie)
    assert names(projects, charlie) == []


def test_bob_can_t_raise_himself(projects: Projects, project: Project, people: People) -> None:
    for user in (people.bob, people.charlie):
        with pytest.raises(NotAllowed):
            projects.add_member(project.id, user_id=user.user_id, role="owner", by=people.bob)
    with pytest.raises(NotAllowed):
        projects.remove_member(project.id, user_id=people.alice.user_id, by=people.bob)
    assert projects.get(project.id, by=people.bob).role == "reader"


def test_roles_are_cumulative(projects: Projects, project: Project, people: People) -> None:
    projects.add_member(project.id, user_id=people.bob.user_id, role="contributor", by=people.alice)
    assert projects.get(project.id, by=people.bob, need="reader").allows("contributor")
    assert projects.get(project.id, by=people.bob, need="contributor")
    with pytest.raises(NotAllowed):
        projects.get(project.id, by=people.bob, need="owner")


def test_who_leaves_sees_nothing_any_more(projects: Projects, project: Project, people: People) -> None:
    projects.remove_member(project.id, user_id=people.bob.user_id, by=people.bob)
    assert names(projects, people.bob) == []
    with pytest.raises(NotFound):
        projects.get(project.id, by=people.bob)
    with pytest.raises(NotFound):
        projects.remove_member(project.id, user_id=people.bob.user_id, by=people.alice)


def test_a_project_keeps_an_owner(projects: Projects, project: Project, people: People) -> None:
    with pytest.raises(Conflict):
        projects.remove_member(project.id, user_id=people.alice.user_id, by=people.alice)
    with pytest.raises(Conflict):
        projects.add_member(project.id, user_id=people.alice.user_id, role="reader", by=people.alice)
    assert projects.get(project.id, by=people.alice).role == "owner"
    projects.add_member(project.id, user_id=people.bob.user_id, role="owner", by=people.alice)
    projects.remove_member(project.id, user_id=people.alice.user_id, by=people.bob)
    assert names(projects, people.alice) == []


def test_members(projects: Projects, project: Project, people: People) -> None:
    found = projects.members("Leases", by=people.bob)
    assert [(member.name, member.role) for member in found] == [("Alice", "owner"), ("Bob", "reader")]


def test_the_operator_at_the_machine_sees_all(projects: Projects, project: Project, people: People) -> None:
    assert projects.get("Leases", by=LOCAL, need="owner").id == project.id
    assert names(projects, LOCAL) == ["Leases"]
    assert [member.name for member in projects.members(project.id, by=LOCAL)] == ["Alice", "Bob"]


def test_a_key_of_the_operator_does_not(
    projects: Projects, project: Project, people: People, api_keys: ApiKeys
) -> None:
    """Holding a key is not holding the machine: it opens only what was made at the command line."""
    caller = api_keys.caller(api_keys.create("demo", LOCAL.user_id)[0])
    assert caller is not None
    assert caller.is_administrator
    assert names(projects, caller) == []
    with pytest.raises(NotFound):
        projects.get(project.id, by=caller)
    projects.create("Demo", by=LOCAL)
    assert names(projects, caller) == ["Demo"]


def test_a_project_made_at_the_command_line_belongs_to_the_administrators(projects: Projects, people: People) -> None:
    projects.create("Demo", by=LOCAL)
    assert names(projects, people.charlie) == ["Demo"]
    assert names(projects, people.alice) == []
    assert [member.name for member in projects.members("Demo", by=LOCAL)] == ["Charlie"]


def test_the_first_administrator_takes_over_what_was_made_before(projects: Projects, users: Users) -> None:
    projects.create("Demo", by=LOCAL)
    member = users.create("bob@firm.example", "Bob", role="member", password=PASSWORD)
    first = users.create("alice@firm.example", "Alice", role="administrator", password=PASSWORD)
    second = users.create("charlie@firm.example", "Charlie", role="administrator", password=PASSWORD)

    def seen(user_id: str) -> list[str]:
        return names(projects, Caller(user_id, "", "administrator", "session"))

    assert seen(first.id) == ["Demo"]
    assert seen(second.id) == []
    assert seen(member.id) == []


def test_names(projects: Projects, project: Project, people: People) -> None:
    assert projects.create("  Human   resources ", by=people.bob).name == "Human resources"
    with pytest.raises(Conflict):
        projects.create("Leases", by=people.charlie)
    for name in ("", "  ", "x" * 101):
        with pytest.raises(BadRequest):
            projects.create(name, by=people.alice)
    assert names(projects, people.bob) == ["Human resources", "Leases"]


def test_a_name_can_t_hide_another_project(projects: Projects, project: Project, people: People) -> None:
    """A project named like the id of another: the id wins."""
    decoy = projects.create(project.id, by=people.bob)
    assert projects.get(project.id, by=people.bob).id == project.id
    assert projects.get(decoy.id, by=people.bob).id == decoy.id


def test_unknown_people_and_roles(projects: Projects, project: Project, people: People) -> None:
    with pytest.raises(NotFound):
        projects.add_member(project.id, user_id="nobody", role="reader", by=people.alice)
    with pytest.raises(BadRequest):
        projects.add_member(project.id, user_id=people.bob.user_id, role="god", by=people.alice)  # type: ignore[arg-type]


def test_each_project_has_its_own_key(
    projects: Projects, project: Project, people: People, database: Database, blobs: Blobs
) -> None:
    other = projects.create("Other", by=people.charlie)
    key = projects.key(project)
    assert key == projects.key(project) != projects.key(other)
    info = blobs.put(key, b"lease")
    with pytest.raises(StorageCorrupt):
        blobs.open(projects.key(other), info.id)


def test_the_key_of_a_project_that_is_gone(projects: Projects, project: Project, subject_keys: SubjectKeys) -> None:
    assert subject_keys.destroy("project", project.id)
    with pytest.raises(NotFound):
        projects.key(project)


def test_a_project_that_could_not_be_made_leaves_no_key(
    projects: Projects, project: Project, people: People, subject_keys: SubjectKeys
) -> None:
    with pytest.raises(Conflict):
        projects.create(project.name, by=people.alice)
    assert list(subject_keys.subjects()) == [("project", project.id)]
