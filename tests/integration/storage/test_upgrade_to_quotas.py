"""A database from before limits of people: what keys had and used is still theirs, and is forgotten with them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.rights import Quota
from intramuros.accounts.usage import Usage
from intramuros.storage import migrations
from intramuros.storage.database import Database, open_database

AT = 1_795_600_000.0  # 25 November 2026


def test_a_key_keeps_its_limits_and_its_counts(tmp_path: Path, database_key: bytes) -> None:
    path = tmp_path / "intramuros.db"
    path.touch(mode=0o600)
    old = Database(path, database_key)
    with old.write() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrations.FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, "0011")
        columns = "id, name, token_hash, hint, user_id, created_at, tokens_per_day"
        for id, limit in (("limited", 500), ("free", None)):
            values = {"id": id, "hash": id.encode(), "limit": limit}
            connection.execute(
                text(f"INSERT INTO api_keys ({columns}) VALUES (:id, 'job', :hash, 'abcd', 'local', 1, :limit)"), values
            )
        connection.execute(text("INSERT INTO key_usage VALUES ('limited', '2026-11-25', 3, 70)"))
    old.close()
    database = open_database(path, database_key)
    keys, usage = ApiKeys(database), Usage(database, lambda: AT)
    assert keys.get("limited").rights.quota == Quota(tokens_per_day=500) and keys.get("free").rights.quota == Quota()
    assert usage.used(("key", "limited")).tokens_today == 70 and usage.used(("key", "limited")).requests_today == 3
    with database.write() as connection:
        connection.execute(text("DELETE FROM api_keys"))
        assert connection.scalar(text("SELECT (SELECT count(*) FROM quotas) + (SELECT count(*) FROM usage)")) == 0
    database.close()
