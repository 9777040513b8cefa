"""`intramuros models fit`, `ps`, `load`, `unload`, `pin`, `unpin` and `remove` of what is loaded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from intramuros.cli.main import app
from intramuros.engines.orders import NOTE, Orders
from intramuros.engines.pool import EnginePool
from intramuros.privacy.egress import Egress
from tests.installed import Installed, installation
from tests.models import tiny
from tests.models.engines import until


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    with installation(tmp_path, autotune=False) as made:
        monkeypatch.setenv("INTRAMUROS_DATA", str(made.app.settings.data))
        monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "data.key"))
        made.app.models.add_file(tiny.chat(tmp_path / "tiny.gguf"), "tiny")
        yield made


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["models", *arguments, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_fit_says_what_runs_for_how_many(installed: Installed) -> None:
    said = run("fit", "--vram", "16", "--users", "4", "--context", "4096")
    rows = {row["name"]: row for row in said["models"]}
    assert said["on_gpu"] and rows["ministral-3-8b"]["fits"] and not rows["llama-3.3-70b"]["fits"]
    assert rows["ministral-3-8b"]["users"] > 4 and rows["ministral-3-8b"]["context_tokens"] >= 4096
    assert set(run("fit", "--tiers")) == {"8", "16", "64"}
    assert not run("fit", "--ram", "8")["on_gpu"] and run("fit")["memory_bytes"] > 0
    assert run("fit", "--ram", "8", "--vram", "8", code=1)["error"]["code"] == "bad_request"
    plain = CliRunner().invoke(app, ["models", "fit", "--tiers"]).stdout
    assert "mistral-small-3.2-24b" in plain, "a name is whole also where the terminal is narrow"
    for size in ("--vram", "--ram"):
        assert CliRunner().invoke(app, ["models", "fit", size, "0"]).exit_code == 2, "not the size of this machine"
    assert "64 GB of graphics memory" in plain and "7 to 9 billion" in plain and "qwen3" in plain


def test_without_a_server_nothing_is_loaded_and_pins_are_for_the_next_start(installed: Installed) -> None:
    assert run("ps") | {"budget_bytes": 0} == {"models": [], "used_bytes": 0, "budget_bytes": 0, "pinned": []}
    assert run("load", "tiny", code=1)["error"]["message"].startswith("No server")
    assert run("unload", "tiny", code=1)["error"]["code"] == "not_found"
    assert run("pin", "tiny") == {"name": "tiny", "pinned": True, "loaded": False}
    assert run("ps")["pinned"] == ["tiny"]
    assert run("remove", "tiny", code=1)["error"]["message"] == "tiny is pinned."
    assert run("unpin", "default") == {"name": "tiny", "pinned": False}
    assert run("remove", "tiny")["removed"]
    assert [record.action for record in installed.records("model.pin", "model.unpin")] == ["model.pin", "model.unpin"]


def test_what_stands_beside_a_model_counts(installed: Installed, tmp_path: Path) -> None:
    (before,) = run("list", "--installed")["models"]
    file = tiny.adapter(tmp_path / "formal.gguf", seed=2)
    assert CliRunner().invoke(app, ["adapters", "pull", "tiny", str(file)]).exit_code == 0
    (after,) = run("list", "--installed")["models"]
    assert after["beside_bytes"] == installed.app.models.get("tiny").beside_bytes > 0
    assert after["memory_bytes"] == before["memory_bytes"] + after["beside_bytes"]
    run("see", "tiny", str(tiny.projector(tmp_path / "eye.gguf")))
    (seeing,) = run("list", "--installed")["models"]
    assert seeing["beside_bytes"] > after["beside_bytes"] and seeing["memory_bytes"] > after["memory_bytes"]
    assert run("show", "tiny")["memory_bytes"] == seeing["memory_bytes"]


async def test_a_running_server_is_told(installed: Installed) -> None:
    pool = EnginePool(installed.app.models, installed.app.settings, egress=Egress())
    serving = asyncio.create_task(Orders(pool).serve())
    await until((pool.folder / NOTE).exists)
    try:
        assert (await asyncio.to_thread(run, "load", "tiny", "--keep", "-1"))["state"] == "ready"
        (state,) = (await asyncio.to_thread(run, "ps"))["models"]
        assert state["name"] == "tiny" and state["expires_s"] is None and not state["pinned"]
        assert state["beside"] == []
        plain = await asyncio.to_thread(CliRunner().invoke, app, ["models", "ps"])
        assert "until needed elsewhere" in plain.stdout and "that models may take" in plain.stdout
        async with pool.engine("tiny"):
            refused = await asyncio.to_thread(run, "remove", "tiny", code=1)
            assert refused["error"]["code"] == "conflict" and "in use" in refused["error"]["message"]
        assert (await asyncio.to_thread(run, "pin", "tiny"))["loaded"]
        assert (await asyncio.to_thread(run, "unload", "tiny", code=1))["error"]["message"] == "tiny is pinned."
        await asyncio.to_thread(run, "unpin", "tiny")
        assert (await asyncio.to_thread(run, "unload", "tiny"))["unloaded"]
        await asyncio.to_thread(run, "load", "tiny")
        assert (await asyncio.to_thread(run, "remove", "tiny"))["removed"] and pool.states() == {}
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await pool.stop()
