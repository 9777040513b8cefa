"""What stands beside a model: adapters, which change how it writes, and the projector, through which it sees.

Read by `models.installed` with each model, and by the engines that load them. A part is a file and what is known of it:

    models/<model>/parts/<name>.json        what is known; it is put there last, so a part is there whole or not at all
    models/<model>/parts/<name>.gguf        the file; <name>.sealed where it is encrypted, with a key of its own

Knows no network and no engine; whether a file fits a model is asked of `models.fitting`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from intramuros.errors import ModelFileError, StorageCorrupt
from intramuros.models import sealed
from intramuros.security.own_files import sync

log = logging.getLogger(__name__)

FOLDER = "parts"
ADAPTER, PROJECTOR = "adapter", "projector"
PLAIN, SEALED = ".gguf", ".sealed"


@dataclass(frozen=True, slots=True)
class Part:
    """One file beside a model. `kind` is adapter or projector; `rank` an adapter's, 0 for others."""

    name: str
    kind: str
    path: Path
    sha256: str
    size_bytes: int
    tensor_bytes: int
    source: str
    verified: str
    installed_at: float
    rank: int = 0
    sealed_key: str = ""
    """The key its file is encrypted with, wrapped; empty for a plain file."""
    key: bytes = field(default=b"", repr=False, compare=False)
    """The same, opened: in memory only."""

    @property
    def is_sealed(self) -> bool:
        """Whether its file is stored encrypted."""
        return bool(self.sealed_key)

    def digest(self, *, moved: sealed.Moved = sealed.untold) -> str:
        """The SHA-256 of its file as it is now: reads all of it. Raises: ModelFileError if it can't be read."""
        return sealed.digest_of(self.path, self.key, moved=moved)


def read_all(model_folder: Path, key: bytes) -> tuple[Part, ...]:
    """The parts of a model, by name; one that is damaged is left out, with a line in the log."""
    found = []
    for note in sorted((model_folder / FOLDER).glob("*.json")):
        try:
            found.append(_read(note, key))
        except (OSError, ValueError, KeyError, TypeError, StorageCorrupt, ModelFileError) as error:
            log.warning("%s of %s left out: it is damaged (%s)", note.stem, model_folder.name, type(error).__name__)
    return tuple(found)


def stamp(model_folder: Path) -> int:
    """A number that changes when a part comes or goes."""
    try:
        return (model_folder / FOLDER).stat().st_mtime_ns
    except OSError:
        return 0


def put(part: Part, file: Path) -> None:
    """Puts a part in its place; `file` is moved there, or encrypted and removed. Raises: OSError."""
    part.path.parent.mkdir(mode=0o700, exist_ok=True)
    if part.is_sealed:
        sealed.write(file, part.path, part.key)
        file.unlink()
    else:
        file.chmod(0o600)
        file.replace(part.path)
    write_note(part)


def write_note(part: Part) -> None:
    """Writes down what is known of a part, whole or not at all. Raises: OSError."""
    kept = asdict(replace(part, path=Path(part.path.name)))
    del kept["key"], kept["path"]
    unfinished = part.path.with_name(f".{part.name}.new")
    unfinished.write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")
    for path in (unfinished, part.path.parent):
        _sync(path)
    unfinished.rename(part.path.with_name(f"{part.name}.json"))
    _sync(part.path.parent)


def take_away(part: Part) -> None:
    """Removes a part. Raises: OSError."""
    part.path.with_name(f"{part.name}.json").unlink(missing_ok=True)
    for ending in (PLAIN, SEALED):
        part.path.with_name(part.name + ending).unlink(missing_ok=True)
    _sync(part.path.parent)


def seal(part: Part, wrapping: bytes) -> Part:
    """Stores a part encrypted from now on; stopped at any point, the plain or the sealed file counts.

    Raises: OSError, ModelFileError if the file is not the one that was installed.
    """
    plain = part.path.with_name(part.name + PLAIN)
    if not part.is_sealed:
        own, wrapped = sealed.new_key(wrapping)
        part = replace(part, path=part.path.with_name(part.name + SEALED), sealed_key=wrapped, key=own)
        sealed.write(plain, part.path, own)
        if part.digest() != part.sha256:
            part.path.unlink()
            raise ModelFileError(f"The file of {part.name} is not the one that was installed; it stays plain.")
        write_note(part)
    plain.unlink(missing_ok=True)
    return part


def notes(models_folder: Path) -> Iterator[Path]:
    """The notes of all parts of all models."""
    yield from sorted(models_folder.glob(f"[!.]*/{FOLDER}/[!.]*.json"))


def _read(note: Path, key: bytes) -> Part:
    value: Any = json.loads(note.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise TypeError("this is not what is known of a part")
    is_sealed = bool(value.get("sealed_key"))
    path = note.with_suffix(SEALED if is_sealed else PLAIN)
    part = Part(**value, path=path, key=sealed.key_in(value["sealed_key"], key) if is_sealed else b"")
    if part.name != note.stem or part.kind not in (ADAPTER, PROJECTOR):
        raise ValueError("this is not what is known of this part")
    size = sealed.stored_bytes(part.size_bytes) if is_sealed else part.size_bytes
    if path.stat().st_size != size:
        raise ValueError("its file has another size than when it was installed")
    return part


def _sync(path: Path) -> None:
    with suppress(FileNotFoundError):
        sync(path)
