"""The keys of the data: made once by `create`, opened at every start by `open_keys`.

Called by the command line and `app`. `keys.json` in the data folder holds no secret: the installation's id, where the
opening key comes from (a file, a passphrase, the system's keyring), and the database key and the data key, each
wrapped by the opening key. A passphrase is derived with Argon2id once; from then on raw keys are used. It knows
nothing of the database.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from argon2.low_level import Type, hash_secret_raw

from intramuros.errors import Conflict, NotInitialised, SettingsError, StorageCorrupt, StorageError, WrongKey
from intramuros.security.crypto import KEY_BYTES, derive, open_sealed, seal
from intramuros.security.passwords import HashCost
from intramuros.settings import default_config_folder

FILE_NAME = "keys.json"
PASSPHRASE_COST = HashCost(memory_kib=64 * 1024, passes=3, lanes=4)
"""RFC 9106's second recommendation: about 0.5 s on two slow cores, once at every start."""

_KEYRING_SERVICE = "intramuros"


@dataclass(frozen=True, slots=True)
class DataKeys:
    """The two keys everything else is derived from. They stay in memory and out of every text form of this object."""

    instance: str
    database: bytes = field(repr=False)
    data: bytes = field(repr=False)
    place: str = ""
    """What opens them, in words: to be shown to whoever must keep it."""


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
    _private_folder(data)
    if passphrase is not None:
        source: dict[str, Any] = {"kind": "passphrase", "salt": secrets.token_hex(16), **asdict(cost)}
        opening = _from_passphrase(passphrase, source)
    elif use_keyring:
        source = {"kind": "keyring", "service": _KEYRING_SERVICE, "name": instance}
        opening = secrets.token_bytes(KEY_BYTES)
        _keyring().set_password(_KEYRING_SERVICE, instance, opening.hex())
    else:
        path = (key_file or default_config_folder() / "keys" / f"{instance}.key").expanduser().absolute()
        source = {"kind": "file", "path": str(path)}
        opening = _from_file(path) if path.exists() else _new_key_file(path, data)
    keys = DataKeys(instance, secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES), _in_words(source))
    _write_description(data / FILE_NAME, keys, source, opening)
    return keys


def open_keys(data: Path, *, key_file: Path | None = None, passphrase: str | None = None) -> DataKeys:
    """Opens the keys of a data folder.

    Raises: NotInitialised if there are none, WrongKey if what is given does not open them, StorageError if the key
    file is open to others.
    """
    description = _read_description(data / FILE_NAME)
    source, instance = description["source"], description["instance"]
    opening = _opening_key(source, key_file, passphrase)
    try:
        database, own = (
            open_sealed(opening, b64decode(description[name]), context=_context(instance, name))
            for name in ("database", "data")
        )
    except StorageCorrupt as error:
        raise WrongKey(f"The {source['kind']} given does not open the data in {data}.") from error
    return DataKeys(instance, database, own, _in_words(source))


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


def _opening_key(source: dict[str, Any], key_file: Path | None, passphrase: str | None) -> bytes:
    if source["kind"] == "passphrase":
        if passphrase is None:
            raise WrongKey("This data opens with a passphrase.", hint="Give it with INTRAMUROS_PASSPHRASE_FILE=FILE.")
        return _from_passphrase(passphrase, source)
    if source["kind"] == "keyring":
        text = _keyring().get_password(source["service"], source["name"])
        if text is None:
            raise WrongKey("The system's keyring has no key for this data.", hint="Unlock the keyring of this user.")
        return _as_key(text, "The keyring's entry")
    return _from_file((key_file or Path(source["path"])).expanduser().absolute())


def _from_passphrase(passphrase: str, source: dict[str, Any]) -> bytes:
    return hash_secret_raw(
        passphrase.encode(),
        bytes.fromhex(source["salt"]),
        time_cost=source["passes"],
        memory_cost=source["memory_kib"],
        parallelism=source["lanes"],
        hash_len=KEY_BYTES,
        type=Type.ID,
    )


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            _refuse_open_to_others(path, os.fstat(file.fileno()))
            text = file.read(4096)
    except OSError as error:
        raise WrongKey(
            f"The key file {path} can't be read: {error.strerror}.",
            hint="Put it back, or say where it is with INTRAMUROS_KEY_FILE.",
        ) from error
    return _as_key(text.decode("ascii", "replace"), f"The key file {path}")


def _as_key(text: str, what: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise WrongKey(f"{what} does not hold a key ({2 * KEY_BYTES} hexadecimal characters).")
    return key


def _refuse_open_to_others(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise StorageError(f"The key file {path} is not a file.", code="key_file_unsafe", hint="Name the file itself.")
    if status.st_mode & 0o077 or status.st_uid not in {0, os.geteuid()}:
        raise StorageError(
            f"The key file {path} can be read by other users of this machine.",
            code="key_file_unsafe",
            hint=f"Make it yours alone: chmod 600 {path}",
        )


def _new_key_file(path: Path, data: Path) -> bytes:
    if path.is_relative_to(data.absolute()):
        raise SettingsError(
            "The key file would lie in the data folder, where a stolen copy of the data has it too.",
            hint="Choose another place with --key-file or INTRAMUROS_KEY_FILE.",
        )
    _private_folder(path.parent)
    key = secrets.token_bytes(KEY_BYTES)
    _write_new(path, key.hex().encode() + b"\n")
    return key


def _write_description(path: Path, keys: DataKeys, source: dict[str, Any], opening: bytes) -> None:
    wrapped = {
        name: b64encode(seal(opening, value, context=_context(keys.instance, name))).decode()
        for name, value in (("database", keys.database), ("data", keys.data))
    }
    description = {"version": 1, "instance": keys.instance, "source": source, **wrapped}
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    _write_new(temporary, json.dumps(description, indent=2).encode() + b"\n")
    try:
        os.link(temporary, path)  # unlike a rename, never takes the place of another one's keys
    except FileExistsError as error:
        raise _has_keys(path.parent) from error
    finally:
        temporary.unlink()
    _sync_folder(path.parent)


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


def _write_new(path: Path, content: bytes) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error.strerror}.") from error
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private_folder(folder: Path) -> None:
    """Makes the folder and those above it that are missing, for this user alone."""
    for missing in reversed([f for f in (folder, *folder.parents) if not f.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def _keyring() -> Any:
    try:
        import keyring
    except ImportError as error:
        raise StorageError(
            "The system's keyring needs a package that is not installed.",
            code="keyring_missing",
            hint="Install it with: pip install 'intramuros[keyring]', or use a key file.",
        ) from error
    return keyring


def _in_words(source: dict[str, Any]) -> str:
    return {
        "file": f"the file {source.get('path')}",
        "passphrase": "your passphrase",
        "keyring": "your system's keyring",
    }[source["kind"]]


def _context(instance: str, name: str) -> bytes:
    return f"keys:{instance}:{name}".encode()


def _has_keys(data: Path) -> Conflict:
    return Conflict(f"There is Intramuros data in {data} already.", hint="Start it with: intramuros serve")


__all__ = ["DataKeys", "create", "derive", "open_keys"]
