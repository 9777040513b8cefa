"""What one engine's process may read, use and take: the least its model needs.

Made by whoever starts a worker, which confines itself with it before it reads the model. Knows paths, no processes.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from intramuros.engines.options import EngineOptions, footprint
from intramuros.engines.runners import LLAMA, Runner
from intramuros.models.gguf import GgufHeader

SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
THE_MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/sys/devices/system/node")
GPU_LIBRARIES = ("/usr/share", "/usr/local", "/opt", "/etc/vulkan", "/etc/OpenCL", "/etc/ld.so.conf.d", "/sys")
GPU_FACTS = ("/proc/driver", "/proc/devices", "/proc/modules", "/proc/self", "/proc/sys/vm", "/proc/version")
GPU_DEVICES = ("nvidia*", "nvidia-caps/*", "kfd", "dri/render*", "dri/card*")
THREADS = 256
"""Threads of the server and of the computation, each with a stack."""
STACK_BYTES = 8 << 20
ROOM_BYTES = 2 << 30
ARENA_BYTES = 128 << 20
CLOSED_TO_ALL = "/etc/passwd"
"""Readable for every process of the machine, and not for an engine: how Landlock is tried."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a worker is given. `listen_in`: the folder where it makes its socket; `data_bytes`: memory of its own it may
    write; `address_bytes`: all it may map, files and what is shared included.
    """

    read: tuple[str, ...]
    listen_in: str
    devices: tuple[str, ...] = ()
    data_bytes: int | None = None
    address_bytes: int | None = None
    unlike: str = CLOSED_TO_ALL
    inherits: tuple[int, ...] = ()
    """Open files the worker is given, such as a model that was decrypted into memory."""

    def to_json(self) -> dict[str, Any]:
        """As JSON, for the worker."""
        return asdict(self)


def rights(
    options: EngineOptions,
    header: GgufHeader,
    *,
    files: Sequence[Path],
    socket: Path,
    runner: Runner = LLAMA,
    inherits: tuple[int, ...] = (),
    beside_bytes: int = 0,
) -> Rights:
    """The rights of an engine that runs this model with these options.

    `files`: what it loads, of which `beside_bytes` are not the model's own.

    On a GPU memory is not limited: drivers map all of the card's memory, and more, into the process.
    """
    on_gpu = options.gpu_layers != 0
    return Rights(
        read=(
            *libraries(runner),
            *THE_MACHINE,
            *runner.reads,
            *map(str, files),
            *((*GPU_LIBRARIES, *GPU_FACTS) if on_gpu else ()),
        ),
        listen_in=str(socket.parent),
        inherits=inherits,
        devices=_gpu_devices() if on_gpu else (),
        data_bytes=None if on_gpu else data_bytes(options, header) + 2 * beside_bytes,
        address_bytes=None if on_gpu else address_bytes(options, header) + 4 * beside_bytes,
    )


def trial_rights(folder: Path) -> Rights:
    """The rights of an engine on the processor, without a model: for trying what holds."""
    return Rights(read=(*libraries(LLAMA), *THE_MACHINE), listen_in=str(folder))


def data_bytes(options: EngineOptions, header: GgufHeader) -> int:
    """Memory an engine may write, an upper bound: twice what is predicted, its stacks and cached prompts, and room.

    The weights are mapped for reading and don't count, unless the engine arranges them anew for the processor.
    """
    cached = options.prompt_cache_mib << 20
    return 2 * footprint(options, header).total_bytes + cached + THREADS * STACK_BYTES + ROOM_BYTES


def address_bytes(options: EngineOptions, header: GgufHeader) -> int:
    """Addresses an engine may map, an upper bound: what it may write, the model's file, and what libc sets aside.

    Source: glibc, malloc/arena.c: eight arenas a processor at most, twice 64 MiB while one is made.
    """
    arenas = 8 * (os.cpu_count() or 1) * ARENA_BYTES
    return data_bytes(options, header) + header.tensor_bytes + arenas + ROOM_BYTES


def libraries(runner: Runner) -> tuple[str, ...]:
    """Python's own modules, ours, the engine's, and the system's shared libraries. Raises: EngineLoadFailed."""
    python = [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")] + [str(Path(sys.base_prefix) / "lib")]
    named = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if Path(path).is_absolute()]
    return tuple(dict.fromkeys([*runner.module_folders(), *python, *SYSTEM_LIBRARIES, *named]))


def _gpu_devices(dev: Path = Path("/dev")) -> tuple[str, ...]:
    return tuple(sorted(str(path) for pattern in GPU_DEVICES for path in dev.glob(pattern)))
