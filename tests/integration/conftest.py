"""Real parts on a real encrypted database, and three people: Alice (owner), Bob (shared with), Charlie (neither)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from intramuros.accounts.caller import Caller
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.projects import Project, Projects
from intramuros.accounts.sessions import Sessions
from intramuros.accounts.users import User, Users
from intramuros.audit.record import Audit
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database, create
from tests.support import cheap

PASSWORD = "seven green bicycles"


@pytest.fixture
def database_key() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def database(tmp_path: Path, database_key: bytes) -> Iterator[Database]:
    """A new, empty, encrypted database in a data folder of its own."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    database = create(folder / "intramuros.db", database_key)
    yield database
    database.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "data" / "blobs")


@pytest.fixture
def subject_keys(tmp_path: Path) -> SubjectKeys:
    return SubjectKeys(tmp_path / "data" / "subjects", secrets.token_bytes(32))


@pytest.fixture
def audit_key() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def audit(database: Database, audit_key: bytes) -> Iterator[Audit]:
    audit = Audit(database, audit_key)
    audit.start()
    yield audit
    audit.stop()


@pytest.fixture
def users(database: Database) -> Users:
    return Users(database, passwords=cheap.passwords())


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return Sessions(database, hours=12)


@pytest.fixture
def api_keys(database: Database) -> ApiKeys:
    return ApiKeys(database)


@pytest.fixture
def projects(database: Database, subject_keys: SubjectKeys) -> Projects:
    return Projects(database, subject_keys)


@dataclass(frozen=True, slots=True)
class People:
    """Alice owns the project, Bob reads it, Charlie must see nothing of it (though he is an administrator)."""

    alice: Caller
    bob: Caller
    charlie: Caller


def caller(user: User) -> Caller:
    return Caller(user.id, user.name, user.role, "session", user.language)


@pytest.fixture
def people(users: Users) -> People:
    charlie = users.create("charlie@firm.example", "Charlie", role="administrator", password=PASSWORD)
    alice = users.create("alice@firm.example", "Alice", role="member", password=PASSWORD)
    bob = users.create("bob@firm.example", "Bob", role="member", password=PASSWORD)
    return People(caller(alice), caller(bob), caller(charlie))


@pytest.fixture
def project(projects: Projects, people: People) -> Project:
    """Alice's project, which Bob may read."""
    project = projects.create("Leases", by=people.alice)
    projects.add_member(project.id, user_id=people.bob.user_id, role="reader", by=people.alice)
    return project
