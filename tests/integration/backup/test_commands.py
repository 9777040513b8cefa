"""`intramuros backup|restore|recovery|rotate` as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from intramuros.app import build
from intramuros.cli.main import app
from intramuros.security import keys as key_files
from intramuros.settings import Settings
from intramuros.storage.database import open_database


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTRAMUROS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "keys" / "one.key"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def run(*arguments: object, given: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)


def parsed(*arguments: object, given: str | None = None) -> Any:
    result = run(*arguments, "--json", given=given)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def actions() -> list[str]:
    return [row["action"] for row in parsed("audit", "show")]


def test_from_init_to_a_lost_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = parsed("init", "--recovery")["recovery_key"]
    made = parsed("backup", folder / "to")
    assert Path(made["folder"]).is_dir()
    assert [row["backup"] for row in parsed("backup", "list", folder / "to")] == [made["backup"]]
    assert parsed("backup", "verify", folder / "to")["ok"]
    assert parsed("recovery", "check", "-", given=words + "\n")["ok"]
    (folder / "keys" / "one.key").unlink()
    monkeypatch.delenv("INTRAMUROS_KEY_FILE")
    assert run("audit", "show").exit_code == 1
    assert parsed("backup", "verify", folder / "to", "--recovery-key", "-", given=words + "\n")["ok"]
    used = parsed("recovery", "use", "-", given=words + "\n")
    assert "config" in used["key"]
    assert actions() == ["init", "backup", "backup.list", "backup.verify", "recovery.check", "recovery.use"]
    monkeypatch.setenv("INTRAMUROS_DATA", str(folder / "new"))
    back = parsed("restore", folder / "to", "--recovery-key", "-", given=words + "\n")
    assert back["new_key"]
    assert "backup.restore" in actions()


def test_init_prints_no_recovery_key_into_a_log(folder: Path) -> None:
    result = run("init")
    assert "imr-" not in result.output
    assert "recovery create" in result.output


def test_another_key_and_new_data_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed("init")
    second = folder / "keys" / "two.key"
    assert "two.key" in parsed("rotate", "--new-key-file", second)["key"]
    assert run("audit", "show").exit_code == 1  # the first opens it no more
    monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(second))
    assert parsed("rotate", "--data-keys")["size_bytes"] > 0
    assert [action for action in actions() if action.startswith("keys")] == ["keys.rotate", "keys.rotate"]
    assert parsed("audit", "verify")["ok"]


def test_a_deep_change_of_keys_is_prepared_while_the_data_is_in_use_and_finished_after(folder: Path) -> None:
    parsed("init")
    former = key_files.open_keys(folder / "data", key_file=folder / "keys" / "one.key")
    server = build(Settings(data=folder / "data", key_file=folder / "keys" / "one.key"))
    try:
        result = run("rotate", "--deep", "--json")
        assert result.exit_code == 1 and not json.loads(result.stdout)["is_finished"]
        assert "Stop the server" in run("rotate", "--deep").stdout
    finally:
        server.close()
    assert parsed("rotate", "--deep")["is_finished"]
    assert "keys.rotate" in actions() and "keys.prepare" in actions()
    assert key_files.open_keys(folder / "data", key_file=folder / "keys" / "one.key").data != former.data
    assert run("rotate", "--deep", "--passphrase").exit_code != 0
    assert parsed("audit", "verify")["ok"]


@pytest.mark.parametrize("how", ["--deep", "--data-keys"])
def test_what_a_restore_put_aside_keeps_the_old_keys_and_a_change_says_so(folder: Path, how: str) -> None:
    parsed("init")
    assert "restore --forget" not in run("rotate", how).stdout
    parsed("backup", folder / "to")
    kept = Path(parsed("restore", folder / "to", "--replace")["kept"])
    former = key_files.open_keys(kept, key_file=folder / "keys" / "one.key")
    assert parsed("rotate", how)["put_aside"] == [str(kept)]
    said = " ".join(run("rotate", how).stdout.split())
    assert str(kept) in said and "restore --forget" in said
    open_database(kept / "intramuros.db", former.database).close()
    parsed("restore", "--forget")
    assert parsed("rotate", how)["put_aside"] == []


def test_a_damaged_backup_ends_with_one(folder: Path) -> None:
    parsed("init")
    made = parsed("backup", folder / "to")
    database = Path(made["folder"]) / "intramuros.db"
    content = bytearray(database.read_bytes())
    content[5000] ^= 1
    database.write_bytes(content)
    result = run("backup", "verify", folder / "to", "--json")
    assert result.exit_code == 1
    assert not json.loads(result.stdout)["ok"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("restore",),
        ("restore", "nowhere"),
        ("restore", "--undo"),
        ("backup", "verify", "nowhere"),
        ("recovery", "check", "nowhere"),
        ("rotate", "--data-keys", "--keyring"),
        ("rotate", "--passphrase", "--keyring"),
    ],
)
def test_errors_say_what_to_do(folder: Path, arguments: tuple[str, ...]) -> None:
    parsed("init")
    result = run(*arguments, "--json")
    assert result.exit_code in {1, 2}
    assert json.loads(result.stdout)["error"]["message"]


def test_wrong_words(folder: Path) -> None:
    parsed("init", "--recovery")
    for given in ("imr-1234\n", "imr-vver-4dm3-amz2-1hgb-cmv1-jy8g-6xgp-1m9y-efs7-kex4-f9e9\n", "\n"):
        result = run("recovery", "check", "-", "--json", given=given)
        assert result.exit_code == 1
        assert json.loads(result.stdout)["error"]["code"] == "wrong_key"


def test_taking_a_restore_back_and_deleting_what_was_kept_are_recorded(folder: Path) -> None:
    parsed("init")
    parsed("backup", folder / "to")
    parsed("backup", "list", folder / "to")
    parsed("restore", folder / "to", "--replace")
    assert "backup.list" not in actions()
    assert parsed("restore", "--undo")["recorded"]
    assert parsed("restore", "--forget") == {"forgotten": 1}
    assert [action for action in actions() if action != "audit.show"][-3:] == [
        "backup.list",
        "backup.undo",
        "backup.forget",
    ]
    assert parsed("audit", "verify")["ok"]


def test_without_the_key_a_restore_is_taken_back_unrecorded_and_nothing_kept_is_deleted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed("init")
    parsed("backup", folder / "to")
    parsed("restore", folder / "to", "--replace")
    key = folder / "keys" / "one.key"
    monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(key.rename(folder / "aside.key").with_name("none.key")))
    assert not parsed("restore", "--undo")["recorded"]
    assert run("restore", "--forget").exit_code == 1
    monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(folder / "aside.key"))
    assert parsed("restore", "--forget") == {"forgotten": 1}
