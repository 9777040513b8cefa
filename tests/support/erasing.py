"""An installation with one project's documents and conversations, and another's that must stay."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, select

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.projects import Project, Projects
from intramuros.accounts.users import Users
from intramuros.audit.record import Audit
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.redact.kept import KeptAliases
from intramuros.privacy.redact.organisation import OrganisationDirectory
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage import fulltext, vectors
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.schema import chunks, documents, new_id, now, pages
from intramuros.tasks.conversation import Conversations
from intramuros.tasks.erasers import erasers
from tests.support import cheap

CHUNKS = 30


@dataclass
class NoEngines:
    """No engine runs; counts how often they were to forget."""

    asked: int = 0

    def forget(self) -> Mapping[str, int]:
        self.asked += 1
        return {"ended": 0, "still_running": 0}


class House:
    """All parts an erasure needs, on one data folder."""

    def __init__(self, database: Database, key: bytes, step: Callable[[str], None] = lambda _: None) -> None:
        folder = database.path.parent
        self.database, self.blobs = database, Blobs(folder / "blobs")
        self.keys = SubjectKeys(folder / "subjects", key)
        self.projects = Projects(database, self.keys)
        self.conversations = Conversations(database, self.keys)
        self.users = Users(database, passwords=cheap.passwords())
        self.audit = Audit(database, key)
        self.engines = NoEngines()
        self.aliases = KeptAliases(database, self.keys)
        self.erasure = Erasure(
            database,
            self.keys,
            self.audit,
            erasers=erasers(
                database,
                self.blobs,
                self.keys,
                aliases=self.aliases,
                directory=OrganisationDirectory(database, self.users),
            ),
            engines=self.engines,
            step=step,
        )

    def project(self, name: str, by: Caller = LOCAL) -> Project:
        return self.projects.create(name, by=by)

    def person(self, name: str, role: str = "member") -> Caller:
        user = self.users.create(f"{name}@firm.example", name, role=role, password="correct horse battery " + name)
        return Caller(user.id, user.name, user.role, "session", user.language)

    def document(self, project: Project, word: str) -> str:
        """A document whose every chunk has this word: file, pages, chunks, terms and vectors."""
        info = self.blobs.put(self.projects.key(project), io.BytesIO(word.encode() * 1000))
        document = new_id()
        texts = [f"Le passage {number} parle de {word}-{number} et de rien d'autre." for number in range(CHUNKS)]
        with self.database.write() as connection:
            connection.execute(
                insert(documents).values(
                    id=document, project_id=project.id, name=f"{word}.pdf", media_type="text/plain", sha256=info.sha256,
                    size_bytes=info.size_bytes, blob_id=info.id, state="ready", pages_without_text=[], created_at=now(),
                    updated_at=now(),
                )
            )  # fmt: skip
            for number, text in enumerate(texts):
                connection.execute(insert(pages).values(document_id=document, number=number + 1, text=text))
                inserted = connection.execute(
                    insert(chunks).values(
                        document_id=document, project_id=project.id, ordinal=number, page=number + 1, headings=[word],
                        text=text, start=0, lines=[], tokens=10,
                    )
                ).inserted_primary_key  # fmt: skip
                assert inserted is not None
                chunk = inserted[0]
                terms = f"{word}-{number} parle passage {word}"
                fulltext.add(connection, [(chunk, word, word, terms, project.id)])
                vectors.put(connection, [vectors.Row(chunk, secrets.token_bytes(384))], model="m")
        return document

    def talk(self, project: Project, by: Caller, word: str) -> str:
        conversation = self.conversations.create(project, by=by)
        self.conversations.append(
            conversation, project=project, by=by, question=f"Que dit {word} de tout cela ?", answer={"answer": word}
        )
        return conversation

    def standing(self, word: str) -> int:
        """On how many pages and frames a word stands, free pages too."""
        return sum(word.encode() in image.content for image in self.database.images())

    def words_of(self, project: Project) -> int:
        with self.database.read() as connection:
            return len(list(connection.scalars(select(chunks.c.id).where(chunks.c.project_id == project.id))))

    def files(self) -> list[Path]:
        return [path for path in self.blobs.folder.rglob("*") if path.is_file()]

    def close(self) -> None:
        self.audit.stop()
        self.database.close()
