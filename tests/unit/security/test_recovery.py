from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.errors import Conflict, StorageError, WrongKey
from intramuros.security import keys, recovery
from tests.support import cheap


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "away" / "the.key"


def same(one: keys.DataKeys, other: keys.DataKeys) -> bool:
    return (one.database, one.data, one.audit) == (other.database, other.data, other.audit)


def test_words_can_be_typed_in_any_way() -> None:
    words = recovery.new_words()
    assert words.startswith("imr-")
    assert [len(group) for group in words.split("-")[1:]] == [4] * 11
    public = recovery.public_of(words)
    typed = words.upper().replace("-", " ").replace("0", "O").replace("1", "l")
    assert recovery.public_of(typed) == public


@given(st.integers(4, 52), st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz"))
def test_one_wrong_letter_is_noticed(at: int, letter: str) -> None:
    words = "imr-vver-4dm3-amz2-1hgb-cmv1-jy8g-6xgp-1m9y-efs7-kex4-f9e9"
    recovery.public_of(words)
    if words[at] in {"-", letter}:
        return
    with pytest.raises(WrongKey, match="typing error"):
        recovery.public_of(words[:at] + letter + words[at + 1 :])


@given(st.text(max_size=80))
def test_what_is_no_recovery_key_is_refused(text: str) -> None:
    with pytest.raises(WrongKey):
        recovery.public_of(text)


def test_a_box_opens_for_its_key_only_and_only_whole() -> None:
    words = recovery.new_words()
    boxed = recovery.box(recovery.public_of(words), b"secret", context=b"a")
    assert recovery.unbox(words, boxed, context=b"a") == b"secret"
    for wrong in (recovery.new_words(), words):
        with pytest.raises(WrongKey):
            recovery.unbox(wrong, boxed, context=b"a" if wrong != words else b"b")
    for at in range(0, len(boxed), 7):
        changed = bytearray(boxed)
        changed[at] ^= 1
        with pytest.raises(WrongKey):
            recovery.unbox(words, bytes(changed), context=b"a")
    with pytest.raises(WrongKey):
        recovery.unbox(words, b"", context=b"a")


def test_the_key_file_lost_the_words_open(data: Path, key_file: Path) -> None:
    made = keys.create(data, key_file=key_file)
    words = keys.add_recovery(data)
    assert keys.open_keys(data).recovery == keys.recovery_facts(data)["id"]  # type: ignore[index]
    key_file.unlink()
    with pytest.raises(WrongKey):
        keys.open_keys(data)
    opened = keys.open_with_recovery(data, words)
    assert same(opened, made)
    again = keys.rewrap(data, opened, key_file=key_file.with_name("new.key"))
    assert same(keys.open_keys(data), made)
    assert "new.key" in again.place
    assert same(keys.open_with_recovery(data, words), made)  # it goes on to work


def test_the_words_are_nowhere_on_disk(data: Path, key_file: Path) -> None:
    keys.create(data, key_file=key_file)
    words = keys.add_recovery(data)
    written = b"".join(path.read_bytes() for path in data.parent.rglob("*") if path.is_file())
    secret = recovery._secret(words)
    for form in (words.encode(), words.replace("-", "").encode(), secret, secret.hex().encode()):
        assert form not in written


def test_without_a_recovery_key_and_with_that_of_another(data: Path, key_file: Path, tmp_path: Path) -> None:
    keys.create(data, key_file=key_file)
    with pytest.raises(WrongKey, match="No recovery key"):
        keys.open_with_recovery(data, recovery.new_words())
    keys.add_recovery(data)
    keys.create(tmp_path / "other", key_file=key_file)
    with pytest.raises(WrongKey, match="does not open"):
        keys.open_with_recovery(data, keys.add_recovery(tmp_path / "other"))


def test_a_new_recovery_key_ends_the_old_one(data: Path, key_file: Path) -> None:
    keys.create(data, key_file=key_file)
    first = keys.add_recovery(data)
    keys.add_recovery(data)
    with pytest.raises(WrongKey):
        keys.open_with_recovery(data, first)


def test_new_data_keys_open_with_the_same_words(data: Path, key_file: Path, tmp_path: Path) -> None:
    made = keys.create(data, key_file=key_file)
    words = keys.add_recovery(data)
    new = keys.open_keys(data).renewed()
    keys.write_renewed(data, data / "next.json", new)
    (data / "next.json").replace(data / keys.FILE_NAME)
    assert same(keys.open_keys(data), new)
    assert same(keys.open_with_recovery(data, words), new)
    assert new.audit == made.audit
    assert new.data != made.data


def test_nobody_slips_in_a_recovery_key_of_their_own(data: Path, key_file: Path, tmp_path: Path) -> None:
    """Who can write the file but has no key can't have later keys wrapped for themselves."""
    keys.create(data, key_file=key_file)
    keys.add_recovery(data)
    keys.create(tmp_path / "mine", key_file=key_file)
    keys.add_recovery(tmp_path / "mine")
    description = json.loads((data / keys.FILE_NAME).read_text())
    description["recovery"] = json.loads((tmp_path / "mine" / keys.FILE_NAME).read_text())["recovery"]
    (data / keys.FILE_NAME).write_text(json.dumps(description))
    with pytest.raises(StorageError):
        keys.write_renewed(data, data / "next.json", keys.open_keys(data).renewed())


def test_another_key_file_and_a_passphrase_open_the_same_data(data: Path, key_file: Path) -> None:
    made = keys.create(data, key_file=key_file)
    with pytest.raises(Conflict):
        keys.rewrap(data, made, key_file=key_file)
    keys.rewrap(data, made, passphrase="four green bicycles", cost=cheap.COST)
    assert same(keys.open_keys(data, passphrase="four green bicycles"), made)
    with pytest.raises(WrongKey):
        keys.open_keys(data, key_file=key_file)
    keys.rewrap(data, made, key_file=key_file.with_name("second.key"))
    assert same(keys.open_keys(data), made)
    assert {p.name for p in data.iterdir()} == {keys.FILE_NAME}
