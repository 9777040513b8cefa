"""The installed command, run as a person runs it, on data folders of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER_START_S = 30


@dataclass(frozen=True)
class Done:
    """What a finished command printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Installation:
    """One data folder, its key apart from it, and the commands run on it."""

    folder: Path
    servers: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def key_file(self) -> Path:
        return self.folder / "apart" / "data.key"

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("INTRAMUROS_")}
        return kept | {"HOME": str(self.folder), "INTRAMUROS_KEY_FILE": str(self.key_file)} | extra

    def run(self, *arguments: str, code: int | None = 0, **extra: str) -> Done:
        """Runs one command on this data; fails unless it ends with `code` (None: whatever)."""
        command = [sys.executable, "-m", "intramuros", *arguments, "--data", str(self.data)]
        done = subprocess.run(
            command, env=self.environment(**extra), capture_output=True, text=True, timeout=100, check=False
        )
        assert code is None or done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Done(done.returncode, done.stdout, done.stderr)

    def serve(self, *arguments: str, **extra: str) -> str:
        """Starts the server on a free port and returns its address once it answers and has said all it says first."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = (self.folder / f"server-{port}.log").open("w")
        command = [
            sys.executable,
            "-m",
            "intramuros",
            "serve",
            "--data",
            str(self.data),
            "--port",
            str(port),
            *arguments,
        ]
        process = subprocess.Popen(
            command, env=self.environment(**extra), stdout=log, stderr=subprocess.STDOUT, text=True
        )
        self.servers.append(process)
        end = time.monotonic() + SERVER_START_S
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://localhost:{port}/health", timeout=1).close()
                if "Stop with Ctrl-C." in Path(log.name).read_text():
                    return f"http://localhost:{port}"
            time.sleep(0.05)
        raise AssertionError(Path(log.name).read_text())

    def stop(self) -> None:
        for process in self.servers:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        self.servers.clear()

    def new_key(self) -> str:
        scopes = (part for scope in ("chat", "search", "documents", "privacy", "admin") for part in ("--scope", scope))
        return str(self.run("keys", "create", "test", *scopes, "--json").json["key"])


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A new installation without a model."""
    made = Installation(tmp_path)
    made.run("init")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def with_model(tmp_path_factory: pytest.TempPathFactory, starter_model: Path) -> Iterator[Installation]:
    """One installation with the starter model, for all tests that only add to it."""
    made = Installation(tmp_path_factory.mktemp("installation"))
    made.run("init")
    made.run("models", "pull", str(starter_model), "--name", "smollm2-135m", "--use")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def url(with_model: Installation) -> Iterator[str]:
    """Where its server answers, while one file's tests run."""
    yield with_model.serve()
    with_model.stop()


@pytest.fixture(scope="module")
def key(with_model: Installation) -> str:
    """A key with every scope."""
    return with_model.new_key()


@pytest.fixture(scope="session")
def with_samples(with_model: Installation) -> Installation:
    """The same with the sample documents in the project Atelier."""
    from intramuros.documents import samples

    with_model.run("add", *(str(path) for path in samples.paths()), "--project", "Atelier")
    return with_model


@pytest.fixture
def readable(tmp_path: Path) -> Callable[[Path, str], list[Path]]:
    """Finds the files below a folder in which a text stands readable."""

    def search(folder: Path, text: str) -> list[Path]:
        needles = [text.encode(coding) for coding in ("utf-8", "utf-16-le", "latin-1")]
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".gguf"]
        return [path for path in files if any(needle in path.read_bytes() for needle in needles)]

    return search
