"""The main job at the command line: documents in, answers with pages out, and errors that say what to do."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from intramuros.documents import samples
from tests.acceptance.conftest import Installation


def test_the_three_sample_questions_are_answered_from_the_right_page_or_not_at_all(with_samples: Installation) -> None:
    for question in samples.questions():
        answer = with_samples.run("ask", question["question"], "--project", "Atelier", "--json").json
        assert set(answer) >= {"answer", "sources", "supported", "mode", "model", "timings"}
        if question["document"] is None:
            assert (answer["mode"], answer["sources"]) == ("none", [])
        else:
            assert answer["mode"] == "quote"
            assert answer["supported"] is True
            found = [(source["document"], source["page"]) for source in answer["sources"]]
            assert (question["document"], question["page"]) in found


def test_a_person_reads_each_quotation_once_and_what_it_leaves_open(with_samples: Installation) -> None:
    said = with_samples.run("ask", "Quel est le prix de l'or ?", "--project", "Atelier").out
    assert said.count("18 400 euros") == 1
    assert said.count("Ces citations ne couvrent qu'une partie de la question") == 1


def test_a_quote_stands_word_for_word_in_the_page_it_names(with_samples: Installation) -> None:
    question = next(q for q in samples.questions() if q["document"])
    answer = with_samples.run("ask", question["question"], "--project", "Atelier", "--json").json
    found = with_samples.run("search", answer["sources"][0]["quote"], "--project", "Atelier", "--json").json
    assert any(answer["sources"][0]["quote"] in passage["text"] for passage in found)


def test_search_gives_document_page_text_score_and_rectangles(with_samples: Installation) -> None:
    found = with_samples.run("search", "intervention", "--project", "Atelier", "--limit", "3", "--json").json
    assert 0 < len(found) <= 3
    assert all(set(passage) == {"document", "page", "text", "score", "rects"} for passage in found)
    assert found == sorted(found, key=lambda passage: -passage["score"])
    everything = with_samples.run(
        "search", "congés délai hôtel password livraison", "--project", "Atelier", "--json"
    ).json
    assert len({passage["document"].rpartition(".")[2] for passage in everything}) >= 3
    assert all(passage["rects"] for passage in everything)


def test_commands_work_beside_a_running_server_and_use_its_engine(with_samples: Installation) -> None:
    with_samples.serve()
    try:
        question = next(q for q in samples.questions() if q["document"])["question"]
        assert with_samples.run("ask", question, "--project", "Atelier", "--json").json["sources"]
        assert with_samples.run("keys", "list", "--json").code == 0
    finally:
        with_samples.stop()


def test_a_second_server_on_the_same_data_is_refused(with_model: Installation) -> None:
    with_model.serve()
    try:
        done = with_model.run("serve", "--port", "0", code=1)
        assert "already" in done.err
        assert "--data" in done.err
    finally:
        with_model.stop()


def test_a_busy_port_is_named(with_model: Installation, tmp_path: Path) -> None:
    url = with_model.serve()
    try:
        other = Installation(tmp_path)
        other.run("init")
        done = other.run("serve", "--port", url.rsplit(":", 1)[1], code=1)
        assert "in use" in done.err
        assert "--port" in done.err
    finally:
        with_model.stop()


def test_beyond_this_machine_needs_tls_and_an_administrator_with_a_second_factor(installation: Installation) -> None:
    said = installation.run("serve", "--host", "0.0.0.0", "--port", "0", code=2).err
    assert "second factor" in " ".join(said.split())
    assert "TLS" in installation.run("serve", "--host", "0.0.0.0", "--no-tls", "--port", "0", code=2).err


def test_add_explains_each_failure_and_ends_with_1(installation: Installation, tmp_path: Path) -> None:
    good, empty, strange = tmp_path / "note.txt", tmp_path / "empty.pdf", tmp_path / "thing.pdf"
    good.write_text("Le parking ferme à 22 heures.")
    empty.touch()
    strange.write_bytes(b"MZ\x90\x00" + bytes(500))
    paths = [str(path) for path in (good, empty, strange, tmp_path / "gone.txt")]
    done = installation.run("add", *paths, "--project", "Divers", "--json", code=1)
    states = {Path(result["path"]).name: (result["state"], bool(result["error"])) for result in done.json}
    assert states == {
        "note.txt": ("ready", False),
        "empty.pdf": ("failed", True),
        "thing.pdf": ("failed", True),
        "gone.txt": ("failed", True),
    }
    errors = {Path(result["path"]).name: result["error"] for result in done.json if result["error"]}
    assert all(error.count(".") >= 2 for error in errors.values()), f"what happened and what to do: {errors}"


def test_a_mistyped_path_makes_no_project(installation: Installation) -> None:
    error = installation.run("add", "/no/such/file.pdf", "--project", "Typo", "--json", code=1).json["error"]
    assert error["code"] == "not_found"
    assert "project" in installation.run("search", "x", "--project", "Typo", code=1).err


def test_an_unknown_project_model_or_command_is_an_error_with_a_hint(with_samples: Installation) -> None:
    assert "project" in with_samples.run("ask", "?", "--project", "Nowhere", code=1).err
    error = with_samples.run("models", "show", "no-such-model", "--json", code=1).json["error"]
    assert error["code"] == "model_not_found"
    assert error["hint"]
    with_samples.run("frobnicate", code=2)


def test_data_without_its_key_is_refused(installation: Installation, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.write_text("00" * 32)
    wrong.chmod(0o600)
    error = installation.run("keys", "list", "--json", code=1, INTRAMUROS_KEY_FILE=str(wrong)).json["error"]
    assert error["code"] == "wrong_key"


def test_no_data_says_how_to_make_it(tmp_path: Path) -> None:
    done = Installation(tmp_path).run("keys", "list", code=1)
    assert "intramuros init" in done.err


def test_init_does_not_touch_existing_data(installation: Installation) -> None:
    before = (installation.data / "keys.json").read_bytes()
    assert "already" in installation.run("init", code=1).err
    installation.run("init", "--if-needed")
    assert (installation.data / "keys.json").read_bytes() == before


def test_an_unknown_setting_stops_every_command(installation: Installation) -> None:
    done = installation.run("keys", "list", code=2, INTRAMUROS_PROT="1")
    assert "INTRAMUROS_PROT" in done.err


def test_init_makes_the_first_administrator(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("seven green bicycles\n")
    made = Installation(tmp_path)
    made.run("init", "--admin-email", "ada@firm.example", "--admin-password-file", str(password))
    key = made.run("keys", "create", "hers", "--user", "ada@firm.example", "--json").json
    assert key["key"].startswith("imk_")


def test_nothing_of_documents_questions_or_answers_is_readable_on_disk(
    with_samples: Installation, readable: Callable[[Path, str], list[Path]], tmp_path: Path
) -> None:
    secret = tmp_path / "zeppelin-contract.txt"
    secret.write_text("The zeppelin Quetzalcoatl costs 731942 francs and flies on Thursdays.")
    with_samples.run("add", str(secret), "--project", "Secret")
    answer = with_samples.run(
        "ask", "How much does the zeppelin Quetzalcoatl cost?", "--project", "Secret", "--json"
    ).json
    assert "731942" in answer["answer"]
    for word in ("Quetzalcoatl", "quetzalcoatl", "731942", "zeppelin", "Thursdays", "Secret"):
        assert readable(with_samples.data, word) == [], word
    assert readable(tmp_path, "Quetzalcoatl") == [secret], "the search itself must be able to find it"


def test_selftest_holds_on_a_good_installation(with_samples: Installation) -> None:
    checks = {check["name"]: check["held"] for check in with_samples.run("selftest", "--json").json}
    assert {name for name, held in checks.items() if held is not True} <= {
        "audit copy",
        "backup",
        "outside",
        "search",
    }, checks
    assert not any(held is False for held in checks.values()), checks


def test_no_way_out_is_open_and_that_is_on_record(with_samples: Installation) -> None:
    found = with_samples.run("selftest", "isolation", "--json").json
    assert found["open"] == [] and found["level"] in {"full", "partial"}
    assert found["attempts"]["tcp"].keys() == {"engine", "reader"}
    [record] = with_samples.run("audit", "show", "--action", "selftest.isolation", "--json").json
    assert record["facts"]["attempts"] == record["facts"]["held"] == 2 * len(found["attempts"])
    assert "blocked" in with_samples.run("selftest", "isolation").out


def test_selftest_finds_a_model_file_that_was_changed(installation: Installation, starter_model: Path) -> None:
    installation.run("models", "pull", str(starter_model), "--name", "changed", "--use")
    [file] = installation.data.glob("models/*/*.gguf")
    with file.open("r+b") as weights:
        weights.seek(-100, 2)
        byte = weights.read(1)[0]
        weights.seek(-100, 2)
        weights.write(bytes([byte ^ 1]))
    done = installation.run("selftest", "--json", code=1)
    assert {check["name"] for check in done.json if check["held"] is False} == {"model file", "engine"}


def test_selftest_says_what_is_broken(installation: Installation) -> None:
    installation.key_file.chmod(0o600)
    database = installation.data / "intramuros.db"
    content = bytearray(database.read_bytes())
    content[len(content) // 2] ^= 1
    database.write_bytes(bytes(content))
    done = installation.run("selftest", "--json", code=1)
    assert "storage_corrupt" in done.out or '"held": false' in done.out


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["models", "--help"], ["ask", "--help"]])
def test_help_needs_no_data(command: list[str], tmp_path: Path) -> None:
    made = Installation(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "intramuros", *command],
        env=made.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert not made.data.exists()


def test_json_prints_only_json(with_samples: Installation) -> None:
    for arguments in (["models", "list"], ["keys", "list"], ["search", "zzz", "--project", "Atelier"]):
        json.loads(with_samples.run(*arguments, "--json").out)


def test_a_passphrase_opens_the_data_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    made = Installation(tmp_path)
    made.run("init", INTRAMUROS_PASSPHRASE="sept vélos verts")
    made.run("keys", "list", INTRAMUROS_PASSPHRASE="sept vélos verts")
    assert made.run("keys", "list", "--json", code=1).json["error"]["code"] == "wrong_key"
    wrong = made.run("keys", "list", "--json", code=1, INTRAMUROS_PASSPHRASE="huit vélos verts")
    assert wrong.json["error"]["code"] == "wrong_key"


def test_a_passphrase_is_asked_for_at_a_terminal(tmp_path: Path) -> None:
    made = Installation(tmp_path)
    made.run("init", INTRAMUROS_PASSPHRASE="sept vélos verts")
    command = [sys.executable, "-m", "intramuros", "keys", "list", "--data", str(made.data)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, command, made.environment())
    seen = b""
    while b"Passphrase" not in seen:
        seen += os.read(terminal, 1000)
    os.write(terminal, "sept vélos verts\n".encode())
    with contextlib.suppress(OSError):  # the terminal closes when the command ends
        while piece := os.read(terminal, 1000):
            seen += piece
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
