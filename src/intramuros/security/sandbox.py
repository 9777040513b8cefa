"""Confines the process that calls it, as far as the Linux kernel lets one without privileges: network, files, calls.

Called by processes that work on untrusted content, before they touch it. Each function says whether the kernel
granted it: containers without user namespaces and old kernels refuse some; what holds is reported, not assumed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2

# linux/landlock.h; the call numbers are the same on every architecture.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_READ = (1 << 2) | (1 << 3)  # files and folders
_LANDLOCK_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_LANDLOCK_TCP = 0b11
_LANDLOCK_SCOPES = 0b11  # abstract Unix sockets, signals

# Numbers of arch/x86/entry/syscalls/syscall_64.tbl and asm-generic/unistd.h. What a parser never needs: connections,
# new processes and programs, other processes' memory and signals, kernel objects, namespaces, queues.
_SHARED_CALLS = (424, 425, 426, 427, 434, 435, 438)  # pidfd_send_signal, io_uring_*, pidfd_open, clone3, pidfd_getfd
_CALLS = {
    "x86_64": (
        0xC000003E,
        (29, 30, 41, 42, 43, 44, 46, 49, 50, 53, 56, 57, 58, 59, 62, 64, 68, 101, 135, 155, 161, 165, 166, 175, 200,
         234, 240, 246, 248, 249, 250, 272, 288, 298, 304, 308, 310, 311, 313, 319, 321, 322, 323),
    ),
    "aarch64": (
        0xC00000B7,
        (39, 40, 41, 51, 92, 97, 104, 105, 117, 129, 130, 131, 180, 186, 190, 194, 196, 198, 199, 200, 201, 202, 203,
         206, 211, 217, 218, 219, 220, 221, 241, 242, 265, 268, 270, 271, 273, 279, 280, 281, 282),
    ),
}  # fmt: skip
_X32_CALLS = 0x40000000


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int, address: int = 0) -> int:
    return int(_libc().prctl(option, *(ctypes.c_ulong(word) for word in (value, address, 0, 0))))


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    call = _libc().syscall
    call.restype = ctypes.c_long
    words = (word if isinstance(word, bytes | None) else ctypes.c_ulong(word) for word in arguments)
    return int(call(ctypes.c_long(number), *words))


def drop_privileges() -> None:
    """No new privileges by any program, no core dumps, memory closed to debuggers of the same user."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def die_with_parent() -> None:
    """The kernel kills this process when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def leave_network() -> bool:
    """Moves into an empty network namespace: no interface, not even loopback. The process must have one thread."""
    return any(_libc().unshare(flags) == 0 for flags in (_CLONE_NEWUSER | _CLONE_NEWNET, _CLONE_NEWNET))


def only_read(paths: Iterable[Path]) -> bool:
    """Lets this process open nothing but files below `paths`, and those for reading only (Landlock).

    Files that are open already stay open. Needs `drop_privileges` first.
    """
    abi = _syscall(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return False
    rights = struct.pack(
        "=QQQ",
        _LANDLOCK_FILE_RIGHTS[min(abi, 5)],
        _LANDLOCK_TCP if abi >= 4 else 0,
        _LANDLOCK_SCOPES if abi >= 6 else 0,
    )[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    ruleset = _syscall(_LANDLOCK_CREATE, rights, len(rights), 0)
    if ruleset < 0:
        return False
    try:
        for path in paths:
            _allow_reading(ruleset, path)
        return _syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _allow_reading(ruleset: int, path: Path) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what isn't there need not be allowed
    try:
        allowed = _LANDLOCK_READ if path.is_dir() else 1 << 2
        _syscall(_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", allowed, folder), 0)
    finally:
        os.close(folder)


def forbid_calls() -> bool:
    """System calls a parser never needs fail with EPERM from here on (seccomp). Needs `drop_privileges` first."""
    if platform.machine() not in _CALLS:
        return False
    architecture, numbers = _CALLS[platform.machine()]
    numbers = (*numbers, *_SHARED_CALLS)
    refuse, kill, allow = 0x00050000 | errno.EPERM, 0x80000000, 0x7FFF0000
    checks = [(number, len(numbers) - place) for place, number in enumerate(numbers)]
    program = [
        (0x20, 0, 0, 4),  # load the architecture
        (0x15, 1, 0, architecture),
        (0x06, 0, 0, kill),
        (0x20, 0, 0, 0),  # load the call's number
        (0x35, len(numbers) + 1, 0, _X32_CALLS),
        *((0x15, jump, 0, number) for number, jump in checks),
        (0x06, 0, 0, allow),
        (0x06, 0, 0, refuse),
    ]
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    steps = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(steps)))
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header)) == 0
