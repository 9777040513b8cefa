"""`intramuros presets` as a person and a script use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from intramuros.cli.main import app
from tests.installed import Installed, installation
from tests.models import tiny


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("presets")
    with installation(folder) as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTRAMUROS_DATA", str(made.app.settings.data))
        patch.setenv("INTRAMUROS_KEY_FILE", str(folder / "data.key"))
        made.app.models.add_file(tiny.chat(folder / "tiny.gguf", layers=1), "tiny")
        yield made


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["presets", *arguments, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_made_listed_shown_and_removed(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "system.txt").write_text("Réponds en vers.", encoding="utf-8")
    made = run("create", "poet", "--model", "tiny", "--system-file", str(tmp_path / "system.txt"),
               "--set", "temperature=0.9", "--set", "stop=FIN", "--set", "stop=END")  # fmt: skip
    assert made["everyone"] and made["system"] == "Réponds en vers."
    assert made["parameters"] == {"temperature": 0.9, "stop": ["FIN", "END"]}
    assert [one["name"] for one in run("list")] == ["poet"] and run("show", "poet") == made
    listed = CliRunner().invoke(app, ["models", "list", "--installed", "--json"])
    assert json.loads(listed.stdout)["presets"] == [{"name": "poet", "model": "tiny"}]
    plain = CliRunner().invoke(app, ["presets", "list"])
    assert "poet" in plain.stdout and "temperature=0.9" in plain.stdout
    shown = CliRunner().invoke(app, ["presets", "show", "poet"]).stdout
    assert "Réponds en vers." in shown and "temperature=0.9 stop=FIN stop=END" in shown
    assert run("remove", "poet") == {"name": "poet", "removed": True}
    assert run("show", "poet", code=1)["error"]["code"] == "not_found"
    assert {row.actor for row in installed.records("preset.create", "preset.remove")} == {"local"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--model", "none"), "model_not_found"),
        (("--set", "temperature"), "bad_request"),
        (("--set", "temperature=hot"), "bad_request"),
        (("--set", "colour=1"), "unknown_parameter"),
        (("--system", "a", "--system-file", "b"), "bad_request"),
        (("--system-file", "/nowhere/at/all"), "bad_request"),
        (("--adapter", "poetry"), "bad_request"),
    ],
)
def test_what_is_refused(installed: Installed, arguments: tuple[str, ...], code: str) -> None:
    assert run("create", "clerk", *arguments, code=1)["error"]["code"] == code
