"""Presets: models under names of their own, with a system prompt and sampling."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Adds one table."""
    op.create_table(
        "presets",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner_id", sa.String, sa.ForeignKey("users.id", ondelete="CASCADE")),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("messages", sa.JSON, nullable=False),
        sa.Column("adapter", sa.String),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.UniqueConstraint("name", "owner_id", name="uq_presets_name"),
    )
    op.create_index("ix_presets_owner_id", "presets", ["owner_id"])
    op.create_index("ix_presets_everyones", "presets", ["name"], unique=True, sqlite_where=sa.text("owner_id IS NULL"))
