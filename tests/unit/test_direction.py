"""What the import contracts can't say of parts of the standard library: one door to the network, one to processes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "intramuros"
NETWORK = {"urllib.request", "http.client", "ftplib", "smtplib", "socketserver", "xmlrpc.client"}
DOORS = {"privacy/egress.py"}


def imports() -> Iterator[tuple[str, str]]:
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield name, node.module
                yield from ((name, f"{node.module}.{alias.name}") for alias in node.names)


def test_only_the_door_to_the_network_imports_a_client() -> None:
    assert [(name, module) for name, module in imports() if module in NETWORK and name not in DOORS] == []


def test_the_engine_library_is_known_to_the_worker_alone() -> None:
    for library in ("xllamacpp", "onnxruntime", "tokenizers"):
        users = {name for name, module in imports() if module.split(".")[0] == library}
        assert users and all(name.startswith("engines/worker/") for name in users), users


def test_this_test_sees_imports() -> None:
    assert ("privacy/egress.py", "aiohttp") in set(imports())
