"""Keys of subjects: made once whoever is first, opened by the data key alone, gone when destroyed."""

from __future__ import annotations

import secrets
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from intramuros.errors import NotFound, StorageCorrupt
from intramuros.security.subject_keys import SubjectKeys
from tests.support.forked import Child, Say


def test_made_once_and_the_same_afterwards(subject_keys: SubjectKeys) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: subject_keys.create("user", "-a_B"), range(32)))
    assert len(keys) == 1
    assert {subject_keys.get("user", "-a_B")} == keys
    assert list(subject_keys.subjects()) == [("user", "-a_B")]
    (file,) = subject_keys.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keys.pop() not in file.read_bytes()


def test_each_subject_and_each_kind_has_another(subject_keys: SubjectKeys) -> None:
    made = [subject_keys.create("user", "a"), subject_keys.create("user", "b"), subject_keys.create("project", "a")]
    assert len(set(made)) == 3


def test_what_two_share_ends_with_either(subject_keys: SubjectKeys) -> None:
    for project in ("p", "q"):
        subject_keys.create("project", project)
    shared = subject_keys.shared("p", "u")
    assert shared == subject_keys.shared("p", "u")
    assert len({shared, subject_keys.shared("q", "u"), subject_keys.shared("p", "v")}) == 3
    subject_keys.destroy("user", "u")
    assert subject_keys.shared("p", "u") != shared
    subject_keys.destroy("project", "p")
    with pytest.raises(NotFound):
        subject_keys.shared("p", "v")


def test_destroyed_is_gone(subject_keys: SubjectKeys) -> None:
    subject_keys.create("project", "p")
    assert subject_keys.destroy("project", "p")
    assert not subject_keys.destroy("project", "p")
    assert list(subject_keys.folder.iterdir()) == []
    with pytest.raises(NotFound):
        subject_keys.get("project", "p")


def test_another_data_key_or_a_changed_byte_does_not_open(subject_keys: SubjectKeys) -> None:
    subject_keys.create("user", "a")
    with pytest.raises(StorageCorrupt):
        SubjectKeys(subject_keys.folder, secrets.token_bytes(32)).get("user", "a")
    (file,) = subject_keys.folder.iterdir()
    file.write_bytes(bytes(len(file.read_bytes())))
    with pytest.raises(StorageCorrupt):
        subject_keys.get("user", "a")


def test_rewrapping_keeps_the_keys_and_can_be_cut_short(subject_keys: SubjectKeys) -> None:
    keys = {name: subject_keys.create("user", name) for name in "abc"}
    new = secrets.token_bytes(32)
    SubjectKeys(subject_keys.folder, new)
    subject_keys.rewrap(new)
    subject_keys.rewrap(new)
    again = SubjectKeys(subject_keys.folder, new)
    assert {name: again.get("user", name) for name in "abc"} == keys


def test_killed_while_keys_are_made(tmp_path: Path) -> None:
    data_key = secrets.token_bytes(32)
    known: list[str] = []
    for rounds in range(5):

        def work(say: Say, rounds: int = rounds) -> None:
            keys = SubjectKeys(tmp_path / "subjects", data_key)
            for number in range(10_000):
                say(f"{rounds}.{number} {keys.create('user', f'{rounds}.{number}').hex()}")

        child = Child(work)
        known.append(child.line())
        child.kill()
        known += child.rest()
    keys = SubjectKeys(tmp_path / "subjects", data_key)
    for line in known:
        name, key = line.split()
        assert keys.get("user", name).hex() == key
