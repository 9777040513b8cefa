"""`intramuros redact`: a file, standard input, a map that only its owner reads."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from intramuros.cli.main import app
from intramuros.storage.erasable import Subject
from tests.installed import Installed, installation
from tests.integration.web.files import docx, pdf

LETTER = "Mme Anna Keller, IBAN CH93 0076 2011 6238 5295 7.\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    with installation(tmp_path) as made:
        monkeypatch.setenv("INTRAMUROS_DATA", str(made.app.settings.data))
        monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "data.key"))
        yield made


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["redact", *arguments], input=text)


def test_hidden_and_back(installed: Installed, tmp_path: Path) -> None:
    letter, aliases = tmp_path / "letter.txt", tmp_path / "map.json"
    letter.write_text(LETTER, encoding="utf-8")
    hidden = run(str(letter), "--map", str(aliases))
    assert hidden.exit_code == 0 and "Keller" not in hidden.stdout and "0076" not in hidden.stdout
    assert stat.S_IMODE(aliases.stat().st_mode) == 0o600
    assert run(str(letter), "--map", str(aliases)).stdout == hidden.stdout
    assert run("-", "--restore", str(aliases), text=hidden.stdout).stdout == LETTER
    assert [r.facts["masked"] for r in installed.records("redact")] == [{"IBAN_CODE": 1, "PERSON": 1}] * 2
    assert installed.records("restore")[0].facts["restored"] == 2


def test_json_policy_and_names(installed: Installed, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("Xyla Quorn\n", encoding="utf-8")
    result = run("-", "--json", "--policy", "IBAN_CODE=mask", "--names", str(names), text=LETTER + "xyla quorn")
    value = json.loads(result.stdout)
    assert [(e["entity_type"], e["action"]) for e in value["entities"]] == [
        ("PERSON", "alias"),
        ("IBAN_CODE", "mask"),
        ("PERSON", "alias"),
    ]


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (["-"], "password: hunter2Xyz!", "1 SECRET"),
        (["/no/such/file"], None, "can't be read"),
        (["-", "--policy", "PERSON"], "a", "TYPE=ACTION"),
        (["-", "--restore", "/no/such/map"], "a", "can't be read"),
    ],
)
def test_what_is_refused(installed: Installed, arguments: list[str], text: str | None, said: str) -> None:
    result = run(*arguments, text=text)
    assert result.exit_code == 1 and result.stdout == ""
    assert said in " ".join(result.stderr.split()) and "hunter2" not in result.stderr


def test_a_map_of_something_else_is_refused(installed: Installed, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    for content in ("{}", "not json"):
        other.write_text(content, encoding="utf-8")
        result = run("-", "--map", str(other), text="a")
        assert result.exit_code == 1 and other.read_text(encoding="utf-8") == content


def test_documents_are_read_and_pictures_are_refused(installed: Installed, tmp_path: Path) -> None:
    document = tmp_path / "letter.docx"
    document.write_bytes(docx(["Mme Anna Keller, IBAN CH93 0076 2011 6238 5295 7."]))
    result = run(str(document))
    assert result.exit_code == 0 and "Keller" not in result.stdout and "\u27e6PERSON_" in result.stdout
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(pdf([""]))
    refused = run(str(scan))
    assert refused.exit_code == 1 and not refused.stdout
    broken = tmp_path / "broken.docx"
    broken.write_bytes(b"PK\x03\x04 no archive")
    assert run(str(broken)).exit_code == 1
    binary = tmp_path / "x.txt"
    binary.write_bytes(b"\xff\xfe\xff")
    assert run(str(binary)).exit_code == 1


def directory(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["directory", *arguments], input=text)


def test_the_organisations_directory(installed: Installed) -> None:
    assert "zyta" in run("-", text="bonjour zyta qorn").stdout
    assert json.loads(directory("add", "--file", "-", "--json", text="Zyta  Qorn\n\nOb Lim\n").stdout) == {
        "added": 2,
        "total": 2,
    }
    assert json.loads(directory("add", "Zyta Qorn", "--json").stdout)["added"] == 0
    assert "zyta" not in run("-", text="bonjour zyta qorn").stdout
    assert "Qorn" not in run("-", text="Vu par QORN zyta, merci Qorn").stdout.title()
    assert json.loads(directory("list", "--json").stdout) == ["Ob Lim", "Zyta Qorn"]
    assert directory("remove", "Zyta Qorn").exit_code == 0
    assert "zyta" in run("-", text="bonjour zyta qorn").stdout
    assert directory("remove", "Zyta Qorn").exit_code == 1
    for wrong in ("Qorn", "Agent 007 Bond", "x" * 90 + " " + "y" * 90):
        assert directory("add", wrong).exit_code == 1
    written = "".join(str(record.facts) for record in installed.records("directory.add"))
    assert "Zyta" not in written and len(installed.records("directory.add")) == 5
    assert b"Qorn" not in b"".join(p.read_bytes() for p in installed.app.settings.data.rglob("*") if p.is_file())


def test_the_directory_knows_addresses_and_lines_of_tables(installed: Installed) -> None:
    written = "écrire à Zyta.QORN @ usine.lan. ou alice @ firm.example"
    assert "QORN" in run("-", text=written).stdout.upper()
    table = 'Nom;Adresse\n"Zyta Qorn";"Zyta.Qorn@usine.lan"\nOb Lim;\n'
    assert json.loads(directory("add", "--file", "-", "--json", text=table).stdout)["added"] == 2
    assert json.loads(directory("list", "--json").stdout) == ["Ob Lim", "Zyta Qorn;zyta.qorn@usine.lan"]
    hidden = run("-", text=written).stdout
    assert "QORN" not in hidden and "firm.example" not in hidden and "lan. ou" not in hidden
    refused = directory("add", "--file", "-", "--json", text="Ob Lim\nAnna Keller;nowhere\n")
    assert "Line 2" in json.loads(refused.stdout)["error"]["message"]
    assert directory("remove", "Zyta Qorn").exit_code == 0
    assert json.loads(directory("list", "--json").stdout) == ["Ob Lim"]


def test_erasing_a_person_takes_them_off_the_list(installed: Installed) -> None:
    user = installed.app.users.create("zyta@usine.lan", "Zyta Qorn", role="member", password="nine yellow tractors")
    installed.app.directory.add(["ZYTA Qorn", "Ob Lim;zyta@usine.lan", "Anna Keller"])
    receipt = installed.app.erasure.run(Subject("user", user.id), by=user.id)
    assert receipt.statement is not None and receipt.statement.said["removed"]["directory_entries"] == 2
    assert installed.app.directory.list() == ["Anna Keller"]
