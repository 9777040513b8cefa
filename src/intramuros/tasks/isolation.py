"""How far the processes that work on untrusted content are confined, and whether they find a way out.

Called by the server's start, by `/health`, by the self-test and by the administration's page. The engine and the reader
are started as for a model and a document; in their place the attempts of `security.attempts` run inside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from intramuros.audit.entry import Entry
from intramuros.documents.reader.supervisor import Reader
from intramuros.engines import child
from intramuros.engines.pool import EnginePool
from intramuros.engines.published import private_folder
from intramuros.engines.rights import Rights, trial_rights
from intramuros.errors import ModelFileError, ModelNotFound
from intramuros.models.installed import InstalledModels
from intramuros.security.attempts import BURN, OPEN
from intramuros.security.isolation import Confinement, weakest
from intramuros.settings import Settings
from intramuros.tasks.ways_out import tempted

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """The walls around each process by its name: `reader`, `engine`, or `engine MODEL` for one that runs."""

    walls: dict[str, Confinement]

    @property
    def level(self) -> str:
        """The level of the weakest, `unknown` before any process was looked at."""
        return weakest(self.walls.values()) if self.walls else UNKNOWN

    @property
    def missing(self) -> dict[str, tuple[str, ...]]:
        """What is missing, by process; processes with all walls are left out."""
        return {name: walls.missing for name, walls in self.walls.items() if walls.missing}


@dataclass(frozen=True, slots=True)
class Attack:
    """What came of trying: by attempt and process, `open` or how it failed."""

    standing: Standing
    outcomes: dict[str, dict[str, str]]

    @property
    def ways_out(self) -> list[tuple[str, str]]:
        """Attempt and process of each that succeeded."""
        return [(name, who) for name, found in self.outcomes.items() for who, how in found.items() if how == OPEN]

    @property
    def attempts(self) -> int:
        """How many were made, in all processes."""
        return sum(len(found) for found in self.outcomes.values())

    def note(self, entry: Entry) -> None:
        """Puts the result on record: counts, and names of attempts."""
        entry.note(
            level=self.standing.level,
            attempts=self.attempts,
            held=self.attempts - len(self.ways_out),
            broken=len(self.ways_out),
            ways_out=[f"{who}/{name}" for name, who in self.ways_out] or None,
        )


@dataclass(slots=True)
class Isolation:
    """Looks at, and attacks, the processes of one installation."""

    settings: Settings
    reader: Reader
    pool: EnginePool
    models: InstalledModels
    key_file: Path | None
    database: Path
    last_attack: Attack | None = None
    _engine: Confinement | None = field(default=None, repr=False)

    def standing(self) -> Standing:
        """What is known of the processes that run, and of an engine's before there is one. Starts nothing."""
        walls = {f"engine {name}": found for name, found in self.pool.confinements().items()}
        if not walls and self._engine is not None:
            walls["engine"] = self._engine
        if found := self.reader.known_confinement:
            walls["reader"] = found
        return Standing(walls)

    async def look(self) -> Standing:
        """The same, with a reader and an engine's process started where none runs.

        Raises: IsolationTooWeak when the policy asks for more; EngineError, DocumentError when one does not start.
        """
        if not self.pool.confinements() and self._engine is None:
            self._engine, _ = await child.tried(self._rights())
            self._engine.require(self.settings.isolation_required, what="the engine")
        await self.reader.confinement()
        return self.standing()

    async def attack(self) -> Attack:
        """Tries every way out from inside both processes, and to use the processor without end.

        Raises: EngineError, DocumentError when a process does not start or ends in between; IsolationTooWeak.
        """
        with tempted(key_file=self.key_file, database=self.database) as targets:
            walls, from_engine = await child.tried(self._rights(), targets)
        with tempted(key_file=self.key_file, database=self.database) as targets:
            from_reader = await self.reader.tried(targets)
        self._engine = walls
        standing = Standing({"engine": walls, "reader": await self.reader.confinement()})
        from_engine[BURN], from_reader[BURN] = await child.burnt(self._rights()), await self.reader.burnt()
        names = list(dict.fromkeys([*from_engine, *from_reader]))
        outcomes = {name: {"engine": from_engine[name], "reader": from_reader[name]} for name in names}
        self.last_attack = Attack(standing, outcomes)
        return self.last_attack

    def _rights(self) -> Rights:
        """What an engine of the default model may read; without one, the libraries alone."""
        rights = trial_rights(private_folder(self.settings.run_folder / "engines"))
        try:
            return replace(rights, read=(*rights.read, str(self.models.get("default").path)))
        except (ModelNotFound, ModelFileError):
            return rights
