"""What an API key may do and how much, and what it has used."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "scopes": sa.JSON(),
    "models": sa.JSON(),
    "projects": sa.JSON(),
    "requests_per_minute": sa.Integer(),
    "tokens_per_day": sa.Integer(),
    "tokens_per_month": sa.Integer(),
}


def upgrade() -> None:
    """Adds columns and a table; a change of a key's rights counts at once, as its revocation does."""
    for name, kind in COLUMNS.items():
        op.add_column("api_keys", sa.Column(name, kind))
    op.create_table(
        "key_usage",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key_id", "day"),
    )
    op.execute(
        f"CREATE TRIGGER api_key_rights_changed AFTER UPDATE OF {', '.join(COLUMNS)} ON api_keys "
        "BEGIN UPDATE facts SET value = value + 1 WHERE name = 'accounts_revision'; END"
    )
