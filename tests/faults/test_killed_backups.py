"""`kill -9` in the middle of a backup, a restore, a change of keys and a migration: nothing is lost, and it goes on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from intramuros.app import build
from intramuros.errors import IntramurosError
from intramuros.security import keys as key_files
from intramuros.storage import swap
from intramuros.storage.backups.place import Place, within
from intramuros.storage.database import Database, create, open_database
from intramuros.tasks import rotate_deep
from intramuros.tasks.backup import verify
from intramuros.tasks.restore import open_backup, restore
from intramuros.tasks.rotate import rotate
from tests.support import installation
from tests.support.forked import Child, Say
from tests.support.installation import Installation, texts

ROUNDS = 10


def killed(work: Callable[[], object], *, after_s: float, waits: bool = False) -> bool:
    """Runs `work` in a process that is killed after a while; whether it had ended before.

    With `waits` it kills itself, or ends.
    """

    def saying(say: Say) -> None:
        say("begin")
        work()
        say("end")

    child = Child(saying)
    child.line()
    time.sleep(after_s)
    if waits:
        return "end" in child.rest()
    child.kill()
    return "end" in child.rest()


def moments(longest_s: float) -> list[float]:
    """Some at once, the rest spread over the time the work takes."""
    pick = random.Random(3)
    return [0.0, *sorted(pick.uniform(0, longest_s) for _ in range(ROUNDS - 1))]


def took(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def contents(here: Installation) -> set[str]:
    app = here.open()
    try:
        assert app.audit.verify().ok
        assert app.database.check() == []
        return texts(app)
    finally:
        app.close()


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return installation.make(tmp_path, files=8)


def test_a_killed_backup_leaves_no_half_one_and_the_next_goes_on(here: Installation, tmp_path: Path) -> None:
    def backup(to: Path) -> None:
        app = here.open()
        app.backup.make(to)
        app.close()

    longest = took(lambda: backup(tmp_path / "first"))
    to = tmp_path / "backups"
    for after_s in moments(longest):
        killed(lambda: backup(to), after_s=after_s)
        for one in Place(to).ids():
            ring = open_backup(Place(to), one, here.settings)
            assert verify(Place(to), one, ring.data, subjects=ring.subjects).problems == ()
    backup(to)
    place, newest = within(to)
    ring = open_backup(place, newest, here.settings)
    assert verify(place, newest, ring.data, subjects=ring.subjects).problems == ()
    assert not place.unfinished()


def test_a_killed_restore_has_changed_all_or_nothing_and_goes_on(here: Installation, tmp_path: Path) -> None:
    to = tmp_path / "backups"
    app = here.open()
    app.backup.make(to)
    installation.add(app, here.projects["Project 0"], "zanzibar later")
    app.close()
    after = contents(here)
    before = after - {"zanzibar later"}

    def bring() -> None:
        place, newest = within(to)
        restore(place, newest, here.settings, replace=True)

    longest = took(lambda: restore(*within(to), here.elsewhere(tmp_path / "timed")))
    seen = set()
    for after_s in moments(longest * 1.1):
        killed(bring, after_s=after_s)
        now = contents(here)
        assert now in (before, after)
        seen.add(len(now))
        if now == before:  # back to how it was, for the next round
            app = here.open()
            installation.add(app, here.projects["Project 0"], "zanzibar later")
            app.close()
    bring()
    assert contents(here) == before


def test_a_killed_change_of_data_keys_leaves_the_old_or_the_new_ones(here: Installation) -> None:
    before = contents(here)
    words = key_files.add_recovery(here.data, key_file=here.settings.key_file)
    longest = took(lambda: rotate(here.settings))
    for after_s in moments(longest * 1.1):
        killed(lambda: rotate(here.settings), after_s=after_s)
        assert contents(here) == before
        opened = key_files.open_keys(here.data, key_file=here.settings.key_file)
        assert key_files.open_with_recovery(here.data, words).data == opened.data
    old = key_files.open_keys(here.data, key_file=here.settings.key_file)
    rotate(here.settings)
    assert contents(here) == before
    with pytest.raises(IntramurosError):
        open_database(here.data / "intramuros.db", old.database)
    assert not list(here.data.glob(".*"))


def test_a_killed_deep_change_of_keys_leaves_the_old_or_the_new_ones_and_goes_on(here: Installation) -> None:
    before = contents(here)
    words = key_files.add_recovery(here.data, key_file=here.settings.key_file)
    longest = took(lambda: rotate_deep.finish(here.settings))
    for after_s in moments(longest * 1.1):
        killed(lambda: rotate_deep.finish(here.settings), after_s=after_s)
        assert contents(here) == before
        opened = key_files.open_keys(here.data, key_file=here.settings.key_file)
        assert key_files.open_with_recovery(here.data, words).data == opened.data
    old = key_files.open_keys(here.data, key_file=here.settings.key_file)
    rotate_deep.finish(here.settings)
    assert contents(here) == before
    with pytest.raises(IntramurosError):
        open_database(here.data / "intramuros.db", old.database)
    assert not list(here.data.glob(".*"))


@pytest.mark.parametrize("point", ["sync_tree", "write_synced", "finish", "_move", "_overwrite_small"])
def test_a_deep_change_of_keys_that_ends_while_it_takes_its_place_goes_on(
    here: Installation, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """At each step from when everything is ready; killed at the first call, then at the next ones."""
    before = contents(here)
    for call in range(1, 6):

        def work(nth: int = call) -> None:
            calls = 0
            real = getattr(swap, point)

            def stops(*arguments: object, **more: object) -> object:
                nonlocal calls
                if (here.data / swap.NEXT).exists():
                    calls += 1
                    if calls == nth:
                        os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **more)

            setattr(swap, point, stops)
            rotate_deep.finish(here.settings)

        killed(work, after_s=0, waits=True)
        assert contents(here) == before
    rotate_deep.finish(here.settings)
    assert contents(here) == before
    assert not list(here.data.glob(".*"))


def test_a_killed_change_of_the_key_file_leaves_one_that_opens(here: Installation, tmp_path: Path) -> None:
    before = contents(here)
    files = [here.settings.key_file]
    for number, after_s in enumerate([0, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01]):
        new = tmp_path / "keys" / f"{number}.key"

        def change(new: Path = new, old: Path | None = files[-1]) -> None:
            key_files.rewrap(here.data, key_files.open_keys(here.data, key_file=old), key_file=new)

        killed(change, after_s=after_s)
        for file in (new, files[-1]):
            try:
                key_files.open_keys(here.data, key_file=file)
            except IntramurosError:
                continue
            files.append(file)
            break
        else:
            pytest.fail("no key opens the data")
    app = build(here.elsewhere(here.data, key_file=files[-1]))
    assert texts(app) == before
    app.close()


def test_a_killed_migration_is_repeated(path: Path, key: bytes) -> None:
    """From the first version's tables: every step or none, in one transaction."""
    from alembic import command
    from alembic.config import Config

    from intramuros.storage import migrations

    def old(place: Path) -> None:
        create(place, key).close()
        place.unlink()
        place.touch(mode=0o600)
        database = Database(place, key)
        config = Config()
        config.set_main_option("script_location", str(migrations.FOLDER))
        with database.write(durable=True) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
        database.close()

    old(path)
    longest = took(lambda: open_database(path, key).close())
    for after_s in moments(longest * 1.2):
        for rest in path.parent.glob("intramuros.*"):
            rest.unlink()
        old(path)
        killed(lambda: open_database(path, key).close(), after_s=after_s)
        database = open_database(path, key)
        assert database.check() == []
        with database.read() as connection:
            assert migrations.is_current(connection)
        database.close()
