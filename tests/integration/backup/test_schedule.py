"""The server's own backups: made when due, kept as many as asked, and tried again after a failure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from intramuros.storage.backups.place import Place
from intramuros.tasks.backup_schedule import BackupSchedule
from tests.support import installation


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
