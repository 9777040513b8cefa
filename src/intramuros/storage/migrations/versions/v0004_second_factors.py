"""Second factors: one-time codes, recovery codes, passkeys; sessions that know how their person came in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes five tables, and `sessions` anew: everybody signs in once more."""
    _sessions()
    _codes()
    _passkeys()
    _steps()
    _revision_of_accounts()


def _sessions() -> None:
    op.drop_table("sessions")
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("proven_at", sa.Float(), nullable=False),
        sa.Column("is_strong", sa.Boolean(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash"),
        sa.UniqueConstraint("id", name="uq_sessions_id"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])


def _codes() -> None:
    op.create_table(
        "one_time_codes",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("confirmed_at", sa.Float()),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("lookup", sa.String(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("used_at", sa.Float()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "lookup"),
    )
    op.create_table(
        "enrolments_due",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id"),
    )


def _passkeys() -> None:
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("last_used_at", sa.Float()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("credential_id", name="uq_passkeys_credential_id"),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"])


def _steps() -> None:
    op.create_table(
        "steps",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("holder_hash", sa.LargeBinary()),
        sa.Column("user_id", sa.String()),
        sa.Column("address", sa.String()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_steps_user_id", "steps", ["user_id"])


def _revision_of_accounts() -> None:
    """When a session was last seen changes nothing about what it may do; the rest here does."""
    grow = "BEGIN UPDATE facts SET value = value + 1 WHERE name = 'accounts_revision'; END"
    for name, when in (
        ("session_changed", "UPDATE OF token_hash, user_id, expires_at, proven_at, is_strong ON sessions"),
        ("session_erased", "DELETE ON sessions"),
        ("codes_confirmed", "UPDATE OF confirmed_at ON one_time_codes"),
        ("codes_erased", "DELETE ON one_time_codes"),
        ("passkey_added", "INSERT ON passkeys"),
        ("passkey_erased", "DELETE ON passkeys"),
        ("enrolment_due", "INSERT ON enrolments_due"),
        ("enrolment_done", "DELETE ON enrolments_due"),
    ):
        op.execute(f"CREATE TRIGGER {name} AFTER {when} {grow}")
