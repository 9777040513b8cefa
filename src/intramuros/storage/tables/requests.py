"""The tables of what people and programs send and ask: files, batches, conversations, presets, stored replies."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from intramuros.storage.tables.naming import metadata

# What a program sent or a batch wrote: a person's own, encrypted under their key, in no project.
files = Table(
    "files",
    metadata,
    Column("id", String, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("purpose", String, nullable=False),  # assistants | batch | batch_output | user_data | vision | …
    Column("size_bytes", Integer, nullable=False),
    Column("blob_id", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),  # null: kept until it is removed
)

# Which document a program's file became in a project, and what the program wrote on it.
attached_files = Table(
    "attached_files",
    metadata,
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("file_id", String, primary_key=True),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), index=True),  # null: it could not be one
    Column("attributes", JSON, nullable=False),  # names with a text, number, or yes or no
    Column("file_batch", String, index=True),  # those added together
    Column("error_code", String),  # why it could not be one
    Column("created_at", Float, nullable=False),
)

# Many requests sent as one file, answered behind everybody else's.
batches = Table(
    "batches",
    metadata,
    Column("id", String, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("credential", String, nullable=False),  # what was shown when it was made; its rights are looked up again
    Column("endpoint", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    # validating | in_progress | finalizing | cancelling | completed | cancelled | expired | failed
    Column("input_file", String, nullable=False),
    Column("output_file", String),
    Column("error_file", String),
    Column("output_keep_s", Integer),
    Column("metadata", JSON(none_as_null=True)),
    Column("errors", JSON(none_as_null=True)),  # of the whole: [{code, message, line}]
    Column("times", JSON, nullable=False),  # when it came into each state
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("total", Integer, nullable=False, default=0),
    Column("completed", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("prompt_tokens", Integer, nullable=False, default=0),
    Column("cached_tokens", Integer, nullable=False, default=0),
    Column("completion_tokens", Integer, nullable=False, default=0),
    Column("worker", String),  # the process that works on it, while it lives
)

# Its requests, each with its reply once it has one; gone when they are in the output file.
batch_lines = Table(
    "batch_lines",
    metadata,
    Column("batch_id", ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),  # its line in the input file, from 1
    Column("state", String, nullable=False),  # waiting | completed | failed
    Column("attempts", Integer, nullable=False, default=0),  # begun, and not ended: under way, or the process died
    # Both JSON, sealed under the person's key.
    Column("request", LargeBinary, nullable=False),
    Column("reply", LargeBinary),
    Index("ix_batch_lines_state", "batch_id", "state", "number"),
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

# What stands behind the aliases of a conversation that went outside: sealed as its turns are, stamped at each change.
conversation_aliases = Table(
    "conversation_aliases",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("stamp", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# A model under a name of its own: how it is told to answer.
presets = Table(
    "presets",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),  # null: everyone's
    Column("name", String, nullable=False),
    Column("model", String, nullable=False),  # the installed model it is made from
    Column("system", Text, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("messages", JSON, nullable=False),  # turns that come before those of a request
    Column("adapter", String),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("name", "owner_id"),
)
Index("ix_presets_everyones", presets.c.name, unique=True, sqlite_where=presets.c.owner_id.is_(None))

# What a program asked and was replied to, kept because it said `store`: a person's own, for a time.
stored_replies = Table(
    "stored_replies",
    metadata,
    Column("id", String, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String, nullable=False),  # response | completion
    Column("model", String, nullable=False),
    Column("state", String, nullable=False),  # queued | in_progress | completed | incomplete | failed | cancelled
    Column("projects", JSON, nullable=False),  # ids of those whose passages it was made from
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    # JSON, sealed under the keys of the person and of these projects.
    Column("sealed", LargeBinary, nullable=False),
)
