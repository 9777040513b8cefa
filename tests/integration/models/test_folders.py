"""Models of several files: brought from a folder or a hub, installed whole, sealed, found damaged, removed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intramuros.errors import BadRequest, Conflict, DownloadFailed, ModelFileError, ModelNotFound
from intramuros.models import formats
from intramuros.models.catalogue import load
from intramuros.models.download import pull
from intramuros.models.gguf import GgufHeader, read_header
from intramuros.models.installed import InstalledModels
from intramuros.models.parts import ADAPTER
from intramuros.privacy.egress import Egress
from tests.integration.models.hub_server import Repository, served
from tests.models import tiny

KEY = bytes(range(32))
FILES = {"config.json": b'{"model_type": "made"}', "sub/weights.made": b"weights" * 100, "README.md": b"# read me"}


@pytest.fixture(autouse=True)
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A format of the test's own: a config and weights that begin as they should."""
    header = replace(read_header(tiny.embedder(tmp_path / "like.gguf")), format="made", name=None)

    def pick(names: Collection[str], asked: str) -> tuple[str, ...]:
        weights = [name for name in names if name.endswith(".made") and asked in ("", name)]
        return ("config.json", *weights[:1]) if weights else ()

    def read(files: Mapping[str, Path]) -> GgufHeader:
        if not files["sub/weights.made"].read_bytes().startswith(b"weights"):
            raise ModelFileError("These are no weights.")
        return header

    monkeypatch.setattr(formats, "FORMATS", (formats.Format("made", pick, read),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return laid_out(tmp_path / "A Model")


@pytest.fixture
def models(tmp_path: Path) -> InstalledModels:
    return InstalledModels(tmp_path / "models", load(), key=KEY)


@pytest.fixture
async def hub() -> AsyncIterator[Repository]:
    async with served(Repository(files=dict(FILES))) as running:
        yield running


def laid_out(folder: Path, **changes: bytes) -> Path:
    for name, content in (FILES | changes).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


async def bring(what: str, models: Any, hub: Repository | None = None, **options: Any) -> Any:
    door = Egress([hub.store_url] if hub else [])
    settings: dict[str, Any] = {"hub_url": hub.hub_url if hub else "", "attempts": 1, "pause_s": 0.01}
    return await pull(what, to=models, egress=door, progress=lambda _: None, **settings | options)


def below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


async def test_a_folder_becomes_a_model_with_what_belongs_to_it(models: InstalledModels, folder: Path) -> None:
    model = await bring(str(folder), models)
    assert (model.name, model.format, model.source) == ("a-model", "made", "folder:A Model")
    assert below(models.folder / "a-model") == {"manifest.json", "files/config.json", "files/sub/weights.made"}
    assert {file.name: file.sha256 for file in model.files} == {
        name: hashlib.sha256(FILES[name]).hexdigest() for name in ("config.json", "sub/weights.made")
    }
    again = InstalledModels(models.folder, load()).get("a-model")  # as another process reads it
    assert again == model and again.digest() == model.sha256
    assert again.size_bytes == len(FILES["config.json"]) + len(FILES["sub/weights.made"])
    assert not list(models.incoming.glob("*.files"))
    assert await bring(str(folder), models) == model  # it is there already


async def test_names_that_lead_out_of_a_model_are_no_files_of_it(models: InstalledModels, hub: Repository) -> None:
    """A hub may list what it likes, and a format may take weights whatever they are called."""
    weights = "../../../led-out.made"
    hub.files = {"config.json": b"{}", weights: b"weights", "": b"weights"}  # "": what an address comes to
    hub.broken = "none"
    with pytest.raises((BadRequest, ModelFileError, DownloadFailed)):
        await bring("hf:a/model", models, hub)
    assert not list(models.folder.parent.rglob("*led-out*"))


async def test_a_file_of_the_folder_stands_for_all_of_it(models: InstalledModels, folder: Path) -> None:
    (folder / "onnx").mkdir()
    (folder / "onnx/other.onnx").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"onnx/other\.onnx is no file of a model"):
        await bring(str(folder / "onnx/other.onnx"), models)


async def test_another_folder_does_not_take_the_name(models: InstalledModels, folder: Path, tmp_path: Path) -> None:
    await bring(str(folder), models, name="mine")
    other = laid_out(tmp_path / "other", **{"config.json": b"{}"})
    with pytest.raises(Conflict):
        await bring(str(other), models, name="mine")


async def test_what_the_format_refuses_leaves_nothing(models: InstalledModels, folder: Path) -> None:
    (folder / "sub/weights.made").write_bytes(b"something else")
    with pytest.raises(ModelFileError, match="no weights"):
        await bring(str(folder), models)
    assert not models.list() and not models.unfinished() and not list(models.incoming.glob("*.files"))


async def test_a_folder_without_a_model_is_refused(models: InstalledModels, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFileError, match="no files of a model"):
        await bring(str(tmp_path / "empty"), models)


async def test_links_stay_within_the_folder(models: InstalledModels, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"weights of somebody else")
    (folder / "sub/weights.made").unlink()
    (folder / "sub/weights.made").symlink_to(secret)
    with pytest.raises(ModelFileError, match="link to a file outside"):
        await bring(str(folder), models)


async def test_the_hubs_own_cache_is_a_folder_too(models: InstalledModels, tmp_path: Path) -> None:
    cache = tmp_path / "models--a--b"
    snapshot = laid_out(cache / "snapshots/abc")
    (cache / "blobs").mkdir()
    (snapshot / "config.json").rename(cache / "blobs/1")
    (snapshot / "config.json").symlink_to("../../blobs/1")
    model = await bring(str(snapshot), models, name="cached")
    assert model.digest() == model.sha256


@pytest.mark.parametrize("at_once", [True, False])
async def test_sealed_nothing_is_readable_and_all_of_it_is_there(
    tmp_path: Path, models: InstalledModels, folder: Path, at_once: bool
) -> None:
    here = InstalledModels(tmp_path / "models", load(), key=KEY, encrypts=at_once)
    model = await bring(str(folder), here)
    if not at_once:
        model = here.seal("a-model")
    assert below(here.folder / "a-model") == {"manifest.json", "sealed/config.json", "sealed/sub/weights.made"}
    written = b"".join(path.read_bytes() for path in (here.folder / "a-model/sealed").rglob("*") if path.is_file())
    assert b"weights" not in written and b"model_type" not in written
    assert InstalledModels(here.folder, load(), key=KEY).get("a-model").digest() == model.sha256
    assert here.seal("a-model") == model


async def test_a_file_that_is_gone_or_cut_is_told(models: InstalledModels, folder: Path) -> None:
    await bring(str(folder), models)
    weights = models.folder / "a-model/files/sub/weights.made"
    os.truncate(weights, 10)
    with pytest.raises(ModelFileError, match="another size"):
        models.get("a-model")
    weights.unlink()
    with pytest.raises(ModelFileError, match=r"sub/weights\.made is gone"):
        models.get("a-model")
    model = await bring(str(folder), models)  # fetched again
    assert model.digest() == model.sha256


async def test_a_manifest_can_not_name_a_file_outside(models: InstalledModels, folder: Path) -> None:
    await bring(str(folder), models)
    manifest = models.folder / "a-model/manifest.json"
    manifest.write_text(manifest.read_text().replace("sub/weights.made", "../../../secret"))
    with pytest.raises(ModelFileError, match="manifest"):
        models.get("a-model")


async def test_a_repository_of_the_hub(models: InstalledModels, hub: Repository) -> None:
    model = await bring("hf:owner/Repo", models, hub)
    assert (model.name, model.source, model.verified) == ("repo", "hf:owner/Repo@main", "hub")
    assert [file.name for file in model.files] == ["config.json", "sub/weights.made"]
    assert not any("README" in asked for asked in hub.asked)
    hub.sent = {"sub/weights.made": b"weights of another"}
    assert await bring("hf:owner/Repo", models, hub) == model
    with pytest.raises(DownloadFailed, match="expected"):
        await bring("hf:owner/Repo", models, hub, name="other")


async def test_a_download_that_breaks_off_goes_on_with_the_file_it_had_reached(
    models: InstalledModels, hub: Repository
) -> None:
    hub.broken = "sub/weights.made"
    with pytest.raises(DownloadFailed):
        await bring("hf:owner/Repo", models, hub)
    assert [one.name for one in models.unfinished()] == ["repo"] and not models.list()
    hub.broken = ""
    hub.asked.clear()
    await bring("hf:owner/Repo", models, hub)
    assert [asked for asked in hub.asked if asked.startswith("GET /blob")] == ["GET /blob/sub/weights.made"]
    assert not models.unfinished()


async def test_an_unfinished_one_can_be_removed(models: InstalledModels, hub: Repository) -> None:
    hub.broken = "sub/weights.made"
    with pytest.raises(DownloadFailed):
        await bring("hf:owner/Repo", models, hub)
    models.remove("repo")
    assert not models.unfinished()
    with pytest.raises(ModelNotFound):
        models.remove("repo")


async def test_a_repository_that_is_not_there(models: InstalledModels, hub: Repository) -> None:
    hub.files = {}
    with pytest.raises(DownloadFailed, match="no file"):
        await bring("hf:owner/Repo", models, hub)


async def test_it_never_stands_beside_a_model(models: InstalledModels, folder: Path, tmp_path: Path) -> None:
    models.add_file(tiny.chat(tmp_path / "tiny.gguf"), "tiny")
    with pytest.raises(BadRequest, match="single GGUF file"):
        await bring(str(folder), models.beside("tiny", ADAPTER))
