"""Model servers elsewhere, the routes to them, who agreed that text may leave, and the numbers of comparisons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Adds four tables."""
    op.create_table(
        "upstreams",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("key", sa.LargeBinary()),
        sa.Column("is_outside", sa.Boolean(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "routes",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "outside_consents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("upstream", sa.String(), nullable=False),
        sa.Column("user_id", sa.String()),
        sa.Column("key_id", sa.String()),
        sa.Column("project_id", sa.String()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["upstream"], ["upstreams.name"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], ondelete="CASCADE"),
    )
    for column in ("upstream", "user_id", "key_id", "project_id"):
        op.create_index(f"ix_outside_consents_{column}", "outside_consents", [column])
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("pair", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("first_token_ms", sa.Float()),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer()),
        sa.Column("completion_tokens", sa.Integer()),
        sa.Column("finish_reason", sa.String()),
        sa.Column("error", sa.String()),
        sa.Column("agreement", sa.Float()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_comparisons_route", "comparisons", ["route", "at"])
