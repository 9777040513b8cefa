"""`intramuros users reset-factor` on a real data folder."""

from __future__ import annotations

import json
from pathlib import Path

import pyotp
import pytest
from typer.testing import CliRunner, Result

from intramuros.accounts.recovery_codes import RecoveryCodes
from intramuros.accounts.users import Users
from intramuros.app import build
from intramuros.cli.main import app
from intramuros.settings import load
from intramuros.storage.schema import now
from tests.integration.conftest import PASSWORD
from tests.support import cheap

EMAIL = "alice@firm.example"


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=typed)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder with Alice, who has one-time codes and is signed in."""
    monkeypatch.setenv("INTRAMUROS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "key" / "one.key"))
    assert run("init").exit_code == 0
    intramuros = build(load())
    intramuros.factors.recovery = RecoveryCodes(intramuros.database, cheap.passwords())
    users = Users(intramuros.database, passwords=cheap.passwords())
    alice = users.create(EMAIL, "Alice", role="member", password=PASSWORD)
    secret = intramuros.factors.codes.begin(alice).secret
    intramuros.factors.confirm_codes(alice, pyotp.TOTP(secret).at(now()))
    intramuros.sessions.open(alice, is_strong=True)
    intramuros.close()


def state() -> tuple[bool, int]:
    """Whether Alice has a factor, and how many sessions."""
    intramuros = build(load())
    try:
        alice = intramuros.users.by_email(EMAIL)
        assert alice
        return intramuros.factors.has_any(alice.id), len(intramuros.sessions.list(alice.id))
    finally:
        intramuros.close()


def test_it_asks_takes_the_factors_away_and_is_recorded() -> None:
    assert state() == (True, 1)
    assert run("users", "reset-factor", EMAIL, typed="n\n").exit_code != 0
    assert state() == (True, 1)
    done = run("users", "reset-factor", EMAIL, "--yes", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["email"] == EMAIL
    assert state() == (False, 0)
    records = json.loads(run("audit", "show", "--json").stdout)
    assert "user.reset_factor" in json.dumps(records)


def test_nobody_of_that_name() -> None:
    assert run("users", "reset-factor", "nobody@firm.example", "--yes").exit_code != 0
