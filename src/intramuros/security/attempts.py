"""Every way out that is known, tried from inside a confined process: what succeeds is open.

Run by the engine and by the reader in place of their work, after they were confined, for `selftest isolation` and the
tests. Nothing here does harm where it succeeds: what is made is undone or given back at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from intramuros.security.calls import NUMBERS

_MPTCP, _ICMP = 262, 1
_FAMILIES = {"netlink": 16, "packet": 17, "vsock": 40}
_LAST_FAMILY = 46
_TIMEOUT_S = 0.5
_SEIZE = 0x4206
_MOST_DESCRIPTORS = 1024


class Refused(Exception):
    """The attempt failed; the message says how."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What to try for, all of it opened or made by whoever asks: listeners, files, a process.

    `inherited`: device and inode of a connected socket that was open, and inheritable, when the process was started.
    """

    tcp_port: int
    udp_port: int
    socket_path: str
    datagram_path: str
    abstract_name: str
    inherited: tuple[int, int]
    process: int
    folder: str
    key_file: str = ""
    database: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON, for the process that tries."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Targets:
        """What `to_json` made."""
        known = {entry.name: value[entry.name] for entry in fields(cls)}
        return cls(**known | {"inherited": tuple(known["inherited"])})


def run(targets: Targets) -> dict[str, str]:
    """Tries each way out; by its name, `open` or how it failed (the kernel's word, such as EPERM)."""
    return {name: _outcome(attempt, targets) for name, attempt in ATTEMPTS.items()}


def _outcome(attempt: Callable[[Targets], object], targets: Targets) -> str:
    try:
        attempt(targets)
    except Refused as refused:
        return str(refused)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "refused") if not isinstance(error, TimeoutError) else "ETIMEDOUT"
    return OPEN


def _tcp(targets: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(_TIMEOUT_S)
        client.connect(("127.0.0.1", targets.tcp_port))


def _udp(targets: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", ("127.0.0.1", targets.udp_port))


def _raw(_: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, _ICMP):
        pass


def _ping(_: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, _ICMP):
        pass


def _mptcp(targets: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, _MPTCP) as client:
        client.settimeout(_TIMEOUT_S)
        client.connect(("127.0.0.1", targets.tcp_port))


def _tcp_without_a_bind(_: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.listen()


def _family(number: int) -> Callable[[Targets], None]:
    def attempt(_: Targets) -> None:
        for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with contextlib.suppress(OSError), socket.socket(number, kind):
                return
        socket.socket(number, socket.SOCK_STREAM).close()

    return attempt


def _other_families(_: Targets) -> None:
    """IPv6, Bluetooth, CAN, AF_ALG, XDP and whatever else this kernel has, save those tried by name and Unix."""
    failed = OSError(errno.EAFNOSUPPORT, "no such family")
    for number in set(range(2, _LAST_FAMILY)) - set(_FAMILIES.values()):
        try:
            _family(number)(_NOBODY)
        except OSError as error:
            failed = error if error.errno in (errno.EPERM, errno.EACCES) else failed
        else:
            return
    raise failed


def _unix_path(targets: Targets) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_TIMEOUT_S)
        client.connect(targets.socket_path)


def _unix_abstract(targets: Targets) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_TIMEOUT_S)
        client.connect(b"\0" + targets.abstract_name.encode())


def _unix_datagram(targets: Targets) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", targets.datagram_path)


def _unix_pair(targets: Targets) -> None:
    """A pair of datagram sockets is connected, and still sends to any address."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.sendto(b"x", targets.datagram_path)


def _descriptors(targets: Targets) -> None:
    for number in range(_MOST_DESCRIPTORS):
        with contextlib.suppress(OSError):
            found = os.fstat(number)
            if (found.st_dev, found.st_ino) == targets.inherited:
                return
    raise Refused("closed")


def _call(name: str, *arguments: int | bytes | None) -> int:
    """Makes a system call by its number. Raises: OSError with what the kernel answered."""
    column = ["x86_64", "aarch64"].index(platform.machine())
    number = NUMBERS[name][column]
    if number < 0:
        raise Refused("no such call")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    words = (word if isinstance(word, bytes | None) else ctypes.c_ulong(word) for word in arguments)
    result = int(libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def _reaches(name: str, *arguments: int | bytes | None) -> Callable[[Targets], None]:
    """Makes a call with arguments that mean nothing: the kernel says so, unless the call itself is refused."""

    def attempt(_: Targets) -> None:
        try:
            _call(name, *arguments)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
                raise

    return attempt


def _io_uring(_: Targets) -> None:
    os.close(_call("io_uring_setup", 1, bytes(120)))


def _child_process(_: Targets) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _old_fork(_: Targets) -> None:
    pid = _call("fork")
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _program(_: Targets) -> None:
    try:
        os.execve("/nowhere/at all", ["x"], {})  # noqa: S606 - there is no such program
    except FileNotFoundError:
        return


def _ptrace(targets: Targets) -> None:
    _call("ptrace", _SEIZE, targets.process, 0, 0)


def _read_memory(targets: Targets) -> None:
    try:
        _call("process_vm_readv", targets.process, None, 0, None, 0, 0)
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise


def _descriptor_of_another(targets: Targets) -> None:
    pidfd = _call("pidfd_open", targets.process, 0)
    try:
        os.close(_call("pidfd_getfd", pidfd, 0, 0))
    finally:
        os.close(pidfd)


def _signal(targets: Targets) -> None:
    os.kill(targets.process, 0)


def _memory_file(targets: Targets) -> None:
    os.close(os.open(f"/proc/{targets.process}/mem", os.O_RDONLY))


def _environment(targets: Targets) -> None:
    Path(f"/proc/{targets.process}/environ").read_bytes()


def _mount(targets: Targets) -> None:
    _call("mount", b"none\0", targets.folder.encode() + b"\0", b"tmpfs\0", 0, None)
    _call("umount2", targets.folder.encode() + b"\0", 0)


def _foreign_calls(_: Targets) -> None:
    """A call of the x32 interface, which shares the processor's mode but not the numbers: getpid."""
    if platform.machine() != "x86_64":
        raise Refused("no such calls")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(0x40000000 | 39)) < 0:
        raise OSError(ctypes.get_errno(), "x32")


def _reads(path: Callable[[Targets], str]) -> Callable[[Targets], None]:
    def attempt(targets: Targets) -> None:
        if not path(targets):
            raise Refused("no such file")
        os.close(os.open(path(targets), os.O_RDONLY))

    return attempt


def _list_files(_: Targets) -> None:
    os.scandir("/").close()


def _write(targets: Targets) -> None:
    path = Path(targets.folder) / "written"
    try:
        path.write_bytes(b"x")
    except OSError as error:
        if error.errno == errno.EFBIG:  # it could make the file, only not fill it
            return
        raise


def _remove(targets: Targets) -> None:
    (Path(targets.folder) / "kept").unlink()


def _rename(targets: Targets) -> None:
    (Path(targets.folder) / "moved").rename(Path(targets.folder) / "moved away")


def _truncate(targets: Targets) -> None:
    os.truncate(Path(targets.folder) / "long", 1)


def _pipe(targets: Targets) -> None:
    os.mkfifo(Path(targets.folder) / "pipe")


def _device(targets: Targets) -> None:
    os.mknod(Path(targets.folder) / "device", 0o600 | 0o020000, os.makedev(1, 5))


def _cut_by_opening(targets: Targets) -> None:
    """Opening for reading cuts as well; older Landlocks don't know."""
    os.close(os.open(Path(targets.folder) / "kept too", os.O_RDONLY | os.O_TRUNC))


def _hard_link(targets: Targets) -> None:
    (Path(targets.folder) / "linked").hardlink_to(Path(targets.folder) / "kept too")


def _change_mode(targets: Targets) -> None:
    """So that others may read what this process may not."""
    (Path(targets.folder) / "kept too").chmod(0o644)


def _change_times(targets: Targets) -> None:
    os.utime(Path(targets.folder) / "kept too", (1, 1))


def _watch_folder(targets: Targets) -> None:
    """Names of files, and when they are touched."""
    watcher = _call("inotify_init1", 0)
    try:
        _call("inotify_add_watch", watcher, targets.folder.encode() + b"\0", 0x100)
    finally:
        os.close(watcher)


def _limits_of_another(targets: Targets) -> None:
    _call("prlimit64", targets.process, 7, None, bytes(16))


def _priority_of_another(targets: Targets) -> None:
    _call("setpriority", 0, targets.process, 0)


def _owner_of_signals(targets: Targets) -> None:
    """Has the kernel signal another process in this one's name."""
    reading, writing = os.pipe()
    try:
        _call("fcntl", reading, 8, targets.process)
    finally:
        os.close(reading)
        os.close(writing)


OPEN = "open"
ENDED = "ended"
BURN = "burn_processor"
"""Tried in a process of its own, whose end is the outcome: computing with nothing to do."""
_NOBODY = Targets(0, 0, "", "", "", (0, 0), 0, "")
ATTEMPTS: dict[str, Callable[[Targets], None]] = {
    "tcp": _tcp,
    "udp": _udp,
    "raw": _raw,
    "ping": _ping,
    "mptcp": _mptcp,
    "tcp_listen": _tcp_without_a_bind,
    **{name: _family(number) for name, number in _FAMILIES.items()},
    "other_families": _other_families,
    "unix_path": _unix_path,
    "unix_abstract": _unix_abstract,
    "unix_datagram": _unix_datagram,
    "unix_pair": _unix_pair,
    "inherited_descriptor": _descriptors,
    "descriptor_of_another": _descriptor_of_another,
    "io_uring": _io_uring,
    "child_process": _child_process,
    "old_fork": _old_fork,
    "new_program": _program,
    "ptrace": _ptrace,
    "read_memory": _read_memory,
    "memory_file": _memory_file,
    "environment": _environment,
    "signal": _signal,
    "setns": _reaches("setns", 0xFFFFFFFF, 0),
    "unshare": _reaches("unshare", 0),
    "mount": _mount,
    "bpf": _reaches("bpf", 0, None, 0),
    "keyring": _reaches("keyctl", 0, 0xFFFFFFFD, 0),
    "performance_events": _reaches("perf_event_open", None, 0, 0, 0xFFFFFFFF, 0),
    "page_faults": _reaches("userfaultfd", 0xFFFF),
    "shared_memory": _reaches("shmget", 0, 0, 0),
    "kernel_module": _reaches("init_module", None, 0, None),
    "foreign_calls": _foreign_calls,
    "read_passwd": _reads(lambda _: "/etc/passwd"),
    "read_key_file": _reads(lambda targets: targets.key_file),
    "read_database": _reads(lambda targets: targets.database),
    "read_folder": _list_files,
    "write": _write,
    "remove": _remove,
    "rename": _rename,
    "truncate": _truncate,
    "make_pipe": _pipe,
    "make_device": _device,
    "cut_by_opening": _cut_by_opening,
    "hard_link": _hard_link,
    "change_mode": _change_mode,
    "change_times": _change_times,
    "watch_folder": _watch_folder,
    "limits_of_another": _limits_of_another,
    "priority_of_another": _priority_of_another,
    "owner_of_signals": _owner_of_signals,
}
"""Every attempt by its name; the names stand in the audit and in the table that is shown."""
NAMES = (*ATTEMPTS, BURN)
"""Of all attempts."""
