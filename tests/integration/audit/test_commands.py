"""`intramuros audit …` on a real data folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from intramuros.app import build
from intramuros.cli.main import app
from intramuros.settings import load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a key of its own and a second place."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("INTRAMUROS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "key" / "one.key"))
    monkeypatch.setenv("INTRAMUROS_AUDIT_COPY", str(tmp_path / "elsewhere"))
    assert run("init").exit_code == 0
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def parsed(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    return json.loads(result.stdout)


def tamper(statement: str) -> None:
    intramuros = build(load())
    with intramuros.database.write() as connection:
        connection.execute(text(statement))
    intramuros.close()


def test_the_first_command_is_signed_and_copied(folder: Path) -> None:
    (file,) = (folder / "elsewhere").iterdir()
    assert file.name.startswith("intramuros-audit-")
    result = parsed("audit", "verify")
    assert (result["ok"], result["records"], result["checkpoints"], result["copied"]) == (True, 1, 1, 1)
    assert "The audit holds" in run("audit", "verify").stdout


def test_show_finds_by_everything(folder: Path) -> None:
    run("keys", "create", "robot")
    run("keys", "revoke", "nothing")
    actions = [row["action"] for row in parsed("audit", "show")]
    assert actions == ["init", "key.create", "key.revoke"]
    assert [row["action"] for row in parsed("audit", "show", "--action", "key")] == ["key.create", "key.revoke"]
    assert [row["action"] for row in parsed("audit", "show", "--outcome", "refused")] == ["key.revoke"]
    assert [row["sequence"] for row in parsed("audit", "show", "--limit", "2", "--action", "key.create")] == [2]
    assert parsed("audit", "show", "--actor", "nobody") == []
    assert len(parsed("audit", "show", "--actor", "local", "--since", "1h", "--until", "2100-01-01")) > 3
    assert parsed("audit", "show", "--until", "2020-01-01") == []
    assert "key.create" in run("audit", "show").stdout
    assert run("audit", "show", "--since", "soon").exit_code == 2


def test_a_person_is_found_by_e_mail(folder: Path) -> None:
    intramuros = build(load())
    intramuros.users.create("alice@firm.example", "Alice", role="member", password="seven green bicycles")
    alice = intramuros.users.by_email("alice@firm.example")
    assert alice
    intramuros.close()
    tamper(f"UPDATE audit SET actor = '{alice.id}' WHERE sequence = 1")
    assert [row["sequence"] for row in parsed("audit", "show", "--actor", "alice@firm.example")] == [1]


def test_verify_says_what_is_wrong_and_ends_with_one(folder: Path) -> None:
    run("keys", "list")
    tamper("UPDATE audit SET outcome = 'failed' WHERE sequence = 1")
    result = run("audit", "verify")
    assert result.exit_code == 1
    assert "does not hold" in result.stdout
    assert "Look at record 1" in result.stdout
    assert parsed("audit", "verify")["first_bad"] == 1


def test_an_export_verifies_offline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public, export = folder / "public.pem", folder / "export.jsonl"
    public.write_text(run("audit", "public-key").stdout)
    assert run("audit", "export", str(export)).exit_code == 0
    assert export.stat().st_mode & 0o777 == 0o600
    assert parsed("audit", "verify", "--export", str(export))["ok"]

    monkeypatch.setenv("INTRAMUROS_DATA", str(folder / "nowhere"))
    offline = ("audit", "verify", "--export", str(export), "--public-key", str(public))
    assert parsed(*offline)["records"] == 2
    export.write_text(export.read_text().replace("init", "exit"))
    result = run(*offline)
    assert result.exit_code == 1
    assert "changed" in result.stdout
    export.write_bytes(b"\xff\xfe")
    assert run(*offline).exit_code == 1


def test_a_file_is_needed(folder: Path) -> None:
    assert run("audit", "verify", "--export", str(folder / "none")).exit_code == 1
    assert run("audit", "verify", "--public-key", str(folder / "none")).exit_code == 1
    assert run("audit", "export", str(folder / "none" / "file")).exit_code == 1


def test_exports_on_standard_output(folder: Path) -> None:
    assert all(json.loads(line)["class_uid"] == 6003 for line in run("audit", "export", "-").stdout.splitlines())
    lines = run("audit", "export", "--format", "syslog", "-").stdout.splitlines()
    assert lines[0].startswith("<110>1 ")


def test_verify_with_a_copy_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = (folder / "elsewhere").iterdir()
    log = folder / "messages"
    log.write_text("Nov 23 16:00:00 host something else\nNov 23 16:00:01 host intramuros-audit: " + file.read_text())
    monkeypatch.delenv("INTRAMUROS_AUDIT_COPY")
    result = parsed("audit", "verify", "--copy", str(log))
    assert (result["ok"], result["copied"], result["unread"]) == (True, 1, 1)


def test_purge(folder: Path) -> None:
    assert "No sealed segment" in run("audit", "purge").stdout
    assert parsed("audit", "purge", "--months", "1") == {"months": 1, "records": 0, "segments": 0, "last": 0}
    assert run("audit", "purge", "--months", "0").exit_code == 2


def test_the_public_key(folder: Path) -> None:
    found = parsed("audit", "public-key")
    assert found["public_key"] == run("audit", "public-key").stdout
    assert len(found["fingerprint"]) == 16


def test_a_second_place_that_is_required_and_gone_refuses_commands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTRAMUROS_AUDIT_COPY_REQUIRED", "true")
    assert run("keys", "list").exit_code == 0
    for file in (folder / "elsewhere").iterdir():
        file.unlink()
    result = parsed("keys", "list")
    assert result["error"]["code"] == "audit_unavailable"
    assert "second place" in result["error"]["message"]
    assert run("audit", "verify").exit_code == 0, "looking is not refused"
