"""The tables of models elsewhere: upstreams, routes to them, who agreed, how they compare."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table

from intramuros.storage.tables.naming import metadata

# Model servers beside the pool of this machine. The key is sealed; `details` are models, prices, waits.
upstreams = Table(
    "upstreams",
    metadata,
    Column("name", String, primary_key=True),
    Column("url", String, nullable=False),
    Column("key", LargeBinary),
    Column("is_outside", Boolean, nullable=False),
    Column("details", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)

# From a model's name to the targets that may answer: `plan` as `engines.routes` writes it.
routes = Table(
    "routes",
    metadata,
    Column("name", String, primary_key=True),
    Column("plan", JSON, nullable=False),
    Column("changed_at", Float, nullable=False),
)

# Who agreed for good that their requests may go to an upstream outside; a row with none of the three is everybody.
outside_consents = Table(
    "outside_consents",
    metadata,
    Column("id", String, primary_key=True),
    Column("upstream", ForeignKey("upstreams.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("key_id", ForeignKey("api_keys.id", ondelete="CASCADE"), index=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), index=True),
    Column("created_at", Float, nullable=False),
)

# What targets compared with one another did: numbers only, of nobody in particular.
comparisons = Table(
    "comparisons",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("route", String, nullable=False),
    Column("pair", String, nullable=False),  # the same for an answer and its shadow
    Column("role", String, nullable=False),  # served | shadow
    Column("target", String, nullable=False),
    Column("first_token_ms", Float),
    Column("duration_ms", Float, nullable=False),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("finish_reason", String),
    Column("error", String),
    Column("agreement", Float),  # of a shadow with the answer: 0 to 1
)
Index("ix_comparisons_route", comparisons.c.route, comparisons.c.at)
