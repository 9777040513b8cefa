"""Keys of subjects leave the database; turns are sealed; erasures and their receipts; retention of projects."""

from __future__ import annotations

import json
import os
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Moves the projects' keys to files, makes room for sealed turns, adds a table and two columns."""
    _move_project_keys()
    _rebuild_turns()
    op.add_column("projects", sa.Column("keep_conversations_days", sa.Integer()))
    op.add_column("projects", sa.Column("keep_documents_days", sa.Integer()))
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("begun_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float()),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("samples", sa.LargeBinary()),
        sa.Column("statement", sa.Text()),
        sa.Column("signature", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id"),
    )


def _move_project_keys() -> None:
    """As they are: a file of the ledger has the form that the column had. A second run writes the same files."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, wrapped_key FROM projects WHERE length(wrapped_key) > 0")).all()
    file = connection.execute(sa.text("PRAGMA database_list")).all()[0][2]
    folder = Path(file).parent / "subjects"
    if rows:
        folder.mkdir(mode=0o700, exist_ok=True)
    for row in rows:
        descriptor = os.open(
            folder / f"project-{row.id.encode().hex()}.key", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600
        )
        with os.fdopen(descriptor, "wb") as key:
            key.write(row.wrapped_key)
            key.flush()
            os.fsync(key.fileno())
    op.execute("ALTER TABLE projects DROP COLUMN wrapped_key")


def _rebuild_turns() -> None:
    """What was plain is marked by a zero; the next start seals it."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.text("SELECT id, conversation_id, ordinal, question, answer, created_at FROM turns")
    ).all()
    op.drop_table("turns")
    turns = op.create_table(
        "turns",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("question", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_turns_conversation_id", "turns", ["conversation_id"])
    plain = [
        {
            **row._mapping,
            "question": b"\0" + json.dumps(row.question).encode(),
            "answer": b"\0" + row.answer.encode(),
        }
        for row in rows
    ]
    if plain:
        op.bulk_insert(turns, plain)
