"""The keys of the data: made once by `create`, opened at every start by `open_keys`.

Called by the command line and `app`. `keys.json` in the data folder holds no secret: the installation's id, where the
opening key comes from (`security.opening_key`), and the database key and the data key, each wrapped by the opening key.
It knows nothing of the database.

If there is a recovery key (`security.recovery`), the same keys are wrapped for it too. Its public half is sealed by the
data key, so that nobody who can only write the file has later keys wrapped for a key of their own.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from intramuros.errors import Conflict, NotInitialised, StorageCorrupt, StorageError, WrongKey
from intramuros.security import recovery
from intramuros.security.crypto import KEY_BYTES, derive, open_sealed, seal
from intramuros.security.opening_key import PASSPHRASE_COST, Source, in_words, new_source, opening_key
from intramuros.security.own_files import private_folder, sync, write_new
from intramuros.security.passwords import HashCost
from intramuros.settings import default_config_folder

FILE_NAME = "keys.json"


@dataclass(frozen=True, slots=True)
class DataKeys:
    """The two keys everything else is derived from. They stay in memory and out of every text form of this object."""

    instance: str
    database: bytes = field(repr=False)
    data: bytes = field(repr=False)
    place: str = ""
    """What opens them, in words: to be shown to whoever must keep it."""
    audit: bytes = field(default=b"", repr=False)
    """The key of the audit's chain and signatures. It stays when the data key is changed, which it first comes from."""
    recovery: str | None = None
    """The fingerprint of the recovery key, if there is one."""
    subjects: str = ""
    """Names the generation of the keys of projects and persons, which a deep change replaces; the first has no name."""

    def __post_init__(self) -> None:
        if not self.audit:
            object.__setattr__(self, "audit", derive(self.data, "audit"))

    def renewed(self, *, deep: bool = False) -> DataKeys:
        """New keys for the same installation, whose audit goes on. `deep`: those of subjects are new too."""
        subjects = secrets.token_hex(8) if deep else self.subjects
        database, data = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES)
        return replace(self, database=database, data=data, subjects=subjects)


def create(
    data: Path,
    *,
    key_file: Path | None = None,
    passphrase: str | None = None,
    use_keyring: bool = False,
    cost: HashCost = PASSPHRASE_COST,
) -> DataKeys:
    """Makes the keys of a new data folder: opened by a passphrase, the keyring, or a key file (the default).

    Raises: Conflict if the folder has keys already, StorageError if the key can't be stored safely.
    """
    if (data / FILE_NAME).exists():
        raise _has_keys(data)
    instance = secrets.token_urlsafe(12)
    private_folder(data)
    path = key_file or default_config_folder() / "keys" / f"{instance}.key"
    source, opening = new_source(instance, data, path=path, passphrase=passphrase, use_keyring=use_keyring, cost=cost)
    keys = DataKeys(instance, secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES), in_words(source))
    _write_description(data / FILE_NAME, keys, source, opening)
    return keys


def open_keys(data: Path, *, key_file: Path | None = None, passphrase: str | None = None) -> DataKeys:
    """Opens the keys of a data folder.

    Raises: NotInitialised if there are none, WrongKey if what is given does not open them, StorageError if the key
    file is open to others.
    """
    description = _read_description(data / FILE_NAME)
    opening = opening_key(description["source"], key_file, passphrase)
    return _opened(description, opening, data)


def open_with_recovery(data: Path, words: str) -> DataKeys:
    """Opens the keys of a data folder, or of a backup, with its recovery key.

    Raises: NotInitialised; WrongKey if there is no recovery key, or another one.
    """
    description = _read_description(data / FILE_NAME)
    instance, kept = description["instance"], description.get("recovery")
    if not kept:
        raise WrongKey(f"No recovery key was made for the data in {data}.", hint="Only the usual key opens it.")
    boxed = recovery.unbox(words, b64decode(kept["keys"]), context=_context(instance, "recovery"))
    named = {name: bytes.fromhex(value) for name, value in json.loads(boxed).items()}
    return DataKeys(
        instance,
        named["database"],
        named["data"],
        "the recovery key",
        named["audit"],
        kept["id"],
        description.get("subjects", ""),
    )


def add_recovery(data: Path, *, key_file: Path | None = None, passphrase: str | None = None) -> str:
    """Makes a recovery key and returns its words, which are kept nowhere; one made before stops to open this data.

    Raises: as `open_keys`.
    """
    with _alone(data):
        description = _read_description(data / FILE_NAME)
        opening = opening_key(description["source"], key_file, passphrase)
        keys = _opened(description, opening, data)
        words = recovery.new_words()
        public = recovery.public_of(words)
        kept = _wrapped_for_recovery(keys, public, made_at=time.time())
        _replace_description(data / FILE_NAME, keys, description["source"], opening, kept)
        return words


def rewrap(
    data: Path,
    keys: DataKeys,
    *,
    key_file: Path | None = None,
    passphrase: str | None = None,
    use_keyring: bool = False,
    cost: HashCost = PASSPHRASE_COST,
) -> DataKeys:
    """Lets a new key open the same data, in an instant: the data itself is not written. The old one opens it no more.
    Raises: Conflict if the new key file is there already, StorageError if it can't be stored safely.
    """
    with _alone(data):
        known = _read_description(data / FILE_NAME)
        name = f"{keys.instance}-{time.strftime('%Y%m%d')}-{secrets.token_hex(3)}.key"
        path = key_file or default_config_folder() / "keys" / name
        if passphrase is None and not use_keyring and path.expanduser().exists():
            raise Conflict(f"There is a file {path} already.", hint="Name one that is not there yet, with --key-file.")
        source, opening = new_source(
            keys.instance, data, path=path, passphrase=passphrase, use_keyring=use_keyring, cost=cost
        )
        _replace_description(data / FILE_NAME, keys, source, opening, known.get("recovery"))
        return replace(keys, place=in_words(source))


def write_renewed(
    data: Path, target: Path, keys: DataKeys, *, key_file: Path | None = None, passphrase: str | None = None
) -> None:
    """Writes to `target` what will describe new data keys, opened by what opens the present ones of `data`.

    They are wrapped for the recovery key too, without its words. Raises: as `open_keys`.
    """
    description = _read_description(data / FILE_NAME)
    opening = opening_key(description["source"], key_file, passphrase)
    present = _opened(description, opening, data)
    kept = description.get("recovery")
    if kept:
        public = open_sealed(
            derive(present.data, "recovery"), b64decode(kept["public"]), context=_context(keys.instance, "public")
        )
        kept = _wrapped_for_recovery(keys, public, made_at=kept["made_at"])
    _replace_description(target, keys, description["source"], opening, kept)


def open_alike(data: Path, other: Path) -> bool:
    """Whether the same file, passphrase or entry of the keyring opens both; not where one can't be read."""
    try:
        return bool(_read_description(data / FILE_NAME)["source"] == _read_description(other / FILE_NAME)["source"])
    except StorageError:
        return False


def recovery_facts(data: Path) -> dict[str, Any] | None:
    """What may be shown of the recovery key: its fingerprint (`id`) and when it was made; None without one."""
    kept = _read_description(data / FILE_NAME).get("recovery")
    return {"id": kept["id"], "made_at": kept["made_at"]} if kept else None


def needs_passphrase(data: Path) -> bool:
    """Whether the keys of this folder open with a passphrase. Raises nothing: without keys the answer is no."""
    try:
        return bool(_read_description(data / FILE_NAME)["source"]["kind"] == "passphrase")
    except StorageError:
        return False


def key_file(data: Path, given: Path | None = None) -> Path | None:
    """The file the key of a data folder comes from; None when it comes from a passphrase or the keyring.

    Raises: NotInitialised, StorageCorrupt.
    """
    source = _read_description(data / FILE_NAME)["source"]
    return (given or Path(source["path"])).expanduser().absolute() if source["kind"] == "file" else None


def _opened(description: dict[str, Any], opening: bytes, data: Path) -> DataKeys:
    source, instance = description["source"], description["instance"]
    names = [name for name in ("database", "data", "audit") if name in description]
    try:
        found = {
            name: open_sealed(opening, b64decode(description[name]), context=_context(instance, name)) for name in names
        }
    except StorageCorrupt as error:
        raise WrongKey(f"The {source['kind']} given does not open the data in {data}.") from error
    kept = description.get("recovery")
    return DataKeys(
        instance,
        found["database"],
        found["data"],
        in_words(source),
        found.get("audit", b""),
        kept["id"] if kept else None,
        description.get("subjects", ""),
    )


def _wrapped_for_recovery(keys: DataKeys, public: bytes, *, made_at: float) -> dict[str, Any]:
    named = {"database": keys.database.hex(), "data": keys.data.hex(), "audit": keys.audit.hex()}
    boxed = recovery.box(public, json.dumps(named).encode(), context=_context(keys.instance, "recovery"))
    sealed = seal(derive(keys.data, "recovery"), public, context=_context(keys.instance, "public"))
    return {
        "id": recovery.fingerprint(public),
        "made_at": made_at,
        "public": b64encode(sealed).decode(),
        "keys": b64encode(boxed).decode(),
    }


def _description(keys: DataKeys, source: Source, opening: bytes, kept: dict[str, Any] | None = None) -> bytes:
    wrapped = {
        name: b64encode(seal(opening, value, context=_context(keys.instance, name))).decode()
        for name, value in (("database", keys.database), ("data", keys.data), ("audit", keys.audit))
    }
    description = {"version": 1, "instance": keys.instance, "source": source, **wrapped}
    if keys.subjects:
        description["subjects"] = keys.subjects
    return json.dumps(description | ({"recovery": kept} if kept else {}), indent=2).encode() + b"\n"


def _write_description(path: Path, keys: DataKeys, source: Source, opening: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_new(temporary, _description(keys, source, opening))
    try:
        os.link(temporary, path)  # unlike a rename, never takes the place of another one's keys
    except FileExistsError as error:
        raise _has_keys(path.parent) from error
    finally:
        temporary.unlink()
    sync(path.parent)


def _replace_description(
    path: Path, keys: DataKeys, source: Source, opening: bytes, kept: dict[str, Any] | None
) -> None:
    """The old or the new is there at any moment, whenever the process or the machine stops."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_new(temporary, _description(keys, source, opening, kept))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """One process at a time changes what opens a folder."""
    descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise NotInitialised(f"There is no Intramuros data in {path.parent}.") from error
    except (OSError, ValueError) as error:
        raise StorageCorrupt(f"{path} can't be read.") from error
    if not isinstance(description, dict) or description.get("version") != 1:
        raise StorageCorrupt(f"{path} is not of this version of Intramuros.")
    return description


def _context(instance: str, name: str) -> bytes:
    return f"keys:{instance}:{name}".encode()


def _has_keys(data: Path) -> Conflict:
    return Conflict(f"There is Intramuros data in {data} already.", hint="Start it with: intramuros serve")


__all__ = [
    "DataKeys",
    "add_recovery",
    "create",
    "derive",
    "open_keys",
    "open_with_recovery",
    "recovery_facts",
    "rewrap",
    "write_renewed",
]
