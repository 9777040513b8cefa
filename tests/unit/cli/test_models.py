"""`intramuros models` on real models, with the other parts of the application as small stand-ins."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from intramuros.cli import console, fetching
from intramuros.cli import models as commands
from intramuros.engines.measures import Measures
from intramuros.models.catalogue import load
from intramuros.models.installed import InstalledModels
from intramuros.models.partial import Origin, Partial
from intramuros.privacy.egress import Egress
from intramuros.settings import Settings
from tests.unit.models.builder import Gguf


class Audit:
    """Keeps what was recorded."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []

    def _entry(self, action: str, **facts: Any) -> SimpleNamespace:
        self.records.append((action, facts))
        return SimpleNamespace(note=facts.update)

    @contextmanager
    def entry_sync(self, action: str, **facts: Any) -> Iterator[SimpleNamespace]:
        yield self._entry(action, **facts)

    @asynccontextmanager
    async def entry(self, action: str, **facts: Any) -> AsyncIterator[SimpleNamespace]:
        yield self._entry(action, **facts)


class Remembered:
    value: Any = None

    def get(self) -> Any:
        return self.value

    def set(self, value: Any) -> None:
        self.value = value


class Command:
    """Runs one command and keeps what it printed."""

    def __init__(self, app: SimpleNamespace, tmp_path: Path) -> None:
        self.app, self.tmp_path = app, tmp_path

    def __call__(self, *arguments: str, code: int = 0) -> Any:
        result = CliRunner().invoke(commands.app, [*arguments])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.output

    def file(self, name: str = "Tiny-Q8_0.gguf", **numbers: Any) -> str:
        path = self.tmp_path / name
        path.write_bytes(Gguf.model(**numbers).bytes())
        return str(path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    catalogue, settings = load(), Settings(data=tmp_path, hub_url="https://hub.invalid")
    app = SimpleNamespace(
        settings=settings,
        catalogue=catalogue,
        models=InstalledModels(tmp_path / "models", catalogue, Remembered()),
        egress=Egress(),
        audit=Audit(),
        presets=SimpleNamespace(list=lambda *, by: []),
        pool=SimpleNamespace(
            pinned=set(),
            folder=tmp_path / "engines",
            elsewhere=dict,
            measures=Measures(None, settings, tmp_path, Egress()),
        ),
    )

    @contextmanager
    def opened(data: Path | None, **flags: Any) -> Iterator[SimpleNamespace]:
        yield app

    for module in (console, commands):
        monkeypatch.setattr(module, "out", Console(width=200, highlight=False))
    for module in (console, fetching):
        monkeypatch.setattr(module, "err", Console(width=200, highlight=False, stderr=True))
    monkeypatch.setattr(commands, "opened", opened)
    return Command(app, tmp_path)


def test_list_shows_the_catalogue_with_what_fits(run: Command) -> None:
    listed = run("list", "--json")
    assert listed["default"] is None
    assert listed["models"][0]["name"] == "smollm2-135m"
    assert {m["name"] for m in listed["models"]} == {m.name for m in load()}
    fitting = run("list", "--fits", "--json")["models"]
    assert all(m["memory_bytes"] <= listed["room_bytes"] for m in fitting)
    assert "llama-3.3-70b" not in {m["name"] for m in fitting} or listed["room_bytes"] > 40e9
    text = run("list")
    for words in ("ministral-3-8b", "quotes your documents", "apache-2.0", "unknown", "embedder"):
        assert words in text


def test_names_are_whole_on_a_narrow_terminal(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "out", Console(width=80, highlight=False))
    run("pull", run.file(), "--json")
    lines = run("list").splitlines()
    assert max(map(len, lines)) <= 80
    for name in ("tiny-q8_0", *(model.name for model in load())):
        assert any(line.split()[1:2] == [name] for line in lines), name
    assert "…" not in "".join(lines)


def test_a_model_whose_file_may_change_is_marked(run: Command) -> None:
    loose = {model.name for model in load() if not model.is_pinned}
    assert loose
    rows = run("list", "--json")["models"]
    assert {row["name"] for row in rows if not row["hash_pinned"]} == loose
    assert not any(row["pinned"] for row in rows), "none is kept in memory"
    listed = run("list")
    assert all(f"{name} *" in listed for name in loose)
    assert "smollm2-135m *" not in listed
    assert "* not pinned: its publisher may change the file" in listed
    assert "its publisher may change the file" in run("show", "lucie-7b")
    assert "its publisher may change the file" not in run("show", "qwen3-0.6b")


def test_a_file_is_installed_listed_shown_chosen_and_removed(run: Command) -> None:
    row = run("pull", run.file(), "--json")
    assert (row["name"], row["installed"], row["default"], row["trust"]) == ("tiny-q8_0", True, True, "quotes")
    run("pull", run.file("Other.gguf", block_count=3), "--name", "other", "--json")
    assert [m["name"] for m in run("list", "--installed", "--json")["models"]] == ["other", "tiny-q8_0"]
    assert run("use", "other", "--json") == {"default": "other", "trust": "quotes"}
    shown = run("show", "default", "--json")
    assert (shown["name"], shown["layers"], shown["architecture"]) == ("other", 3, "llama")
    assert "quotes your documents" in run("show", "other")
    assert run("remove", "tiny-q8_0", "--json") == {"name": "tiny-q8_0", "removed": True}
    assert [m["name"] for m in run("list", "--installed", "--json")["models"]] == ["other"]


def test_the_list_says_which_model_is_kept_in_memory(run: Command) -> None:
    run("pull", run.file(), "--json")
    run.app.pool.pinned.add("tiny-q8_0")
    (row,) = run("list", "--installed", "--json")["models"]
    assert (row["pinned"], row["hash_pinned"]) == (True, True)


def test_every_command_leaves_a_record(run: Command) -> None:
    run("pull", run.file(), "--use")
    run("list")
    run("show", "default")
    run("use", "tiny-q8_0")
    run("remove", "tiny-q8_0")
    actions = [action for action, _ in run.app.audit.records]
    assert actions == ["model.pull", "model.use", "model.list", "model.show", "model.use", "model.remove"]
    assert run.app.audit.records[0][1]["model"] == "tiny-q8_0"


def test_pull_says_what_the_hash_was_compared_with_and_how_to_choose_it(run: Command) -> None:
    run("pull", run.file())
    said = run("pull", run.file("b.gguf", block_count=3))
    assert "nothing to be compared with" in said
    assert "intramuros models use b" in said


def test_if_needed_does_nothing_once_there_is_a_default(run: Command) -> None:
    run("pull", run.file(), "--json")
    assert run("pull", "starter", "--if-needed") == ""


def test_show_of_a_model_of_the_catalogue_says_what_its_licence_allows(run: Command) -> None:
    facts = run("show", "lucie-7b", "--json")
    assert facts["commercial_use"].startswith("unclear")
    assert facts["licence_limits"] == ["unsettled-training-data"]
    assert facts["installed"] is False
    assert "acceptable-use-policy" in run("show", "apertus-8b")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "nope"), "model_not_found"),
        (("show", "default"), "model_not_found"),
        (("use", "nope"), "model_not_found"),
        (("remove", "nope"), "model_not_found"),
        (("pull", "nope"), "model_not_found"),
        (("pull", "hf:a"), "bad_request"),
        (("pull", "hf:a/b"), "download_failed"),
        (("pull", "/nowhere/x.gguf"), "model_file_invalid"),
        (("pull", "qwen3-0.6b"), "download_failed"),
    ],
)
def test_errors_are_words_or_json_and_an_exit_code(run: Command, arguments: tuple[str, ...], code: str) -> None:
    error = run(*arguments, "--json", code=1)["error"]
    assert error["code"] == code
    assert error["message"] and error["hint"] is not None
    text = run(*arguments, code=1)
    assert "Error:" in text
    assert "Traceback" not in text


def test_a_broken_off_download_is_listed_and_can_be_removed(run: Command) -> None:
    with Partial(run.app.models.incoming, Origin("large", "hf:o/r@main/f")).opened() as partial:
        partial.restart(size_bytes=4_000_000_000)
        partial.append(b"x" * 1_000_000)
    assert "large is not finished: 1 MB of 4.0 GB" in run("list")
    run("remove", "large")
    assert run("list", "--json")["unfinished"] == []


def test_a_title_that_looks_like_markup_is_shown_as_it_is(run: Command) -> None:
    model = Gguf.model().with_fact("general.name", "[red]Evil[/red] [link=http://x]y[/link]")
    path = run.tmp_path / "evil.gguf"
    path.write_bytes(model.bytes())
    assert "[red]Evil[/red]" in run("pull", str(path))
    assert "[red]Evil[/red]" in run("show", "evil")
