"""A real server for a measurement: a fresh data folder with the starter model, `intramuros serve`, an API key."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = Path(os.environ.get("INTRAMUROS_TEST_MODEL") or ROOT / ".models" / "smollm2-135m.gguf")


@dataclass(frozen=True)
class Served:
    """A running server: where it is, a key for it, and its process."""

    url: str
    key: str
    data: Path
    process: subprocess.Popen[bytes]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def resident_mib(self) -> float:
        return resident_mib(self.process.pid)


def resident_mib(pid: int) -> float:
    """What a process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def cli(*arguments: str, data: Path) -> str:
    """Runs one command of the product and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "intramuros", *arguments, "--data", str(data)],
        env=environment(data),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"intramuros {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def environment(data: Path) -> dict[str, str]:
    """This process's, without settings; compiled modules are kept as they are wherever people run it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("INTRAMUROS_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return kept | {"INTRAMUROS_KEY_FILE": str(data.parent / "benchmark.key")}


@contextlib.contextmanager
def prepared() -> Iterator[tuple[Path, str]]:
    """A data folder with the starter model tuned and a key: (folder, key)."""
    with tempfile.TemporaryDirectory(prefix="intramuros-bench-") as folder:
        data = Path(folder) / "data"
        cli("init", data=data)
        cli("models", "pull", str(MODEL), "--name", "starter-bench", data=data)
        cli("models", "use", "starter-bench", data=data)
        key = json.loads(cli("keys", "create", "benchmark", "--json", data=data))["key"]
        yield data, key


@contextlib.contextmanager
def served(data: Path, key: str, *, wait: bool = True, **settings: object) -> Iterator[Served]:
    """Starts `intramuros serve` on a free port with these settings; stops it at the end."""
    port = free_port()
    command = [sys.executable, "-m", "intramuros", "serve", "--data", str(data), "--port", str(port)]
    chosen = {f"INTRAMUROS_{name.upper()}": str(value) for name, value in settings.items()}
    process = subprocess.Popen(
        command, env=environment(data) | chosen, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        server = Served(f"http://localhost:{port}", key, data, process)
        if wait:
            wait_until_healthy(server)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_until_healthy(server: Served, *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{server.url}/health", timeout=1):
            return
        time.sleep(0.01)
    raise SystemExit("The server did not start.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
