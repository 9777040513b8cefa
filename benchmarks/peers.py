"""Other people's servers to compare with, each installed from the registry once, in a folder of its own.

The folder is kept (`~/.cache/intramuros-bench`, or what INTRAMUROS_BENCH_CACHE names) and never part of the product.
A peer that can't be installed here is a reason in the figures, not a failure of the measurement.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

from benchmarks.running import MODEL, free_port

CACHE = Path(os.environ.get("INTRAMUROS_BENCH_CACHE") or Path.home() / ".cache" / "intramuros-bench")
LITELLM = ("litellm", ("litellm[proxy]",))
LLAMA_CPP_PYTHON = ("llama-cpp-python", ("llama-cpp-python[server]",))
NO_TILES = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
COMPILING = {
    "CMAKE_ARGS": f"-DCMAKE_C_FLAGS='{NO_TILES}' -DCMAKE_CXX_FLAGS='{NO_TILES}'",
    "PIP_NO_CACHE_DIR": "1",
}
"""What it is compiled with besides its own choice for this processor: with AMX it crashes where a virtual machine names
AMX and refuses its registers (`ldtilecfg`); compilers without AMX know the flags too."""
INSTALL_S, START_S = 3600, 120
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # nothing is fetched at its start
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",
}


class NoPeer(Exception):
    """The peer can't be had here; says why."""


def installed(peer: tuple[str, tuple[str, ...]]) -> Path:
    """The folder of a peer's commands. What has to be compiled is, from source, on the first call. Raises: NoPeer."""
    name, requirements = peer
    folder = CACHE / name
    commands, done, log = folder / "venv" / "bin", folder / "installed", folder / "install.log"
    if done.exists():
        return commands
    folder.mkdir(parents=True, exist_ok=True)
    print(f"Installing {name} into {folder} (once) …", file=sys.stderr, flush=True)
    with log.open("w") as output:
        try:
            venv.create(folder / "venv", with_pip=True)
            command = [str(commands / "python"), "-m", "pip", "install", *requirements]
            subprocess.run(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=INSTALL_S,
                check=True,
                env=os.environ | COMPILING,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise NoPeer(f"{name} could not be installed ({type(error).__name__}); see {log}") from error
    done.touch()
    return commands


def version(peer: tuple[str, tuple[str, ...]]) -> str:
    """Which version of an installed peer it is."""
    name, _ = peer
    code = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    python = CACHE / name / "venv" / "bin" / "python"
    return subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def litellm(upstream_port: int, *, key: str) -> Iterator[int]:
    """LiteLLM's proxy before an upstream on this machine, one process, without a database: its port. Raises: NoPeer."""
    commands, port = installed(LITELLM), free_port()
    upstream = {"model": "openai/mock", "api_base": f"http://127.0.0.1:{upstream_port}/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": "default", "litellm_params": upstream}],
        "general_settings": {"master_key": key},
    }
    with tempfile.TemporaryDirectory(prefix="intramuros-bench-") as folder:
        (Path(folder) / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        command = [commands / "litellm", "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        with _started([str(part) for part in command], Path(folder), f"http://127.0.0.1:{port}/health/liveliness"):
            yield port


@contextlib.contextmanager
def llama_cpp_python() -> Iterator[str]:
    """llama-cpp-python's server with the starter model: its address. Raises: NoPeer."""
    commands, port = installed(LLAMA_CPP_PYTHON), free_port()
    options = {
        "model": str(MODEL),
        "model_alias": "default",
        "host": "127.0.0.1",
        "port": str(port),
        "n_ctx": "4096",
        "interrupt_requests": "false",  # else a new request ends the one before it
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    command = [str(commands / "python"), "-m", "llama_cpp.server", *arguments]
    address = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory(prefix="intramuros-bench-") as folder,
        _started(command, Path(folder), f"{address}/v1/models"),
    ):
        yield address


@contextlib.contextmanager
def _started(command: list[str], folder: Path, address: str) -> Iterator[None]:
    """Runs a server until the block ends. Raises: NoPeer when it does not come up."""
    log = folder / "log"
    with log.open("w") as output:
        environment = os.environ | QUIET | {"PATH": f"{Path(command[0]).parent}:{os.environ.get('PATH', '')}"}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + START_S
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > end:
                raise NoPeer(f"{Path(command[0]).name} did not start: {log.read_text()[-400:]}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()


def _answers(address: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
        return True
    return False
