"""Names that look like paths: what is made under one is a name and no more, and nothing is reached by one."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from intramuros.cli.main import app
from intramuros.errors import NotFound
from intramuros.storage.backups.place import Place
from tests.installed import Installed

NAMES = [
    "../../../etc/passwd",
    "..\\..\\windows",
    "/etc/passwd",
    "a/../../b",
    "~/.ssh/id",
    "C:\\x",
    "..",
    ".",
    "%2e%2e%2f",
]


def files(folder: Path) -> set[str]:
    """Every file beside the data folder and in it, by its path."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", NAMES)
async def test_a_project_or_group_of_such_a_name_makes_no_file(installed: Installed, name: str) -> None:
    outside = installed.app.settings.data.parent
    before = {path for path in files(outside) if not path.startswith("data/")}
    for client, path in (("alice", "/api/v1/projects"), ("charlie", "/api/v1/groups")):
        answer = await installed.client(client).call("POST", path, json.dumps({"name": name}).encode())
        assert answer.status in {200, 201, 400, 422}, answer.body
    assert {path for path in files(outside) if not path.startswith("data/")} == before
    assert not any("passwd" in path or "windows" in path for path in files(installed.app.settings.data))


@pytest.mark.parametrize("name", NAMES)
async def test_nothing_is_reached_by_such_a_name(installed: Installed, name: str) -> None:
    client = installed.client("charlie")
    for path in (
        "/v1/models/{}",
        "/api/v1/projects/{}/documents",
        "/api/v1/groups/{}",
        "/api/v1/users/{}",
        "/static/x/{}",
    ):
        for written in (quote(name, safe=""), name.lstrip("/").replace(" ", "%20").replace("\\", "%5c")):
            answer = await client.call("GET", path.format(written))
            assert answer.status in {303, 400, 403, 404, 405}, (path, written, answer.status)
            assert b"root:" not in answer.body


@pytest.mark.parametrize("name", [*NAMES, "a\x00b", "a\nb", "\u202egpj.exe", "x" * 300])
async def test_a_person_of_such_a_name_makes_no_file(installed: Installed, name: str) -> None:
    """Their data can be handed over and erased, and no path comes of it: files have the id, never the name."""
    outside, users = installed.app.settings.data.parent, installed.app.users
    before = {path for path in files(outside) if not path.startswith("data/")}
    client = installed.client("charlie")
    sent = {"name": name, "role": "member", "password": "nine yellow tractors"}
    for email in ("erin@firm.example", f"{name}@firm.example"):
        made = await client.call("POST", "/api/v1/users", json.dumps(sent | {"email": email}).encode())
        assert made.status in {201, 400, 409}, made.body
        if made.status != 201:
            continue
        person = users.get(made.json()["id"])
        archive = zipfile.ZipFile(io.BytesIO(b"".join(installed.app.person_export.stream(person))))
        assert archive.namelist() == ["data.json", "index.html"]
        assert (await client.call("DELETE", f"/api/v1/users/{quote(person.email, safe='')}")).status in {200, 404}
    assert {path for path in files(outside) if not path.startswith("data/")} == before
    assert not any("passwd" in path or "windows" in path for path in files(installed.app.settings.data))


@pytest.mark.parametrize("name", [*NAMES, "20261103T020000Z-0417/../../x", "20261103T020000Z-041\u0667"])
def test_nothing_is_reached_by_such_a_name_of_a_backup(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Beside a backup lies another folder that looks like one; by no name does a command leave the folder it was given."""
    monkeypatch.setenv("INTRAMUROS_DATA", str(installed.app.settings.data))
    monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "data.key"))
    place = tmp_path / "backups" / "mine"
    installed.app.backup.make(place)
    for at in (tmp_path, tmp_path / "backups"):
        shutil.copy(next(place.glob("*/manifest.json")), at / "manifest.json")
    before = {path: (place / path).stat().st_mtime_ns for path in files(place)}
    for command in (
        ("backup", "verify", str(place), "--backup", name),
        ("restore", str(place), "--backup", name, "--data", str(tmp_path / "new")),
    ):
        result = CliRunner().invoke(app, [*command, "--json"])
        assert result.exit_code == 1 and json.loads(result.stdout)["error"]["code"] == "not_found", result.output
    with pytest.raises(NotFound):
        Place(place).folder(name)
    assert {path: (place / path).stat().st_mtime_ns for path in files(place)} == before
    assert not any("keys.json" in path or "intramuros.db" in path for path in files(tmp_path / "new"))
