"""Limits and usage of people, groups and projects too, and money."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

OF_KEYS = ("requests_per_minute", "tokens_per_day", "tokens_per_month")
OWNERS = {"key": "api_keys", "user": "users", "group": "groups", "project": "projects"}
GROW = "UPDATE facts SET value = value + 1 WHERE name = 'accounts_revision';"


def upgrade() -> None:
    """What keys had moves into the tables of all; a change counts at once, as other changes of accounts do."""
    _tables()
    names = ", ".join(OF_KEYS)
    op.execute(
        f"INSERT INTO quotas (kind, subject, {names}) SELECT 'key', id, {names} FROM api_keys"
        f" WHERE {' OR '.join(f'{name} IS NOT NULL' for name in OF_KEYS)}"
    )
    op.execute(
        "INSERT INTO usage (kind, subject, day, requests, tokens, euros)"
        " SELECT 'key', key_id, day, requests, tokens, 0 FROM key_usage"
    )
    op.drop_table("key_usage")
    op.execute("DROP TRIGGER api_key_rights_changed")
    for name in OF_KEYS:
        op.execute(f"ALTER TABLE api_keys DROP COLUMN {name}")
    _triggers()


def _tables() -> None:
    op.create_table(
        "quotas",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("requests_per_minute", sa.Integer()),
        sa.Column("tokens_per_day", sa.Integer()),
        sa.Column("tokens_per_month", sa.Integer()),
        sa.Column("euros_per_day", sa.Float()),
        sa.Column("euros_per_month", sa.Float()),
        sa.Column("weight", sa.Float()),
        sa.PrimaryKeyConstraint("kind", "subject"),
    )
    op.create_table(
        "usage",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("euros", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", "day"),
    )


def _triggers() -> None:
    for name, when in (
        ("api_key_rights_changed", "UPDATE OF scopes, models, projects ON api_keys"),
        ("quota_set", "INSERT ON quotas"),
        ("quota_changed", "UPDATE ON quotas"),
        ("quota_erased", "DELETE ON quotas"),
        ("group_member_added", "INSERT ON group_members"),
        ("group_renamed", "UPDATE OF name ON groups"),
    ):
        op.execute(f"CREATE TRIGGER {name} AFTER {when} BEGIN {GROW} END")
    for kind, table in OWNERS.items():
        gone = " ".join(f"DELETE FROM {of} WHERE kind = '{kind}' AND subject = old.id;" for of in ("quotas", "usage"))
        op.execute(f"CREATE TRIGGER {kind}_limits_erased AFTER DELETE ON {table} BEGIN {gone} END")
