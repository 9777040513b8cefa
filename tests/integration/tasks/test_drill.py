"""The fallback drill on real servers: a plan that holds, one with a gap, and one that would not hold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from intramuros.accounts.caller import LOCAL
from intramuros.audit.entry import Entry
from intramuros.cli.main import app as commands
from intramuros.engines.asked import Asked
from intramuros.engines.route import Route
from intramuros.engines.router import Router
from intramuros.engines.upstream import Upstream
from intramuros.tasks.drill import BEFORE, BROKEN, GAP, HELD, MIDDLE, OVERFLOW, RESTS, WELL, Drill, Rehearsal, Report
from intramuros.tasks.seen import Broken
from tests.installed import Installed, installation
from tests.support.upstream_server import Call, UpstreamServer, upstream_server


@pytest.fixture
async def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Installed]:
    with installation(tmp_path) as made:
        monkeypatch.setenv("INTRAMUROS_DATA", str(made.app.settings.data))
        monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "data.key"))
        yield made
        await made.app.router.stop()


@pytest.fixture
async def servers(installed: Installed) -> AsyncIterator[dict[str, UpstreamServer]]:
    async with AsyncExitStack() as stack:
        found = {name: await stack.enter_async_context(upstream_server()) for name in ("one", "two", "long", "cloud")}
        for name, server in found.items():
            installed.app.router.routing.add(Upstream(name, server.url, is_outside=name == "cloud"))
        yield found


async def rehearse(installed: Installed, **plan: Any) -> tuple[Report, dict[tuple[str, int], Rehearsal]]:
    route = installed.app.router.routing.set(Route.of({"name": "big"} | plan))
    asked = Asked(LOCAL, Entry("drill.fallback", None, "cli"))
    report = await Drill(installed.app.router).run([route], asked)
    return report, {(one.fault, len(one.failing)): one for one in report.rehearsals}


async def test_a_plan_that_holds(installed: Installed, servers: dict[str, UpstreamServer]) -> None:
    plan = {"targets": ["one/m"], "fallbacks": ["two/m", "local/scripted"], "overflows": ["long/m"]}
    report, by = await rehearse(installed, **plan)
    assert by[WELL, 0].answered == "one/m"
    assert by[BEFORE, 1].answered == "two/m" and by[BEFORE, 1].switch_ms is not None
    assert by[BEFORE, 2].answered == "local/scripted"
    assert by[BEFORE, 3].verdict == GAP and by[BEFORE, 3].answered == ""
    assert by[MIDDLE, 1].verdict == HELD and by[MIDDLE, 1].answered == ""
    assert by[OVERFLOW, 1].answered == "long/m"
    assert by[RESTS, 1].answered == "two/m"
    assert report.count(BROKEN) == 0 and report.count(GAP) == 1
    assert all(
        body["messages"][0]["content"].startswith("Reply with one word") for s in servers.values() for body in s.chats
    )
    assert "| big | one/m | fails before the first token | two/m | two/m |" in report.to_markdown()


async def test_a_fallback_that_is_down_itself_is_found_before_the_day(
    installed: Installed, servers: dict[str, UpstreamServer]
) -> None:
    async def fails(call: Call) -> None:
        await call.json({"error": {"message": "no"}}, 500)

    servers["two"].behave = fails
    report, by = await rehearse(installed, targets=["one/m"], fallbacks=["two/m"])
    assert by[WELL, 0].verdict == HELD
    assert by[BEFORE, 1].verdict == BROKEN and by[BEFORE, 1].error == "upstream_failed"
    assert by[OVERFLOW, 1].verdict == GAP
    assert report.count(BROKEN) == 2  # also while the first one rests


async def test_what_may_not_go_outside_is_not_rehearsed_there(
    installed: Installed, servers: dict[str, UpstreamServer]
) -> None:
    _, by = await rehearse(installed, targets=["one/m"], fallbacks=["cloud/m"])
    assert by[BEFORE, 1].verdict == GAP and servers["cloud"].calls == []


async def test_the_servers_own_breakers_are_left_alone(
    installed: Installed, servers: dict[str, UpstreamServer]
) -> None:
    await rehearse(installed, targets=["one/m", "two/m"])
    assert installed.app.router.states() == []
    assert installed.app.router.comparisons.summary("big") == []


def test_the_command_writes_its_report_and_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with installation(tmp_path) as made:
        monkeypatch.setenv("INTRAMUROS_DATA", str(made.app.settings.data))
        monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "data.key"))
        run = CliRunner().invoke
        assert run(commands, ["drill", "fallback", "--json"]).exit_code == 1  # there is no route
        made.app.router.routing.add(Upstream("gone", "http://127.0.0.1:1", is_outside=False))
        made.app.router.routing.set(Route.of({"name": "big", "targets": ["gone/m"]}))
        result = run(commands, ["drill", "fallback", "--route", "big", "--json"])
        found = json.loads(result.stdout)
        assert result.exit_code == 1 and found["broken"] == 1 and found["held"] == 1
        report = Path(found["report"])
        assert report.read_text().startswith("# Fallback drill") and report.with_suffix(".json").exists()
        assert run(commands, ["drill", "fallback", "--report", str(tmp_path / "mine")]).exit_code == 1
        assert len(list((tmp_path / "mine").iterdir())) == 2
        (first, *_) = [record for record in made.records("drill.fallback") if record.outcome == "ok"]
        assert first.facts["broken"] == 1 and first.object == "big"


@pytest.mark.parametrize("is_open", [False, True])
async def test_the_self_test_tries_the_way_out(
    installed: Installed, servers: dict[str, UpstreamServer], monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    selftest = installed.app.selftest
    installed.app.router.lets_outside = True
    assert str(await selftest._outside()) == "with nobody's consent nothing went to cloud"
    assert servers["cloud"].calls == []
    if is_open:
        monkeypatch.setattr(Router, "reason_against", lambda *_: None)
        with pytest.raises(Broken):
            await selftest._outside()
