"""`intramuros tls`: what is shown, exported and renewed, with and without files of one's own."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from intramuros.cli.main import app
from tests.installed import Installed, installation


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    with installation(tmp_path) as made:
        monkeypatch.setenv("INTRAMUROS_DATA", str(made.app.settings.data))
        monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "data.key"))
        yield made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tls", *arguments])


def parsed(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    return json.loads(result.stdout) | {"exit_code": result.exit_code}


def test_before_there_is_one_it_says_how_to_make_one(installed: Installed) -> None:
    for command in ("show", "export"):
        said = parsed(command)
        assert (
            said["exit_code"] == 1 and said["error"]["code"] == "no_authority" and "tls renew" in said["error"]["hint"]
        )


def test_made_shown_exported_and_renewed(installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTRAMUROS_PUBLIC_NAMES", "ai.example.ch")
    first = parsed("renew")
    assert "ai.example.ch" in first["server"]["names"]
    assert {name: parsed("show")[name] for name in ("server", "authority")} == {
        name: first[name] for name in ("server", "authority")
    }
    pem, der = tmp_path / "authority.pem", tmp_path / "authority.der"
    for file, more in ((pem, []), (der, ["--der"])):
        done = run("export", "--out", str(file), *more)
        assert done.exit_code == 0 and "update-ca-certificates" in done.stderr and "certutil" in done.stderr
    assert ssl.PEM_cert_to_DER_cert(pem.read_text(encoding="ascii")) == der.read_bytes()
    assert run("export").stdout == pem.read_text(encoding="ascii"), "nothing else on standard output"
    assert "PRIVATE" not in pem.read_text(encoding="ascii") and "PRIVATE" not in run("export").output
    second, third = parsed("renew"), parsed("renew", "--authority")
    assert second["server"]["sha256"] != first["server"]["sha256"]
    assert second["authority"] == first["authority"] != third["authority"]
    assert "ai.example.ch" in run("show").stdout
    assert {record.action for record in installed.records("tls.renew", "tls.export", "tls.show")} == {
        "tls.renew",
        "tls.export",
        "tls.show",
    }


def test_files_of_one_s_own_are_not_renewed(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTRAMUROS_TLS_CERTIFICATE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("INTRAMUROS_TLS_KEY", str(tmp_path / "none.key"))
    assert parsed("renew")["error"]["code"] == "conflict"
    assert "none.pem" in parsed("show")["error"]["message"]
