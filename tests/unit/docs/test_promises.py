"""What docs/promises.md and docs/asvs.md name must exist: commands, files, tests."""

from __future__ import annotations

import re

import pytest
import typer.main

from intramuros.cli.main import app
from intramuros.tasks.selftest import PROMISES
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = [name for name in ("promises.md", "asvs.md") if (DOCS / name).exists()]


@pytest.mark.parametrize("name", PAGES)
def test_every_test_that_is_named_exists(name: str) -> None:
    named = set(re.findall(r"`(tests/[\w/.]+\.py)(?:::(\w+))?`", (DOCS / name).read_text(encoding="utf-8")))
    assert len(named) > 10
    for path, test in named:
        assert (REPOSITORY / path).is_file(), path
        assert not test or f"def {test}(" in (REPOSITORY / path).read_text(encoding="utf-8"), (path, test)


def test_every_command_that_is_named_exists() -> None:
    commands = re.findall(r"`intramuros ([\w -]+)`", (DOCS / "promises.md").read_text(encoding="utf-8"))
    assert len(commands) >= 6
    for words in commands:
        command = typer.main.get_command(app)
        for word in words.split():
            inside = getattr(command, "commands", None)
            if inside is None:
                assert word == "isolation", words  # an argument, not a command
                break
            assert word in inside, words
            command = inside[word]


def test_each_promise_from_1_to_6_has_its_row() -> None:
    text = (DOCS / "promises.md").read_text(encoding="utf-8")
    for number in range(1, 7):
        row = next(line for line in text.splitlines() if line.startswith(f"| {number}. "))
        assert PROMISES[number].rstrip(".") in row
        assert "`intramuros " in row and "`tests/" in row


ASVS = {
    6: (
        "1.1 2.1 2.2 2.3 2.4 2.5 2.6 2.7 2.8 3.1 3.2 4.1 4.2",
        "1.2 1.3 2.9 2.10 2.11 2.12 3.3 3.4 4.3 4.4 5.1 5.2 5.3 5.4 5.5 6.1 6.2 6.3 8.1 8.2 8.3 8.4",
    ),
    7: ("2.1 2.2 2.3 2.4 4.1 4.2", "1.1 1.2 1.3 3.1 3.2 4.3 4.4 4.5 5.1 5.2 6.1 6.2"),
    8: ("1.1 2.1 2.2 3.1", "1.2 2.3 4.1"),
    9: ("1.1 1.2 1.3 2.1", "2.2 2.3 2.4"),
    11: ("3.1 3.2 4.1", "1.1 1.2 2.1 2.2 2.3 3.3 4.2 4.3 4.4 5.1 6.1"),
    12: ("1.1 2.1 2.2", "1.2 1.3 3.1 3.2 3.3 3.4"),
    14: ("2.1 3.1", "1.1 1.2 2.2 2.3 2.4 3.2 3.3"),
    16: ("", "1.1 2.1 2.2 2.3 2.4 2.5 3.1 3.2 3.3 3.4 4.1 4.2 4.3 5.1 5.2 5.3"),
}
"""The items of levels 1 and 2, by chapter. Source: OWASP ASVS 5.0.0 as released (5.0/docs_en, the CSV)."""


def test_every_item_of_the_standard_has_its_row_at_its_level() -> None:
    rows = re.findall(
        r"^\| (\d+\.\d+\.\d+) \| (\d) \| .+ \| .+ \|$", (DOCS / "asvs.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    wanted = [
        (f"{chapter}.{item}", level)
        for chapter, levels in ASVS.items()
        for level, items in zip("12", levels, strict=True)
        for item in items.split()
    ]
    assert sorted(rows) == sorted(wanted)
