"""The filter of system calls, run as the kernel would run it."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.security.calls import NEWEST, NUMBERS, forking, loading, program, reading, serving

X86, ARM = 0xC000003E, 0xC00000B7
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
PID = 4321
PROFILES = {"loading": loading(PID), "serving": serving(PID), "forking": forking(), "reading": reading(PID)}


def decided(profile: str, number: int, *arguments: int, architecture: int = X86, machine: str = "x86_64") -> int:
    """What the filter says of a call. Source: linux/filter.h, seccomp(2)."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, architecture, 0, *words)
    steps = list(struct.iter_unpack("=HBBI", program(PROFILES[profile], machine)))
    loaded, place = 0, 0
    while True:
        code, yes, no, value = steps[place]
        place += 1
        match code:
            case 0x20:
                loaded = struct.unpack_from("=I", data, value)[0]
            case 0x54:
                loaded &= value
            case 0x06:
                return int(value)
            case 0x15 | 0x25 | 0x35:
                held = {0x15: loaded == value, 0x25: loaded > value, 0x35: loaded >= value}[code]
                place += yes if held else no
            case _:
                raise AssertionError(f"an instruction the filter should not have: {code:#x}")


def x86(name: str) -> int:
    return NUMBERS[name][0]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "name",
    ["connect", "socketpair", "sendmsg", "execve", "execveat", "ptrace", "process_vm_readv", "pidfd_getfd", "setns",
     "unshare", "mount", "bpf", "kexec_load", "io_uring_setup", "io_uring_enter", "mq_open", "keyctl", "vfork",
     "memfd_create", "open_by_handle_at", "userfaultfd", "perf_event_open", "pidfd_send_signal", "tkill",
     "truncate", "chmod", "fchmodat", "fchownat", "utimensat", "setxattr", "unlinkat", "renameat2", "linkat", "creat",
     "inotify_add_watch", "fchmodat2", "file_setattr", "sched_setaffinity", "ioprio_set"],
)  # fmt: skip
def test_never(profile: str, name: str) -> None:
    assert decided(profile, x86(name), 1, 1) == EPERM
    if (number := NUMBERS[name][1]) >= 0:
        assert decided(profile, number, 1, 1, architecture=ARM, machine="aarch64") == EPERM


@pytest.mark.parametrize("family", [0, 2, 10, 16, 17, 38, 40, 44, 1 << 32 | 2])
def test_an_engine_makes_no_socket_but_a_unix_one(family: int) -> None:
    assert decided("loading", x86("socket"), family, 1) == EPERM


@pytest.mark.parametrize(("kind", "held"), [(1, ALLOW), (1 | 0o2000000, ALLOW), (2, EPERM), (3, EPERM), (5, EPERM)])
def test_and_of_one_kind(kind: int, held: int) -> None:
    assert decided("loading", x86("socket"), 1, kind) == held
    assert decided("serving", x86("socket"), 1, kind) == EPERM


@pytest.mark.parametrize("address", [1, 0x7FFF_0000_1000, 1 << 32])
def test_nothing_is_sent_to_an_address(address: int) -> None:
    for profile in ("loading", "serving", "forking"):
        assert decided(profile, x86("sendto"), 5, 6, 7, 0, address) == EPERM
        assert decided(profile, x86("sendto"), 5, 6, 7, 0, 0) == ALLOW


@pytest.mark.parametrize("profile", PROFILES)
def test_files_are_opened_and_neither_made_nor_cut(profile: str) -> None:
    for name, place in (("open", 1), ("openat", 2)):
        for flags, held in ((0, ALLOW), (0o2000002, ALLOW), (0o1000, EPERM), (0o101, EPERM), (0o20000200, ALLOW)):
            assert decided(profile, x86(name), *([7] * place), flags) == held, (name, oct(flags))
    assert decided(profile, x86("openat2")) == ENOSYS


@pytest.mark.parametrize("profile", PROFILES)
def test_other_processes_are_left_alone(profile: str) -> None:
    assert decided(profile, x86("prlimit64"), 0, 7) == ALLOW
    assert decided(profile, x86("prlimit64"), PID + 1, 7) == EPERM
    assert [decided(profile, x86("fcntl"), 5, command) for command in (8, 10, 15, 1024, 1026)] == [EPERM] * 5
    assert [decided(profile, x86("fcntl"), 5, command) for command in (0, 1, 2, 3, 4, 1030)] == [ALLOW] * 6
    assert [decided(profile, x86("ioctl"), 5, request) for request in (0x8901, 0x8902, 0x5412)] == [EPERM] * 3
    assert decided(profile, x86("ioctl"), 5, 0x5413) == ALLOW


def test_threads_yes_processes_no() -> None:
    thread = 0x3D0F00
    assert decided("loading", x86("clone"), thread) == ALLOW
    assert decided("loading", x86("clone"), 0x01200011) == EPERM  # what fork() asks for
    assert decided("loading", x86("clone"), thread | 0x10000000) == EPERM  # a thread in a new user namespace
    assert decided("reading", x86("clone"), thread) == EPERM
    assert decided("forking", x86("clone"), 0x01200011) == ALLOW
    assert decided("forking", x86("clone"), 0x01200011 | 0x40000000) == EPERM
    for profile in ("loading", "serving", "forking"):
        assert decided(profile, x86("clone3")) == ENOSYS


def test_signals_to_itself_only() -> None:
    for profile in ("loading", "serving", "reading"):
        for name in ("kill", "tgkill"):
            assert decided(profile, x86(name), PID) == ALLOW
            assert [decided(profile, x86(name), other) for other in (1, 0, PID + 1, 2**32 - 1)] == [EPERM] * 4


@given(st.sampled_from(sorted(PROFILES)), st.integers(min_value=NEWEST + 1, max_value=2**31 - 1))
def test_what_is_newer_than_the_list_does_not_exist(profile: str, number: int) -> None:
    assert decided(profile, number) == (EPERM if number >= 0x40000000 else ENOSYS)


@given(st.sampled_from(sorted(PROFILES)), st.integers(min_value=0, max_value=2**32 - 1))
def test_other_architectures_end_the_process(profile: str, architecture: int) -> None:
    if architecture != X86:
        assert decided(profile, 0, architecture=architecture) == KILL


@given(st.sampled_from(sorted(PROFILES)), st.integers(min_value=0, max_value=NEWEST), st.data())
def test_what_is_not_listed_passes_and_serving_is_never_wider_than_loading(
    profile: str, number: int, data: st.DataObject
) -> None:
    arguments = data.draw(st.lists(st.integers(min_value=0, max_value=2**64 - 1), max_size=6))
    if number not in {numbers[0] for numbers in NUMBERS.values()}:
        assert decided(profile, number, *arguments) == ALLOW
    if decided("serving", number, *arguments) == ALLOW:
        assert decided("loading", number, *arguments) == ALLOW


def test_numbers_are_there_once_each() -> None:
    for column in (0, 1):
        numbers = [entry[column] for entry in NUMBERS.values() if entry[column] >= 0]
        assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("profile", PROFILES)
def test_no_jump_is_longer_than_the_kernel_allows(profile: str, machine: str) -> None:
    assert len(program(PROFILES[profile], machine)) < 8 * 4096
