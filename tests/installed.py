"""A whole installation in a folder of its own, with an engine that a test scripts, three people and their keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.recovery_codes import RecoveryCodes
from intramuros.accounts.rights import EVERYTHING
from intramuros.accounts.users import Users
from intramuros.app import App, build, create
from intramuros.audit.chain import Record
from intramuros.server.asgi import application
from intramuros.server.guard import Guard
from intramuros.settings import load
from intramuros.storage.schema import audit
from intramuros.tasks.complete import CompleteTask
from tests.asgi import Client
from tests.scripted import ScriptedEngine, ScriptedPool
from tests.support import cheap

PASSWORD = "seven green bicycles"


@dataclass
class Installed:
    """The application, its guard, and keys by name: alice and bob are members, charlie an administrator."""

    app: App
    guard: Guard
    engine: ScriptedEngine
    keys: dict[str, str]
    sessions: dict[str, str]

    def client(self, who: str | None, **headers: str) -> Client:
        """A program with that person's key, or with none."""
        return Client(self.guard, **({"authorization": f"Bearer {self.keys[who]}"} if who else {}), **headers)

    def browser(self, who: str) -> Client:
        """A browser in which that person is signed in."""
        return Client(self.guard, cookie=f"intramuros_session={self.sessions[who]}")

    def records(self, *actions: str) -> list[Any]:
        """The audit's records of these actions, or all, in order."""
        self.app.audit.flush()
        with self.app.database.read() as connection:
            rows = connection.execute(audit.select().order_by(audit.c.sequence)).all()
        return [row for row in rows if not actions or row.action in actions]


@contextmanager
def installation(folder: Path, **more: Any) -> Iterator[Installed]:
    """Creates it; the caller runs it (`app.running()`) inside the test's own event loop."""
    settings = load(
        {"data": folder / "data", "key_file": folder / "data.key", "port": 0, "mcp_hosts": "inside"} | more, environ={}
    )
    create(settings)
    app = build(settings)
    engine = ScriptedEngine()
    app.pool = ScriptedPool(engine, folder=app.pool.folder)  # type: ignore[assignment]
    app.router.pool = ScriptedPool(engine)
    app.complete = CompleteTask(
        pool=app.router, metrics=app.metrics, admission=app.admission, presets=app.presets.applied
    )
    app.respond = replace(app.respond, complete=app.complete)
    app.factors.recovery = RecoveryCodes(app.database, cheap.passwords())
    users = Users(app.database, passwords=cheap.passwords())
    roles = {"alice": "member", "bob": "member", "charlie": "administrator"}
    people = {
        name: users.create(f"{name}@firm.example", name.title(), role=role, password=PASSWORD)
        for name, role in roles.items()
    }
    keys = {name: app.api_keys.create("test", person.id, rights=EVERYTHING)[0] for name, person in people.items()}
    keys["local"] = app.api_keys.create("test", LOCAL.user_id, rights=EVERYTHING)[0]
    sessions = {name: app.sessions.open(person) for name, person in people.items()}
    try:
        yield Installed(app, application(app), engine, keys, sessions)
    finally:
        app.close()


__all__ = ["PASSWORD", "Installed", "Record", "installation"]
