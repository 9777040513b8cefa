"""The tables. Every module that stores something reads and writes these with SQLAlchemy Core.

They stand in `storage.tables`, a file for each subject, and are imported from here. Ids are random text (`new_id`),
times are UTC epoch seconds (float), JSON columns hold lists and objects. Full text lives in `storage.fulltext`;
originals live in `storage.blobs`. A change to a table needs a migration.
"""

from __future__ import annotations

import secrets
import time

from intramuros.storage.tables.naming import metadata
from intramuros.storage.tables.people import (
    api_keys,
    enrolments_due,
    external_identities,
    facts,
    invitations,
    one_time_codes,
    passkeys,
    quotas,
    recovery_codes,
    sessions,
    steps,
    usage,
    users,
)
from intramuros.storage.tables.projects import (
    break_glass,
    chunks,
    documents,
    group_grants,
    group_members,
    groups,
    members,
    pages,
    projects,
    vectors,
)
from intramuros.storage.tables.records import (
    audit,
    audit_signed,
    erasures,
)
from intramuros.storage.tables.requests import (
    attached_files,
    batch_lines,
    batches,
    conversation_aliases,
    conversations,
    files,
    presets,
    stored_replies,
    turns,
)
from intramuros.storage.tables.routing import (
    comparisons,
    outside_consents,
    routes,
    upstreams,
)


def new_id() -> str:
    """A random identifier: 96 bits as 16 URL-safe characters, the first no dash: it is no option."""
    while (made := secrets.token_urlsafe(12)).startswith("-"):
        pass
    return made


def now() -> float:
    """The time now, in seconds since 1970 (UTC)."""
    return time.time()


__all__ = [
    "api_keys",
    "attached_files",
    "audit",
    "audit_signed",
    "batch_lines",
    "batches",
    "break_glass",
    "chunks",
    "comparisons",
    "conversation_aliases",
    "conversations",
    "documents",
    "enrolments_due",
    "erasures",
    "external_identities",
    "facts",
    "files",
    "group_grants",
    "group_members",
    "groups",
    "invitations",
    "members",
    "metadata",
    "new_id",
    "now",
    "one_time_codes",
    "outside_consents",
    "pages",
    "passkeys",
    "presets",
    "projects",
    "quotas",
    "recovery_codes",
    "routes",
    "sessions",
    "steps",
    "stored_replies",
    "turns",
    "upstreams",
    "usage",
    "users",
    "vectors",
]
