"""What a confined process can't do, tried in one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_CONFINED = """
import os, socket, sys, ctypes
from pathlib import Path
from intramuros.security import sandbox

secret, allowed = Path(sys.argv[1]), Path(sys.argv[2])
import subprocess, encodings.idna
sandbox.drop_privileges()
held = (sandbox.leave_network(), sandbox.only_read([allowed]), sandbox.forbid_calls())
print(*held)

def tried(name, act):
    try:
        act()
    except OSError as error:
        print(name, error.errno)
    else:
        print(name, "done")

tried("allowed", lambda: (allowed / "read me").read_text())
tried("secret", lambda: secret.read_text())
tried("write", lambda: (allowed / "new").write_text("x"))
tried("passwd", lambda: open("/etc/passwd").read())
tried("tcp", lambda: socket.socket())
tried("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
tried("unix", lambda: socket.socket(socket.AF_UNIX))
tried("fork", os.fork)
tried("signal", lambda: os.kill(os.getppid(), 0))
tried("exec", lambda: os.execv("/bin/true", ["true"]))
libc = ctypes.CDLL(None, use_errno=True)
print("uring", libc.syscall(425, 1, 0), ctypes.get_errno())
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "secret").write_text("secret")
    (folder / "allowed").mkdir()
    (folder / "allowed" / "read me").write_text("public")
    command = [sys.executable, "-c", _CONFINED, str(folder / "secret"), str(folder / "allowed")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    held, *lines = done.stdout.splitlines()
    found = dict(line.split(" ", 1) for line in lines)
    return found | dict(zip(("network", "files", "calls"), held.split(), strict=True))


def test_it_reads_what_it_may(said: dict[str, str]) -> None:
    assert said["allowed"] == "done"


@pytest.mark.parametrize("act", ["secret", "write", "passwd"])
def test_other_files_are_closed(said: dict[str, str], act: str) -> None:
    if said["files"] != "True":
        pytest.skip("NOT TESTED: this kernel has no Landlock")
    assert said[act] == "13"


@pytest.mark.parametrize("act", ["tcp", "udp", "unix", "fork", "signal", "exec"])
def test_calls_are_forbidden(said: dict[str, str], act: str) -> None:
    if said["calls"] != "True":
        pytest.skip("NOT TESTED: seccomp is not available here")
    assert said[act] == "1"


def test_rings_of_calls_are_forbidden(said: dict[str, str]) -> None:
    if said["calls"] != "True":
        pytest.skip("NOT TESTED: seccomp is not available here")
    assert said["uring"] == "-1 1"


def test_the_network_is_empty(tmp_path: Path) -> None:
    script = (
        "import socket\nfrom intramuros.security import sandbox\n"
        "print(sandbox.leave_network(), [name for _, name in socket.if_nameindex()])\n"
        "try:\n    socket.create_connection(('127.0.0.1', 9), timeout=1)\nexcept OSError as error:\n    print(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    first, second = done.stdout.splitlines()
    if not first.startswith("True"):
        pytest.skip("NOT TESTED: no network namespaces for this user")
    assert first == "True ['lo']"
    assert second == "101"  # unreachable: even loopback is down
