"""The tables of projects: who belongs to them, and their documents with what was made of them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from intramuros.storage.tables.naming import metadata

projects = Table(
    "projects",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("keep_conversations_days", Integer),  # after the last turn; null: for ever
    Column("keep_documents_days", Integer),  # after they were added; null: for ever
    Column("description", Text),
    Column("metadata", JSON(none_as_null=True)),  # pairs of short texts that a program gave it
    Column("unused_days", Integer),  # how long documents stay in a project that nobody uses; null: for ever
    Column("last_used_at", Float),  # by a minute; kept where `unused_days` is
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
    Column("chunk_tokens", Integer),  # at most so many in a chunk, as its program wants; null: as everywhere
    Column("chunk_overlap_tokens", Integer),
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
