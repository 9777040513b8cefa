"""A kernel that grants less: runs a program for which some system calls don't exist, as containers do it.

Run as `python -m tests.support.degraded WALLS`: starts an engine's process and a reader as the product does and prints
what stands and how each way out ended, as JSON.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from intramuros.documents.reader.supervisor import Reader
from intramuros.engines import child
from intramuros.engines.rights import trial_rights
from intramuros.security import sandbox
from intramuros.settings import Settings
from intramuros.tasks.ways_out import tempted

REPOSITORY = Path(__file__).resolve().parents[2]
TAKEN_AWAY = {
    "network": ("unshare",),
    "files": ("landlock_create_ruleset",),
    "calls": ("seccomp",),
    "rights": ("capset",),
}
NUMBERS = {
    "x86_64": {"unshare": 272, "landlock_create_ruleset": 444, "seccomp": 317, "capset": 126},
    "aarch64": {"unshare": 97, "landlock_create_ruleset": 444, "seccomp": 277, "capset": 91},
}


def take_away(walls: list[str]) -> None:
    """From here on, for this process and its children, the calls that build these walls are not there."""
    machine = platform.machine()
    numbers = [NUMBERS[machine][name] for wall in walls for name in TAKEN_AWAY[wall]]
    steps = [(0x20, 0, 0, 0)]
    for number in numbers:
        steps += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | errno.ENOSYS)]
    steps.append((0x06, 0, 0, 0x7FFF0000))
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    kept = ctypes.create_string_buffer(code, len(code))
    sandbox._prctl(sandbox._PR_SET_NO_NEW_PRIVS, 1)
    header = struct.pack("HP", len(steps), ctypes.addressof(kept))
    assert sandbox._syscall(sandbox._SECCOMP[machine], 1, 0, header) == 0


@lru_cache
def attacked(*without: str) -> dict[str, Any]:
    """What stands and what opens on a kernel without these walls."""
    command = [sys.executable, "-m", "tests.support.degraded", *without]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=REPOSITORY, check=True)
    return dict(json.loads(done.stdout))


async def _attack(folder: Path) -> dict[str, Any]:
    settings = Settings(data=folder)
    reader = Reader(settings)
    (folder / "key").write_text("key")
    (folder / "database").write_text("database")
    try:
        with tempted(key_file=folder / "key", database=folder / "database") as targets:
            walls, from_engine = await child.tried(trial_rights(folder / "run"), targets)
        with tempted(key_file=folder / "key", database=folder / "database") as targets:
            from_reader = await reader.tried(targets)
            reader_walls = await reader.confinement()
    finally:
        reader.close()
    return {
        "walls": {"engine": walls.to_json(), "reader": reader_walls.to_json()},
        "levels": {"engine": walls.level, "reader": reader_walls.level},
        "engine": from_engine,
        "reader": from_reader,
    }


def main() -> None:
    """Attacks the processes of this product on a degraded kernel."""
    if walls := sys.argv[1:]:
        take_away(walls)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run").mkdir()
        print(json.dumps(asyncio.run(_attack(Path(folder)))))
    os._exit(0)


if __name__ == "__main__":
    main()
