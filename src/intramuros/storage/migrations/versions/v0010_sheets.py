"""Where the lines of a page stand that was laid out, because its format has no pages of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Adds one column."""
    op.add_column("pages", sa.Column("sheet", sa.JSON(none_as_null=True)))
