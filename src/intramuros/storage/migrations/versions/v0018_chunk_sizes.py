"""How large the chunks of a document may be, where the program that added it says so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Adds two columns."""
    op.add_column("documents", sa.Column("chunk_tokens", sa.Integer()))
    op.add_column("documents", sa.Column("chunk_overlap_tokens", sa.Integer()))
