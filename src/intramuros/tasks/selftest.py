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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import literal, select

from intramuros.accounts.caller import LOCAL
from intramuros.audit.entry import Entry
from intramuros.audit.record import Audit
from intramuros.documents import samples
from intramuros.documents.media import sniff
from intramuros.documents.reader.supervisor import Reader
from intramuros.engines.asked import Asked, asking
from intramuros.engines.embedder import Embedder
from intramuros.engines.pool import EnginePool
from intramuros.engines.route import Route, Target
from intramuros.engines.router import Router
from intramuros.engines.trial import SENTENCE
from intramuros.errors import (
    ContextOverflow,
    EgressRefused,
    IntramurosError,
    ModelNotFound,
    OutsideNotAllowed,
)
from intramuros.models.installed import InstalledModel, InstalledModels
from intramuros.privacy.egress import Egress
from intramuros.security.crypto import KEY_BYTES
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import Settings
from intramuros.storage import facts, fulltext, vectors
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.schema import audit, documents, files
from intramuros.tasks import scratch
from intramuros.tasks.backup import Backup
from intramuros.tasks.backup_standing import Standing, standing
from intramuros.tasks.isolation import Isolation
from intramuros.tasks.seen import Broken, NothingToTry, Seen, seen

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
    """One check of the promise `about`: `held` is None when there was nothing to try it on.

    `seen` says what was seen, `error` is what was raised instead.
    """

    about: int
    name: str
    promise: str
    held: bool | None
    seen: Seen
    error: IntramurosError | None = None

    @property
    def detail(self) -> str:
        """What was seen, in English."""
        return str(self.seen)


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
    router: Router
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
        await asyncio.to_thread(scratch.sweep, self.settings.run_folder)
        checks: tuple[tuple[int, str, str, Callable[[], Awaitable[Seen]]], ...] = (
            (1, "egress", "No connection leaves but to hosts on the allow-list, empty by default.", self._egress),
            (1, "outside", "No text goes to a model outside without policy and consent.", self._outside),
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
            (6, "backup", "There is a backup, it is not old, and scheduled ones are made.", self._backup),
            (6, "disk", "There is room to write.", self._disk),
            (8, "engine", "The model answers, and refuses a prompt it would have to cut.", self._engine),
            (8, "search", "Vectors join the search only where the embedder is worth it.", self._search),
        )
        for about, name, promise, check in checks:
            try:
                yield Check(about, name, promise, True, await check())
            except Broken as broken:
                yield Check(about, name, promise, False, broken.seen)
            except NothingToTry as missing:
                yield Check(about, name, promise, None, missing.seen)
            except IntramurosError as error:
                yield Check(about, name, promise, False, seen("raised", what=str(error)), error)
            except OSError as error:
                yield Check(about, name, promise, False, seen("raised", what=str(error)))

    async def _key(self) -> Seen:
        if self.key_file is None:
            return seen("key_elsewhere")
        if self.settings.data in self.key_file.absolute().parents:
            raise Broken("key_inside", file=self.key_file)
        if self.key_file.stat().st_mode & 0o077:
            raise Broken("key_readable", file=self.key_file)
        return seen("key", file=self.key_file)

    async def _database(self) -> Seen:
        problems = await asyncio.to_thread(self.database.check)
        if problems:
            raise Broken("raised", what="; ".join(problems[:3]))
        return seen("database")

    async def _stored_files(self) -> Seen:
        return await asyncio.to_thread(self._open_some_files)

    def _open_some_files(self) -> Seen:
        with self.database.read() as connection:
            kept = select(
                literal("project").label("kind"), documents.c.project_id.label("subject"), documents.c.blob_id
            )
            sent = select(literal("user"), files.c.user_id, files.c.blob_id)
            rows = connection.execute(kept.union_all(sent)).all()
        if not rows:
            raise NothingToTry("no_document")
        looked = rows if self.deep else secrets.SystemRandom().sample(list(rows), min(len(rows), SAMPLED_FILES))
        broken = [row.blob_id for row in looked if not self._opens(row)]
        if broken:
            raise Broken("files_broken", broken=len(broken), looked=len(looked), names=", ".join(broken[:3]))
        return seen("files", looked=len(looked), files=len(rows))

    def _opens(self, row: Any) -> bool:
        try:
            self.blobs.read_to(io.BytesIO(), self.subject_keys.get(row.kind, row.subject), row.blob_id)
        except IntramurosError:
            return False
        return True

    async def _backup(self) -> Seen:
        stands = await asyncio.to_thread(standing, self.backup, self.settings)
        if not stands.is_well:
            raise _broken(stands)
        known = await asyncio.to_thread(self.backup.known)
        if not known:
            raise NothingToTry("no_backup")
        last = max(known.values(), key=lambda one: one["made_at"])
        days = (time.time() - last["made_at"]) / 86_400
        if days > OLD_BACKUP_DAYS:
            raise Broken("backup_old", days=round(days), backup=last["id"])
        return seen("backup", backup=last["id"], days=round(days, 1))

    async def _nothing_readable(self) -> Seen:
        return await asyncio.to_thread(self._leave_and_look_for_words)

    def _leave_and_look_for_words(self) -> Seen:
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
            raise Broken("words_readable", file=found[0])
        return seen("words", files=len(self._files()))

    def _files(self) -> list[Path]:
        return [
            p for p in self.settings.data.rglob("*") if p.is_file() and self.settings.models_folder not in p.parents
        ]

    async def _audit(self) -> Seen:
        result = await asyncio.to_thread(self.audit.verify)
        if not result.ok:
            raise Broken("audit_broken", record=result.first_bad, reason=result.reason)
        return seen("audit", records=result.records, checkpoints=result.checkpoints)

    async def _audit_copy(self) -> Seen:
        state = await asyncio.to_thread(self.audit.copy_state, anew=True)
        if state is None:
            raise NothingToTry("copy_none")
        if not state.ok:
            raise Broken("copy_broken", place=state.place, reason=state.reason)
        if not state.sequence:
            return seen("copy", place=state.place)
        return seen("copy_up_to", place=state.place, record=state.sequence)

    async def _egress(self) -> Seen:
        try:
            async with self.egress.session() as session, session.get(f"https://{UNLISTED}/"):
                raise Broken("egress_open", host=UNLISTED)
        except EgressRefused:
            allowed = ", ".join(self.egress.allowed)
        return seen("egress", host=UNLISTED, allowed=allowed) if allowed else seen("egress_nothing", host=UNLISTED)

    async def _outside(self) -> Seen:
        """Asks each upstream outside as nobody, and as somebody who has not agreed to anything."""
        outside = [one for one in self.router.routing.table.upstreams.values() if one.is_outside]
        if not outside:
            raise NothingToTry("no_outside")
        stranger = replace(LOCAL, user_id="selftest", credential="session")
        for upstream in outside:
            route = Route("selftest", (Target(upstream.name, upstream.models[0] if upstream.models else "model"),))
            for asked in (None, Asked(stranger, Entry("selftest", None, "cli"))):
                with asking(asked):
                    try:
                        async with self.router.along(route) as engine:
                            await engine.generate(SENTENCE)
                    except OutsideNotAllowed:
                        continue
                raise Broken("outside_open", upstream=upstream.name)
        return seen("outside", upstreams=", ".join(one.name for one in outside))

    async def _unrecorded(self) -> Seen:
        return await self._on_scratch(scratch.unrecorded)

    async def _erased(self) -> Seen:
        return await self._on_scratch(scratch.erased)

    async def _acknowledged(self) -> Seen:
        return await self._on_scratch(scratch.acknowledged)

    async def _detector(self) -> Seen:
        return await asyncio.to_thread(scratch.detector_fails)

    async def _on_scratch(self, check: Callable[[Path], Seen]) -> Seen:
        with scratch.ground(self.settings.run_folder) as folder:
            return await asyncio.to_thread(check, folder)

    async def _no_content(self) -> Seen:
        return await asyncio.to_thread(self._look_for_content)

    def _look_for_content(self) -> Seen:
        """The facts of the newest records: short, and never a sentence."""
        self.audit.flush()
        with self.database.read() as connection:
            rows = connection.execute(
                select(audit.c.sequence, audit.c.facts).order_by(audit.c.sequence.desc())
            ).fetchmany(SAMPLED_RECORDS)
        wordy = [row.sequence for row in rows if any(_is_prose(fact) for fact in (row.facts or {}).values())]
        if wordy:
            raise Broken("content_found", record=wordy[0])
        return seen("content", records=len(rows))

    async def _reader(self) -> Seen:
        path = samples.paths()[0]
        content = path.read_bytes()
        reading = await self.reader.read(content, sniff(path.name, content))
        if not any(page.has_text for page in reading.pages):
            raise Broken("reader_empty")
        return seen("reader", pages=len(reading.pages))

    async def _isolation(self) -> Seen:
        """What the kernel says of the running processes, not what they say of themselves."""
        with contextlib.suppress(IntramurosError):
            async with self.pool.engine("default"):
                pass  # the engine that answers is looked at; without one, a process like it
        standing = await self.isolation.look()
        attack = await self.isolation.attack()
        if attack.ways_out:
            raise Broken("isolation_open", ways=", ".join(f"{name} ({who})" for name, who in attack.ways_out))
        if not standing.missing:
            return seen("isolation", level=standing.level, attempts=attack.attempts)
        return seen("isolation_lacking", level=standing.level, lacking=standing.missing, attempts=attack.attempts)

    async def _model_file(self) -> Seen:
        model = self._default_model()
        digest = await asyncio.to_thread(model.digest)
        if model.sha256 and digest != model.sha256:
            raise Broken("model_file_other", file=model.path.name)
        return seen("model_file", model=model.name, digest=digest[:16])

    async def _engine(self) -> Seen:
        model = self._default_model()
        async with self.pool.engine(model.name) as engine:
            question = {"messages": [{"role": "user", "content": "Bonjour"}], "max_tokens": 4}
            reply = await engine.generate(question)
            context = (await engine.health()).context_tokens
            with contextlib.suppress(ContextOverflow):
                await engine.generate(
                    {"messages": [{"role": "user", "content": "mot " * 2 * context}], "max_tokens": 4}
                )
                raise Broken("engine_cut")
        return seen("engine", tokens=reply.usage.completion_tokens, model=model.name, context=context)

    async def _search(self) -> Seen:
        standing, model = self.embedder.standing(), self.embedder.model
        if self.embedder.name is None:
            raise NothingToTry("no_embedder")
        if model is None:
            return seen("raised", what=standing.reason)
        made = await self.embedder.passages(["Bonjour"], model=model)
        with self.database.read() as connection:
            counts = vectors.counts(connection, model=model)
        return seen(
            "search",
            reason=standing.reason,
            numbers=len(made[0].vector),
            embedded=counts.embedded,
            passages=counts.passages,
            cut=counts.cut,
            cut_tokens=counts.cut_tokens,
        )

    def _default_model(self) -> InstalledModel:
        try:
            return self.models.get("default")
        except ModelNotFound as error:
            raise NothingToTry("no_model") from error

    async def _disk(self) -> Seen:
        free = shutil.disk_usage(self.settings.data).free
        if free < LEAST_FREE_BYTES:
            raise Broken("disk_full", free=free >> 20)
        return seen("disk", free=free >> 30)


def _is_prose(fact: object) -> bool:
    return isinstance(fact, str) and len(fact.split()) > MOST_WORDS


def _broken(stands: Standing) -> Broken:
    error = stands.error
    if error is None:
        return Broken(f"backup_{stands.state}", folder=stands.folder, **_damaged(stands))
    if error.code == "backup_of_former_keys":
        return Broken("backup_former_keys", folder=stands.folder)
    return Broken(f"backup_{stands.state}", folder=stands.folder, what=f"{error.message} {error.hint}".strip())


def _damaged(stands: Standing) -> dict[str, object]:
    return {"damaged": stands.damaged} if stands.state == "damaged" else {}


def _contains(path: Path, word: str) -> bool:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    return word.encode() in content or word.encode("utf-16-le") in content
