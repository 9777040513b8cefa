"""One installed model: its facts, and the manifest that keeps them beside its file.

Made by `models.installed`; read by the engine pool, the doors and the commands. It knows no folder but its own.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from intramuros.models import folder as several
from intramuros.models import sealed
from intramuros.models.catalogue import Trust
from intramuros.models.folder import ModelFile, digest_of_all, is_name
from intramuros.models.gguf import GgufHeader, read_header
from intramuros.models.parts import ADAPTER, PROJECTOR, Part

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MODEL_FILE = "model.gguf"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Stored:
    """One file as it lies on the disk, encrypted if there is a `key`. `name`: below its model; empty if it is alone."""

    name: str
    path: Path
    sha256: str
    size_bytes: int
    key: bytes = field(default=b"", repr=False, compare=False)

    @property
    def stored_bytes(self) -> int:
        """How large the file on the disk is."""
        return sealed.stored_bytes(self.size_bytes) if self.key else self.size_bytes

    def digest(self, *, moved: sealed.Moved = sealed.untold) -> str:
        """The SHA-256 of what it holds now: reads all of it. Raises: ModelFileError if it can't be read."""
        return sealed.digest_of(self.path, self.key, moved=moved)


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """One model that can be run. `verified` says what its hash was compared with: catalogue, hub, given, or nothing.

    `path` is its file; the folder of its `files` if it has several, and then `sha256` and `size_bytes` are of all.
    """

    name: str
    title: str
    path: Path
    sha256: str
    size_bytes: int
    header: GgufHeader
    trust: Trust
    languages: tuple[str, ...]
    licence: str | None
    source: str
    verified: str
    installed_at: float
    sealed_key: str = ""
    """The key its file is encrypted with, wrapped; empty for a plain file."""
    key: bytes = field(default=b"", repr=False, compare=False)
    """The same, opened: in memory only."""
    parts: tuple[Part, ...] = ()
    """What stands beside it, by name."""
    files: tuple[ModelFile, ...] = ()
    """What it is made of, by name; none where it is a single file."""

    @property
    def format(self) -> str:
        """What it is written in, which says what runs it: gguf, or one of `models.formats`."""
        return self.header.format

    @property
    def stored(self) -> tuple[Stored, ...]:
        """Its own files, without those beside it."""
        if not self.files:
            return (Stored("", self.path, self.sha256, self.size_bytes, self.key),)
        return tuple(
            Stored(file.name, self.path / file.name, file.sha256, file.size_bytes, self.key) for file in self.files
        )

    @property
    def adapters(self) -> tuple[Part, ...]:
        """Its adapters, by name: the engine knows them by their place in this order."""
        return tuple(part for part in self.parts if part.kind == ADAPTER)

    @property
    def projector(self) -> Part | None:
        """Through what it sees, if it does."""
        return next((part for part in self.parts if part.kind == PROJECTOR), None)

    @property
    def beside_bytes(self) -> int:
        """The memory that the weights of its adapters and its projector take while it is loaded."""
        return sum(part.tensor_bytes for part in self.parts)

    @property
    def identity(self) -> str:
        """What an engine of it has loaded: the SHA-256 of its file, and of those beside it if there are any."""
        if not self.parts:
            return self.sha256
        beside = (f"{part.kind} {part.name} {part.sha256}" for part in self.parts)
        return hashlib.sha256("\n".join((self.sha256, *beside)).encode()).hexdigest()

    @property
    def is_sealed(self) -> bool:
        """Whether its file is stored encrypted."""
        return bool(self.sealed_key)

    @property
    def is_chat(self) -> bool:
        """Whether it writes answers, rather than vectors or scores."""
        return not self.header.is_embedder

    @property
    def hashes(self) -> tuple[str, ...]:
        """What it may be known by: the SHA-256 of all of it, and of each of its files."""
        return (self.sha256, *(file.sha256 for file in self.files))

    def digest(self) -> str:
        """The SHA-256 of its files as they are now: reads all of it. Raises: ModelFileError if they can't be read."""
        found = [ModelFile(file.name, file.digest(), 0) for file in self.stored]
        return digest_of_all(found) if self.files else found[0].sha256


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A download that ended before its end; `models pull` goes on with it, `models remove` deletes it."""

    name: str
    done_bytes: int
    total_bytes: int | None


def place_of(folder: Path, *, has_several: bool, is_sealed: bool) -> Path:
    """Where in its folder a model's file or files are."""
    if has_several:
        return folder / (several.SEALED if is_sealed else several.PLAIN)
    return folder / (sealed.SEALED_FILE if is_sealed else MODEL_FILE)


def to_json(model: InstalledModel) -> dict[str, Any]:
    """What the manifest keeps of a model: nothing of where on this machine it is."""
    name = place_of(Path(), has_several=bool(model.files), is_sealed=model.is_sealed).name
    kept = {**asdict(replace(model, path=Path(name), parts=())), "path": name, "header": model.header.to_json()}
    del kept["key"], kept["parts"]
    return kept


def from_json(value: dict[str, Any], folder: Path) -> InstalledModel:
    """Reads what `to_json` wrote.

    Raises: KeyError, TypeError, ValueError for anything else, ModelFileError for a broken model.
    """
    files = tuple(ModelFile(**file) for file in value.get("files", ()))
    if not all(is_name(file.name) for file in files):
        raise ValueError("a file of the model can't be called so")
    return InstalledModel(
        **{
            **value,
            "path": place_of(folder, has_several=bool(files), is_sealed=bool(value.get("sealed_key"))),
            "header": _header(value["header"], folder / MODEL_FILE),
            "languages": tuple(value["languages"]),
            "files": files,
        }
    )


def _header(value: dict[str, Any], path: Path) -> GgufHeader:
    """What the manifest keeps of the file's header; from the file itself where an older version wrote less."""
    if set(value) >= {entry.name for entry in fields(GgufHeader)} or not path.exists():  # a sealed one isn't there
        return GgufHeader.from_json(value)
    return read_header(path)
