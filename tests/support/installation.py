"""A whole installation in a folder of the test's own, with a project and documents, for backups and restores."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intramuros.accounts.caller import LOCAL
from intramuros.app import App, build, create
from intramuros.settings import Settings
from intramuros.storage import fulltext
from intramuros.storage.schema import chunks, documents, new_id, now, pages, users

WORD = "zanzibar"


@dataclass
class Installation:
    settings: Settings
    projects: dict[str, str]

    @property
    def data(self) -> Path:
        return self.settings.data

    def open(self) -> App:
        return build(self.settings)

    def elsewhere(self, folder: Path, **changes: Any) -> Settings:
        return Settings(data=folder, **{"key_file": self.settings.key_file, **changes})


def make(tmp_path: Path, *, projects: int = 2, files: int = 3) -> Installation:
    settings = Settings(data=tmp_path / "data", key_file=tmp_path / "keys" / "one.key")
    create(settings)
    app = build(settings)
    made = {}
    try:
        for number in range(projects):
            project = app.projects.create(f"Project {number}", LOCAL)
            made[project.name] = project.id
            for file in range(files):
                add(app, project.id, f"{WORD} {number} {file}")
        with app.database.write() as connection:
            connection.execute(
                users.insert().values(
                    id="anna", email="anna@firm.example", name="Anna", role="member", created_at=now(), language="fr"
                )
            )
    finally:
        app.close()
    return Installation(settings, made)


def add(app: App, project: str, text: str) -> str:
    """A document as ingestion leaves it: file, page, chunk, index."""
    key = app.subject_keys.get("project", project)
    blob = app.blobs.put(key, text.encode() + secrets.token_bytes(100))
    document = new_id()
    with app.database.write() as connection:
        connection.execute(
            documents.insert().values(
                id=document, project_id=project, name=f"{text}.txt", media_type="text/plain", sha256=blob.sha256,
                size_bytes=blob.size_bytes, blob_id=blob.id, state="ready", created_at=now(), updated_at=now(),
            )
        )  # fmt: skip
        connection.execute(pages.insert().values(document_id=document, number=1, text=text))
        chunk = connection.execute(
            chunks.insert().values(
                document_id=document,
                project_id=project,
                ordinal=0,
                page=1,
                headings=[],
                text=text,
                start=0,
                lines=[],
                tokens=3,
            )
        ).inserted_primary_key[0]  # type: ignore[index]
        fulltext.add(connection, [(chunk, "", "", text, project)])
    return document


def texts(app: App) -> set[str]:
    """What search finds and documents hold, both checked against each other."""
    with app.database.read() as connection:
        rows = connection.execute(chunks.select()).all()
        found = fulltext.search(connection, [WORD], project_ids=list({row.project_id for row in rows}), limit=1000)
        assert {n for n, _ in found} == {row.id for row in rows}
        stored = connection.execute(documents.select()).all()
    for row in stored:
        content = app.blobs.open(app.subject_keys.get("project", row.project_id), row.blob_id)
        assert content.startswith(row.name.removesuffix(".txt").encode())
    assert {row.name.removesuffix(".txt") for row in stored} == {row.text for row in rows}
    return {row.text for row in rows}
