"""The self-test: the promises of this product, tried on this installation, one row a check.

Called by `intramuros selftest` and the administration page. Every check does the real thing on the real data folder
(with random words of its own, removed again) and says what it saw; a check that raises has not held.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from intramuros.audit.record import Audit
from intramuros.documents import samples
from intramuros.documents.media import sniff
from intramuros.documents.reader.supervisor import Reader
from intramuros.engines.embedder import Embedder
from intramuros.engines.pool import EnginePool
from intramuros.errors import (
    ContextOverflow,
    EgressRefused,
    IntramurosError,
    ModelNotFound,
)
from intramuros.models.installed import InstalledModel, InstalledModels
from intramuros.privacy.egress import Egress
from intramuros.security.crypto import KEY_BYTES
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import Settings
from intramuros.storage import facts, fulltext, vectors
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.schema import audit, documents
from intramuros.tasks import scratch
from intramuros.tasks.backup import Backup
from intramuros.tasks.isolation import Isolation
from intramuros.tasks.scratch import Broken

LEAST_FREE_BYTES = 1 << 30
SAMPLED_FILES = 20
SAMPLED_RECORDS = 1000
MOST_WORDS = 4
"""A fact of a record is a word or a few, such as a model's name; a question has more."""
OLD_BACKUP_DAYS = 8
UNLISTED = "unlisted.invalid"
"""A name that never exists. Source: RFC 6761."""


PROMISES = {
    1: "Nothing leaves.",
    2: "Everything on disk is encrypted.",
    3: "No request without a record, no record with content.",
    4: "Erased means erased.",
    5: "Fail closed.",
    6: "Acknowledged means stored.",
    8: "Never silently worse.",
}
"""The promises by their number, as docs/promises.md has them; the others can't be tried without people's questions."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the promise `about`: `held` is None when there was nothing to try it on."""

    about: int
    name: str
    promise: str
    held: bool | None
    detail: str


class NothingToTry(Exception):
    """The check needs something this installation does not have yet."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Tries each promise on the parts of one installation."""

    settings: Settings
    database: Database
    blobs: Blobs
    audit: Audit
    egress: Egress
    models: InstalledModels
    pool: EnginePool
    embedder: Embedder
    reader: Reader
    isolation: Isolation
    key_file: Path | None
    subject_keys: SubjectKeys
    backup: Backup
    deep: bool = False
    """Whether every stored file is read, not only some."""

    async def run(self) -> AsyncIterator[Check]:
        """Yields each check as it is done."""
        checks: tuple[tuple[int, str, str, Callable[[], Awaitable[str]]], ...] = (
            (1, "egress", "No connection leaves but to hosts on the allow-list, empty by default.", self._egress),
            (1, "reader", "Documents are read in a process of their own.", self._reader),
            (1, "isolation", "Reader and engine find no way out: tried from inside.", self._isolation),
            (2, "key", "The key is kept apart from the data, for its owner only.", self._key),
            (2, "nothing readable", "Words of documents can't be found in any file on disk.", self._nothing_readable),
            (3, "audit", "Every record is there, in order, unchanged.", self._audit),
            (3, "audit copy", "A second place vouches for the audit, so that a cut end is seen.", self._audit_copy),
            (3, "no record, no request", "What can't be recorded is refused.", self._unrecorded),
            (3, "no content", "A record has no word of the question or the answer.", self._no_content),
            (4, "erasure", "What is erased is on no page, in no file, and its key is gone.", self._erased),
            (5, "detector", "A detector that fails stops the text.", self._detector),
            (5, "model file", "The model is the one that was verified.", self._model_file),
            (6, "acknowledged", "What was acknowledged is there after a kill.", self._acknowledged),
            (6, "database", "The database is whole: every page carries a valid seal.", self._database),
            (6, "stored files", "Originals open with their project's key and are unchanged.", self._stored_files),
            (6, "backup", "There is a backup, and it is not old.", self._backup),
            (6, "disk", "There is room to write.", self._disk),
            (8, "engine", "The model answers, and refuses a prompt it would have to cut.", self._engine),
            (8, "search", "Vectors join the search only where the embedder is worth it.", self._search),
        )
        for about, name, promise, check in checks:
            try:
                yield Check(about, name, promise, True, await check())
            except Broken as broken:
                yield Check(about, name, promise, False, str(broken))
            except NothingToTry as missing:
                yield Check(about, name, promise, None, str(missing))
            except (IntramurosError, OSError) as error:
                yield Check(about, name, promise, False, str(error))

    async def _key(self) -> str:
        if self.key_file is None:
            return "opened with a passphrase or the keyring; no key on disk"
        if self.settings.data in self.key_file.absolute().parents:
            raise Broken(f"{self.key_file} lies inside the data folder.")
        if self.key_file.stat().st_mode & 0o077:
            raise Broken(f"{self.key_file} can be read by other users of this machine.")
        return f"{self.key_file}, mode 600"

    async def _database(self) -> str:
        problems = await asyncio.to_thread(self.database.check)
        if problems:
            raise Broken("; ".join(problems[:3]))
        return "integrity and page seals checked"

    async def _stored_files(self) -> str:
        return await asyncio.to_thread(self._open_some_files)

    def _open_some_files(self) -> str:
        with self.database.read() as connection:
            rows = connection.execute(select(documents.c.blob_id, documents.c.project_id)).all()
        if not rows:
            raise NothingToTry("no document is stored yet")
        looked = rows if self.deep else secrets.SystemRandom().sample(list(rows), min(len(rows), SAMPLED_FILES))
        broken = [row.blob_id for row in looked if not self._opens(row.blob_id, row.project_id)]
        if broken:
            raise Broken(f"{len(broken)} of {len(looked)} don't open: {', '.join(broken[:3])}")
        return f"{len(looked)} of {len(rows)} read to their end"

    def _opens(self, blob: str, project: str) -> bool:
        try:
            self.blobs.read_to(io.BytesIO(), self.subject_keys.get("project", project), blob)
        except IntramurosError:
            return False
        return True

    async def _backup(self) -> str:
        known = await asyncio.to_thread(self.backup.known)
        if not known:
            raise NothingToTry("none was made yet: intramuros backup FOLDER")
        last = max(known.values(), key=lambda one: one["made_at"])
        days = (time.time() - last["made_at"]) / 86_400
        if days > OLD_BACKUP_DAYS:
            raise Broken(f"The last one is {days:.0f} days old: {last['id']}.")
        return f"{last['id']}, {days:.1f} days old"

    async def _nothing_readable(self) -> str:
        return await asyncio.to_thread(self._leave_and_look_for_words)

    def _leave_and_look_for_words(self) -> str:
        word = "canari" + secrets.token_hex(12)
        blob = self.blobs.put(secrets.token_bytes(KEY_BYTES), word.encode() * 100)
        row = -secrets.randbits(40)
        try:
            with self.database.write() as connection:
                facts.put(connection, "selftest", word)
                fulltext.add(connection, [(row, word, "", word, "selftest")])
            found = [path for path in self._files() if _contains(path, word)]
        finally:
            self.blobs.remove(blob.id)
            with self.database.write() as connection:
                facts.remove(connection, "selftest")
                fulltext.remove(connection, [row])
        if found:
            raise Broken(f"The words stand readable in {found[0]}.")
        return f"{sum(1 for _ in self._files())} files searched for words just stored"

    def _files(self) -> list[Path]:
        return [
            p for p in self.settings.data.rglob("*") if p.is_file() and self.settings.models_folder not in p.parents
        ]

    async def _audit(self) -> str:
        result = await asyncio.to_thread(self.audit.verify)
        if not result.ok:
            raise Broken(f"Record {result.first_bad}: {result.reason}")
        return f"{result.records} records and {result.checkpoints} signed checkpoints verified"

    async def _audit_copy(self) -> str:
        state = await asyncio.to_thread(self.audit.copy_state, anew=True)
        if state is None:
            raise NothingToTry("no second place is named: INTRAMUROS_AUDIT_COPY")
        if not state.ok:
            raise Broken(f"{state.place}: {state.reason}")
        return f"{state.place} can be written and agrees" + (f" up to record {state.sequence}" * bool(state.sequence))

    async def _egress(self) -> str:
        try:
            async with self.egress.session() as session, session.get(f"https://{UNLISTED}/"):
                raise Broken(f"A connection to {UNLISTED} was allowed.")
        except EgressRefused:
            tried = f"a try to reach {UNLISTED} was refused before any packet"
        return f"{tried}; allowed: {', '.join(self.egress.allowed) or 'nothing'}"

    async def _unrecorded(self) -> str:
        return await self._on_scratch(scratch.unrecorded)

    async def _erased(self) -> str:
        return await self._on_scratch(scratch.erased)

    async def _acknowledged(self) -> str:
        return await self._on_scratch(scratch.acknowledged)

    async def _detector(self) -> str:
        return await asyncio.to_thread(scratch.detector_fails)

    async def _on_scratch(self, check: Callable[[Path], str]) -> str:
        """Runs it in a new folder beside the data, so that it is on the same disk; removed whatever happens."""
        folder = self.settings.data / "run" / f"selftest-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700, parents=True)
        try:
            return await asyncio.to_thread(check, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _no_content(self) -> str:
        return await asyncio.to_thread(self._look_for_content)

    def _look_for_content(self) -> str:
        """The facts of the newest records: short, and never a sentence."""
        self.audit.flush()
        with self.database.read() as connection:
            rows = connection.execute(
                select(audit.c.sequence, audit.c.facts).order_by(audit.c.sequence.desc())
            ).fetchmany(SAMPLED_RECORDS)
        wordy = [row.sequence for row in rows if any(_is_prose(fact) for fact in (row.facts or {}).values())]
        if wordy:
            raise Broken(f"Record {wordy[0]} holds a sentence.")
        return f"the newest {len(rows)} records hold names of actions, ids and numbers, no sentence"

    async def _reader(self) -> str:
        path = samples.paths()[0]
        content = path.read_bytes()
        reading = await self.reader.read(content, sniff(path.name, content))
        if not any(page.has_text for page in reading.pages):
            raise Broken("The sample document came back without text.")
        return f"a sample of {len(reading.pages)} page(s) read"

    async def _isolation(self) -> str:
        """What the kernel says of the running processes, not what they say of themselves."""
        with contextlib.suppress(IntramurosError):
            async with self.pool.engine("default"):
                pass  # the engine that answers is looked at; without one, a process like it
        standing = await self.isolation.look()
        attack = await self.isolation.attack()
        if attack.ways_out:
            raise Broken(f"Ways out: {', '.join(f'{name} ({who})' for name, who in attack.ways_out)}.")
        lacking = "; ".join(f"{who} without {', '.join(walls)}" for who, walls in standing.missing.items())
        seen = f"level {standing.level}" + f" ({lacking})" * bool(lacking)
        return f"{seen}; {attack.attempts} ways out tried, none open"

    async def _model_file(self) -> str:
        model = self._default_model()
        digest = await asyncio.to_thread(model.digest)
        if model.sha256 and digest != model.sha256:
            raise Broken(f"{model.path.name} is not the file that was installed.")
        return f"{model.name}: SHA-256 {digest[:16]}… as installed"

    async def _engine(self) -> str:
        model = self._default_model()
        async with self.pool.engine(model.name) as engine:
            question = {"messages": [{"role": "user", "content": "Bonjour"}], "max_tokens": 4}
            reply = await engine.generate(question)
            context = (await engine.health()).context_tokens
            with contextlib.suppress(ContextOverflow):
                await engine.generate(
                    {"messages": [{"role": "user", "content": "mot " * 2 * context}], "max_tokens": 4}
                )
                raise Broken("A prompt longer than the context was accepted.")
        return f"{reply.usage.completion_tokens} tokens from {model.name}; {context} tokens of context, more is refused"

    async def _search(self) -> str:
        standing, model = self.embedder.standing(), self.embedder.model
        if self.embedder.name is None:
            raise NothingToTry(standing.reason)
        if model is None:
            return standing.reason
        made = await self.embedder.passages(["Bonjour"], model=model)
        with self.database.read() as connection:
            counts = vectors.counts(connection, model=model)
        return (
            f"{standing.reason}; {len(made[0].vector)} numbers a vector, {counts.embedded} of {counts.passages}"
            f" passages have one, {counts.cut} of them cut by {counts.cut_tokens} tokens in all"
        )

    def _default_model(self) -> InstalledModel:
        try:
            return self.models.get("default")
        except ModelNotFound as error:
            raise NothingToTry("no model is installed yet") from error

    async def _disk(self) -> str:
        free = shutil.disk_usage(self.settings.data).free
        if free < LEAST_FREE_BYTES:
            raise Broken(f"Only {free >> 20} MiB are free.")
        return f"{free >> 30} GiB free"


def _is_prose(fact: object) -> bool:
    return isinstance(fact, str) and len(fact.split()) > MOST_WORDS


def _contains(path: Path, word: str) -> bool:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    return word.encode() in content or word.encode("utf-16-le") in content
