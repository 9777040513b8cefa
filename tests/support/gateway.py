"""A whole installation with tiny models of every kind on the real engine, behind its guard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from intramuros.accounts.rights import EVERYTHING
from intramuros.accounts.users import Users
from intramuros.app import App, build, create
from intramuros.server.asgi import application
from intramuros.server.guard import Guard
from intramuros.settings import load
from tests.asgi import Client
from tests.models import tiny
from tests.support import cheap

WRITER, EMBEDDER, RANKER, SPARE = "tiny-writer", "tiny-embedder", "tiny-ranker", "tiny-spare"


@dataclass
class Gateway:
    """The application and its guard; alice is a member, charlie an administrator."""

    app: App
    guard: Guard
    keys: dict[str, str]

    def client(self, who: str = "alice") -> Client:
        return Client(self.guard, authorization=f"Bearer {self.keys[who]}")


@contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    """Creates it; the caller runs it (`app.running()`) inside the test's own event loop."""
    settings = load(
        {
            "data": folder / "data",
            "key_file": folder / "data.key",
            "port": 0,
            "autotune": False,
            "prompt_cache_mib": 64,
        },
        environ={},
    )
    create(settings)
    app = build(settings)
    app.models.add_file(tiny.chat(folder / "writer.gguf", context_tokens=2048, fills=True), WRITER)
    app.models.add_file(tiny.chat(folder / "spare.gguf", seed=2), SPARE)
    app.models.add_file(tiny.embedder(folder / "embedder.gguf"), EMBEDDER)
    app.models.add_file(tiny.reranker(folder / "ranker.gguf"), RANKER)
    app.models.use(WRITER)
    users = Users(app.database, passwords=cheap.passwords())
    keys = {}
    for name, role in {"alice": "member", "charlie": "administrator"}.items():
        person = users.create(f"{name}@firm.example", name.title(), role=role, password="seven green bicycles")
        keys[name] = app.api_keys.create("test", person.id, rights=EVERYTHING)[0]
    try:
        yield Gateway(app, application(app), keys)
    finally:
        app.close()
