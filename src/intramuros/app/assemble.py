"""Builds every part from the settings and hands each what it needs: the one file that knows them all.

Called by `app.opening`. Nothing else constructs a part, so how they hang together is read here.
"""

from __future__ import annotations

from intramuros.accounts.acting import Acting
from intramuros.accounts.break_glass import BreakGlass
from intramuros.accounts.descriptions import Descriptions
from intramuros.accounts.project_limits import ProjectLimits
from intramuros.accounts.projects import Projects
from intramuros.app.parts import App
from intramuros.app.sign_in import sign_in
from intramuros.audit.places import place
from intramuros.audit.record import Audit
from intramuros.documents.attached import AttachedFiles
from intramuros.documents.ingest import Ingest
from intramuros.documents.library import Library
from intramuros.documents.reader.supervisor import Reader
from intramuros.engines.comparing import Comparisons
from intramuros.engines.embedder import Embedder
from intramuros.engines.forgetting import Forgetting
from intramuros.engines.outside import OutsideEngine
from intramuros.engines.pool import EnginePool
from intramuros.engines.router import Router
from intramuros.engines.routing import Routing
from intramuros.errors import SettingsError
from intramuros.models.catalogue import load as load_catalogue
from intramuros.models.installed import InstalledModels
from intramuros.models.presets import Presets
from intramuros.observability.metrics import Metrics
from intramuros.privacy.audit_webhook import webhook
from intramuros.privacy.egress import Egress
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.erase.retention import Retention
from intramuros.privacy.erase.unused import Unused
from intramuros.privacy.redact.kept import KeptAliases
from intramuros.privacy.redact.organisation import OrganisationDirectory
from intramuros.privacy.redact.redactor import Redactor
from intramuros.retrieval.search import Search
from intramuros.security.crypto import derive
from intramuros.security.keys import DataKeys, key_file
from intramuros.security.subject_keys import FOLDER_NAME as SUBJECTS_NAME
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import Settings
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import FILE_NAME as DATABASE_NAME
from intramuros.storage.database import open_database
from intramuros.storage.remembered import Fact, Measured
from intramuros.tasks.admission import Admission
from intramuros.tasks.answer import AnswerTask
from intramuros.tasks.backup import Backup
from intramuros.tasks.batch import Batches
from intramuros.tasks.batch_run import BatchRunner
from intramuros.tasks.batch_work import Parts
from intramuros.tasks.compactions import Compactions
from intramuros.tasks.complete import CompleteTask
from intramuros.tasks.conversation import Conversations
from intramuros.tasks.erasers import erasers
from intramuros.tasks.files import Files
from intramuros.tasks.isolation import Isolation
from intramuros.tasks.lane import Bounds
from intramuros.tasks.person import PersonExport
from intramuros.tasks.priced import PriceOfAnswer
from intramuros.tasks.reach import Reach
from intramuros.tasks.remove_person import RemovePerson
from intramuros.tasks.respond import RespondTask
from intramuros.tasks.selftest import SelfTest
from intramuros.tasks.stored_replies import StoredReplies

DEFAULT_MODEL = "default_model"


def assemble(settings: Settings, keys: DataKeys) -> App:
    """Builds the parts, bottom up."""
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
    people = sign_in(settings, egress, keys, database)
    projects = Projects(database, subject_keys)
    metrics = Metrics()

    catalogue = load_catalogue()
    models = InstalledModels(
        settings.models_folder,
        catalogue,
        default=Fact(database, DEFAULT_MODEL, settings.model),
        key=derive(keys.data, "models"),
        encrypts=settings.encrypt_models,
    )
    presets = Presets(database, models)
    models.is_taken = presets.is_everyones
    pool = EnginePool(models, settings, egress=egress, remember=Measured(database), catalogue=catalogue)

    embedder = Embedder(
        settings.embedder,
        models=models,
        catalogue=catalogue,
        pool=pool,
        can_compare=lambda: database.can_compare_vectors,
    )

    redactor, aliases = Redactor(), KeptAliases(database, subject_keys)
    directory = OrganisationDirectory(database, people.users)
    router = Router(
        pool=pool,
        routing=Routing(database, key=derive(keys.data, "upstreams")),
        outside=lambda engine, aliases: OutsideEngine(engine, redactor.with_names(directory.names()), aliases),
        aliases=aliases,
        comparisons=Comparisons(database),
        audit=audit,
        key=derive(keys.data, "affinity"),
        lets_outside=settings.outside_allowed,
    )

    presets.is_route = router.has
    reader = Reader(settings)
    library = Library(database, blobs, projects, settings)
    ingest = Ingest(database, library, reader, settings, embedder=embedder)
    search = Search(database, embedder, metrics.search, Unused(database).note)
    conversations = Conversations(database, subject_keys)
    files = Files(database, blobs, subject_keys, settings.upload_mib << 20, settings.files_mib << 20)
    attached = AttachedFiles(database, library)
    replies = StoredReplies(database, subject_keys, projects)
    admission = Admission(Bounds(settings.queue_per_person, settings.queue_total))
    admit = ProjectLimits(people.quotas, people.usage).admit
    answer = AnswerTask(
        search=search,
        pool=router,
        models=models,
        conversations=conversations,
        metrics=metrics,
        admission=admission,
        loading=router.loading,
        admit=admit,
    )
    complete = CompleteTask(
        admission=admission,
        pool=router,
        metrics=metrics,
        knows_tools=lambda name: router.has(name) or models.get(name).header.template_has_tools,
        sees_images=lambda name: router.has(name) or models.get(name).projector is not None,
        weighs_effort=lambda name: router.has(name) or models.get(name).header.template_has_effort,
        named=lambda name: name if router.has(name) else models.get(name).name,
        presets=presets.applied,
        loading=router.loading,
        split=lambda name: (name, None) if router.has(name) else models.split(name),
    )
    price_of = PriceOfAnswer(people.prices, router.routing)
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
        router=router,
        embedder=embedder,
        reader=reader,
        isolation=isolation,
        key_file=key_file(settings.data, settings.key_file),
        subject_keys=subject_keys,
        backup=backup,
    )
    forgetting = Forgetting(database, pool.folder)
    erasure = Erasure(
        database,
        subject_keys,
        audit,
        erasers=erasers(database, blobs, subject_keys, aliases=aliases, directory=directory),
        engines=forgetting,
        backups=backup.forget_erased,
        copies=backup.copies,
    )
    return App(
        settings=settings,
        keys=keys,
        subject_keys=subject_keys,
        database=database,
        blobs=blobs,
        audit=audit,
        users=people.users,
        sessions=people.sessions,
        steps=people.steps,
        factors=people.factors,
        api_keys=people.api_keys,
        usage=people.usage,
        quotas=people.quotas,
        prices=people.prices,
        price_of=price_of,
        identity=people.identity,
        projects=projects,
        groups=people.groups,
        break_glass=BreakGlass(database),
        reach=Reach(projects, library, search),
        remove_person=RemovePerson(database, erasure),
        people_elsewhere=people.people_elsewhere,
        provider=people.provider,
        egress=egress,
        catalogue=catalogue,
        models=models,
        presets=presets,
        pool=pool,
        router=router,
        embedder=embedder,
        reader=reader,
        library=library,
        ingest=ingest,
        search=search,
        files=files,
        attached=attached,
        batches=Batches(database, files),
        batch_runner=BatchRunner(
            Parts(
                database=database,
                files=files,
                audit=audit,
                usage=people.usage,
                price_of=price_of,
                acting=Acting(database, people.api_keys),
            ),
            subject_keys,
        ),
        descriptions=Descriptions(database, projects),
        conversations=conversations,
        admission=admission,
        answer=answer,
        complete=complete,
        replies=replies,
        compactions=Compactions(database, subject_keys, projects),
        respond=RespondTask(complete, projects, search, attached, admit=admit),
        metrics=metrics,
        isolation=isolation,
        selftest=selftest,
        redactor=redactor,
        erasure=erasure,
        retention=Retention(database, erasure),
        forgetting=forgetting,
        person_export=PersonExport(database, conversations, replies, subject_keys),
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
