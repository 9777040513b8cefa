"""Who has a second factor, as a condition of a query. Called by `accounts` wherever a statement asks for it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, or_

from intramuros.storage.schema import enrolments_due, one_time_codes, passkeys


def has_factor(user_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether this person has one-time codes in force or a passkey."""
    return or_(
        exists().where(one_time_codes.c.user_id == user_id, one_time_codes.c.confirmed_at.is_not(None)),
        exists().where(passkeys.c.user_id == user_id),
    )


def is_enrolment_due(user_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether an administrator took this person's second factor away, and no new one is set up yet."""
    return exists().where(enrolments_due.c.user_id == user_id)
