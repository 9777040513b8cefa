"""Confines the process that calls it, as far as the Linux kernel lets one without privileges: network, files, calls.

Called by processes that work on untrusted content, before they touch it. Each function says whether the kernel
granted it: containers without user namespaces and old kernels refuse some; what holds is reported, not assumed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from intramuros.security.calls import Rule, program

_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SECCOMP_SET_MODE_FILTER = 1
_ALL_THREADS, _KEEP_SPECULATION = 1, 4  # speculation stays as it is: the engine has no other tenant to hide from
_SECCOMP, _CAPSET = {"x86_64": 317, "aarch64": 277}, {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522

# linux/landlock.h; the call numbers are the same on every architecture.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_WRITE_FILE, _READ_FILE, _READ_DIR, _MAKE_SOCK, _IOCTL_DEV = 1 << 1, 1 << 2, 1 << 3, 1 << 9, 1 << 15
_LANDLOCK_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_LANDLOCK_TCP = 0b11
_LANDLOCK_SCOPES = 0b11  # abstract Unix sockets, signals


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> int:
    return int(_libc().prctl(option, *(ctypes.c_ulong(word) for word in (value, 0, 0, 0))))


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    call = _libc().syscall
    call.restype = ctypes.c_long
    words = (word if isinstance(word, bytes | None) else ctypes.c_ulong(word) for word in arguments)
    return int(call(ctypes.c_long(number), *words))


def drop_privileges() -> bool:
    """No new privileges by any program, no capabilities, no core dumps, memory closed to debuggers of the same user.

    After `leave_network`, which grants all capabilities inside the new namespace.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    held = _prctl(_PR_SET_NO_NEW_PRIVS, 1) == 0 and _drop_capabilities()
    return _prctl(_PR_SET_DUMPABLE, 0) == 0 and held


def _drop_capabilities() -> bool:
    number = _CAPSET.get(platform.machine())
    if number is None:
        return False
    return _syscall(number, struct.pack("=Ii", _CAPABILITY_VERSION, 0), bytes(24)) == 0


def die_with_parent() -> None:
    """The kernel kills this process when the thread that started it ends. After `leave_network`, which undoes it."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def leave_network() -> bool:
    """Moves into an empty network namespace: no interface, not even loopback. The process must have one thread.

    It also leaves the shared memory and queues of the system. Capabilities gained by it are to be dropped.
    """
    if platform.system() != "Linux":
        return False
    own = _CLONE_NEWNET | _CLONE_NEWIPC
    return any(_libc().unshare(flags) == 0 for flags in (_CLONE_NEWUSER | own, own, _CLONE_NEWNET))


def close_descriptors(*, but: Iterable[int]) -> None:
    """Closes every open file but these and the three standard ones."""
    kept = {0, 1, 2, *but}
    for number in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        if number not in kept:
            with contextlib.suppress(OSError):  # the one that listed the folder is closed already
                os.close(number)


def only_open(
    read: Iterable[Path], *, listen_in: Path | None = None, devices: Iterable[Path] = (), unlike: Path | None = None
) -> bool:
    """Lets this process open nothing but files below `read`, for reading, and `devices` (Landlock).

    In the folder `listen_in` it may make sockets, nothing else. Files that are open already stay open. The result is
    tried: the file `unlike`, which it may not read any more, must not open. Needs `drop_privileges` first.
    """
    abi = _landlock_version()
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
        for path in read:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for path in devices:
            _allow(ruleset, path, _READ_FILE | _WRITE_FILE | _READ_DIR | (_IOCTL_DEV if abi >= 5 else 0))
        if listen_in is not None:
            _allow(ruleset, listen_in, _MAKE_SOCK)
        return _syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0 and _is_closed(unlike)
    finally:
        os.close(ruleset)


def _landlock_version() -> int:
    return _syscall(_LANDLOCK_CREATE, None, 0, 1) if platform.system() == "Linux" else -1


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what isn't there need not be allowed
    try:
        allowed = rights if path.is_dir() else rights & (_READ_FILE | _WRITE_FILE | _IOCTL_DEV)
        _syscall(_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", allowed, place), 0)
    finally:
        os.close(place)


def _is_closed(path: Path | None) -> bool:
    if path is None:
        return True
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return True
    return False


def forbid_calls(allowed: Mapping[str, Rule]) -> bool:
    """System calls of the list in `security.calls` fail from here on but for those allowed, in every thread (seccomp).

    Called again it only takes away more. Needs `drop_privileges` first.
    """
    machine = platform.machine()
    if machine not in _SECCOMP or platform.system() != "Linux":
        return False
    code = program(allowed, machine)
    steps = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HP", len(code) // 8, ctypes.addressof(steps))
    return _syscall(_SECCOMP[machine], _SECCOMP_SET_MODE_FILTER, _ALL_THREADS | _KEEP_SPECULATION, header) == 0


def limit_own_cpu(seconds: int) -> None:
    """Ends this process after so much processor time; each child it forks counts anew and sets a limit of its own."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def limit(**most: int | None) -> None:
    """Sets resource limits by their names in lower case (`fsize=0`); None and what the system doesn't have is left."""
    for name, value in most.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if number is None or value is None:
            continue
        hard = resource.getrlimit(number)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (allowed, allowed))
