"""`intramuros models` with a model of several files: pull, list, show, seal, remove."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from intramuros.app import create
from intramuros.cli.main import app as command_line
from intramuros.settings import load as load_settings
from tests.models import encoders


@pytest.fixture
def vectors(tmp_path: Path) -> encoders.Made:
    return encoders.encoder(tmp_path / "m", quantised=True)


def test_the_commands_know_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vectors: encoders.Made) -> None:
    for name, value in {"data": tmp_path / "data", "key_file": tmp_path / "data.key", "autotune": "no"}.items():
        monkeypatch.setenv(f"INTRAMUROS_{name.upper()}", str(value))
    create(load_settings())

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(command_line, ["models", *arguments, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    pulled = run("pull", str(vectors.folder), "--name", "mine")
    assert (pulled["name"], pulled["kind"], pulled["fits"]) == ("mine", "embedder", True)
    [row] = [row for row in run("list", "--installed")["models"] if row["name"] == "mine"]
    assert row["memory_bytes"] > row["size_bytes"] > 0
    shown = run("show", "mine")
    assert shown["format"] == "onnx" and shown["quantisation"] == "INT8" and "not fused" in shown["search"]
    wanted = {name: hashlib.sha256((vectors.folder / name).read_bytes()).hexdigest() for name in shown["files"]}
    assert shown["files"] == wanted and "onnx/model_quantized.onnx" in wanted
    assert run("seal", "mine")["sealed"] == ["mine"]
    assert run("show", "mine")["sealed"] is True
    assert "mine" in CliRunner().invoke(command_line, ["models", "list", "--installed"]).stdout
    assert run("remove", "mine")["removed"]
