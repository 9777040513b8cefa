from __future__ import annotations

import io
import os
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.errors import StorageCorrupt
from intramuros.security.crypto import SEGMENT_BYTES, decrypt_stream, derive, encrypt_stream, open_sealed, seal

KEY = bytes(range(32))
HEADER = 4 + 32
SEGMENT = SEGMENT_BYTES + 16


def encrypted(plain: bytes, context: bytes = b"blob-1", key: bytes = KEY) -> bytes:
    out = io.BytesIO()
    encrypt_stream(key, io.BytesIO(plain), out, context=context)
    return out.getvalue()


def decrypted(sealed: bytes, context: bytes = b"blob-1", key: bytes = KEY) -> bytes:
    out = io.BytesIO()
    decrypt_stream(key, io.BytesIO(sealed), out, context=context)
    return out.getvalue()


def test_seal_and_open() -> None:
    assert open_sealed(KEY, seal(KEY, b"secret", context=b"a"), context=b"a") == b"secret"


def test_two_seals_of_the_same_differ() -> None:
    assert seal(KEY, b"secret", context=b"a") != seal(KEY, b"secret", context=b"a")


def nonces(count: int) -> list[bytes]:
    return [seal(KEY, b"", context=b"a")[1:13] for _ in range(count)]


def test_no_nonce_is_used_twice_by_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = [nonce for some in pool.map(nonces, [2000] * 8) for nonce in some]
    assert len(set(found)) == len(found)


def test_a_forked_process_uses_nonces_of_its_own() -> None:
    nonces(1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(nonces(100)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    found = {theirs[at : at + 12] for at in range(0, len(theirs), 12)}
    assert len(found) == 100 and not found & set(nonces(300))


@pytest.mark.parametrize(
    ("key", "context"), [(bytes(32), b"a"), (KEY, b"b"), (KEY, b"")], ids=["key", "context", "no context"]
)
def test_another_key_or_context_does_not_open(key: bytes, context: bytes) -> None:
    with pytest.raises(StorageCorrupt):
        open_sealed(key, seal(KEY, b"secret", context=b"a"), context=context)


@given(position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_any_changed_bit_is_seen(position: int, bit: int) -> None:
    sealed = bytearray(seal(KEY, b"secret", context=b"a"))
    sealed[position % len(sealed)] ^= 1 << bit
    with pytest.raises(StorageCorrupt):
        open_sealed(KEY, bytes(sealed), context=b"a")


@given(length=st.integers(min_value=0, max_value=34))
def test_a_cut_seal_is_seen(length: int) -> None:
    with pytest.raises(StorageCorrupt):
        open_sealed(KEY, seal(KEY, b"secret", context=b"a")[:length], context=b"a")


@pytest.mark.parametrize("size", [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES])
def test_stream_round_trip(size: int) -> None:
    plain = secrets.token_bytes(size)
    assert decrypted(encrypted(plain)) == plain


class _Trickle(io.RawIOBase):
    """A source that gives at most seven bytes at a time, as sockets do."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self.data.read(min(size, 7))


def test_a_source_may_give_less_than_asked() -> None:
    plain = secrets.token_bytes(SEGMENT_BYTES + 100)
    out = io.BytesIO()
    encrypt_stream(KEY, _Trickle(plain), out, context=b"blob-1")
    assert len(out.getvalue()) == HEADER + len(plain) + 2 * 16
    assert decrypted(out.getvalue()) == plain


@pytest.fixture(scope="module")
def three_segments() -> bytes:
    return encrypted(secrets.token_bytes(2 * SEGMENT_BYTES + 10))


def test_truncation_at_a_segment_border_is_seen(three_segments: bytes) -> None:
    for segments in (0, 1, 2):
        with pytest.raises(StorageCorrupt):
            decrypted(three_segments[: HEADER + segments * SEGMENT])


@given(data=st.data())
def test_truncation_anywhere_is_seen(three_segments: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(min_value=0, max_value=len(three_segments) - 1))
    with pytest.raises(StorageCorrupt):
        decrypted(three_segments[:length])


@given(data=st.data())
def test_any_changed_byte_of_a_stream_is_seen(three_segments: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(min_value=0, max_value=len(three_segments) - 1))
    changed = bytearray(three_segments)
    changed[position] ^= 0x40
    with pytest.raises(StorageCorrupt):
        decrypted(bytes(changed))


def test_swapped_segments_are_seen(three_segments: bytes) -> None:
    head = three_segments[:HEADER]
    first, second = three_segments[HEADER : HEADER + SEGMENT], three_segments[HEADER + SEGMENT : HEADER + 2 * SEGMENT]
    with pytest.raises(StorageCorrupt):
        decrypted(head + second + first + three_segments[HEADER + 2 * SEGMENT :])


def test_a_segment_of_another_stream_is_seen(three_segments: bytes) -> None:
    other = encrypted(secrets.token_bytes(2 * SEGMENT_BYTES + 10))
    with pytest.raises(StorageCorrupt):
        decrypted(three_segments[: HEADER + SEGMENT] + other[HEADER + SEGMENT :])


def test_something_appended_is_seen(three_segments: bytes) -> None:
    with pytest.raises(StorageCorrupt):
        decrypted(three_segments + b"\0")


def test_a_stream_opens_only_in_its_place_and_with_its_key(three_segments: bytes) -> None:
    with pytest.raises(StorageCorrupt):
        decrypted(three_segments, context=b"blob-2")
    with pytest.raises(StorageCorrupt):
        decrypted(three_segments, key=bytes(32))


def test_no_segment_is_written_before_it_was_checked(three_segments: bytes) -> None:
    changed = bytearray(three_segments)
    changed[HEADER + SEGMENT + 5] ^= 1
    out = io.BytesIO()
    with pytest.raises(StorageCorrupt):
        decrypt_stream(KEY, io.BytesIO(bytes(changed)), out, context=b"blob-1")
    assert len(out.getvalue()) == SEGMENT_BYTES


def test_derived_keys_differ_by_purpose_and_salt() -> None:
    keys = {derive(KEY, "a"), derive(KEY, "b"), derive(bytes(32), "a"), derive(KEY, "a", salt=b"s")}
    assert len(keys) == 4
    assert derive(KEY, "a") == derive(KEY, "a")
