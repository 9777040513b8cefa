"""Searches the files for what was erased: every page of the database and its log in plain, other files as they are.

Called by `privacy.erase.erasure` before the removal, to show that the search finds, and after it. What it can't show is
in docs/how-to/erase.md: model files and the stored files of others are not read, nor what a disk keeps below the file
system.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import LargeBinary, String, cast, func, literal, select, text

from intramuros.storage.database import Database
from intramuros.storage.erasable import Sample
from intramuros.storage.schema import metadata

MOST_SAMPLES = 64
BATCH_PAGES = 256
_FILE_PART = 1 << 20
_NOT_READ = {"models", "blobs"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a search looked through, and which samples it met."""

    pages: int = 0
    log_frames: int = 0
    files: int = 0
    file_bytes: int = 0
    met: frozenset[int] = field(default_factory=frozenset)
    """Places of samples in the list that was searched for."""

    def to_json(self) -> dict[str, Any]:
        """The numbers alone."""
        return {name: value for name, value in asdict(self).items() if name != "met"}


def search(database: Database, samples: Sequence[Sample]) -> Found:
    """Looks for each sample on every page and in every other file of the data folder.

    Raises: StorageCorrupt if a page can't be decrypted.
    """
    met: set[int] = set()
    counts: Counter[str] = Counter()
    for places, content in _joined(database):
        counts.update(places)
        _look(content, samples, met)
    files = list(_files(database.path.parent, database.path.name))
    for path in files:
        counts["bytes"] += _look_in_file(path, samples, met)
    return Found(counts["database"], counts["log"], len(files), counts["bytes"], frozenset(met))


def held_elsewhere(database: Database, sample: Sample) -> bool:
    """Whether a row that is not erased holds these bytes too: the same file in another project, a form letter."""
    with database.read() as connection:
        for table in metadata.sorted_tables:
            columns = [column for column in table.columns if isinstance(column.type, String | LargeBinary)]
            for column in columns:
                holds = func.instr(cast(column, LargeBinary), literal(sample.content, LargeBinary)) > 0
                if connection.execute(select(1).select_from(table).where(holds).limit(1)).first() is not None:
                    return True
        terms = text(
            "SELECT 1 FROM passages_content WHERE instr(CAST(c0 || ' ' || c1 || ' ' || c2 AS BLOB), :s) > 0 LIMIT 1"
        )
        return connection.execute(terms, {"s": sample.content}).first() is not None


def _joined(database: Database) -> Iterator[tuple[list[str], bytes]]:
    """The pages, many at a time; a mark between them, so that nothing is found across two."""
    places: list[str] = []
    contents: list[bytes] = []
    for image in database.images():
        places.append(image.place)
        contents.append(image.content)
        if len(contents) == BATCH_PAGES:
            yield places, b"\xff\xfe\xff".join(contents)
            places, contents = [], []
    if contents:
        yield places, b"\xff\xfe\xff".join(contents)


def _look(content: bytes, samples: Sequence[Sample], met: set[int]) -> None:
    met.update(number for number, sample in enumerate(samples) if number not in met and sample.content in content)


def _look_in_file(path: Path, samples: Sequence[Sample], met: set[int]) -> int:
    longest = max((len(sample.content) for sample in samples), default=1)
    size, kept = 0, b""
    try:
        with path.open("rb") as file:
            while part := file.read(_FILE_PART):
                size += len(part)
                _look(kept + part, samples, met)
                kept = part[-longest:]
    except OSError:  # a socket's file, or one that was removed meanwhile
        return size
    return size


def _files(folder: Path, name: str) -> Iterator[Path]:
    """The data folder's files as they lie there, the database's too: nothing may stand in them in plain."""
    for entry in sorted(folder.iterdir()):
        if entry.is_file():
            if entry.suffix != ".reserve":
                yield entry
        elif entry.is_dir() and entry.name not in _NOT_READ:
            yield from (path for path in sorted(entry.rglob("*")) if path.is_file())
