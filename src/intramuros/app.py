"""Builds every part from the settings and hands each what it needs: the one file that knows them all.

Called by the command line and the server. Nothing else constructs a part, so how they hang together is read here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from yarl import URL

from intramuros.accounts.break_glass import BreakGlass
from intramuros.accounts.caller import LOCAL
from intramuros.accounts.elsewhere import DirectorySignIn
from intramuros.accounts.erasing import AccessEraser, AccountsEraser
from intramuros.accounts.external import ExternalPeople, Policy, roles_from
from intramuros.accounts.factors import Factors
from intramuros.accounts.groups import Groups
from intramuros.accounts.identity import Identity
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.leaving import Leaving
from intramuros.accounts.oidc import Client, OpenIdProvider
from intramuros.accounts.projects import Projects
from intramuros.accounts.sessions import Sessions
from intramuros.accounts.steps import Steps
from intramuros.accounts.usage import WRITE_EVERY_S, KeyUsage
from intramuros.accounts.users import Users, check_required
from intramuros.audit.places import place
from intramuros.audit.record import Audit
from intramuros.documents.erasing import DocumentsEraser
from intramuros.documents.ingest import Ingest
from intramuros.documents.library import Library
from intramuros.documents.reader.supervisor import Reader
from intramuros.engines.embedder import Embedder
from intramuros.engines.engine import Engine
from intramuros.engines.forgetting import Forgetting
from intramuros.engines.outside import OutsideEngine
from intramuros.engines.pool import EnginePool
from intramuros.errors import Conflict, IntramurosError, NotInitialised, SettingsError
from intramuros.models.catalogue import Catalogue
from intramuros.models.catalogue import load as load_catalogue
from intramuros.models.installed import InstalledModels
from intramuros.observability.metrics import Metrics
from intramuros.privacy.audit_webhook import webhook
from intramuros.privacy.directory import FILTER, Directory
from intramuros.privacy.egress import Egress, Rule
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.erase.retention import Retention
from intramuros.privacy.erase.schedule import Schedule
from intramuros.privacy.json_client import JsonClient
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.kept import KeptAliases
from intramuros.privacy.redact.organisation import OrganisationDirectory
from intramuros.privacy.redact.redactor import Redactor
from intramuros.retrieval.search import Search
from intramuros.security.crypto import derive
from intramuros.security.keys import FILE_NAME as KEYS_NAME
from intramuros.security.keys import DataKeys, key_file, open_keys
from intramuros.security.keys import create as create_keys
from intramuros.security.passwords import Passwords
from intramuros.security.subject_keys import FOLDER_NAME as SUBJECTS_NAME
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import Settings
from intramuros.storage import facts, swap
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import FILE_NAME as DATABASE_NAME
from intramuros.storage.database import Database, open_database
from intramuros.storage.database import create as create_database
from intramuros.storage.use import Use, alone
from intramuros.tasks.answer import AnswerTask
from intramuros.tasks.backup import Backup
from intramuros.tasks.backup_schedule import BackupSchedule
from intramuros.tasks.complete import CompleteTask
from intramuros.tasks.conversation import Conversations
from intramuros.tasks.erasing import ConversationsEraser
from intramuros.tasks.isolation import Isolation
from intramuros.tasks.person import PersonExport
from intramuros.tasks.reach import Reach
from intramuros.tasks.remove_project import RemoveProject
from intramuros.tasks.selftest import SelfTest

DEFAULT_MODEL = "default_model"


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
    key_usage: KeyUsage
    identity: Identity
    projects: Projects
    groups: Groups
    leaving: Leaving
    break_glass: BreakGlass
    reach: Reach
    remove_project: RemoveProject
    people_elsewhere: ExternalPeople
    provider: OpenIdProvider | None
    egress: Egress
    catalogue: Catalogue
    models: InstalledModels
    pool: EnginePool
    embedder: Embedder
    reader: Reader
    library: Library
    ingest: Ingest
    search: Search
    conversations: Conversations
    answer: AnswerTask
    complete: CompleteTask
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
    use: Use | None = None
    """This process's share in the data folder, which a restore or a change of keys must have alone."""

    def outside(self, engine: Engine, aliases: Aliases) -> OutsideEngine:
        """An engine beyond the walls as it may be used: everything that goes to it passes the redactor."""
        return OutsideEngine(engine, self.redactor.with_names(self.directory.names()), aliases)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        """Runs what works in the background of a server: the ingest workers, and the default model being loaded."""
        stop = asyncio.Event()
        await asyncio.to_thread(self.audit.recover)
        await asyncio.to_thread(self.conversations.seal_plain)
        worker = asyncio.create_task(self.ingest.run(stop), name="ingest")
        backups = asyncio.create_task(BackupSchedule(self.backup, self.audit, self.settings).run(stop), name="backups")
        loading = asyncio.create_task(self._load_default(), name="load default model")
        embedder = asyncio.create_task(self.embedder.load(), name="load embedder")
        schedule = Schedule(self.erasure, self.retention, self.audit)
        always = [
            asyncio.create_task(self._write_usage(), name="write the usage of keys"),
            asyncio.create_task(self.forgetting.watch(self.pool, also=self.aliases.clear), name="renew engines"),
            asyncio.create_task(schedule.run(), name="erase"),
        ]
        try:
            yield self
        finally:
            stop.set()
            for task in (loading, embedder, *always):
                task.cancel()
            await asyncio.gather(worker, backups, loading, embedder, *always, return_exceptions=True)
            await self.pool.stop()

    async def _write_usage(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await asyncio.to_thread(self.key_usage.flush)

    async def _load_default(self) -> None:
        """Has the default model ready before the first question; a failure is told to whoever asks."""
        with contextlib.suppress(IntramurosError):
            async with self.pool.engine("default"):
                pass

    def close(self) -> None:
        """Gives back files and processes."""
        self.reader.close()
        self.identity.flush()
        self.key_usage.flush()
        self.audit.stop()
        self.database.close()
        if self.use is not None:
            self.use.close()


@dataclass(frozen=True, slots=True)
class Created:
    """What `create` made: where the key is, in words."""

    key_place: str


def create(
    settings: Settings, *, use_keyring: bool = False, admin_email: str | None = None, admin_password: str | None = None
) -> Created:
    """Makes a new data folder with its key and, if given, its first administrator.

    Raises: Conflict when the folder holds data already, BadRequest for a weak password.
    """
    if (settings.data / KEYS_NAME).exists():
        raise Conflict(f"There is Intramuros data in {settings.data} already.", hint="Start it with: intramuros serve")
    keys = create_keys(
        settings.data, key_file=settings.key_file, passphrase=settings.passphrase, use_keyring=use_keyring
    )
    create_database(settings.data / DATABASE_NAME, keys.database).close()
    app = assemble(settings, keys)
    try:
        with app.audit.entry_sync("init", by=LOCAL, via="cli"):
            if admin_email is not None and admin_password is not None:
                name = admin_email.split("@")[0]
                app.users.create(admin_email, name, role="administrator", password=admin_password)
    finally:
        app.close()
    return Created(key_place=keys.place)


def build(settings: Settings) -> App:
    """Opens an existing data folder and builds all parts on it.

    Raises: NotInitialised, WrongKey, StorageCorrupt.
    """

    def opened() -> DataKeys:
        return open_keys(settings.data, key_file=settings.key_file, passphrase=settings.passphrase)

    return build_with(settings, opened)


def build_with(settings: Settings, keys: Callable[[], DataKeys]) -> App:
    """The same with keys opened in another way, once nothing moves in the folder any more."""
    if not settings.data.is_dir():
        raise NotInitialised(f"There is no Intramuros data in {settings.data}.")
    if swap.is_ready(settings.data):
        with alone(settings.data):
            swap.finish(settings.data)
    use = Use(settings.data)
    try:
        app = assemble(settings, keys())
    except BaseException:
        use.close()
        raise
    app.use = use
    return app


def assemble(settings: Settings, keys: DataKeys) -> App:
    """Builds the parts, bottom up."""
    required = settings.second_factor_roles
    check_required(required)
    egress = _egress(settings)
    copy = place(
        settings.audit_copy,
        required=settings.audit_copy_required,
        data=settings.data,
        instance=keys.instance,
        webhook=lambda address: webhook(address, token=settings.audit_copy_token, egress=egress),
    )
    database = open_database(settings.data / DATABASE_NAME, keys.database)
    blobs = Blobs(settings.data / "blobs")
    subject_keys = SubjectKeys(settings.data / SUBJECTS_NAME, keys.data)
    audit = Audit(
        database,
        key=keys.audit,
        instance=keys.instance,
        copy=copy,
        copy_required=settings.audit_copy_required,
    )
    passwords = Passwords()
    users = Users(database, passwords=passwords)
    sessions = Sessions(
        database, hours=settings.session_hours, idle_minutes=settings.session_idle_minutes, required=required
    )
    steps = Steps(database)
    factors = Factors(database, key=derive(keys.data, "accounts"), steps=steps, passwords=passwords, required=required)
    api_keys = ApiKeys(database)
    identity = Identity(database, sessions=sessions, keys=api_keys)
    projects = Projects(database, subject_keys)
    groups = Groups(database)
    policy = Policy(creates=settings.sso_creates, roles=roles_from(settings.sso_roles))
    people_elsewhere = ExternalPeople(database, users, groups, policy)
    if settings.ldap_url is not None:
        users.elsewhere = DirectorySignIn(_directory(settings, egress), people_elsewhere)
    metrics = Metrics()

    catalogue = load_catalogue()
    models = InstalledModels(
        settings.models_folder,
        catalogue,
        default=_Fact(database, DEFAULT_MODEL, settings.model),
        key=derive(keys.data, "models"),
        encrypts=settings.encrypt_models,
    )
    pool = EnginePool(models, settings, egress=egress, remember=_Remembered(database))

    embedder = Embedder(
        settings.embedder,
        models=models,
        catalogue=catalogue,
        pool=pool,
        can_compare=lambda: database.can_compare_vectors,
    )

    reader = Reader(settings)
    library = Library(database, blobs, projects, settings)
    ingest = Ingest(database, library, reader, settings, embedder=embedder)
    search = Search(database, embedder, metrics.search)
    conversations = Conversations(database, subject_keys)
    answer = AnswerTask(search=search, pool=pool, models=models, conversations=conversations, metrics=metrics)
    complete = CompleteTask(
        pool=pool,
        metrics=metrics,
        knows_tools=lambda name: models.get(name).header.template_has_tools,
        named=lambda name: models.get(name).name,
    )
    backup = Backup(settings.data, settings.models_folder, keys, subject_keys, database, blobs)
    isolation = Isolation(
        settings=settings,
        reader=reader,
        pool=pool,
        models=models,
        key_file=key_file(settings.data, settings.key_file),
        database=settings.data / DATABASE_NAME,
    )
    selftest = SelfTest(
        settings=settings,
        database=database,
        blobs=blobs,
        audit=audit,
        egress=egress,
        models=models,
        pool=pool,
        embedder=embedder,
        reader=reader,
        isolation=isolation,
        key_file=key_file(settings.data, settings.key_file),
        subject_keys=subject_keys,
        backup=backup,
    )
    forgetting = Forgetting(database, pool.folder)
    aliases = KeptAliases()
    directory = OrganisationDirectory(database, users)
    erasure = Erasure(
        database,
        subject_keys,
        audit,
        erasers=(
            AccessEraser(database),
            DocumentsEraser(database, blobs),
            ConversationsEraser(database, subject_keys),
            directory,
            AccountsEraser(database),
            aliases,
        ),
        engines=forgetting,
        backups=backup.forget_erased,
    )
    return App(
        settings=settings,
        keys=keys,
        subject_keys=subject_keys,
        database=database,
        blobs=blobs,
        audit=audit,
        users=users,
        sessions=sessions,
        steps=steps,
        factors=factors,
        api_keys=api_keys,
        key_usage=KeyUsage(database),
        identity=identity,
        projects=projects,
        groups=groups,
        leaving=Leaving(database, subject_keys),
        break_glass=BreakGlass(database),
        reach=Reach(projects, library, search),
        remove_project=RemoveProject(projects, erasure),
        people_elsewhere=people_elsewhere,
        provider=_provider(settings, egress, keys),
        egress=egress,
        catalogue=catalogue,
        models=models,
        pool=pool,
        embedder=embedder,
        reader=reader,
        library=library,
        ingest=ingest,
        search=search,
        conversations=conversations,
        answer=answer,
        complete=complete,
        metrics=metrics,
        isolation=isolation,
        selftest=selftest,
        redactor=Redactor(),
        erasure=erasure,
        retention=Retention(database, erasure),
        forgetting=forgetting,
        person_export=PersonExport(database, conversations),
        backup=backup,
        directory=directory,
        aliases=aliases,
    )


def _egress(settings: Settings) -> Egress:
    """The door to the network with the administrator's allow-list. Raises: SettingsError."""
    try:
        return Egress(entry.strip() for entry in (settings.egress_allowed or "").split(",") if entry.strip())
    except ValueError as error:
        raise SettingsError(
            f"INTRAMUROS_EGRESS_ALLOWED can't be used: {error}.",
            hint="Name hosts, separated by commas: hub.example, *.example.org, http://host:8080, private:mirror.lan",
        ) from error


def _provider(settings: Settings, egress: Egress, keys: DataKeys) -> OpenIdProvider | None:
    """The OpenID Connect provider people sign in with, if one is set; its own host may be reached by that."""
    if settings.oidc_issuer is None:
        return None
    client = Client(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret,
        name=settings.oidc_name,
        groups_claim=settings.oidc_groups_claim,
        trusts_email=settings.oidc_trust_email,
    )
    url = URL(client.issuer)
    rule = Rule(url.raw_host or "", url.scheme, url.port or 443, private=True)
    reaching = egress.permitting([rule], reason="the sign-in service")
    return OpenIdProvider(client, JsonClient(reaching), key=derive(keys.data, "oidc"))


def _directory(settings: Settings, egress: Egress) -> Directory:
    """The directory whose passwords sign people in."""
    return Directory(
        settings.ldap_url or "",
        settings.ldap_base,
        egress,
        user=settings.ldap_user,
        password=settings.ldap_password,
        ca_file=str(settings.ldap_ca_file) if settings.ldap_ca_file else None,
        filter=settings.ldap_filter or FILTER,
    )


@dataclass(frozen=True, slots=True)
class _Fact:
    """One stored fact that a setting may override for this run."""

    database: Database
    name: str
    override: Any = None

    def get(self) -> Any:
        if self.override is not None:
            return self.override
        with self.database.read() as connection:
            return facts.get(connection, self.name)

    def set(self, value: Any) -> None:
        with self.database.write() as connection:
            facts.put(connection, self.name, value)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """Measurements kept from one run to the next, such as autotuned engine options."""

    database: Database

    def load(self, key: str) -> Any:
        with self.database.read() as connection:
            return facts.get(connection, f"measured:{key}")

    def save(self, key: str, value: Any) -> None:
        with self.database.write() as connection:
            facts.put(connection, f"measured:{key}", value)
