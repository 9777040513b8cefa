"""The tables of the installation and its people: how they sign in, their keys, what they may use and have used."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, LargeBinary, String, Table

from intramuros.storage.tables.naming import metadata

# What belongs to the whole installation: default model, instance id, autotune results.
facts = Table(
    "facts",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", JSON, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("email", String, nullable=False, unique=True),  # lower case
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),  # administrator | auditor | manager | member | service
    Column("password_hash", String),
    Column("language", String, nullable=False, default="fr"),
    Column("created_at", Float, nullable=False),
    Column("suspended_at", Float),
)

# One-time links: the first administrator, and people an administrator invites.
invitations = Table(
    "invitations",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("role", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("id", String, nullable=False, unique=True),  # stays when the token is made new
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("proven_at", Float, nullable=False),  # when the person last showed a password or passkey
    Column("is_strong", Boolean, nullable=False),  # whether a second factor was shown
    Column("method", String, nullable=False),  # password | totp | recovery | passkey | what another part signs in with
    Column("device", String, nullable=False),  # browser and system, in words
)

# One-time codes from an app (TOTP), one set a person. Without `confirmed_at` it is not in force.
one_time_codes = Table(
    "one_time_codes",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("confirmed_at", Float),
    Column("last_step", Integer, nullable=False),  # of the newest code that was used: no code is taken twice
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("lookup", String, primary_key=True),  # its first characters, which say which hash to compare
    Column("code_hash", String, nullable=False),
    Column("used_at", Float),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", String, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("sign_count", Integer, nullable=False),
    Column("site", String, nullable=False),  # the name of the server it was made for (relying party)
    Column("name", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float),
)

# Who people are at an OpenID Connect provider or in a directory.
external_identities = Table(
    "external_identities",
    metadata,
    Column("issuer", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
)

# Whose second factor an administrator took away: they set up a new one before anything else.
enrolments_due = Table(
    "enrolments_due",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("since", Float, nullable=False),
)

# What a browser has begun and must finish within minutes: a sign-in after its password, the challenge of a passkey.
steps = Table(
    "steps",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("kind", String, nullable=False),  # second | passkey.sign_in | passkey.add | passkey.prove
    Column("holder_hash", LargeBinary),  # of the browser's own secret, where the token is not one
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("address", String),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("tries", Integer, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("hint", String, nullable=False),  # the last four characters, to recognise it
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("last_used_at", Float),
    Column("scopes", JSON(none_as_null=True)),  # null: all but administration
    Column("models", JSON(none_as_null=True)),  # null: all
    Column("projects", JSON(none_as_null=True)),  # ids; null: all of its person's
)

# How much somebody may use, and their weight in the queue; what is null is not limited. Triggers remove a row with its
# owner.
quotas = Table(
    "quotas",
    metadata,
    Column("kind", String, primary_key=True),  # user | group | project | key | role | everyone
    Column("subject", String, primary_key=True),  # its id; the role's name; all
    Column("requests_per_minute", Integer),
    Column("tokens_per_day", Integer),
    Column("tokens_per_month", Integer),
    Column("euros_per_day", Float),
    Column("euros_per_month", Float),
    Column("weight", Float),
)

# What was used, a row a day: counts, never content. Triggers remove the rows with their owner.
usage = Table(
    "usage",
    metadata,
    Column("kind", String, primary_key=True),  # user | group | project | key
    Column("subject", String, primary_key=True),
    Column("day", String, primary_key=True),  # 2026-11-25, in UTC
    Column("requests", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("euros", Float, nullable=False),
)
