"""Requests that have begun stand in journals beside the database (decision 0014), no longer in a table."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Drops the table; a server that was stopped in order has left nothing in it."""
    op.drop_table("audit_open")
