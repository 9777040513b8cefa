"""Every way out, tried from inside the real engine and reader, on this kernel and on kernels that grant less."""

from __future__ import annotations

from typing import Any

import pytest

from intramuros.security.attempts import ATTEMPTS, OPEN
from tests.support import degraded

PROCESSES = ("engine", "reader")
PRIVILEGED = {
    "raw",
    "ping",
    "packet",
    "mount",
    "kernel_module",
    "make_device",
    "foreign_calls",
    "ptrace",
    "read_passwd",
}
"""What ordinary rights don't allow on many kernels, with or without walls; and a file that this user owns not."""
FILES = ("read_key_file", "read_database", "read_folder", "write", "remove", "rename", "truncate")
SOCKETS = ("netlink", "unix_path", "unix_datagram", "unix_pair")
CALLS = ("child_process", "new_program", "io_uring", "setns", "unshare", "page_faults", "shared_memory")


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    return degraded.attacked()


@pytest.fixture(scope="module")
def bare() -> dict[str, Any]:
    return degraded.attacked("network", "files", "calls")


def _stands(found: dict[str, Any], *walls: str) -> None:
    for who in PROCESSES:
        for wall in walls:
            if not found["walls"][who][wall]:
                pytest.skip(f"NOT TESTED: this kernel does not confine the {who}'s {wall}")


@pytest.mark.parametrize("who", PROCESSES)
@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_way_out_is_open(here: dict[str, Any], who: str, name: str) -> None:
    _stands(here, "files", "calls")
    assert here[who][name] != OPEN


@pytest.mark.parametrize("who", PROCESSES)
def test_all_walls_stand_where_the_kernel_has_them(here: dict[str, Any], who: str) -> None:
    _stands(here, "network", "files", "calls")
    assert here["walls"][who] == {"network": True, "files": True, "calls": True, "rights": True}
    assert here["levels"][who] == "full"


@pytest.mark.parametrize("who", PROCESSES)
@pytest.mark.parametrize("name", sorted(set(ATTEMPTS) - PRIVILEGED - {"unshare"}))
def test_without_walls_each_attempt_succeeds(bare: dict[str, Any], here: dict[str, Any], who: str, name: str) -> None:
    """An attempt that could not succeed would prove nothing."""
    closed_elsewhere = {"inherited_descriptor"}  # descriptors are closed by the start, not by the kernel
    may_be_switched_off = {"bpf", "performance_events", "page_faults", "io_uring", "keyring", "vsock", "mptcp"}
    as_elsewhere = {
        "memory_file",
        "environment",
        "read_memory",
        "descriptor_of_another",
        "priority_of_another",
    }  # other users' processes
    outcome = bare[who][name]
    if name in closed_elsewhere:
        assert outcome == "closed"
    elif name in may_be_switched_off | as_elsewhere and outcome in {"EPERM", "EACCES", "ENOSYS", "EAFNOSUPPORT"}:
        pytest.skip(f"NOT TESTED: this kernel refuses {name} ({outcome}) to every process")
    else:
        assert outcome == OPEN
    assert bare["levels"][who] == "none"


@pytest.mark.parametrize("who", PROCESSES)
def test_without_landlock_files_are_open_and_it_is_said(who: str) -> None:
    found = degraded.attacked("files")
    assert not found["walls"][who]["files"] and found["levels"][who] == "partial"
    assert all(found[who][name] == OPEN for name in ("read_key_file", "read_database", "read_folder"))
    changes = ("write", "remove", "rename", "truncate", "cut_by_opening", "change_mode", "make_pipe", "hard_link")
    assert all(found[who][name] != OPEN for name in ("tcp", "unix_path", *changes))


@pytest.mark.parametrize("who", PROCESSES)
def test_without_a_filter_of_calls_sockets_are_open_and_it_is_said(who: str) -> None:
    found = degraded.attacked("calls")
    _stands(found, "network", "files")
    assert not found["walls"][who]["calls"] and found["levels"][who] == "partial"
    assert all(found[who][name] == OPEN for name in SOCKETS)
    assert all(found[who][name] != OPEN for name in ("tcp", "udp", "mptcp", *FILES))


@pytest.mark.parametrize("who", PROCESSES)
def test_without_a_network_of_its_own_the_filter_still_holds(who: str) -> None:
    """As in a container without user namespaces."""
    found = degraded.attacked("network")
    _stands(found, "files", "calls")
    assert not found["walls"][who]["network"] and found["levels"][who] == "partial"
    assert [name for name in ATTEMPTS if found[who][name] == OPEN] == []


def test_capabilities_that_stay_are_a_missing_wall() -> None:
    found = degraded.attacked("rights")
    assert all(not found["walls"][who]["rights"] and found["levels"][who] == "none" for who in PROCESSES)
