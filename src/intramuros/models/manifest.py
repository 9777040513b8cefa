"""One installed model: its facts, and the manifest that keeps them beside its file.

Made by `models.installed`; read by the engine pool, the doors and the commands. It knows no folder but its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from intramuros.errors import ModelFileError
from intramuros.models import sealed
from intramuros.models.catalogue import Trust
from intramuros.models.gguf import GgufHeader, read_header

MODEL_FILE = "model.gguf"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """One model that can be run. `verified` says what its hash was compared with: catalogue, hub, given, or nothing."""

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

    @property
    def is_sealed(self) -> bool:
        """Whether its file is stored encrypted."""
        return bool(self.sealed_key)

    @property
    def is_chat(self) -> bool:
        """Whether it writes answers, rather than vectors or scores."""
        return not self.header.is_embedder

    def digest(self) -> str:
        """The SHA-256 of its file as it is now: reads all of it. Raises: ModelFileError if it can't be read."""
        return sealed.digest(self.path, self.key) if self.is_sealed else digest_of(self.path)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A download that ended before its end; `models pull` goes on with it, `models remove` deletes it."""

    name: str
    done_bytes: int
    total_bytes: int | None


def digest_of(path: Path) -> str:
    """The SHA-256 of a file. Raises: ModelFileError if it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(f"The file can't be read: {error.strerror or 'input/output error'}.") from error


def to_json(model: InstalledModel) -> dict[str, Any]:
    """What the manifest keeps of a model: nothing of where on this machine it is."""
    name = sealed.SEALED_FILE if model.is_sealed else MODEL_FILE
    kept = {**asdict(replace(model, path=Path(name))), "path": name, "header": model.header.to_json()}
    del kept["key"]
    return kept


def from_json(value: dict[str, Any], folder: Path) -> InstalledModel:
    """Reads what `to_json` wrote. Raises: KeyError, TypeError for anything else, ModelFileError for a broken model."""
    file = sealed.SEALED_FILE if value.get("sealed_key") else MODEL_FILE
    return InstalledModel(
        **{
            **value,
            "path": folder / file,
            "header": _header(value["header"], folder / MODEL_FILE),
            "languages": tuple(value["languages"]),
        }
    )


def _header(value: dict[str, Any], path: Path) -> GgufHeader:
    """What the manifest keeps of the file's header; from the file itself where an older version wrote less."""
    if set(value) >= {entry.name for entry in fields(GgufHeader)}:
        return GgufHeader.from_json(value)
    return read_header(path)
