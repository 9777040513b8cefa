"""Names that look like paths: what is made under one is a name and no more, and nothing is reached by one."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

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
