"""What this machine is: processor, memory that is really free, and where it runs.

Called by the catalogue ("what fits?"), the engine's choice of options, and the memory of measurements. Reads files of
the kernel only; what a system doesn't say is unknown, never an error. GPUs are what the engine reports, handed in.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

NO_LIMIT = 1 << 60  # cgroup v1 writes "no limit" as a number near 2^63
FALLBACK_MEMORY = 4 << 30
KEPT_FREE_BYTES = 1 << 30  # for the gateway, the readers and the system
BANDWIDTH_OF_A_CORE = 8e9  # bytes a second, a cautious figure for one core of a server or desktop
MOST_BANDWIDTH = 40e9  # two channels of DDR4 or DDR5
OPERATIONS_OF_A_CORE = 8e10  # a second, a cautious figure for a core with AVX2 on 4-bit weights
BANDWIDTH_USED = 0.55  # share of it that decoding reaches: measured by the llmfit project on 152 machines
NAMED_FLAGS = frozenset(
    {"avx", "avx2", "fma", "f16c", "bmi2", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8"}
    | {"asimd", "asimddp", "i8mm", "sve"}
)
"""Instruction sets that decide how fast a model runs."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One graphics processor as the engine reports it."""

    name: str
    memory_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine, as far as this process may use it.

    `cores`: physical cores this process may run on, hyperthreads counted once; `threads`: with hyperthreads; both at
    most the share of time a container was given. `memory_bytes` and `available_bytes` respect a container's limit.
    """

    cpu: str
    architecture: str
    cores: int
    threads: int
    flags: frozenset[str]
    memory_bytes: int
    available_bytes: int
    container: str | None = None
    gpus: tuple[Gpu, ...] = ()

    @classmethod
    def detect(cls, *, gpus: Sequence[Gpu] = (), root: Path = Path("/")) -> Machine:
        """Looks at the machine. `root` is where /proc and /sys are, for tests. Never raises."""
        cpuinfo = _cpuinfo(_read(root / "proc/cpuinfo"))
        usable = _usable_processors()
        share = _cpu_share(root)
        threads = max(1, min(len(usable), share or len(usable)))
        total, available = _memory(root)
        limit, used = _memory_limit(root)
        return cls(
            cpu=_cpu_name(cpuinfo),
            architecture=platform.machine(),
            cores=max(1, min(_physical_cores(root, usable), threads)),
            threads=threads,
            flags=_flags(cpuinfo),
            memory_bytes=min(total, limit) if limit else total,
            available_bytes=min(available, max(0, limit - used)) if limit else available,
            container=_container(root),
            gpus=tuple(gpus),
        )

    @property
    def room_bytes(self) -> int:
        """Memory that a model may take: what is free now, less a gibibyte for the rest; on a GPU what is free there."""
        gpu = sum(gpu.free_bytes for gpu in self.gpus)
        return max(gpu, self.available_bytes - KEPT_FREE_BYTES, 0)

    @property
    def fingerprint(self) -> str:
        """A short text that changes when measurements made on this machine no longer hold."""
        parts = [
            self.cpu,
            self.architecture,
            str(self.cores),
            str(self.threads),
            *sorted(self.flags),
        ]
        parts += [f"{gpu.name} {gpu.memory_bytes}" for gpu in self.gpus]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def prefill_estimate(self, active_parameters: int) -> float:
        """About how many tokens a second a model reads on this processor: two operations for each active parameter."""
        return self.cores * OPERATIONS_OF_A_CORE / (2 * max(1, active_parameters))

    def decode_estimate(self, active_bytes: int) -> float:
        """About how many tokens a second a model writes on this processor.

        Units: `active_bytes` are the bytes of weights read for one token. Source: decoding reads all active weights
        once for each token, so memory bandwidth divided by them is the limit. A guess before anything is measured.
        """
        bandwidth = min(self.cores * BANDWIDTH_OF_A_CORE, MOST_BANDWIDTH)
        return bandwidth * BANDWIDTH_USED / max(1, active_bytes)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _usable_processors() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _cpuinfo(text: str) -> list[dict[str, str]]:
    """One entry for each logical processor."""
    found: list[dict[str, str]] = []
    for block in text.split("\n\n"):
        lines = (line.partition(":") for line in block.splitlines())
        entry = {name.strip(): value.strip() for name, colon, value in lines if colon}
        if "processor" in entry:
            found.append(entry)
    return found


def _cpu_name(cpuinfo: Iterable[dict[str, str]]) -> str:
    for entry in cpuinfo:
        if name := entry.get("model name") or entry.get("Model"):
            return name
    return platform.processor() or platform.machine() or "unknown"


def _flags(cpuinfo: Iterable[dict[str, str]]) -> frozenset[str]:
    for entry in cpuinfo:
        if flags := entry.get("flags") or entry.get("Features"):
            return frozenset(flags.split()) & NAMED_FLAGS
    return frozenset()


def _physical_cores(root: Path, usable: Iterable[int]) -> int:
    """Cores with at least one usable hyperthread, from the kernel's topology; else the usable processors."""
    usable = list(usable)
    cores = set()
    for number in usable:
        folder = root / f"sys/devices/system/cpu/cpu{number}/topology"
        siblings = _read(folder / "core_cpus_list") or _read(folder / "thread_siblings_list")
        cores.add(siblings.strip() or str(number))
    return len(cores) or len(usable) or 1


def _memory(root: Path) -> tuple[int, int]:
    """Total and available bytes of the machine."""
    entries = {}
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if (number := value.split()[:1]) and number[0].isdigit():
            entries[name] = int(number[0]) << 10
    total = entries.get("MemTotal") or _total_from_system()
    return total, entries.get("MemAvailable", entries.get("MemFree", total // 2))


def _total_from_system() -> int:
    """Where there is no /proc, as on macOS."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return FALLBACK_MEMORY


def _memory_limit(root: Path) -> tuple[int, int]:
    """The tightest memory limit of the control groups this process is in, and the bytes already used of it; or 0, 0.

    Source: kernel documentation, cgroup-v2 `memory.max`, cgroup-v1 `memory.limit_in_bytes`. Cached file pages count as
    used there, though the kernel gives them back when needed, so inactive ones are taken off.
    """
    tightest = (0, 0)
    for folder, limit_name, used_name in _groups(root):
        limit = _number(_read(folder / limit_name))
        if not limit or limit >= NO_LIMIT or (tightest[0] and limit >= tightest[0]):
            continue
        used = _number(_read(folder / used_name)) or 0
        tightest = (limit, max(0, used - _inactive_file(folder)))
    return tightest


def _groups(root: Path) -> Iterable[tuple[Path, str, str]]:
    """The memory groups of this process, innermost first, up to the mounted root."""
    top = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        parts = [part for part in path.split("/") if part and part != ".."]
        paths = ["/".join(parts[:length]) for length in range(len(parts), -1, -1)]
        if controllers == "":
            yield from ((top / part, "memory.max", "memory.current") for part in paths)
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            yield from ((top / "memory" / part, *names) for part in paths)


def _inactive_file(folder: Path) -> int:
    for line in _read(folder / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file") and value.isdigit():
            return int(value)
    return 0


def _cpu_share(root: Path) -> int:
    """Processors' worth of time that a container was given, rounded up; 0: no limit."""
    shares = []
    for folder, _, _ in _groups(root):
        quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
        if quota.isdigit() and period.isdigit() and int(period):
            shares.append(-(-int(quota) // int(period)))
    legacy = root / "sys/fs/cgroup/cpu"
    quota_us, period_us = _number(_read(legacy / "cpu.cfs_quota_us")), _number(_read(legacy / "cpu.cfs_period_us"))
    if quota_us and period_us:
        shares.append(-(-quota_us // period_us))
    return min(shares, default=0)


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdigit() else None


def _container(root: Path) -> str | None:
    """What kind of container this is, if the usual signs of one are there."""
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    groups = _read(root / "proc/1/cgroup")
    for sign in ("kubepods", "docker", "lxc", "containerd"):
        if sign in groups:
            return sign
    return os.environ.get("container") or None  # noqa: SIM112 - systemd-nspawn writes it so
