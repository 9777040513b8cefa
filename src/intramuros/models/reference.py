"""What was asked for: turns a name, an address or a path into one wanted file.

Used by `models.download` for everything that the command line and the pages let a person type.

    starter | qwen3-4b                       a name of the catalogue
    hf:owner/repository/file.gguf            a file of the model hub; hf:owner/repository@revision/file.gguf
    hf:owner/repository                      the files that make up its model, where it is not of the kind .gguf;
    hf:owner/repository/onnx/model.onnx      the same, with this one where there are several to choose from
    https://host/path/file.gguf#sha256=…     an address, with or without the file's hash
    ./file.gguf | /path/file.gguf            a file of this machine
    ./folder | ./folder/onnx/model.onnx      a folder of this machine: the files that make up its model
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from intramuros.errors import BadRequest
from intramuros.models.catalogue import Catalogue, CatalogueModel, HubSource, PackageSource

SHA256_FRAGMENT = re.compile(r"sha256=([0-9a-fA-F]{64})")
HUB = re.compile(r"hf:(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+?))?/(?P<file>[^@]+\.gguf)", re.ASCII)

HUB_FOLDER = re.compile(
    r"hf:(?P<repository>[\w.-]+/[\w.-]+(?<!\.gguf))(?:@(?P<revision>\w[\w./-]*?(?<!\.gguf)))?"
    r"(?:/(?P<file>[^@]+\.(?:onnx|safetensors)))?",
    re.ASCII,
)
OF_SEVERAL = frozenset({".onnx", ".safetensors"})
"""Endings of files that are never a model alone."""
SUBFOLDERS = frozenset({"onnx"})
"""Where such a file lies in a repository, if not at its root."""


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file at an address."""

    url: str

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of this machine."""

    path: Path

    def __str__(self) -> str:
        return f"file:{self.path.name}"


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder of this machine. `asked`: which of its files is meant, where there are several to choose from."""

    path: Path
    asked: str = ""

    def __str__(self) -> str:
        return f"folder:{self.path.name}" + (f"/{self.asked}" if self.asked else "")


@dataclass(frozen=True, slots=True)
class HubFolder:
    """A repository of a model hub whose model has several files; `revision`: a commit, or a branch."""

    repository: str
    revision: str = "main"
    asked: str = ""

    def __str__(self) -> str:
        return f"hf:{self.repository}@{self.revision}" + (f"/{self.asked}" if self.asked else "")


Source = PackageSource | HubSource | UrlSource | FileSource | FolderSource | HubFolder


@dataclass(frozen=True, slots=True)
class Wanted:
    """One model to be installed under a name. `entry`: its place in the catalogue, if it has one."""

    name: str
    source: Source
    sha256: str | None = None
    size_bytes: int | None = None
    entry: CatalogueModel | None = None


def parse(text: str, catalogue: Catalogue, *, name: str | None = None) -> Wanted:
    """Reads what a person typed.

    Raises: ModelNotFound for a name that is in no catalogue, BadRequest for an address that can't be.
    """
    if entry := catalogue.find(text):
        return wanted(entry, name=name)
    if text.startswith("hf:"):
        return _hub(text, name)
    if "://" in text:
        return _url(text, name)
    if "/" in text or text.endswith(".gguf") or text.startswith("~") or text in (".", ".."):
        return _path(Path(text).expanduser().absolute(), name)
    return wanted(catalogue.get(text), name=name)


def wanted(entry: CatalogueModel, *, name: str | None = None) -> Wanted:
    """A model of the catalogue."""
    return Wanted(name or entry.name, entry.source, entry.sha256, entry.size_bytes, entry)


def _path(path: Path, name: str | None) -> Wanted:
    """A file, or a folder; a file of a folder's model stands for all of it."""
    if path.is_dir():
        return Wanted(name or name_from(path.resolve().name), FolderSource(path))
    if path.suffix in OF_SEVERAL:
        folder = path.parent.parent if path.parent.name in SUBFOLDERS else path.parent
        return Wanted(name or name_from(folder.name), FolderSource(folder, path.relative_to(folder).as_posix()))
    return Wanted(name or name_from(path.name), FileSource(path))


def name_from(file: str) -> str:
    """A model's name made from its file's: `Qwen3-8B-Q4_K_M.gguf` becomes `qwen3-8b-q4_k_m`."""
    stem = unquote(file).lower().removesuffix(".gguf")
    return re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:64] or "model"


def _hub(text: str, name: str | None) -> Wanted:
    found = HUB.fullmatch(text)
    if found is None and (several := HUB_FOLDER.fullmatch(text)) and ".." not in text:
        folder = HubFolder(several["repository"], several["revision"] or "main", several["file"] or "")
        return Wanted(name or name_from(folder.repository.rpartition("/")[2]), folder)
    if found is None or ".." in text:
        raise BadRequest(f"{text!r} names no file of the hub.", hint="Write it as hf:owner/repository/file.gguf")
    source = HubSource(found["repository"], found["file"], found["revision"] or "main")
    return Wanted(name or name_from(source.file.rpartition("/")[2]), source)


def _url(text: str, name: str | None) -> Wanted:
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise BadRequest(f"{text.partition('?')[0]!r} is no address of a file.", hint="It begins with https://")
    found = SHA256_FRAGMENT.fullmatch(parts.fragment)
    if parts.fragment and not found:
        raise BadRequest("What follows '#' must be sha256= and 64 hexadecimal digits.")
    source = UrlSource(parts._replace(fragment="").geturl())
    return Wanted(name or name_from(parts.path.rpartition("/")[2]), source, found[1].lower() if found else None)
