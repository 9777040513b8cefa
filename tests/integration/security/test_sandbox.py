"""What the walls do to the process that builds them, one at a time and in each of their stages."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from intramuros.security import calls

_BEGIN = """
import ctypes, mmap, os, socket, sys, threading
from pathlib import Path
from intramuros.security import calls, sandbox

def tried(act):
    try:
        act()
    except OSError as error:
        return error.errno
    return "done"
"""


def _said(script: str, *arguments: str, code: int = 0) -> list[str]:
    command = [sys.executable, "-c", _BEGIN + script, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == code, done.returncode
    return done.stdout.splitlines()


def _or_skip(first: str) -> None:
    if first != "True":
        pytest.skip("NOT TESTED: this kernel does not grant it")


def test_only_what_was_given_opens_and_only_for_reading(tmp_path: Path) -> None:
    for folder in ("open", "closed", "sockets"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("words")
    script = """
root = Path(sys.argv[1])
sandbox.drop_privileges()
print(sandbox.only_open([root / "open"], listen_in=root / "sockets", unlike=root / "closed" / "file"))
print(tried((root / "open" / "file").read_text))
print(tried(lambda: (root / "open" / "file").write_text("x")), tried(lambda: (root / "open" / "new").write_text("x")))
print(tried((root / "closed" / "file").read_text), tried((root / "sockets" / "file").read_text))
server = socket.socket(socket.AF_UNIX)
print(tried(lambda: server.bind(str(root / "closed" / "s"))), tried(lambda: server.bind(str(root / "sockets" / "s"))))
print(tried(lambda: (root / "sockets" / "new").write_text("x")), tried((root / "sockets" / "file").unlink))
"""
    first, *said = _said(script, str(tmp_path))
    _or_skip(first)
    assert said == ["done", "13 13", "13 13", "13 done", "13 13"]


def test_a_file_that_still_opens_is_not_called_closed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("words")
    script = (
        "sandbox.drop_privileges()\nprint(sandbox.only_open([Path(sys.argv[1])], unlike=Path(sys.argv[1], 'file')))"
    )
    assert _said(script, str(tmp_path)) == ["False"]


def test_an_engine_that_loads_may_listen_and_one_that_serves_may_not(tmp_path: Path) -> None:
    script = """
sandbox.drop_privileges()
print(sandbox.forbid_calls(calls.loading(os.getpid())))
server = socket.socket(socket.AF_UNIX)
print(tried(lambda: server.bind(sys.argv[1])), tried(server.listen))
client = socket.socket(socket.AF_UNIX)
print(tried(lambda: client.connect(sys.argv[1])))
print(*(tried(lambda: socket.socket(socket.AF_UNIX, kind)) for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)))
second = socket.socket(socket.AF_UNIX)
go, said = threading.Event(), []
def later():
    go.wait()
    said.append(tried(lambda: socket.socket(socket.AF_UNIX)))
    said.append(tried(lambda: second.bind(sys.argv[1] + "2")))
    said.append(tried(server.listen))
thread = threading.Thread(target=later)
thread.start()
sandbox.forbid_calls(calls.serving(os.getpid()))
go.set()
thread.join()
print(*said)
server.settimeout(0)
print(tried(server.accept))
"""
    first, *said = _said(script, str(tmp_path / "s"))
    _or_skip(first)
    assert said == [
        "done done",
        "1",
        "1 1",
        "1 1 1",
        "11",
    ]  # the thread that ran before is bound as well; 11: nobody yet


def test_threads_start_and_processes_do_not() -> None:
    script = """
sandbox.drop_privileges()
print(sandbox.forbid_calls(calls.loading(os.getpid())))
thread = threading.Thread(target=lambda: print("thread", flush=True))
thread.start(); thread.join()
print(tried(os.fork), tried(lambda: os.posix_spawn("/bin/true", ["true"], {})))
print(tried(lambda: os.kill(os.getppid(), 0)), tried(lambda: os.kill(os.getpid(), 0)))
"""
    first, *said = _said(script)
    _or_skip(first)
    assert said == ["thread", "1 1", "1 done"]


@pytest.mark.parametrize("stage", ["loading", "serving", "reading"])
def test_an_abort_still_ends_a_process_as_an_abort(stage: str) -> None:
    """A failed assertion of the engine must be told from a crash."""
    script = f"sandbox.drop_privileges(); sandbox.forbid_calls(calls.{stage}(os.getpid())); os.abort()"
    _said(script, code=-signal.SIGABRT)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="i386 calls exist on x86_64 only")
def test_calls_of_another_architecture_end_the_process() -> None:
    """`int 0x80` reaches the calls of i386, which have other numbers."""
    script = """
sandbox.drop_privileges()
sandbox.forbid_calls(calls.loading(os.getpid()))
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\\x53\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\x5b\\xc3")  # push rbx; mov eax, 20; int 0x80; pop rbx; ret
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
print("went on")
"""
    assert _said(script, code=-signal.SIGSYS) == []


def test_calls_that_are_newer_than_the_list_do_not_exist() -> None:
    script = f"""
sandbox.drop_privileges()
print(sandbox.forbid_calls(calls.loading(os.getpid())))
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall({calls.NEWEST + 1}, 0, 0, 0), ctypes.get_errno())
"""
    first, *said = _said(script)
    _or_skip(first)
    assert said == ["-1 38"]


def test_the_network_is_empty() -> None:
    script = """
print(sandbox.leave_network(), [name for _, name in socket.if_nameindex()])
print(tried(lambda: socket.create_connection(("127.0.0.1", 9), timeout=1)))
"""
    first, second = _said(script)
    if not first.startswith("True"):
        pytest.skip("NOT TESTED: no network namespaces for this user")
    assert first == "True ['lo']"
    assert second == "101"  # unreachable: even loopback is down


def test_no_capability_is_left() -> None:
    script = """
sandbox.leave_network()
print(sandbox.drop_privileges())
print([line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "CapPrm", "NoNewPrivs"))])
"""
    assert _said(script) == ["True", "['0000000000000000', '0000000000000000', '1']"]


def test_descriptors_are_closed_but_the_named_ones() -> None:
    script = """
kept, lost = os.dup(1), os.dup(1)
sandbox.close_descriptors(but=[kept])
print(tried(lambda: os.fstat(kept)), tried(lambda: os.fstat(lost)), tried(lambda: os.fstat(2)))
"""
    assert _said(script) == ["done 9 done"]
