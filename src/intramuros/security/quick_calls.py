"""System calls of a microsecond, made without letting another thread run meanwhile.

Called by `security.crypto` and `audit.journal`, at each request. Python gives its lock away around a system call; under
load another thread takes it, and to get it back costs many times what these calls do (`python -m benchmarks.gateway`:
a tenth of all replies a second). Only for calls that never wait long: what is written here stays in the page cache.
"""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.PyDLL(None, use_errno=True)
_LIBC.write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
_LIBC.write.restype = ctypes.c_ssize_t
_getrandom = getattr(ctypes.PyDLL(None), "getrandom", None)  # Linux has it; why it failed is of no use here
if _getrandom is not None:
    _getrandom.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint)
    _getrandom.restype = ctypes.c_ssize_t
_FEW = 256
"""Bytes that `getrandom` always gives whole. Source: getrandom(2)."""


def write(descriptor: int, data: bytes) -> int:
    """How many bytes were written, as `os.write`. Raises: OSError."""
    written = int(_LIBC.write(descriptor, data, len(data)))
    if written < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return written


def random_bytes(count: int) -> bytes:
    """So many random bytes from the system, 256 at most, as `os.urandom`."""
    if _getrandom is None or count > _FEW:
        return os.urandom(count)
    data = (ctypes.c_char * count)()
    return data.raw if _getrandom(data, count, 0) == count else os.urandom(count)
