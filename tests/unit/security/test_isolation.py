"""Levels of isolation, and what the kernel says of a process against what the process says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intramuros.errors import IsolationTooWeak
from intramuros.security.isolation import WALLS, Confinement, confinement, weakest

ALL = dict.fromkeys(WALLS, True)
STATUS = "Name:\tpython\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
DEV = "Inter-|   Receive\n face |bytes\n"
LO = "    lo:       0       0    0\n"
ETH = "  eth0:     100       1    0\n"
FIB = "Local:\n  +-- 127.0.0.0/8\n     |-- 127.0.0.1\n        /32 host LOCAL\n"


def process(folder: Path, *, status: str = STATUS, dev: str = DEV + LO, fib: str = "", inet6: str = "") -> Path:
    """A folder as the kernel's, of a process with number 7."""
    net = folder / "7" / "net"
    net.mkdir(parents=True)
    (folder / "7" / "status").write_text(status)
    (net / "dev").write_text(dev)
    (net / "fib_trie").write_text(fib)
    (net / "if_inet6").write_text(inet6)
    return folder


def test_all_walls_are_full(tmp_path: Path) -> None:
    found = confinement(7, ALL, proc=process(tmp_path))
    assert found == Confinement(network=True, files=True, calls=True, rights=True)
    assert (found.level, found.missing) == ("full", ())


@pytest.mark.parametrize(
    ("kernel", "wall"),
    [
        ({"dev": DEV + LO + ETH}, "network"),
        ({"fib": FIB}, "network"),
        ({"inet6": "00000000000000000000000000000001 01 80 10 80       lo\n"}, "network"),
        ({"status": STATUS.replace("Seccomp:\t2", "Seccomp:\t0")}, "calls"),
        ({"status": STATUS.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0")}, "rights"),
        ({"status": STATUS.replace("CapEff:\t0000000000000000", "CapEff:\t0000000000002000")}, "rights"),
    ],
)
def test_the_kernel_is_believed_rather_than_the_process(tmp_path: Path, kernel: dict[str, Any], wall: str) -> None:
    assert confinement(7, ALL, proc=process(tmp_path, **kernel)).missing == (wall,)


@pytest.mark.parametrize("wall", WALLS)
def test_what_the_process_does_not_claim_is_missing(tmp_path: Path, wall: str) -> None:
    assert confinement(7, ALL | {wall: False}, proc=process(tmp_path)).missing == (wall,)


@pytest.mark.parametrize("said", [None, "full", [], {}, {"files": "yes"}, {"network": 1}])
def test_whoever_says_nothing_has_no_walls(tmp_path: Path, said: Any) -> None:
    assert confinement(7, said, proc=process(tmp_path)) == Confinement()


def test_a_process_that_is_gone_has_no_walls_the_kernel_knows(tmp_path: Path) -> None:
    assert confinement(7, ALL, proc=tmp_path) == Confinement(files=True)


@pytest.mark.parametrize(
    ("walls", "level"),
    [
        ({"network", "files", "calls", "rights"}, "full"),
        ({"files", "calls", "rights"}, "partial"),
        ({"network", "files", "rights"}, "partial"),
        ({"network", "calls", "rights"}, "partial"),
        ({"files", "rights"}, "none"),
        ({"network", "files", "calls"}, "none"),
        (set(), "none"),
    ],
)
def test_levels(walls: set[str], level: str) -> None:
    assert Confinement(**dict.fromkeys(walls, True)).level == level


def test_the_weakest_counts() -> None:
    full, partial = Confinement(**ALL), Confinement(calls=True, rights=True)
    assert weakest([full, partial]) == "partial" and weakest([full]) == "full" and weakest([]) == "none"


@pytest.mark.parametrize("level", ["partial", "full"])
def test_a_policy_refuses_what_is_below(level: str) -> None:
    Confinement(**ALL).require(level, what="the engine")
    with pytest.raises(IsolationTooWeak, match="network, files, calls, rights") as refused:
        Confinement().require(level, what="the engine")
    assert "selftest isolation" in refused.value.hint and refused.value.status == 503
    Confinement().require("none", what="the engine")
