"""What a running worker may be asked, and what it may do."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from intramuros.engines.local import LocalEngine
from intramuros.engines.openai_http import BASE
from tests.models import engines, tiny
from tests.models.engines import HELLO, running


@pytest.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalEngine]:
    monkeypatch.setenv("INTRAMUROS_PASSPHRASE", "a secret of the gateway")
    async with running(engines.installed(tiny.chat(tmp_path / "tiny.gguf")), engines.settings(tmp_path)) as engine:
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
    if not engine._run.child.is_confined:
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


async def test_a_data_folder_with_a_long_path_works(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 70) / ("b" * 70)
    deep.mkdir(parents=True)
    async with running(engines.installed(tiny.chat(deep / "tiny.gguf")), engines.settings(deep)) as engine:
        assert (await engine.generate(HELLO | {"max_tokens": 2})).usage.completion_tokens == 2
        assert engine._run is not None
        folder = engine._run.socket.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
