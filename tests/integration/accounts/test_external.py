"""People from elsewhere: their account, role and groups, and who gets none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from intramuros.accounts.external import ExternalPeople, Identity, Policy, roles_from
from intramuros.accounts.groups import Groups
from intramuros.accounts.users import Users
from intramuros.errors import Conflict, NotAllowed, NotSignedIn, SettingsError
from intramuros.storage.database import Database

DANA = Identity("https://sso", "d1", "dana@firm.example", "Dana", is_email_verified=True, groups=("Staff", "IT"))
PASSWORD = "seven green bicycles"


def people(database: Database, users: Users, **policy: object) -> ExternalPeople:
    return ExternalPeople(database, users, Groups(database), Policy(**policy))  # type: ignore[arg-type]


def test_an_unknown_person_gets_an_account_once(database: Database, users: Users) -> None:
    known = people(database, users)
    first = known.user_for(DANA)
    assert (first.email, first.name, first.role) == ("dana@firm.example", "Dana", "member")
    moved = replace(DANA, email="dana.new@firm.example", is_email_verified=False)
    assert known.user_for(moved).id == first.id, "the subject counts, not the address"
    with pytest.raises(NotSignedIn):
        users.authenticate("dana@firm.example", "")


def test_or_none_where_accounts_are_made_here(database: Database, users: Users) -> None:
    with pytest.raises(NotAllowed):
        people(database, users, creates=False).user_for(DANA)
    assert users.list() == []


def test_an_account_is_taken_over_by_a_verified_address_only(database: Database, users: Users) -> None:
    mine = users.create("dana@firm.example", "Dana", role="manager", password=PASSWORD)
    known = people(database, users)
    with pytest.raises(NotAllowed, match="vouch"):
        known.user_for(replace(DANA, is_email_verified=False))
    assert known.user_for(DANA).id == mine.id
    assert known.user_for(replace(DANA, is_email_verified=False)).id == mine.id, "linked by now"
    assert known.user_for(DANA).role == "manager", "roles are kept here"


def test_another_subject_of_the_same_name_is_another_person(database: Database, users: Users) -> None:
    known = people(database, users)
    known.user_for(DANA)
    with pytest.raises(NotAllowed):
        known.user_for(replace(DANA, subject="d2", is_email_verified=False))


def test_suspended_people_and_services_stay_out(database: Database, users: Users) -> None:
    known = people(database, users)
    users.suspend(known.user_for(DANA).id)
    with pytest.raises(NotAllowed):
        known.user_for(DANA)
    users.create("robot@firm.example", "Robot", role="service")
    with pytest.raises(NotAllowed):
        known.user_for(replace(DANA, subject="r", email="robot@firm.example"))


def test_roles_follow_groups_where_that_is_set(database: Database, users: Users) -> None:
    users.create("first@firm.example", "First", role="administrator", password=PASSWORD)
    known = people(database, users, roles=roles_from("administrator=it; auditor=Compliance"))
    assert known.user_for(DANA).role == "administrator"
    assert known.user_for(replace(DANA, groups=("COMPLIANCE", "Staff"))).role == "auditor"
    assert known.user_for(replace(DANA, groups=())).role == "member"


def test_the_last_administrator_keeps_that_role(database: Database, users: Users) -> None:
    users.create("dana@firm.example", "Dana", role="administrator", password=PASSWORD)
    with pytest.raises(Conflict):
        people(database, users, roles={"auditor": "Compliance"}).user_for(DANA)


def test_groups_follow(database: Database, users: Users) -> None:
    groups = Groups(database)
    group = groups.create("Informatique", external_name="it")
    known = people(database, users)
    user = known.user_for(DANA)
    assert [member.user_id for member in groups.members(group.id)] == [user.id]
    known.user_for(replace(DANA, groups=("Staff",)))
    assert groups.members(group.id) == []


@pytest.mark.parametrize("text", ["boss=IT", "administrator", "service=Robots", "administrator="])
def test_roles_that_are_none(text: str) -> None:
    with pytest.raises(SettingsError):
        roles_from(text)
