from __future__ import annotations

import json
import os
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from intramuros.errors import Conflict, NotInitialised, SettingsError, StorageCorrupt, StorageError, WrongKey
from intramuros.security import keys, opening_key
from tests.support import cheap


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "away" / "the.key"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_come_back(data: Path, key_file: Path) -> None:
    made = keys.create(data, key_file=key_file)
    opened = keys.open_keys(data)
    assert opened == made
    assert len(made.database) == len(made.data) == 32
    assert made.database != made.data
    assert str(key_file) in made.place


def test_the_key_is_not_in_the_data_folder_nor_in_the_object_s_text(data: Path, key_file: Path) -> None:
    made = keys.create(data, key_file=key_file)
    written = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    key = key_file.read_text().strip()
    for secret in (made.database, made.data, bytes.fromhex(key)):
        assert secret not in written
        assert secret.hex().encode() not in written
        assert secret.hex() not in repr(made)
        assert repr(secret) not in repr(made)


def test_the_default_key_file_is_apart_from_the_data(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = keys.create(data)
    path = tmp_path / "config" / "intramuros" / "keys" / f"{made.instance}.key"
    assert mode(path) == 0o600
    assert mode(path.parent) == mode(path.parent.parent) == 0o700
    assert mode(data) == 0o700
    assert mode(data / "keys.json") == 0o600
    assert keys.open_keys(data) == made


def test_a_key_file_in_the_data_folder_is_refused(data: Path) -> None:
    with pytest.raises(SettingsError):
        keys.create(data, key_file=data / "the.key")
    assert not (data / "keys.json").exists()


def test_one_key_file_may_open_two_data_folders(tmp_path: Path, key_file: Path) -> None:
    one, other = keys.create(tmp_path / "1", key_file=key_file), keys.create(tmp_path / "2", key_file=key_file)
    assert one.database != other.database
    assert keys.open_keys(tmp_path / "1") == one


def test_the_key_file_may_have_moved(data: Path, key_file: Path, tmp_path: Path) -> None:
    made = keys.create(data, key_file=key_file)
    moved = key_file.rename(tmp_path / "moved.key")
    with pytest.raises(WrongKey) as caught:
        keys.open_keys(data)
    assert "INTRAMUROS_KEY_FILE" in caught.value.hint
    assert keys.open_keys(data, key_file=moved).database == made.database


def test_another_key_does_not_open(data: Path, key_file: Path) -> None:
    keys.create(data, key_file=key_file)
    key_file.write_text("00" * 32)
    with pytest.raises(WrongKey):
        keys.open_keys(data)


@pytest.mark.parametrize("content", ["", "00" * 31, "zz" * 32, "é" * 64])
def test_what_is_not_a_key_is_said_to_be_none(data: Path, key_file: Path, content: str) -> None:
    keys.create(data, key_file=key_file)
    key_file.write_text(content)
    with pytest.raises(WrongKey, match="does not hold a key"):
        keys.open_keys(data)


@pytest.mark.parametrize("permissions", [0o640, 0o604, 0o644, 0o620, 0o660])
def test_a_key_file_open_to_others_is_refused(data: Path, key_file: Path, permissions: int) -> None:
    keys.create(data, key_file=key_file)
    key_file.chmod(permissions)
    with pytest.raises(StorageError) as caught:
        keys.open_keys(data)
    assert caught.value.code == "key_file_unsafe"
    assert "chmod 600" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can give a file away")
def test_a_key_file_of_another_user_is_refused(data: Path, key_file: Path) -> None:
    keys.create(data, key_file=key_file)
    os.chown(key_file, 12345, 12345)
    with pytest.raises(StorageError) as caught:
        keys.open_keys(data)
    assert caught.value.code == "key_file_unsafe"


def test_a_passphrase_opens(data: Path) -> None:
    made = keys.create(data, passphrase="open sesame please", cost=cheap.COST)
    assert keys.open_keys(data, passphrase="open sesame please") == made
    with pytest.raises(WrongKey):
        keys.open_keys(data, passphrase="open sesame pleas")
    with pytest.raises(WrongKey, match="opens with a passphrase"):
        keys.open_keys(data)


def test_a_passphrase_is_derived_once_and_at_a_real_cost(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    derived = []

    def counted(*arguments: Any, **options: Any) -> bytes:
        derived.append(options)
        return bytes(32)

    monkeypatch.setattr(opening_key, "hash_secret_raw", counted)
    keys.create(data, passphrase="open sesame please")
    keys.open_keys(data, passphrase="open sesame please")
    assert len(derived) == 2
    assert derived[0] == derived[1]
    assert derived[1]["memory_cost"] >= 64 * 1024


class _Keyring(SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(entries={})

    def set_password(self, service: str, name: str, value: str) -> None:
        self.entries[service, name] = value

    def get_password(self, service: str, name: str) -> str | None:
        found: str | None = self.entries.get((service, name))
        return found


def test_the_keyring_opens(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = _Keyring()
    monkeypatch.setitem(sys.modules, "keyring", ring)
    made = keys.create(data, use_keyring=True)
    assert keys.open_keys(data) == made
    ring.entries.clear()
    with pytest.raises(WrongKey, match="no key for this data"):
        keys.open_keys(data)


def test_without_the_keyring_package_it_says_what_to_install(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(StorageError) as caught:
        keys.create(data, use_keyring=True)
    assert caught.value.code == "keyring_missing"
    assert "intramuros[keyring]" in caught.value.hint
    assert not (data / "keys.json").exists()


def test_nothing_there(data: Path) -> None:
    with pytest.raises(NotInitialised):
        keys.open_keys(data)


def test_keys_are_never_made_over_others(data: Path, key_file: Path, tmp_path: Path) -> None:
    made = keys.create(data, key_file=key_file)
    with pytest.raises(Conflict):
        keys.create(data, key_file=tmp_path / "other.key")
    assert keys.open_keys(data) == made


def test_of_two_who_make_keys_at_once_one_wins(data: Path, tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def make(number: int) -> keys.DataKeys | None:
        together.wait()
        try:
            return keys.create(data, key_file=tmp_path / f"{number}.key")
        except Conflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [found for found in pool.map(make, range(8)) if found]
    assert made == [keys.open_keys(data)]
    assert [path.name for path in data.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}'])
def test_a_damaged_description_is_said_to_be_damaged(data: Path, key_file: Path, content: str) -> None:
    keys.create(data, key_file=key_file)
    (data / "keys.json").write_text(content)
    with pytest.raises(StorageCorrupt):
        keys.open_keys(data)


def test_wrapped_keys_can_t_be_exchanged_or_moved(data: Path, key_file: Path, tmp_path: Path) -> None:
    keys.create(data, key_file=key_file)
    keys.create(tmp_path / "other", key_file=key_file)
    description = json.loads((data / "keys.json").read_text())
    other = json.loads((tmp_path / "other" / "keys.json").read_text())
    for changed in (
        description | {"database": description["data"], "data": description["database"]},
        description | {"database": other["database"]},
    ):
        (data / "keys.json").write_text(json.dumps(changed))
        with pytest.raises(WrongKey):
            keys.open_keys(data)
