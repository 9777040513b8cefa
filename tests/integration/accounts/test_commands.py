"""`intramuros users|groups|projects` as a person and a script use them: what they print, change, record and refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from intramuros.cli.main import app
from intramuros.errors import BadRequest
from intramuros.privacy.erase.receipt import verified
from tests.installed import PASSWORD, Installed, installation

ERIN = "erin@firm.example"
ALICE, BOB = "alice@firm.example", "bob@firm.example"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    with installation(tmp_path) as made:
        monkeypatch.setenv("INTRAMUROS_DATA", str(made.app.settings.data))
        monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "data.key"))
        yield made


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def refused(*arguments: str) -> str:
    return str(run(*arguments, code=1)["error"]["code"])


def test_people(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("nine yellow tractors\n", encoding="utf-8")
    added = run("users", "add", ERIN, "--name", "Erin", "--password-file", str(tmp_path / "password"))
    assert (added["email"], added["role"]) == (ERIN, "member")
    assert installed.app.users.authenticate(ERIN, "nine yellow tractors", address="127.0.0.1").id == added["id"]
    invited = run("users", "invite", "--role", "auditor", "--hours", "1")
    assert installed.app.users.invited_role(invited["link"].rpartition("/")[2]) == "auditor"
    shown = run("users", "show", ERIN)
    assert (shown["id"], shown["groups"], shown["projects"], shown["keys"]) == (added["id"], [], [], 0)
    assert run("users", "role", ERIN, "manager")["role"] == "manager"
    assert run("users", "suspend", ERIN)["suspended"] and not run("users", "resume", ERIN)["suspended"]
    assert run("users", "sign-out", ERIN)["email"] == ERIN
    assert run("users", "remove", ERIN, "--yes")["subject"] == added["id"]
    assert refused("users", "show", ERIN) == "user_not_found"
    for action in ("user.add", "user.show", "user.role", "user.suspend", "user.sign_out", "user.resume", "erase.user"):
        assert installed.records(action)[0].object == added["id"], action
    assert installed.records("user.invite")[-1].facts["role"] == "auditor"


def test_people_are_refused_in_words(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "weak").write_text("123456\n", encoding="utf-8")
    assert refused("users", "add", ALICE, "--role", "service") == "email_taken"
    run("users", "add", ERIN, "--password-file", str(tmp_path / "weak"), code=1)
    run("users", "add", ERIN, "--role", "emperor", code=1)
    run("users", "invite", "--role", "emperor", code=1)
    run("users", "role", "charlie@firm.example", "member", code=1)  # the last administrator
    for command in (("show",), ("suspend",), ("sign-out",), ("resume",), ("remove", "--yes")):
        assert refused("users", command[0], "nobody@firm.example", *command[1:]) == "user_not_found"
    assert ERIN not in str(run("users", "list"))


def test_groups(installed: Installed) -> None:
    made = run("groups", "create", "Litige")
    assert run("groups", "add", "Litige", BOB)["id"] == made["id"]
    assert [member["email"] for member in run("groups", "list")[0]["members"]] == [BOB]
    assert run("groups", "leave", "Litige", BOB)["id"] == made["id"]
    assert run("groups", "remove", "Litige") == {"id": made["id"], "removed": True}
    for command in (("add", "Litige", BOB), ("leave", "Litige", BOB), ("remove", "Litige")):
        assert refused("groups", *command) == "group_not_found"
    bob = installed.app.users.find(BOB).id
    for action in ("group.create", "group.add", "group.leave", "group.remove"):
        assert installed.records(action)[0].object == made["id"], action
    assert installed.records("group.add")[0].facts["user"] == bob


def test_projects(installed: Installed) -> None:
    made = run("projects", "create", "Baux", "--owner", ALICE)
    run("groups", "create", "Litige")
    run("groups", "add", "Litige", BOB)
    assert [member["email"] for member in run("projects", "show", made["id"])["members"]] == [ALICE]
    run("projects", "share", made["id"], "--group", "Litige", "--role", "contributor")
    shown = run("projects", "show", made["id"])
    assert [(group["name"], group["role"]) for group in shown["groups"]] == [("Litige", "contributor")]
    assert {member["email"]: member["role"] for member in shown["members"]} == {ALICE: "owner", BOB: "contributor"}
    run("projects", "unshare", made["id"], "--group", "Litige")
    run("projects", "share", made["id"], "--user", BOB)
    assert {member["email"]: member["role"] for member in run("projects", "show", made["id"])["members"]}[
        BOB
    ] == "reader"
    for wrong in (
        (),
        ("--user", BOB, "--group", "Litige"),
        ("--user", "nobody@firm.example"),
        ("--user", BOB, "--role", "king"),
    ):
        run("projects", "share", made["id"], *wrong, code=1)
    assert refused("projects", "unshare", made["id"], "--user", ALICE) == "last_owner"
    assert run("projects", "remove", made["id"], "--yes")["subject"] == made["id"]
    assert refused("projects", "show", made["id"]) == "project_not_found"
    for action in ("project.share", "project.unshare", "erase.project"):
        assert installed.records(action)[0].object == made["id"], action


def test_lists(installed: Installed) -> None:
    """What is there, with what it takes to name it, in words and for programs."""
    listed = run("users", "list")
    assert [(one["email"], one["role"], one["suspended"]) for one in listed] == [
        (ALICE, "member", False), (BOB, "member", False), ("charlie@firm.example", "administrator", False),
    ]  # fmt: skip
    run("users", "suspend", BOB)
    assert [one["suspended"] for one in run("users", "list")] == [False, True, False]
    plain = CliRunner().invoke(app, ["users", "list"], env={"COLUMNS": "160"})
    assert all(one["id"] in plain.output and one["email"] in plain.output for one in listed)
    assert "suspended" in plain.output and "operator" not in plain.output.lower()
    assert run("projects", "list") == []
    for name in ("Zones", "Baux"):
        made = run("projects", "create", name)
        assert (made["name"], made["role"]) == (name, "owner")
    assert [(one["name"], one["documents"]) for one in run("projects", "list")] == [("Baux", 0), ("Zones", 0)]
    plain = CliRunner().invoke(app, ["projects", "list"], env={"COLUMNS": "160"})
    assert made["id"] in plain.output and "Zones" in plain.output
    assert refused("projects", "create", "Baux") == "project_exists"
    assert refused("projects", "create", "Terrains", "--owner", "nobody@firm.example") == "user_not_found"
    assert refused("projects", "create", "x" * 101) == "bad_name"
    assert len(run("projects", "list")) == 2, "what was refused left nothing"
    for action in ("users.list", "projects.list", "project.create"):
        assert installed.records(action), action


@pytest.mark.parametrize("command", [("users", "remove"), ("erase", "user")])
def test_removing_a_person_is_an_erasure_with_its_receipt(installed: Installed, command: tuple[str, ...]) -> None:
    alice = installed.app.users.find(ALICE)
    made = run("projects", "create", "Baux", "--owner", ALICE)
    run("directory", "add", "Alice Zebulonette;alice@firm.example", "Jean Dupont")
    assert refused(*command, ALICE) == "not_confirmed"
    assert refused(*command, ALICE, "--yes") == "needs_heir"
    assert refused(*command, ALICE, "--yes", "--heir", ALICE) == "bad_heir"
    assert not installed.app.users.find(ALICE).is_suspended
    done = run(*command, ALICE, "--yes", "--heir", BOB)
    said = verified(done["receipt"], installed.app.audit.public_key())
    assert (said["what"], said["subject"], said["met_after"], done["inherited"]) == ("user", alice.id, 0, 1)
    assert said["met_before"] > 0 and said["key_destroyed"] and said["removed"]["directory_entries"] == 1
    assert [member["email"] for member in run("projects", "show", made["id"])["members"]] == [BOB]
    assert installed.app.directory.list() == ["Jean Dupont"]
    assert run("erase", "receipts")[0]["id"] == done["id"]
    record = installed.records("erase.user")[-1]
    assert (record.object, record.facts["erasure"]) == (alice.id, done["id"])
    assert refused(*command, ALICE, "--yes") == "user_not_found"


@pytest.mark.parametrize("command", [("projects", "remove"), ("erase", "project")])
def test_removing_a_project_is_an_erasure_with_its_receipt(installed: Installed, command: tuple[str, ...]) -> None:
    made = run("projects", "create", "Zebulonie")
    assert refused(*command, "Zebulonie") == "not_confirmed"
    result = CliRunner().invoke(app, [*command, "Zebulonie", "--yes"])
    assert result.exit_code == 0 and "Receipt" in result.output and "destroyed" in result.output
    receipt = run("erase", "receipts")[0]
    assert receipt["id"] in result.output and receipt["subject"] == made["id"]
    assert verified(receipt["receipt"], installed.app.audit.public_key())["what"] == "project"
    assert refused(*command, "Zebulonie", "--yes") == "project_not_found"


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "[bold red]x[/]", "'; DROP TABLE users; --", "ﷺ 𝔘𝔫𝔦 é", "=cmd|' /C calc'!A0"]
)
def test_odd_names_are_kept_and_shown_as_they_are(installed: Installed, name: str) -> None:
    user = installed.app.users.create(ERIN, name, role="member", password=PASSWORD)
    assert run("users", "show", ERIN)["name"] == user.name == name
    result = CliRunner().invoke(app, ["users", "show", ERIN])
    assert result.exit_code == 0 and name in result.output
    assert name not in str([record.facts for record in installed.records()])


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\x00b", "turned \u202e round"])
def test_names_that_can_deceive_are_refused(installed: Installed, name: str) -> None:
    with pytest.raises(BadRequest):
        installed.app.users.create(ERIN, name, role="member", password=PASSWORD)
