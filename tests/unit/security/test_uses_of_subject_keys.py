"""Whoever seals something under the key of a project or person must say how it is sealed anew when that is replaced."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3] / "src" / "intramuros"
KNOWN = {
    "accounts/projects.py": "makes a project's key, and hands it to whoever stores its documents: files",
    "privacy/erase/erasure.py": "samples of erasures under way: tasks/resealing.py",
    "privacy/redact/kept.py": "aliases: tasks/resealing.py",
    "storage/backups/ledger.py": "a backup folder's copy, which a new folder replaces",
    "storage/backups/sealing.py": "backups: they keep the ledger they had",
    "tasks/batch_lines.py": "lines of batches: tasks/resealing.py",
    "tasks/conversation.py": "turns: tasks/resealing.py",
    "tasks/erasing.py": "reads turns",
    "tasks/files.py": "programs' files: files",
    "tasks/resealing.py": "seals anew",
    "tasks/rotate.py": "wraps the keys themselves anew",
    "tasks/rotate_deep.py": "files, and all of it",
    "tasks/scratch.py": "an installation of its own, for a moment",
    "tasks/selftest.py": "reads files",
    "tasks/stored_replies.py": "replies: tasks/resealing.py",
}
USE = re.compile(
    r"(?:subject_keys|keys|subjects|ledger|former|new|present|staged)\.(?:get|create|shared|known_shared)\("
)


def test_all_are_known() -> None:
    found = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "security" not in path.parts and "SubjectKeys" in text and USE.search(text):
            found.add(path.relative_to(SOURCE).as_posix())
    assert found == KNOWN.keys(), "add what it seals to tasks/resealing.py, then here"
