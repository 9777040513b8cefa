"""The tables. Every module that stores something reads and writes these with SQLAlchemy Core.

Ids are random text (`new_id`), times are UTC epoch seconds (float), JSON columns hold lists and objects.
Full text lives in `storage.fulltext`; originals live in `storage.blobs`. A change here needs a migration.
"""

from __future__ import annotations

import secrets
import time

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)


def new_id() -> str:
    """A random identifier: 96 bits as 16 URL-safe characters."""
    return secrets.token_urlsafe(12)


def now() -> float:
    """The time now, in seconds since 1970 (UTC)."""
    return time.time()


metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s"}
)

# What belongs to the whole installation: default model, instance id, autotune results.
facts = Table(
    "facts",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", JSON, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("email", String, nullable=False, unique=True),  # lower case
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),  # administrator | auditor | manager | member | service
    Column("password_hash", String),
    Column("language", String, nullable=False, default="fr"),
    Column("created_at", Float, nullable=False),
    Column("suspended_at", Float),
)

# One-time links: the first administrator, and people an administrator invites.
invitations = Table(
    "invitations",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("role", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("id", String, nullable=False, unique=True),  # stays when the token is made new
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("proven_at", Float, nullable=False),  # when the person last showed a password or passkey
    Column("is_strong", Boolean, nullable=False),  # whether a second factor was shown
    Column("method", String, nullable=False),  # password | totp | recovery | passkey | what another part signs in with
    Column("device", String, nullable=False),  # browser and system, in words
)

# One-time codes from an app (TOTP), one set a person. Without `confirmed_at` it is not in force.
one_time_codes = Table(
    "one_time_codes",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("confirmed_at", Float),
    Column("last_step", Integer, nullable=False),  # of the newest code that was used: no code is taken twice
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("lookup", String, primary_key=True),  # its first characters, which say which hash to compare
    Column("code_hash", String, nullable=False),
    Column("used_at", Float),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", String, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("sign_count", Integer, nullable=False),
    Column("site", String, nullable=False),  # the name of the server it was made for (relying party)
    Column("name", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float),
)

# Who people are at an OpenID Connect provider or in a directory.
external_identities = Table(
    "external_identities",
    metadata,
    Column("issuer", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
)

# Whose second factor an administrator took away: they set up a new one before anything else.
enrolments_due = Table(
    "enrolments_due",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("since", Float, nullable=False),
)

# What a browser has begun and must finish within minutes: a sign-in after its password, the challenge of a passkey.
steps = Table(
    "steps",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("kind", String, nullable=False),  # second | passkey.sign_in | passkey.add | passkey.prove
    Column("holder_hash", LargeBinary),  # of the browser's own secret, where the token is not one
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("address", String),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("tries", Integer, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("hint", String, nullable=False),  # the last four characters, to recognise it
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("last_used_at", Float),
    Column("scopes", JSON(none_as_null=True)),  # null: all but administration
    Column("models", JSON(none_as_null=True)),  # null: all
    Column("projects", JSON(none_as_null=True)),  # ids; null: all of its person's
    Column("requests_per_minute", Integer),
    Column("tokens_per_day", Integer),
    Column("tokens_per_month", Integer),
)

# What a key has used, a row a day: counts, never content.
key_usage = Table(
    "key_usage",
    metadata,
    Column("key_id", ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True),
    Column("day", String, primary_key=True),  # 2026-11-25, in UTC
    Column("requests", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("keep_conversations_days", Integer),  # after the last turn; null: for ever
    Column("keep_documents_days", Integer),  # after they were added; null: for ever
)

members = Table(
    "members",
    metadata,
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String, nullable=False),  # reader | contributor | owner
)

# Named sets of people, for projects to be shared with.
groups = Table(
    "groups",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("external_name", String, unique=True),  # what a directory or sign-in provider calls it
    Column("created_at", Float, nullable=False),
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("is_external", Boolean, nullable=False, default=False),  # kept by the directory, not by people here
)

group_grants = Table(
    "group_grants",
    metadata,
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", String, nullable=False),  # reader | contributor | owner
)

# An administrator's time-limited look at what is not theirs: a project, or one person's conversations.
break_glass = Table(
    "break_glass",
    metadata,
    Column("id", String, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("user_name", String, nullable=False),  # stays readable when they are gone
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), index=True),
    Column("subject_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("reason", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("ended_at", Float),
)

documents = Table(
    "documents",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),  # the file name it came with
    Column("media_type", String, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("blob_id", String, nullable=False),
    Column("state", String, nullable=False, index=True),  # received | reading | indexed | ready | failed
    Column("pages_total", Integer),
    Column("pages_read", Integer, nullable=False, default=0),
    Column("pages_without_text", JSON, nullable=False, default=list),
    Column("error_code", String),
    Column("error_message", String),  # plain words, never content
    Column("title", String),
    Column("language", String),  # fr | de | it | en
    Column("added_by", String),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("lease_owner", String),
    Column("lease_until", Float),
    Column("embedder", String),  # SHA-256 of the model whose vectors all its chunks have, if any
    UniqueConstraint("project_id", "sha256"),
)

pages = Table(
    "pages",
    metadata,
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),  # from 1
    Column("width", Float),  # points (1/72 inch); null for a page without a picture
    Column("height", Float),
    Column("text", Text, nullable=False),
    Column(
        "sheet", JSON(none_as_null=True)
    ),  # [[kind, [[start, end, x0, y0, x1, y1], …]], …]; null: the original has it
)

chunks = Table(
    "chunks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),  # the full-text row has the same number
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("project_id", String, nullable=False, index=True),
    Column("ordinal", Integer, nullable=False),  # place in the document, from 0
    Column("page", Integer, nullable=False),
    Column("headings", JSON, nullable=False),  # path of headings above it, outermost first
    Column("text", Text, nullable=False),
    Column("start", Integer, nullable=False),  # where its text begins in the page's text, in characters
    Column(
        "lines", JSON, nullable=False
    ),  # [[start, end, x0, y0, x1, y1], …]: characters of `text`, points from the top left
    Column("tokens", Integer, nullable=False),
    sqlite_autoincrement=True,  # a number is never used again: an old answer must not point into another document
)

# What an embedding model made of a chunk; read and written by `storage.vectors`.
vectors = Table(
    "vectors",
    metadata,
    Column("chunk_id", ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True),
    Column("model", String, nullable=False),  # SHA-256 of its file
    Column("cut_tokens", Integer, nullable=False),  # of the chunk that did not fit into what the model reads
    Column("vector", LargeBinary, nullable=False),  # a byte a number
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

turns = Table(
    "turns",
    metadata,
    Column("id", String, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("ordinal", Integer, nullable=False),
    # Both JSON, sealed under the keys of the person and of the project.
    Column("question", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)

# What was erased, or is being erased: no content and no name, but for the samples while it runs.
erasures = Table(
    "erasures",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),  # user | project | document | conversation
    Column("subject", String, nullable=False),  # its id
    Column("reason", String, nullable=False),  # asked | retention
    Column("state", String, nullable=False),  # begun | removed | done
    Column("actor", String, nullable=False),
    Column("begun_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("counts", JSON, nullable=False),
    Column("samples", LargeBinary),  # of what goes, to be searched for afterwards; sealed, and gone at the end
    Column("statement", Text),  # the receipt: the signature is over exactly these characters
    Column("signature", LargeBinary),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 … without a gap
    Column("id", String, nullable=False, unique=True),
    Column("at", Float, nullable=False),
    Column("actor", String),  # user id
    Column("credential", String),  # session | key:<id> | local
    Column("action", String, nullable=False),
    Column("object", String),
    Column("outcome", String, nullable=False),  # ok | refused | failed | interrupted
    Column("facts", JSON, nullable=False),  # numbers and names from a closed list; never content
    Column("hash", LargeBinary, nullable=False),
)
Index("ix_audit_at", audit.c.at)

# What was signed about the audit: its head at some moment, and what retention removed.
audit_signed = Table(
    "audit_signed",
    metadata,
    Column("kind", String, primary_key=True),  # checkpoint | segment
    Column("sequence", Integer, primary_key=True, autoincrement=False),  # the last record it is about
    Column("statement", Text, nullable=False),  # canonical JSON: the signature is over exactly these characters
    Column("signature", LargeBinary, nullable=False),
)

__all__ = [
    "api_keys",
    "audit",
    "audit_signed",
    "break_glass",
    "chunks",
    "conversations",
    "documents",
    "enrolments_due",
    "erasures",
    "external_identities",
    "facts",
    "group_grants",
    "group_members",
    "groups",
    "invitations",
    "key_usage",
    "members",
    "metadata",
    "new_id",
    "now",
    "one_time_codes",
    "pages",
    "passkeys",
    "projects",
    "recovery_codes",
    "sessions",
    "steps",
    "turns",
    "users",
    "vectors",
]
