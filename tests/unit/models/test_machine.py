from __future__ import annotations

import os
from pathlib import Path

import pytest

from intramuros.models.machine import Gpu, Machine

GIB = 1 << 30
CPUINFO = """processor : {0}
model name : Test CPU 9000
flags : fpu avx2 fma f16c avx512f rdrand

"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 8 hyperthreads on 4 cores with 32 GiB, 20 GiB of them free."""
    files = {
        "proc/cpuinfo": "".join(CPUINFO.format(number) for number in range(8)),
        "proc/meminfo": f"MemTotal: {32 * GIB >> 10} kB\nMemFree: 1 kB\nMemAvailable: {20 * GIB >> 10} kB\nJunk\n",
        "proc/self/cgroup": "0::/user.slice/app\n",
    }
    for number in range(8):
        files[f"sys/devices/system/cpu/cpu{number}/topology/core_cpus_list"] = f"{number % 4},{number % 4 + 4}\n"
    for name, content in files.items():
        put(tmp_path, name, content)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return tmp_path


def put(root: Path, name: str, content: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_hyperthreads_count_once(root: Path) -> None:
    machine = Machine.detect(root=root)
    assert (machine.cpu, machine.cores, machine.threads) == ("Test CPU 9000", 4, 8)
    assert machine.flags == {"avx2", "fma", "f16c", "avx512f"}
    assert (machine.memory_bytes, machine.available_bytes) == (32 * GIB, 20 * GIB)


def test_only_the_processors_this_process_may_use_count(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 4, 1}, raising=False)
    machine = Machine.detect(root=root)
    assert (machine.cores, machine.threads) == (2, 3)


def test_a_container_of_the_second_kind_limits_memory_and_time(root: Path) -> None:
    put(root, "sys/fs/cgroup/user.slice/app/memory.max", "max\n")
    put(root, "sys/fs/cgroup/user.slice/memory.max", f"{8 * GIB}\n")
    put(root, "sys/fs/cgroup/user.slice/memory.current", f"{5 * GIB}\n")
    put(root, "sys/fs/cgroup/user.slice/memory.stat", f"anon 1\ninactive_file {2 * GIB}\n")
    put(root, "sys/fs/cgroup/user.slice/cpu.max", "250000 100000\n")
    machine = Machine.detect(root=root)
    assert (machine.memory_bytes, machine.available_bytes) == (8 * GIB, 5 * GIB)  # cached files are given back
    assert (machine.threads, machine.cores) == (3, 3)


def test_a_container_of_the_first_kind_limits_memory_and_time(root: Path) -> None:
    put(root, "proc/self/cgroup", "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n")
    put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", f"{4 * GIB}\n")
    put(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", f"{GIB}\n")
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n")
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    machine = Machine.detect(root=root)
    assert (machine.memory_bytes, machine.available_bytes, machine.threads) == (4 * GIB, 3 * GIB, 2)


def test_no_limit_written_as_a_huge_number_is_no_limit(root: Path) -> None:
    put(root, "proc/self/cgroup", "4:memory:/\n")
    put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    assert Machine.detect(root=root).memory_bytes == 32 * GIB


def test_where_there_is_no_proc_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    machine = Machine.detect(root=tmp_path)
    assert machine.cores >= 1
    assert 0 < machine.available_bytes <= machine.memory_bytes
    assert machine.cpu
    assert machine.container is None or isinstance(machine.container, str)


@pytest.mark.parametrize("name", ["proc/meminfo", "proc/cpuinfo", "proc/self/cgroup"])
def test_damaged_files_of_the_kernel_do_no_harm(root: Path, name: str) -> None:
    (root / name).write_bytes(b"\xff\xfe: : :\nMemTotal: many kB\n::::\n")
    Machine.detect(root=root)


def test_containers_are_recognised(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("container", raising=False)
    assert Machine.detect(root=root).container is None
    put(root, "proc/1/cgroup", "0::/kubepods/burstable/pod1\n")
    assert Machine.detect(root=root).container == "kubepods"
    put(root, ".dockerenv", "")
    assert Machine.detect(root=root).container == "docker"


def test_room_leaves_a_gibibyte_for_the_rest_and_counts_a_gpu(root: Path) -> None:
    assert Machine.detect(root=root).room_bytes == 19 * GIB
    gpu = Gpu("Test GPU", 48 * GIB, 40 * GIB)
    assert Machine.detect(root=root, gpus=[gpu]).room_bytes == 40 * GIB


def test_the_fingerprint_changes_with_what_measurements_depend_on(root: Path) -> None:
    before = Machine.detect(root=root)
    put(root, "proc/meminfo", f"MemTotal: {GIB >> 10} kB\n")
    assert Machine.detect(root=root).fingerprint == before.fingerprint  # free memory is no such thing
    assert Machine.detect(root=root, gpus=[Gpu("g", GIB, GIB)]).fingerprint != before.fingerprint
    put(root, "proc/cpuinfo", (root / "proc/cpuinfo").read_text().replace("avx512f", ""))
    assert Machine.detect(root=root).fingerprint != before.fingerprint


def test_more_weights_and_fewer_cores_are_slower(root: Path) -> None:
    machine = Machine.detect(root=root)
    assert machine.decode_estimate(GIB) > machine.decode_estimate(8 * GIB) > 0
    assert machine.prefill_estimate(10**9) > machine.prefill_estimate(8 * 10**9) > 0


def test_this_machine() -> None:
    machine = Machine.detect()
    assert 1 <= machine.cores <= machine.threads
    assert 0 < machine.available_bytes <= machine.memory_bytes
