"""`intramuros keys`: made with limits, shown with what was used, changed while a server runs, revoked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from intramuros.cli.main import app
from tests.asgi import Client
from tests.installed import Installed, installation


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    with installation(tmp_path) as made:
        monkeypatch.setenv("INTRAMUROS_DATA", str(made.app.settings.data))
        monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "data.key"))
        yield made


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["keys", *arguments, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_made_with_limits_and_shown(installed: Installed) -> None:
    project = installed.app.projects.create("Leases", by=_alice(installed))
    made = run(
        *("create", "nightly", "--user", "alice@firm.example", "--days", "30", "--scope", "chat", "--scope", "search"),
        *("--requests-per-minute", "60", "--tokens-per-day", "1000", "--project", "Leases"),
    )
    assert made["key"].startswith("imk_") and made["scopes"] == ["chat", "search"]
    shown = run("show", made["id"])
    assert shown["projects"] == [project.id] and shown["requests_per_minute"] == 60
    assert shown["user"] == "alice@firm.example" and shown["state"] == "works" and "key" not in shown
    assert shown["used"] == {"requests_today": 0, "tokens_today": 0, "tokens_this_month": 0}
    assert made["id"] in [key["id"] for key in run("list")]
    narrow = CliRunner().invoke(app, ["keys", "list"], env={"COLUMNS": "80"})
    assert made["id"] in narrow.stdout, "whole, to be copied"
    plain = CliRunner().invoke(app, ["keys", "show", made["id"]])
    assert "0 of 1000" in plain.stdout and "alice@firm.example" in plain.stdout


async def test_a_running_server_follows_at_once(installed: Installed) -> None:
    made = run("create", "job", "--user", "alice@firm.example")
    client = Client(installed.guard, x_api_key=made["key"])
    assert (await client.call("GET", "/api/v1/projects")).status == 200
    run("limit", made["id"], "--scope", "chat")
    assert (await client.call("GET", "/api/v1/projects")).status == 403
    run("limit", made["id"], "--scope", "search", "--requests-per-minute", "1")
    assert (await client.call("GET", "/api/v1/projects")).status == 200
    assert (await client.call("GET", "/api/v1/projects")).status == 429
    assert run("limit", made["id"], "--requests-per-minute", "0")["requests_per_minute"] is None
    assert (await client.call("GET", "/api/v1/projects")).status == 200
    run("revoke", made["id"])
    assert (await client.call("GET", "/api/v1/projects")).status == 401
    assert [record.object for record in installed.records("key.limit", "key.revoke")] == [made["id"]] * 4


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "no such key; drop"], 1, "key_not_found"),
        (["limit", "AAAAAAAAAAAAAAAA", "--scope", "chat"], 1, "key_not_found"),
        (["limit", "AAAAAAAAAAAAAAAA"], 1, "bad_request"),
        (["create", "x", "--scope", "everything"], 1, "bad_scope"),
        (["create", "x", "--model", "no-such-model"], 1, "model_not_found"),
        (["create", "x", "--project", "no such project"], 1, "project_not_found"),
        (["create", "x", "--user", "nobody@firm.example"], 1, "not_found"),
    ],
)
def test_what_can_t_be_is_refused_with_words(installed: Installed, arguments: list[str], code: int, said: str) -> None:
    error = run(*arguments, code=code)["error"]
    assert error["code"] == said and error["message"] and error["hint"]


def _alice(installed: Installed) -> Any:
    return installed.app.sessions.caller(installed.sessions["alice"])
