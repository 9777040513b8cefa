"""What redaction makes is pseudonymised: the other word promises what nobody can keep."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[4]


def test_nothing_is_called_anonymised() -> None:
    places = [*(ROOT / "src").rglob("*"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    said = [
        str(path.relative_to(ROOT))
        for path in places
        if path.suffix in {".py", ".html", ".json", ".md", ".js"}
        and re.search(r"(?i)(?<!pseudo)(?<!pseud)anonymi[sz]|anonymisier", path.read_text(encoding="utf-8"))
    ]
    assert not said
