"""Fetches a suite once, with a Python of its own for its client, and runs it. Called by `__main__`."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compat.suites import Suite

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("INTRAMUROS_COMPAT_CACHE") or HERE.parent.parent / ".compat")
ONE_TEST_S = 120


@dataclass(frozen=True)
class Place:
    """Where a suite is: its tests, the sources of its client, and the Python that runs them."""

    root: Path
    sources: Path
    python: Path


def installed(suite: Suite) -> Place:
    """The suite and what it needs; fetched from the package registry once."""
    folder = CACHE / f"{suite.package}-{suite.version}"
    sources = folder / f"{suite.package}-{suite.version}".replace("-", "_", suite.package.count("-"))
    place = Place(HERE / "cases" if suite.is_own else sources, sources, folder / "venv" / "bin" / "python")
    if (folder / "ready").exists():
        return place
    folder.mkdir(parents=True, exist_ok=True)
    wanted = f"{suite.package}=={suite.version}"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    archive = folder
    if suite.needs_sources:
        _call(*pip, "download", "--no-deps", "--no-binary", suite.package, "--dest", str(folder), wanted)
        [archive] = folder.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    _call(sys.executable, "-m", "venv", str(folder / "venv"))
    install = (str(place.python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    client = wanted if suite.is_own else f"{archive}{suite.extras}"
    _call(*install, client, *suite.requirements)
    (folder / "ready").touch()
    return place


def run(suite: Suite, place: Place, url: str, key: str, only: str | None) -> str:
    """Runs it: the report as JUnit's XML. Raises: SystemExit where it did not run."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-p", "no:cacheprovider", "-o", "addopts=", "-q", "--tb=short", f"--timeout={ONE_TEST_S}"]
        options += ["-p", "served_only"]
        command = [str(place.python), "-m", "pytest", *options, f"--junitxml={report}", *suite.files]
        command += ["-k", only] if only else []
        more = {"PYTHONPATH": str(HERE / "plugins"), "COMPAT_SOURCES": str(place.sources)}
        environment = {**os.environ, **more, **suite.environment(url, key)}
        done = subprocess.run(command, cwd=place.root, env=environment, capture_output=True, text=True, check=False)
        if not report.exists():
            raise SystemExit(f"{suite.name} did not run:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        (CACHE / f"{suite.name}.log").write_text(done.stdout, encoding="utf-8")
        return report.read_text(encoding="utf-8")


def _call(*command: str) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)
