"""Which system calls a confined process may make: a filter for the kernel, from tables of names (seccomp-BPF).

Called by `security.sandbox`. The list says what is forbidden, since an interpreter and a model server use too much for
a list of what is allowed; calls newer than this list don't exist for the process, so a new kernel opens nothing.
Source: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h, seccomp(2), linux/filter.h.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

NEWEST = 469
"""file_setattr: the newest call this list knows, of Linux 6.17."""
_X32 = 0x40000000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000

# Each call's number on x86_64 and on aarch64; -1 where there is no such call.
_SHARED = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434,
    "clone3": 435, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443,
    "process_mrelease": 448, "statmount": 457, "listmount": 458, "lsm_set_self_attr": 460, "open_tree_attr": 467,
    "openat2": 437, "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "file_setattr": 469,
}  # fmt: skip
NUMBERS: dict[str, tuple[int, int]] = {
    "socket": (41, 198), "socketpair": (53, 199), "bind": (49, 200), "listen": (50, 201), "connect": (42, 203),
    "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    "recvmsg": (47, 212), "recvmmsg": (299, 243),
    "clone": (56, 220), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "prctl": (157, 167),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "perf_event_open": (298, 241),
    "setns": (308, 268), "unshare": (272, 97), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "personality": (135, 92), "mknodat": (259, 33),
    "bpf": (321, 280), "userfaultfd": (323, 282), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "sethostname": (170, 161), "setdomainname": (171, 162), "vhangup": (153, 58),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "fanotify_init": (300, 262),
    "shmget": (29, 194), "shmat": (30, 196), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    "memfd_create": (319, 279),
    # What Landlock does not know, or only newer ones: changing files by their path, watching them, other processes.
    "openat": (257, 56), "truncate": (76, 45), "unlinkat": (263, 35), "mkdirat": (258, 34), "renameat": (264, 38),
    "renameat2": (316, 276), "linkat": (265, 37), "symlinkat": (266, 36), "fchmod": (91, 52), "fchmodat": (268, 53),
    "fchown": (93, 55), "fchownat": (260, 54), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "inotify_init1": (294, 26), "inotify_add_watch": (254, 27), "prlimit64": (302, 261), "setpriority": (141, 140),
    "ioprio_set": (251, 30), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "sched_setaffinity": (203, 122), "fcntl": (72, 25), "ioctl": (16, 29),
} | {name: (number, number) for name, number in _SHARED.items()}  # fmt: skip
_X86_ONLY = {
    "fork": 57, "vfork": 58, "mknod": 133, "uselib": 134, "modify_ldt": 154, "iopl": 172, "ioperm": 173, "open": 2,
    "creat": 85, "unlink": 87, "rmdir": 84, "mkdir": 83, "rename": 82, "link": 86, "symlink": 88, "chmod": 90,
    "chown": 92, "lchown": 94, "utime": 132, "utimes": 235, "futimesat": 261, "inotify_init": 253,
}  # fmt: skip
NUMBERS |= {name: (number, -1) for name, number in _X86_ONLY.items()}


class Only(NamedTuple):
    """A condition on one argument of a call, its low half unless `high`: under the mask it is this value.

    With `unlike` it must be any other.
    """

    argument: int
    value: int
    mask: int = 0xFFFFFFFF
    high: bool = False
    unlike: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """The call answers as if this kernel did not have it, so that libraries use the older one."""


Rule = tuple[Only, ...] | Missing
"""What a call must be like to be allowed; an empty tuple allows it however it is."""

_NEW_NAMESPACES = 0x7E020000
_CLONE_THREAD = 0x00010000
_UNIX, _STREAM, _KIND_OF_SOCKET = 1, 1, 0xF
_THREADS_ONLY: Rule = (Only(0, _CLONE_THREAD, _CLONE_THREAD), Only(0, 0, _NEW_NAMESPACES))
_NO_ADDRESS: Rule = (Only(4, 0), Only(4, 0, high=True))
_ANYTHING: Rule = ()
_O_CREAT, _O_TRUNC = 0o100, 0o1000
_OWNER_OF_SIGNALS = (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
_OF_SOCKETS_AND_TERMINALS = (0x8901, 0x8902, 0x5412)  # FIOSETOWN, SIOCSPGRP, TIOCSTI
_EVERYWHERE: dict[str, Rule] = {
    "open": (Only(1, 0, _O_CREAT | _O_TRUNC),),
    "openat": (Only(2, 0, _O_CREAT | _O_TRUNC),),
    "openat2": Missing(),
    "prlimit64": (Only(0, 0),),
    "fcntl": tuple(Only(1, command, unlike=True) for command in _OWNER_OF_SIGNALS),
    "ioctl": tuple(Only(1, command, unlike=True) for command in _OF_SOCKETS_AND_TERMINALS),
}
"""No file is made or cut short, no limit of another process looked at, nobody else is sent signals by the kernel."""


def _to(pid: int) -> Rule:
    return (Only(0, pid),)


def loading(pid: int) -> dict[str, Rule]:
    """What an engine may do beyond the list while it loads: threads, and one kind of socket to listen on.

    It can't connect, nor send to an address, nor pass descriptors. It may signal itself, so that an abort ends it.
    """
    return _EVERYWHERE | {
        "clone": _THREADS_ONLY,
        "clone3": Missing(),
        "socket": (Only(0, _UNIX), Only(1, _STREAM, _KIND_OF_SOCKET)),
        "bind": _ANYTHING,
        "listen": _ANYTHING,
        "accept": _ANYTHING,
        "accept4": _ANYTHING,
        "sendto": _NO_ADDRESS,
        "kill": _to(pid),
        "tgkill": _to(pid),
        "prctl": _ANYTHING,
    }


def serving(pid: int) -> dict[str, Rule]:
    """What an engine may still do once it listens: take connections and answer them."""
    allowed = loading(pid)
    return {name: rule for name, rule in allowed.items() if name not in {"socket", "bind", "listen"}}


def forking() -> dict[str, Rule]:
    """What the process that forks readers may do: fork, take documents over its socket, end its children."""
    return _EVERYWHERE | {
        "setpriority": _ANYTHING,
        "sched_setscheduler": _ANYTHING,
        "clone": (Only(0, 0, _NEW_NAMESPACES),),
        "clone3": Missing(),
        "fork": _ANYTHING,
        "sendto": _NO_ADDRESS,
        "recvmsg": _ANYTHING,
        "pidfd_open": _ANYTHING,
        "kill": _ANYTHING,
        "tgkill": _ANYTHING,
        "prctl": _ANYTHING,
    }


def reading(pid: int) -> dict[str, Rule]:
    """What a process that reads one document may do beyond the list: end itself."""
    return _EVERYWHERE | {"kill": _to(pid), "tgkill": _to(pid)}


def program(allowed: Mapping[str, Rule], machine: str) -> bytes:
    """The filter as the kernel takes it: everything but what `NUMBERS` lists passes, and of that what is allowed.

    Raises: KeyError for an architecture without a table.
    """
    architecture, column = _ARCHITECTURES[machine], list(_ARCHITECTURES).index(machine)
    steps = [
        (0x20, 0, 0, 4),  # load the architecture
        (0x15, 1, 0, architecture),
        (0x06, 0, 0, _KILL),
        (0x20, 0, 0, 0),  # load the call's number
        (0x35, 0, 1, _X32),
        (0x06, 0, 0, _ERROR | errno.EPERM),
        (0x25, 0, 1, NEWEST),
        (0x06, 0, 0, _ERROR | errno.ENOSYS),
    ]
    for name, numbers in NUMBERS.items():
        number = numbers[column]
        if number >= 0:
            steps += _block(number, allowed.get(name))
    steps.append((0x06, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _block(number: int, rule: Rule | None) -> list[tuple[int, int, int, int]]:
    """Decides about one call; every other falls through with its number still loaded."""
    if isinstance(rule, tuple):
        body: list[tuple[int, int, int, int]] = []
        for place, only in enumerate(rule):
            to_refusal = 3 * (len(rule) - place - 1) + 1
            body += [
                (0x20, 0, 0, 16 + 8 * only.argument + 4 * only.high),
                (0x54, 0, 0, only.mask),
                (0x15, to_refusal, 0, only.value) if only.unlike else (0x15, 0, to_refusal, only.value),
            ]
        body.append((0x06, 0, 0, _ALLOW))
        if rule:
            body.append((0x06, 0, 0, _ERROR | errno.EPERM))
    else:
        body = [(0x06, 0, 0, _ERROR | (errno.ENOSYS if isinstance(rule, Missing) else errno.EPERM))]
    return [(0x15, 0, len(body), number), *body]
