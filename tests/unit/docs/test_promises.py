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
