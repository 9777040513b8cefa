"""Whoever seals something under the data key must say how it is sealed anew when that key is changed."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3] / "src" / "intramuros"
KNOWN = {
    ("api/routes.py", "app.keys.data"),  # aliases: end with the key, as the how-to says
    ("api/mcp/routes.py", "app.keys.data"),  # aliases of hosts: others after a change
    ("app/assemble.py", "keys.data"),  # the ledger: wrapped anew by `tasks.rotate`
    (
        "app/sign_in.py",
        "keys.data",
    ),  # the seeds of one-time codes: sealed anew; attempts at a provider end with the key
    ("server/tls.py", "app.keys.data"),  # sealed anew
    ("tasks/backup.py", "keys.data"),  # of backups: their own keys.json opens them
    ("tasks/restore.py", "keys.data"),
}


def test_all_are_known() -> None:
    found = set()
    for path in SOURCE.rglob("*.py"):
        if "security" in path.parts or path.name in {"rotate.py", "rotate_deep.py"}:
            continue
        for use in re.findall(r"(?:[a-z]+\.)?keys\.data\b", path.read_text(encoding="utf-8")):
            found.add((path.relative_to(SOURCE).as_posix(), use.removeprefix("self.")))
    assert found == KNOWN, "add what it seals to RESEALED in tasks/rotate.py, then here"
