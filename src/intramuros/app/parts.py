"""All parts of one installation, and what runs in the background of its server. Made by `app.assemble`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from intramuros.accounts.break_glass import BreakGlass
from intramuros.accounts.descriptions import Descriptions
from intramuros.accounts.external import ExternalPeople
from intramuros.accounts.factors import Factors
from intramuros.accounts.groups import Groups
from intramuros.accounts.identity import Identity
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.oidc import OpenIdProvider
from intramuros.accounts.prices import PriceOf, Prices
from intramuros.accounts.projects import Projects
from intramuros.accounts.quotas import Quotas
from intramuros.accounts.sessions import Sessions
from intramuros.accounts.steps import Steps
from intramuros.accounts.usage import WRITE_EVERY_S, Usage
from intramuros.accounts.users import Users
from intramuros.audit.record import Audit
from intramuros.background import begin, begin_always
from intramuros.documents.attached import AttachedFiles
from intramuros.documents.ingest import Ingest
from intramuros.documents.library import Library
from intramuros.documents.reader.supervisor import Reader
from intramuros.engines.embedder import Embedder
from intramuros.engines.engine import Engine
from intramuros.engines.forgetting import Forgetting
from intramuros.engines.orders import Orders
from intramuros.engines.outside import OutsideEngine
from intramuros.engines.pool import EnginePool
from intramuros.engines.router import Router
from intramuros.models.catalogue import Catalogue
from intramuros.models.installed import InstalledModels
from intramuros.models.presets import Presets
from intramuros.observability.metrics import Metrics
from intramuros.privacy.egress import Egress
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.erase.retention import Retention
from intramuros.privacy.erase.schedule import Schedule
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.kept import KeptAliases
from intramuros.privacy.redact.organisation import OrganisationDirectory
from intramuros.privacy.redact.redactor import Redactor
from intramuros.retrieval.search import Search
from intramuros.security.keys import DataKeys
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import Settings
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.use import Use
from intramuros.tasks import scratch
from intramuros.tasks.admission import Admission
from intramuros.tasks.answer import AnswerTask
from intramuros.tasks.backup import Backup
from intramuros.tasks.backup_schedule import BackupSchedule
from intramuros.tasks.batch import Batches
from intramuros.tasks.batch_run import BatchRunner
from intramuros.tasks.compactions import Compactions
from intramuros.tasks.complete import CompleteTask
from intramuros.tasks.conversation import Conversations
from intramuros.tasks.expiring import remove_expired
from intramuros.tasks.files import Files
from intramuros.tasks.isolation import Isolation
from intramuros.tasks.person import PersonExport
from intramuros.tasks.reach import Reach
from intramuros.tasks.remove_person import RemovePerson
from intramuros.tasks.respond import RespondTask
from intramuros.tasks.selftest import SelfTest
from intramuros.tasks.stored_replies import StoredReplies


@dataclass(slots=True)
class App:
    """All parts of one installation, built on one data folder."""

    settings: Settings
    keys: DataKeys
    subject_keys: SubjectKeys
    database: Database
    blobs: Blobs
    audit: Audit
    users: Users
    sessions: Sessions
    steps: Steps
    factors: Factors
    api_keys: ApiKeys
    usage: Usage
    quotas: Quotas
    prices: Prices
    price_of: PriceOf
    identity: Identity
    projects: Projects
    groups: Groups
    break_glass: BreakGlass
    reach: Reach
    remove_person: RemovePerson
    people_elsewhere: ExternalPeople
    provider: OpenIdProvider | None
    egress: Egress
    catalogue: Catalogue
    models: InstalledModels
    presets: Presets
    pool: EnginePool
    router: Router
    embedder: Embedder
    reader: Reader
    library: Library
    ingest: Ingest
    search: Search
    files: Files
    attached: AttachedFiles
    batches: Batches
    batch_runner: BatchRunner
    descriptions: Descriptions
    conversations: Conversations
    admission: Admission
    answer: AnswerTask
    complete: CompleteTask
    replies: StoredReplies
    compactions: Compactions
    respond: RespondTask
    metrics: Metrics
    isolation: Isolation
    selftest: SelfTest
    redactor: Redactor
    erasure: Erasure
    retention: Retention
    forgetting: Forgetting
    directory: OrganisationDirectory
    aliases: KeptAliases
    person_export: PersonExport
    backup: Backup
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    """What doors began and nobody waits for; it ends with the server."""
    use: Use | None = None
    """This process's share in the data folder, which a restore or a change of keys must have alone."""

    def outside(self, engine: Engine, aliases: Aliases) -> OutsideEngine:
        """An engine beyond the walls as it may be used: everything that goes to it passes the redactor."""
        return self.router.outside(engine, aliases)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        """Runs what works in the background of a server: the ingest workers, and models being loaded."""
        stop = asyncio.Event()
        await asyncio.to_thread(self.audit.recover)
        await asyncio.to_thread(scratch.sweep, self.settings.run_folder)
        await asyncio.to_thread(self.conversations.seal_plain)
        await asyncio.to_thread(self.replies.give_up)
        backups = BackupSchedule(self.backup, self.audit, self.settings)
        schedule = Schedule(self.erasure, self.retention, self.audit, self.replies, self.batches)
        orders = Orders(self.pool, upstreams=self.router.looked_at)
        until_stop = [
            begin_always(lambda: self.ingest.run(stop), name="ingest", stop=stop),
            begin_always(lambda: self.batch_runner.run(stop), name="batches", stop=stop),
            begin_always(lambda: backups.run(stop), name="backups", stop=stop),
        ]
        until_cancelled = [
            begin(self.pool.preload(), name="load default and pinned models"),
            begin(self.embedder.load(), name="load embedder"),
            begin_always(self._write_usage, name="write usage"),
            begin_always(lambda: self.forgetting.watch(self.pool), name="renew engines"),
            begin_always(schedule.run, name="erase"),
            begin_always(orders.serve, name="take orders for models"),
            begin_always(self.router.run, name="routes"),
            begin_always(lambda: remove_expired(self.files, self.audit), name="remove expired files"),
        ]
        try:
            yield self
        finally:
            stop.set()
            for task in (*until_cancelled, *self.tasks):
                task.cancel()
            await asyncio.gather(*until_stop, *until_cancelled, *self.tasks, return_exceptions=True)
            await self.router.stop()
            await self.pool.stop()

    async def _write_usage(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await asyncio.to_thread(self.usage.flush)

    def close(self) -> None:
        """Gives back files and processes."""
        self.reader.close()
        self.identity.flush()
        self.usage.flush()
        self.audit.stop()
        self.database.close()
        if self.use is not None:
            self.use.close()
