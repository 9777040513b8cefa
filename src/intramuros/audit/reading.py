"""Finds records for people to look at. Called by the command line and the audit's page.

It checks nothing (see `audit.verify`).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row, and_, or_, select

from intramuros.storage.database import Database
from intramuros.storage.schema import audit


def find(
    database: Database,
    *,
    since: float | None = None,
    until: float | None = None,
    actor: str | None = None,
    action: str | None = None,
    outcome: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Sequence[Row[tuple[object, ...]]]:
    """The newest records that fit, oldest first. An action also finds those below it: `key` finds `key.create`.

    `before`: only records with a smaller number, to go on where a page ended.
    """
    wanted = [
        None if since is None else audit.c.at >= since,
        None if until is None else audit.c.at <= until,
        None if actor is None else audit.c.actor == actor,
        None if action is None else or_(audit.c.action == action, audit.c.action.startswith(f"{action}.")),
        None if outcome is None else audit.c.outcome == outcome,
        None if before is None else audit.c.sequence < before,
    ]
    query = select(audit).where(and_(True, *[one for one in wanted if one is not None]))
    with database.read() as connection:
        return connection.execute(query.order_by(audit.c.sequence.desc()).limit(limit)).all()[::-1]
