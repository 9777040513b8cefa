"""How long a project keeps documents that nobody uses, and when it was used last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Adds two columns."""
    op.add_column("projects", sa.Column("unused_days", sa.Integer()))
    op.add_column("projects", sa.Column("last_used_at", sa.Float()))
