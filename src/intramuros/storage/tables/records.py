"""The tables that prove what happened: erasures and the audit."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from intramuros.storage.tables.naming import metadata

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
