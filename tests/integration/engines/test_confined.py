"""What a running worker may be asked, and what it may do."""

from __future__ import annotations

import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from intramuros.engines import child, starting
from intramuros.engines import rights as rights_module
from intramuros.engines.child import tried
from intramuros.engines.local import LocalEngine
from intramuros.engines.openai_http import BASE
from intramuros.engines.rights import data_bytes, rights
from intramuros.engines.unasked import Patience
from intramuros.errors import EngineLoadFailed, IsolationTooWeak
from intramuros.security.attempts import ENDED, OPEN
from intramuros.security.isolation import Confinement
from intramuros.tasks.ways_out import tempted
from tests.models import encoders, engines, tiny
from tests.models.engines import HELLO, running


@pytest.fixture(params=["gguf", "onnx"])
async def engine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LocalEngine]:
    monkeypatch.setenv("INTRAMUROS_PASSPHRASE", "a secret of the gateway")
    if request.param == "onnx":
        model = engines.installed_folder(encoders.encoder(tmp_path / "tiny").folder)
    else:
        model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))
    async with running(model, engines.settings(tmp_path)) as engine:
        yield engine


async def test_it_has_no_page_and_lets_no_site_read_its_answers(engine: LocalEngine) -> None:
    assert engine._run is not None
    session = engine._run.http.session
    for path in ("/", "/index.html", "/props", "/metrics"):
        answer = await session.get(BASE + path)
        body = await answer.read()
        assert b"<html" not in body.lower()
        assert answer.headers.get("access-control-allow-origin", "") == ""
        assert "access-control-allow-credentials" not in answer.headers


async def test_its_socket_is_the_users_own(engine: LocalEngine) -> None:
    assert engine._run is not None
    socket = engine._run.socket
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(not Path("/proc/self/ns/net").exists(), reason="no /proc")
async def test_it_has_no_network_where_the_kernel_grants_that(engine: LocalEngine) -> None:
    assert engine._run is not None and engine._run.child is not None
    if not engine._run.child.confinement.network:
        pytest.skip("NOT TESTED: this kernel grants no network namespace")
    try:
        theirs = str(Path(f"/proc/{engine.pid}/ns/net").readlink())
    except PermissionError:
        return  # closed to us as to any debugger
    assert theirs != str(Path("/proc/self/ns/net").readlink())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
async def test_it_gains_no_privileges_and_inherits_no_files_or_secrets(engine: LocalEngine) -> None:
    status = Path(f"/proc/{engine.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    try:
        environment = Path(f"/proc/{engine.pid}/environ").read_bytes()
        files = [str(path.readlink()) for path in Path(f"/proc/{engine.pid}/fd").iterdir() if path.is_symlink()]
    except PermissionError:
        return
    assert b"secret" not in environment
    assert not [name for name in files if name.endswith((".db", ".lock", ".key"))]


async def test_every_thread_is_filtered_and_the_last_filter_came_when_it_listened(engine: LocalEngine) -> None:
    if not (engine.confinement and engine.confinement.calls):
        pytest.skip("NOT TESTED: seccomp is not available here")
    statuses = [path.read_text() for path in Path(f"/proc/{engine.pid}/task").glob("*/status")]
    assert len(statuses) > 1
    filters = {line for status in statuses for line in status.splitlines() if line.startswith("Seccomp")}
    assert filters == {"Seccomp:\t2", "Seccomp_filters:\t2"}


async def test_it_takes_no_more_memory_than_its_model_needs(engine: LocalEngine) -> None:
    most = data_bytes(engine.options, engine.installed.header)
    limit_lines = Path(f"/proc/{engine.pid}/limits").read_text().splitlines()
    limits = {line[:26].strip(): line[26:].split()[0] for line in limit_lines}
    assert limits["Max data size"] == str(most)
    assert int(limits["Max address space"]) > most
    assert (limits["Max file size"], limits["Max core file size"]) == ("0", "0")


async def test_a_model_that_needs_more_memory_than_allowed_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights_module, "data_bytes", lambda options, header: 160 << 20)
    with pytest.raises(EngineLoadFailed) as failed:
        async with running(engines.installed(tiny.chat(tmp_path / "tiny.gguf")), engines.settings(tmp_path)):
            pass
    assert failed.value.message


async def test_models_beside_its_own_are_closed(tmp_path: Path) -> None:
    own, other = tmp_path / "own.gguf", tmp_path / "other.gguf"
    tiny.chat(own), tiny.chat(other)
    model = engines.installed(own)
    given = rights(
        engines.options(model, engines.settings(tmp_path)), model.header, files=(own,), socket=tmp_path / "s"
    )
    found = {}
    for name, path in (("own", own), ("other", other)):
        with tempted(key_file=path, database=tmp_path / "none") as targets:
            walls, outcomes = await tried(given, targets)
            found[name] = outcomes["read_key_file"]
    if not walls.files:
        pytest.skip("NOT TESTED: this kernel has no Landlock")
    assert found == {"own": OPEN, "other": "EACCES"}


async def test_a_policy_keeps_models_from_an_engine_that_is_too_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "confinement", lambda pid, said: Confinement(calls=True, rights=True))
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))
    async with running(model, engines.settings(tmp_path, isolation_required="partial")) as engine:
        assert engine.confinement and engine.confinement.level == "partial"
    model.path.unlink()  # whoever opened it now would fail in another way
    with pytest.raises(IsolationTooWeak, match="without network, files"):
        async with running(model, engines.settings(tmp_path, isolation_required="full")):
            pass


async def test_an_engine_of_another_process_is_held_to_the_policy_too(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(engine.installed, engines.settings(tmp_path)) as attached:
        assert attached.pid == engine.pid and attached.confinement == engine.confinement
    monkeypatch.setattr(starting, "confinement", lambda pid, said: Confinement(calls=True, rights=True))
    with pytest.raises(IsolationTooWeak, match="another process"):
        async with running(engine.installed, engines.settings(tmp_path, isolation_required="full")):
            pass


async def test_a_data_folder_with_a_long_path_works(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 70) / ("b" * 70)
    deep.mkdir(parents=True)
    async with running(engines.installed(tiny.chat(deep / "tiny.gguf")), engines.settings(deep)) as engine:
        assert (await engine.generate(HELLO | {"max_tokens": 2})).usage.completion_tokens == 2
        assert engine._run is not None
        folder = engine._run.socket.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


async def test_a_process_that_burns_the_processor_with_nothing_to_do_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the self-test tries it; where nobody watches, it says so."""
    assert await child.burnt(rights_module.trial_rights(tmp_path)) == ENDED
    monkeypatch.setattr(child, "BURNING", Patience(finishing_s=60))
    monkeypatch.setattr(child, "TRIAL_TIMEOUT_S", 2)
    assert await child.burnt(rights_module.trial_rights(tmp_path)) == OPEN


async def test_a_process_that_serves_nothing_has_a_limit_of_processor_time(tmp_path: Path) -> None:
    one = child.Child(await child._spawn())
    try:
        assert "confined" in await one.ask({"task": "rest", "rights": rights_module.trial_rights(tmp_path).to_json()})
        limits = Path(f"/proc/{one.pid}/limits").read_text(encoding="ascii")
    finally:
        await one.stop()
    assert re.search(r"^Max cpu time +60 +60 ", limits, re.MULTILINE)
