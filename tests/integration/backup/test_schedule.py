"""The server's own backups: made when due, kept as many as asked, tried again after a failure, and told if they aren't."""

from __future__ import annotations

import asyncio
import errno
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from intramuros.errors import Conflict
from intramuros.settings import Settings
from intramuros.storage.backups.making import Making
from intramuros.storage.backups.place import Place
from intramuros.tasks.backup_schedule import BackupSchedule
from intramuros.tasks.backup_standing import GRACE_S, Standing, note_plan, standing
from intramuros.tasks.rotate_deep import finish
from intramuros.tasks.selftest import Check
from tests.support import installation
from tests.support.installation import Installation


async def test_made_when_due_and_old_ones_go(tmp_path: Path) -> None:
    here = installation.make(tmp_path)
    app = here.open()
    to = tmp_path / "backups"
    settings = replace(here.settings, backup_folder=to, backup_every_hours=1e-9, backup_keep=2)
    stop = asyncio.Event()
    schedule = BackupSchedule(app.backup, app.audit, settings)
    running = asyncio.create_task(schedule.run(stop, look_every_s=0.01))
    seen: set[str] = set()
    async with asyncio.timeout(30):
        while len(seen) < 3:
            seen |= set(Place(to).ids())
            await asyncio.sleep(0.02)
    stop.set()
    await running
    assert len(Place(to).ids()) <= 2
    assert not BackupSchedule(app.backup, app.audit, replace(settings, backup_every_hours=1)).is_due()
    app.close()


async def test_none_when_none_is_asked_for_and_no_end_after_a_failure(tmp_path: Path) -> None:
    here = installation.make(tmp_path)
    app = here.open()
    await BackupSchedule(app.backup, app.audit, here.settings).run(asyncio.Event())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("x")
    settings = replace(here.settings, backup_folder=tmp_path / "photos", backup_every_hours=1)
    assert not await BackupSchedule(app.backup, app.audit, settings)._make()
    app.close()


@dataclass
class Scheduled:
    """A server that makes backups every hour, by its schedule alone."""

    here: Installation
    folder: Path
    hours: float = 1

    @property
    def settings(self) -> Settings:
        return replace(self.here.settings, backup_folder=self.folder, backup_every_hours=self.hours)

    async def make(self, *, fails: bool = False) -> None:
        app = self.here.open()
        try:
            note_plan(app.backup, self.settings)
            schedule = BackupSchedule(app.backup, app.audit, self.settings)
            assert await schedule._make() is not fails
        finally:
            app.close()

    def stands(self, settings: Settings | None = None) -> Standing:
        app = self.here.open()
        try:
            return standing(app.backup, settings or self.settings)
        finally:
            app.close()

    def tried(self) -> Check:
        """What the self-test's row on backups says, as in a terminal that knows none of the server's settings."""
        app = self.here.open()

        async def backup() -> Check:
            (found,) = [check async for check in app.selftest.run() if check.name == "backup"]
            return found

        try:
            return asyncio.run(backup())
        finally:
            app.close()


@pytest.fixture
def scheduled(tmp_path: Path) -> Scheduled:
    return Scheduled(installation.make(tmp_path), tmp_path / "backups")


async def test_none_is_scheduled(scheduled: Scheduled) -> None:
    assert scheduled.stands(scheduled.here.settings) == Standing("off")
    assert scheduled.stands().state == "waiting" and scheduled.stands().is_well
    await scheduled.make()
    stands = scheduled.stands()
    assert stands.state == "good" and stands.is_well and stands.last_at
    assert scheduled.stands(scheduled.here.settings).state == "good", "the plan is not remembered"


async def test_after_a_deep_change_of_keys_it_is_told_before_the_next_one_is_due(scheduled: Scheduled) -> None:
    await scheduled.make()
    finish(scheduled.here.settings)
    stands = scheduled.stands()
    assert (stands.state, stands.is_well) == ("refused", False)
    assert stands.error and stands.error.code == "backup_of_former_keys"
    tried = await asyncio.to_thread(scheduled.tried)
    assert tried.held is False and "INTRAMUROS_BACKUP_FOLDER" in tried.detail and str(scheduled.folder) in tried.detail
    await scheduled.make(fails=True)
    assert (stands := scheduled.stands()).state == "failed" and stands.failed_at
    assert stands.to_json()["error"] == "backup_of_former_keys" and "new folder" in stands.to_json()["hint"]
    assert not (await asyncio.to_thread(scheduled.tried)).held
    scheduled.folder = scheduled.folder.with_name("new")
    await scheduled.make()
    assert scheduled.stands().state == "good"
    assert (await asyncio.to_thread(scheduled.tried)).held


async def test_a_failure_is_remembered_until_one_is_made(scheduled: Scheduled) -> None:
    scheduled.folder.mkdir()
    (scheduled.folder / "me.jpg").write_text("x")
    await scheduled.make(fails=True)
    stands = scheduled.stands()
    assert (stands.state, stands.last_at, type(stands.error)) == ("failed", None, Conflict)
    assert stands.error and stands.error.code == "not_a_backup_folder"
    tried = await asyncio.to_thread(scheduled.tried)
    assert tried.held is False and "other files" in tried.detail
    (scheduled.folder / "me.jpg").unlink()
    await scheduled.make()
    assert scheduled.stands().state == "good"


async def test_a_folder_that_can_not_be_written_is_a_failure_with_words(
    scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(Place, "locked", broken)
    await scheduled.make(fails=True)
    stands = scheduled.stands()
    assert stands.error and str(scheduled.folder) in stands.error.message and "Read-only" in stands.error.message


async def test_what_nobody_expected_is_noted_too(scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Making, "run", broken)
        with pytest.raises(ZeroDivisionError):
            await scheduled.make()
    assert scheduled.stands().state == "failed"


async def test_one_that_is_not_made_in_time_is_overdue(scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch) -> None:
    app = scheduled.here.open()
    note_plan(app.backup, scheduled.settings)
    app.close()
    began = time.time()
    for after_s, state in ((GRACE_S - 60, "waiting"), (GRACE_S + 60, "overdue")):
        monkeypatch.setattr(
            "intramuros.tasks.backup_standing.time", SimpleNamespace(time=lambda at=began + after_s: at)
        )
        assert scheduled.stands().state == state
    monkeypatch.undo()
    await scheduled.make()
    for after_s, state in ((3600 + GRACE_S - 60, "good"), (3600 + GRACE_S + 60, "overdue")):
        at = time.time() + after_s
        monkeypatch.setattr("intramuros.tasks.backup_standing.time", SimpleNamespace(time=lambda at=at: at))
        assert scheduled.stands().state == state
    tried = await asyncio.to_thread(scheduled.tried)
    assert tried.held is False and "overdue" in tried.detail


async def test_one_without_its_damaged_files_is_told(scheduled: Scheduled) -> None:
    blob = next(path for path in (scheduled.here.data / "blobs").rglob("*") if path.is_file())
    blob.write_bytes(blob.read_bytes()[:-1])
    await scheduled.make()
    stands = scheduled.stands()
    assert (stands.state, stands.damaged) == ("damaged", 1)
    tried = await asyncio.to_thread(scheduled.tried)
    assert tried.held is False and "lacks 1" in tried.detail
