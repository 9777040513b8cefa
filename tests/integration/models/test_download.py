"""`pull` from end to end, through the real door, from a hub on this machine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intramuros.errors import Conflict, DownloadFailed, EgressRefused, ModelFileError, StorageFull
from intramuros.models import partial as half_file
from intramuros.models.catalogue import CatalogueModel, HubSource, load
from intramuros.models.download import pull
from intramuros.models.installed import InstalledModel, InstalledModels
from intramuros.models.progress import Progress
from intramuros.privacy.egress import Egress
from tests.integration.models.hub_server import COMMIT, Hub, served
from tests.unit.models.builder import Gguf

REFERENCE = "hf:owner/repo/Tiny-Q4_0.gguf"
REPOSITORY = Path(__file__).resolve().parents[3]


def model_file(size: int = 400_000) -> bytes:
    """A valid model of about this size."""
    model = Gguf.model()
    model.tensors.append(("blk.1.ffn_up.weight", (64, size // 256), 0, None))
    return model.bytes()


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with served(Hub(content=model_file())) as running:
        yield running


@pytest.fixture
def models(tmp_path: Path) -> InstalledModels:
    return InstalledModels(tmp_path / "models", load())


async def fetch(
    hub: Hub, models: InstalledModels, what: CatalogueModel | str = REFERENCE, **options: Any
) -> InstalledModel:
    settings: dict[str, Any] = {"egress": Egress([hub.store_url]), "progress": lambda _: None, "attempts": 1} | options
    return await pull(what, to=models, hub_url=hub.hub_url, pause_s=0.01, **settings)


def of_catalogue(hub: Hub, **changes: Any) -> CatalogueModel:
    source = HubSource("owner/repo", "Tiny-Q4_0.gguf", COMMIT)
    entry = replace(
        load().get("qwen3-0.6b"), name="tiny", source=source, sha256=hub.sha256, size_bytes=len(hub.content)
    )
    return replace(entry, **changes)


async def test_a_file_of_the_hub_is_installed_and_compared_with_the_hubs_hash(
    hub: Hub, models: InstalledModels
) -> None:
    seen: list[Progress] = []
    model = await fetch(hub, models, progress=seen.append)
    assert (model.name, model.sha256, model.verified) == ("tiny-q4_0", hub.sha256, "hub")
    assert model.path.read_bytes() == hub.content
    assert models.get("tiny-q4_0").source == "hf:owner/repo@main/Tiny-Q4_0.gguf"
    assert [p.stage for p in seen][:1] == ["connecting"]
    assert [p.stage for p in seen][-2:] == ["installing", "ready"]
    done = [p.done_bytes for p in seen if p.stage == "downloading"]
    assert done == sorted(done)
    assert done[-1] == len(hub.content)
    assert list(models.unfinished()) == []


async def test_what_is_fetched_is_pinned_to_the_commit_that_was_described(hub: Hub, models: InstalledModels) -> None:
    await fetch(hub, models)
    assert hub.asked == [
        "HEAD /owner/repo/resolve/main/Tiny-Q4_0.gguf",
        f"GET /owner/repo/resolve/{COMMIT}/Tiny-Q4_0.gguf",
    ]


async def test_an_entry_of_the_catalogue_brings_its_facts(hub: Hub, models: InstalledModels) -> None:
    model = await fetch(hub, models, of_catalogue(hub))
    assert (model.name, model.title, model.trust, model.verified) == ("tiny", "Qwen3 0.6B", "quotes", "catalogue")
    assert "fr" in model.languages


async def test_an_installed_model_is_not_fetched_again(hub: Hub, models: InstalledModels) -> None:
    first = await fetch(hub, models, of_catalogue(hub))
    hub.asked.clear()
    assert await fetch(hub, models, of_catalogue(hub)) == first
    assert hub.asked == []


async def test_another_model_of_the_same_name_is_refused(hub: Hub, models: InstalledModels) -> None:
    await fetch(hub, models, REFERENCE, name="tiny")
    with pytest.raises(Conflict):
        await fetch(hub, models, of_catalogue(hub, sha256="0" * 64))
    with pytest.raises(Conflict):
        await fetch(hub, models, "hf:owner/other/Tiny-Q4_0.gguf", name="tiny")


async def test_a_damaged_model_is_fetched_again(hub: Hub, models: InstalledModels) -> None:
    model = await fetch(hub, models, of_catalogue(hub))
    os.truncate(model.path, 100)
    assert (await fetch(hub, models, of_catalogue(hub))).path.read_bytes() == hub.content


async def test_the_second_run_asks_for_the_rest_only(hub: Hub, models: InstalledModels) -> None:
    hub.drop_after = len(hub.content) // 2
    with pytest.raises(DownloadFailed, match="broke off") as caught:
        await fetch(hub, models)
    assert "again" in caught.value.hint
    (unfinished,) = models.unfinished()
    assert 0 < unfinished.done_bytes < len(hub.content)
    assert unfinished.total_bytes == len(hub.content)
    assert list(models.list()) == []  # half a file is never seen as installed
    model = await fetch(hub, models)
    assert hub.ranges[1] == (f"bytes={unfinished.done_bytes}-", hub.etag)
    assert model.digest() == hub.sha256


async def test_one_run_takes_up_a_broken_connection_by_itself(hub: Hub, models: InstalledModels) -> None:
    hub.drop_after = len(hub.content) // 2
    assert (await fetch(hub, models, attempts=3)).digest() == hub.sha256
    assert hub.ranges[1][0] is not None


async def test_a_file_that_changed_on_the_server_is_fetched_from_the_start(hub: Hub, models: InstalledModels) -> None:
    hub.drop_after = len(hub.content) // 2
    address = f"{hub.store_url}/blob?signature=1"
    with pytest.raises(DownloadFailed):
        await fetch(hub, models, address, name="tiny")
    hub.content = model_file(300_000)
    assert (await fetch(hub, models, address, name="tiny")).path.read_bytes() == hub.content
    assert hub.ranges[1][1] != hub.etag  # the old ETag was sent, and the server sent all


async def test_a_server_without_ranges_sends_all_again(hub: Hub, models: InstalledModels) -> None:
    hub.drop_after, hub.ignores_ranges = len(hub.content) // 2, True
    assert (await fetch(hub, models, attempts=2)).digest() == hub.sha256


async def test_a_body_that_is_cut_short_is_noticed(hub: Hub, models: InstalledModels) -> None:
    hub.cut_to = len(hub.content) - 1
    with pytest.raises(DownloadFailed, match="broke off"):
        await fetch(hub, models)
    hub.cut_to = None
    assert (await fetch(hub, models)).digest() == hub.sha256


async def test_wrong_bytes_are_removed_and_said_to_be_wrong(hub: Hub, models: InstalledModels) -> None:
    wrong = bytearray(hub.content)
    wrong[-1] ^= 1
    hub.sent = bytes(wrong)
    with pytest.raises(DownloadFailed, match="SHA-256 differs") as caught:
        await fetch(hub, models)
    assert caught.value.details == {"expected_sha256": hub.sha256, "found_sha256": hashlib.sha256(wrong).hexdigest()}
    assert list(models.list()) == []
    assert list(models.unfinished()) == []


async def test_a_hub_with_another_file_than_the_catalogue_is_refused_before_the_download(
    hub: Hub, models: InstalledModels
) -> None:
    hub.announced = "f" * 64
    with pytest.raises(DownloadFailed, match="not the catalogue's"):
        await fetch(hub, models, of_catalogue(hub))
    assert hub.ranges == []


async def test_a_file_that_is_no_model_is_removed(hub: Hub, models: InstalledModels) -> None:
    hub.content = b"<!DOCTYPE html><title>Sign in</title>" + b" " * 1000
    with pytest.raises(ModelFileError, match="web page"):
        await fetch(hub, models)
    assert list(models.unfinished()) == []


async def test_a_truncated_model_with_a_matching_hash_is_still_refused(hub: Hub, models: InstalledModels) -> None:
    hub.content = hub.content[:-5000]
    with pytest.raises(ModelFileError, match="cut short"):
        await fetch(hub, models)
    assert list(models.list()) == []


async def test_a_redirect_to_a_host_that_is_not_allowed_is_refused(hub: Hub, models: InstalledModels) -> None:
    with pytest.raises(EgressRefused):
        await fetch(hub, models, egress=Egress())  # the hub itself is permitted for this act, its store is not
    hub.redirect_to = "https://evil.example/blob"
    with pytest.raises(EgressRefused, match=r"evil\.example"):
        await fetch(hub, models)
    assert hub.ranges == []


async def test_no_account_is_needed_and_what_asks_for_one_is_said(hub: Hub, models: InstalledModels) -> None:
    hub.gated = True
    with pytest.raises(DownloadFailed, match="asks for an account") as caught:
        await fetch(hub, models)
    assert "models pull FILE.gguf" in caught.value.hint
    hub.gated = False
    with pytest.raises(DownloadFailed, match="There is no file"):
        await fetch(hub, models, "hf:owner/missing/x.gguf")


async def test_a_hub_out_of_reach_is_said_to_be_so(models: InstalledModels, unused_tcp_port: int) -> None:
    hub = Hub(hub_url=f"http://127.0.0.1:{unused_tcp_port}", store_url="http://127.0.0.1:1")
    with pytest.raises(DownloadFailed, match="can't be reached") as caught:
        await fetch(hub, models)
    assert "Without internet" in caught.value.hint


async def test_an_address_with_and_without_its_hash(hub: Hub, models: InstalledModels) -> None:
    address = f"{hub.store_url}/blob"
    assert (await fetch(hub, models, f"{address}#sha256={hub.sha256}", name="a", egress=Egress())).verified == "given"
    assert (await fetch(hub, models, address, name="b", egress=Egress())).verified == "nothing"
    with pytest.raises(DownloadFailed, match="SHA-256 differs"):
        await fetch(hub, models, f"{address}#sha256={'0' * 64}", name="c", egress=Egress())


async def test_a_file_of_this_machine(hub: Hub, models: InstalledModels, tmp_path: Path) -> None:
    path = tmp_path / "Mine.gguf"
    path.write_bytes(hub.content)
    model = await fetch(hub, models, str(path), egress=Egress())
    assert (model.name, model.sha256) == ("mine", hub.sha256)
    assert path.exists()
    assert await fetch(hub, models, str(path), egress=Egress()) == model
    with pytest.raises(ModelFileError):
        await fetch(hub, models, str(tmp_path / "missing.gguf"), egress=Egress())


async def test_a_disk_without_room_is_noticed_before_the_download(
    hub: Hub, models: InstalledModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half_file, "KEPT_FREE_BYTES", 1 << 62)
    with pytest.raises(StorageFull, match="needs"):
        await fetch(hub, models)
    assert sum(u.done_bytes for u in models.unfinished()) == 0


async def test_a_disk_that_fills_up_during_the_download_is_given_back(
    hub: Hub, models: InstalledModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = half_file.Partial.append, 0

    def append(self: half_file.Partial, data: bytes) -> None:
        nonlocal written
        written += len(data)
        if written > len(hub.content) // 2:
            with self._writing():
                raise OSError(28, "No space left on device")
        real(self, data)

    monkeypatch.setattr(half_file.Partial, "append", append)
    with pytest.raises(StorageFull, match="full"):
        await fetch(hub, models)
    assert list(models.unfinished()) == []
    monkeypatch.undo()
    assert (await fetch(hub, models)).digest() == hub.sha256


async def test_two_pulls_of_the_same_model_fetch_it_once(hub: Hub, models: InstalledModels) -> None:
    hub.slow_s = 0.02
    seen: list[Progress] = []
    both = await asyncio.gather(fetch(hub, models), fetch(hub, models, progress=seen.append))
    assert both[0] == both[1]
    assert len(hub.ranges) == 1
    assert "waiting" in {p.stage for p in seen}


async def test_a_cancelled_pull_gives_the_name_back_and_can_be_taken_up(hub: Hub, models: InstalledModels) -> None:
    hub.slow_s = 0.05
    started = asyncio.Event()

    def report(progress: Progress) -> None:
        if progress.stage == "downloading" and progress.done_bytes:
            started.set()

    task = asyncio.create_task(fetch(hub, models, progress=report))
    await started.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    hub.slow_s = 0
    assert (await fetch(hub, models)).digest() == hub.sha256


PULL = """
import asyncio, sys
from pathlib import Path
from intramuros.models.catalogue import load
from intramuros.models.download import pull
from intramuros.models.installed import InstalledModels
from intramuros.privacy.egress import Egress
folder, hub, store, what = sys.argv[1:]
show = lambda p: print(p.stage, p.done_bytes, flush=True)
asyncio.run(pull(what, to=InstalledModels(Path(folder), load()), egress=Egress([store]), progress=show, hub_url=hub))
"""


async def test_a_killed_download_is_taken_up_where_it_ended(hub: Hub, models: InstalledModels) -> None:
    hub.content, hub.slow_s = model_file(2_000_000), 0.02
    arguments = [sys.executable, "-c", PULL, str(models.folder), hub.hub_url, hub.store_url, REFERENCE]
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    )
    assert process.stdout is not None
    async for line in process.stdout:
        stage, done = line.decode().split()
        if stage == "downloading" and int(done) > 300_000:
            break
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert list(models.list()) == []
    (left,) = models.unfinished()
    assert 0 < left.done_bytes < len(hub.content)
    hub.slow_s = 0
    assert (await fetch(hub, models)).digest() == hub.sha256
    assert hub.ranges[-1][0] == f"bytes={left.done_bytes}-"


async def test_the_manifest_says_what_was_installed_and_nothing_of_the_machine(
    hub: Hub, models: InstalledModels
) -> None:
    model = await fetch(hub, models, of_catalogue(hub))
    manifest = json.loads((model.path.parent / "manifest.json").read_text())
    assert manifest["sha256"] == hub.sha256
    assert manifest["path"] == "model.gguf"
    assert str(models.folder) not in json.dumps(manifest)
