"""The encrypted database: one SQLCipher file, many readers, one writer.

Called by everything that stores rows, which gets SQLAlchemy connections and no more. It knows the driver, the key,
the pragmas and the file; it knows no tables but through the migrations.

    with database.read() as connection: …                 # a snapshot
    with database.write() as connection: …                # committed at the end, or rolled back
    with database.write(durable=True) as connection: …    # also survives a power cut
    with database.write(erasing=True) as connection: …    # also works on a full disk; checkpoint() when all is erased

Safe to use from many threads and from many processes. Commits survive `kill -9`; only durable ones are sure to
survive a power cut.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool
from sqlcipher3 import dbapi2

from intramuros.errors import Conflict, IntramurosError, NotInitialised, StorageBusy, StorageCorrupt, StorageFull
from intramuros.storage import key_check, migrations
from intramuros.storage.failures import from_system, translated
from intramuros.storage.images import Image, images
from intramuros.storage.reserve import Reserve

log = logging.getLogger(__name__)

FILE_NAME = "intramuros.db"
READERS = 16
WAIT_S = 30.0
COPY_PAGES = 2048
NAMED_PAGES = 10
SEAL_LOOKS = 3

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA mmap_size = 0",
    # A checkpoint waits for the disk, some ms: with the usual 1,000 pages, every hundredth request would feel it.
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA trusted_schema = OFF",
)
_READING = tuple(
    pragma for pragma in _PRAGMAS if pragma.split()[1] in {"foreign_keys", "temp_store", "mmap_size", "trusted_schema"}
)
_MAKING = (*_READING[1:], "PRAGMA foreign_keys = OFF", "PRAGMA journal_mode = MEMORY", "PRAGMA secure_delete = OFF")


class Database:
    """A database that exists and opens with `key`; made by `create` and `open_database`.

    Raises: from every use, WrongKey, StorageCorrupt, StorageFull, StorageBusy or StorageError in place of the
    driver's errors; constraint violations stay `sqlalchemy.exc.IntegrityError`.
    """

    def __init__(self, path: Path, key: bytes, *, use: Literal["serving", "reading", "making"] = "serving") -> None:
        """`use`: "reading" for a file nobody writes, such as a backup's; "making" for one that counts only when it is
        finished: fast, and without regard to rows that point nowhere meanwhile.
        """
        self.path = path
        self._mode = "ro&immutable=1" if use == "reading" else "rw"
        self._pragmas = _PRAGMAS if use == "serving" else _READING if use == "reading" else _MAKING
        self._key = key
        self.reserve = Reserve(path.with_suffix(".reserve"))
        self._readers = _engine(self._connect, "BEGIN", poolclass=QueuePool, pool_size=4, max_overflow=READERS - 4)
        self._writers = _engine(self._connect, "BEGIN IMMEDIATE", poolclass=StaticPool)
        self._writing = threading.Lock()
        self._writing_thread: int | None = None
        self._writer_has: dict[str, str] = {}
        self._glancing = threading.Lock()
        self._glancer: Any = None
        self._vector_functions = _vector_functions()
        self._damage: str | None = None
        self.writes = 0
        """How often this process has written, whether or not it was kept: what was read before may have changed."""

    @property
    def can_compare_vectors(self) -> bool:
        """Whether connections have the functions of `sqlite-vec`, which `storage.vectors` needs to rank."""
        return self._vector_functions is not None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one unchanging state of the data, whatever others write meanwhile."""
        with self._translating(), self._readers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False, erasing: bool = False, wait_s: float = WAIT_S) -> Iterator[Connection]:
        """A connection in the one writing transaction; keep it short, for others wait.

        `erasing` works on a full disk too, with space held back for it until the next `checkpoint`.
        Raises: StorageBusy if another thread or process writes for longer than `wait_s`.
        """
        with self._alone(wait_s), self._translating(), self._writers.connect() as connection:
            if erasing:
                self.reserve.release()
            self._prepare(synchronous="FULL" if durable else "NORMAL", busy_timeout=str(round(wait_s * 1000)))
            try:
                with connection.begin():
                    yield connection
            finally:
                self.writes += 1

    def glance(self, statement: str, *parameters: object) -> tuple[Any, ...] | None:
        """The first row of one plain SQL statement, outside any transaction: some microseconds, for every request."""
        with self._glancing, self._translating():
            if self._glancer is None:
                self._glancer = self._connect()
            cursor = self._glancer.execute(statement, parameters)
            try:
                row: tuple[Any, ...] | None = cursor.fetchone()
                return row
            finally:
                cursor.close()  # or its snapshot would stay open and stop checkpoints

    def data_version(self) -> int:
        """A number that changes whenever anything was committed, here or in another process. Costs microseconds."""
        row = self.glance("PRAGMA data_version")
        return int(row[0]) if row else 0

    def checkpoint(self, *, wait_s: float = 1.0) -> bool:
        """Moves everything into the main file and empties the write-ahead log, with what was erased in it.

        Returns whether the log is empty now; a reader whose read takes longer than `wait_s` prevents it. Writers wait.
        """
        with self._alone(WAIT_S), self._translating():
            self._prepare(busy_timeout=str(round(wait_s * 1000)))
            busy, _, _ = self._pragma("wal_checkpoint(TRUNCATE)")[0]
            if self.reserve.is_spent:
                self.reserve.keep()
            return not busy

    def images(self) -> Iterator[Image]:
        """Every page of the file and of its log, in plain, free ones too. Raises: StorageCorrupt."""
        return images(self.path, self._key)

    def copy_to(
        self, path: Path, *, key: bytes | None = None, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Writes a whole, encrypted copy of one state of the data into a new file, while others read and write.

        `key`: the copy's, if it is to have another. `progress` gets the pages done and in all.
        Raises: StorageFull and others; then no file is left.
        """
        copy = Database(path, key or self._key)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with self._translating():
                source = self._connect(pragmas=("PRAGMA busy_timeout = 30000",))
                try:
                    with copy._translating():
                        copy._take_all(source, progress)
                finally:
                    source.close()
        except BaseException as error:
            for rest in path.parent.glob(path.name + "*"):
                rest.unlink()
            if isinstance(error, OSError):
                raise from_system(error, path) from error
            raise

    def _take_all(self, source: Any, progress: Callable[[int, int], None] | None) -> None:
        target = self._connect(pragmas=())
        try:
            source.execute("BEGIN")  # one snapshot for all steps: else every write of others starts the copy again
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            shown = progress or (lambda done, total: None)
            source.backup(target, pages=COPY_PAGES, progress=lambda _, left, total: shown(total - left, total))
            source.execute("ROLLBACK")
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            target.close()
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def vacuum(self) -> None:
        """Writes the file anew, without what was deleted in it. Nobody else may use it."""
        with self._alone(WAIT_S), self._translating():
            connection = self._connect()
            try:
                connection.execute("VACUUM")
            finally:
                connection.close()

    def check(self, *, is_archive: bool = False) -> list[str]:
        """What is wrong with the file: damaged pages, broken structure, rows that point nowhere; else nothing.

        In a backup's archive rows do point nowhere: to those that are sealed in it.
        """
        found: list[str] = []
        connection = self._connect(pragmas=())  # the usual ones read pages that may be damaged
        try:
            pointing = () if is_archive else ("foreign_key_check",)
            for pragma in ("cipher_integrity_check", "integrity_check", *pointing):
                rows = connection.execute(f"PRAGMA {pragma}").fetchall()
                found += [f"{pragma}: {' '.join(map(str, row))}" for row in rows if row != ("ok",)]
        except dbapi2.Error as error:
            found.append(f"integrity_check: {error}")
        finally:
            connection.close()
        return found

    def check_seals(self) -> list[str]:
        """Which pages of the main file are damaged; the quick part of `check`.

        Another process that moves the log into the file meanwhile can make one look so: it is looked at again.
        """
        found: list[str] = []
        for _ in range(SEAL_LOOKS):
            connection = self._connect(pragmas=())
            try:
                rows = connection.execute("PRAGMA cipher_integrity_check").fetchall()
                found = [f"cipher_integrity_check: {' '.join(map(str, row))}" for row in rows]
            except dbapi2.Error as error:
                found = [f"integrity_check: {error}"]
            finally:
                connection.close()
            if not found:
                break
        return found

    def close(self) -> None:
        """Gives back every connection, once whoever writes is done. The database may be opened again."""
        self._readers.dispose()
        with self._alone(WAIT_S):
            self._writers.dispose()
            self._writer_has.clear()
        with self._glancing:
            if self._glancer is not None:
                self._glancer.close()
                self._glancer = None

    @contextmanager
    def _alone(self, wait_s: float) -> Iterator[None]:
        """One writer at a time in this process: waiting here is fair and cheap, waiting in SQLite is neither."""
        if self._writing_thread == threading.get_ident():
            raise RuntimeError("write() inside write() in the same thread would wait for itself")
        if not self._writing.acquire(timeout=wait_s):
            raise StorageBusy
        self._writing_thread = threading.get_ident()
        try:
            yield
        finally:
            self._writing_thread = None
            self._writing.release()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, dbapi2.Error) as error:
            known = translated(error, self.path, is_right_key=key_check.is_right(self.path, self._key))
            if known is None:
                raise
            raise self._with_pages(known) from error

    def _with_pages(self, error: IntramurosError) -> IntramurosError:
        """Names the pages when the file is damaged; they are looked for once, which reads all of it."""
        if not isinstance(error, StorageCorrupt):
            return error
        if self._damage is None:
            self._damage = pages_in(self.check())
        return StorageCorrupt(f"The database {self.path} is damaged: {self._damage}.")

    def _prepare(self, **wanted: str) -> None:
        for name, value in wanted.items():
            if self._writer_has.get(name) != value:
                self._pragma(f"{name} = {value}")
                self._writer_has[name] = value

    def _pragma(self, text: str) -> list[Any]:
        """Runs a pragma on the writer, outside any transaction."""
        with self._writers.connect() as connection:
            cursor = connection.connection.cursor()
            try:
                cursor.execute(f"PRAGMA {text}")
                return list(cursor.fetchall())
            finally:
                cursor.close()

    def _connect(self, *, pragmas: Iterable[str] | None = None) -> Any:
        connection = dbapi2.connect(
            f"file:{_quoted(self.path)}?mode={self._mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=WAIT_S,
        )
        connection.execute("PRAGMA cipher_log_level = NONE")
        connection.execute(f"PRAGMA key = \"x'{self._key.hex()}'\"")
        for pragma in self._pragmas if pragmas is None else pragmas:
            connection.execute(pragma)
        self._add_vector_functions(connection)
        return connection

    def _add_vector_functions(self, connection: Any) -> None:
        """Takes 0.05 ms. Loading is allowed for this one file only; without it there is no search by vectors."""
        if self._vector_functions is None:
            return
        try:
            connection.enable_load_extension(True)
            try:
                connection.load_extension(self._vector_functions)
            finally:
                connection.enable_load_extension(False)
        except (AttributeError, dbapi2.Error) as error:
            self._vector_functions = None
            log.warning("sqlite-vec can't be loaded, so search goes by words alone: %s", error)


def create(path: Path, key: bytes) -> Database:
    """Makes a new database: complete under its name, or not there at all.

    Raises: Conflict if there is one, StorageFull.
    """
    if path.exists():
        raise Conflict(f"There is a database at {path} already.")
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        database = Database(unfinished, key)
        with database.write(durable=True) as connection:
            migrations.upgrade(connection)
        database.checkpoint()
        database.close()
        key_check.write(path, key)
        os.link(unfinished, path)
        database = Database(path, key)
        database.reserve.keep()
        return database
    except FileExistsError as error:
        raise Conflict(f"There is a database at {path} already.") from error
    except OSError as error:
        raise from_system(error, path) from error
    finally:
        for rest in unfinished.parent.glob(unfinished.name + "*"):
            rest.unlink()


def open_database(path: Path, key: bytes) -> Database:
    """Opens a database and brings its tables to this version, whichever process comes first.

    Raises: NotInitialised, WrongKey, StorageCorrupt, StorageError if it was written by a newer version.
    """
    if not path.exists():
        raise NotInitialised(f"There is no database at {path}.")
    if path.stat().st_size == 0:
        raise StorageCorrupt(f"The database {path} is empty.")
    database = Database(path, key)
    try:
        try:
            _bring_up(database)
        except StorageFull:  # even reading takes a little space, for the log's index
            database.reserve.release()
            _bring_up(database)
        database.reserve.keep()
    except BaseException:
        database.close()
        raise
    return database


def pages_in(problems: Iterable[str]) -> str:
    """The damaged pages in what `Database.check` found, in words."""
    sealed = [problem for problem in problems if problem.startswith("cipher_integrity_check")]
    numbers = sorted({int(number) for problem in sealed for number in re.findall(r"page (\d+)", problem)})
    if not numbers:
        return "its structure is broken, or it is cut off"
    more = f" and {len(numbers) - NAMED_PAGES} more" if len(numbers) > NAMED_PAGES else ""
    return f"page{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:NAMED_PAGES]))}{more}"


def _bring_up(database: Database) -> None:
    with database.read() as connection:
        if migrations.is_current(connection):
            return
    with database.write(durable=True) as connection:  # one process at a time: the next finds it done
        migrations.upgrade(connection)


def _engine(connect: Callable[[], Any], begin: str, **pool: Any) -> Engine:
    engine = create_engine("sqlite://", module=dbapi2, creator=connect, hide_parameters=True, **pool)
    # The driver is in autocommit mode, so that SQLite's own BEGIN is the only one.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _vector_functions() -> str | None:
    """Where the library of `sqlite-vec` is; its package is not imported, for that would load SQLite once more."""
    found = importlib.util.find_spec("sqlite_vec")
    return str(Path(found.origin).with_name("vec0")) if found and found.origin else None


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
