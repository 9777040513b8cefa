"""All that erases, in its order: the one list, for the installation, for the self-test's and for tests'.

Called by `app.assemble` and `tasks.scratch`. A part that stores content of somebody adds its eraser here.
"""

from __future__ import annotations

from intramuros.accounts.erasing import AccessEraser, AccountsEraser
from intramuros.documents.erasing import DocumentsEraser
from intramuros.privacy.redact.kept import KeptAliases
from intramuros.privacy.redact.organisation import OrganisationDirectory
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.erasable import Eraser
from intramuros.tasks.erasing import ConversationsEraser
from intramuros.tasks.erasing_files import FilesEraser
from intramuros.tasks.erasing_replies import RepliesEraser


def erasers(
    database: Database, blobs: Blobs, keys: SubjectKeys, *, aliases: KeptAliases, directory: OrganisationDirectory
) -> tuple[Eraser, ...]:
    """First nobody gets in any more; last goes the row that all the others hang on."""
    return (
        AccessEraser(database),
        aliases,
        DocumentsEraser(database, blobs),
        ConversationsEraser(database, keys),
        FilesEraser(database, blobs),
        RepliesEraser(database, keys),
        directory,
        AccountsEraser(database),
    )
