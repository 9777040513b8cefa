"""Groups of people, projects shared with them, and time-limited access of administrators."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Adds four tables; whatever lessens what somebody may see grows the accounts' revision."""
    _groups()
    _break_glass()
    grow = "BEGIN UPDATE facts SET value = value + 1 WHERE name = 'accounts_revision'; END"
    for name, when in (
        ("member_changed", "UPDATE OF role ON members"),
        ("member_erased", "DELETE ON members"),
        ("group_member_erased", "DELETE ON group_members"),
        ("group_grant_changed", "UPDATE OF role ON group_grants"),
        ("group_grant_erased", "DELETE ON group_grants"),
        ("project_erased", "DELETE ON projects"),
        ("break_glass_changed", "UPDATE OF expires_at, ended_at ON break_glass"),
        ("break_glass_erased", "DELETE ON break_glass"),
    ):
        op.execute(f"CREATE TRIGGER {name} AFTER {when} {grow}")


def _groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("external_name", sa.String()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="uq_groups_name"),
        sa.UniqueConstraint("external_name", name="uq_groups_external_name"),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("is_external", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_id", "user_id"),
    )
    op.create_index("ix_group_members_user_id", "group_members", ["user_id"])
    op.create_table(
        "group_grants",
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "group_id"),
    )
    op.create_index("ix_group_grants_group_id", "group_grants", ["group_id"])


def _break_glass() -> None:
    op.create_table(
        "break_glass",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String()),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("project_id", sa.String()),
        sa.Column("subject_id", sa.String()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["subject_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in ("user_id", "project_id", "subject_id"):
        op.create_index(f"ix_break_glass_{column}", "break_glass", [column])
