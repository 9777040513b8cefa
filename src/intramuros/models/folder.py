"""A model of several files, in the layout of Hugging Face's repositories: its names, where its files lie, its hash.

Used by `models.installed` and `models.download`; which files make up a model is asked of `models.formats`.

    models/<name>/files/config.json, onnx/model.onnx, …    what was installed
    models/<name>/sealed/config.json, …                    the same, each encrypted under the model's key
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from intramuros.errors import ModelFileError

PLAIN, SEALED = "files", "sealed"
ON_THEIR_WAY = ".files"
"""What the name of the folder ends with that holds half files."""
MOST_FILES, MOST_SEEN = 256, 10_000
LARGEST_TEXT_BYTES = 64 << 20
"""Of a file of text: tokenizers of large vocabularies have 35 MB."""
NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}/){0,3}[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
BLOBS = "blobs"
"""Where the files of Hugging Face's cache are, which its folders link to: `models--…/snapshots/<commit>/`."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: its name below the model's folder, and what it was when it was installed."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Brought:
    """Finished files that are to become a model: where each lies now and what it is, by name."""

    paths: Mapping[str, Path]
    files: tuple[ModelFile, ...]


def digest_of_all(files: Iterable[ModelFile]) -> str:
    """The SHA-256 that stands for several files: of their list, as `sha256sum` writes it, in the order of names."""
    lines = (f"{file.sha256}  {file.name}\n" for file in sorted(files, key=lambda file: file.name))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_name(name: str) -> bool:
    """Whether a file of a model may be called so: up to three folders deep, nothing hidden, no way out."""
    return NAME.fullmatch(name) is not None and ".." not in name


def is_text(name: str) -> bool:
    """Whether a file of a model is one of the small ones that say how it is used, and not one of its weights."""
    return name.endswith((".json", ".txt", ".jinja", ".model"))


def files_below(folder: Path) -> dict[str, Path]:
    """The files below a folder of this machine, by name; what has another name than a model's file is left out.

    Raises: ModelFileError if it can't be read, or a link leads out of it.
    """
    root = folder.resolve()
    homes = (root, root.parent.parent / BLOBS)
    found = {}
    try:
        for path in _files(root):
            name = path.relative_to(root).as_posix()
            if not is_name(name):
                continue
            if not any(path.resolve().is_relative_to(home) for home in homes):
                raise ModelFileError(f"The folder's {name} is a link to a file outside of it.", hint="")
            found[name] = path
            if len(found) > MOST_SEEN:
                raise ModelFileError("The folder holds too many files to be a model.", hint="")
    except OSError as error:
        raise ModelFileError(f"The folder can't be read: {error.strerror or 'input/output error'}.", hint="") from error
    return found


def _files(folder: Path, depth: int = 0) -> Iterator[Path]:
    """Regular files, and links to some; linked folders are not gone into."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        elif depth < 3 and path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _files(path, depth + 1)
