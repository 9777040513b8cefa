"""The child process that runs one model: llama.cpp's server on a Unix socket, and nothing else.

Started by `engines.child` as `python -I -S`, so that no installed package runs code in it. Reads its configuration as
one line of JSON from standard input, which stays open: when it ends, the parent is gone and so is this process. Answers
with lines of JSON on standard output: `{"ready": …}`, `{"devices": …}` or `{"failed": …}`. The engine's log goes to
standard error. The only module that imports xllamacpp, whose names change between releases.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

MAX_OPEN_FILES = 1024


def main() -> None:
    """Does what the configuration says: load a model and serve it, or name the devices."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    configuration = json.loads(sys.stdin.readline())
    sys.path.extend(configuration["path"])
    confined = _confine(private=configuration["task"] == "serve")
    try:
        import xllamacpp
    except ImportError as error:
        _say(answers, failed=f"xllamacpp can't be imported: {error}")
        raise SystemExit(1) from error
    if configuration["task"] == "devices":
        _say(answers, devices=[_plain(device) for device in xllamacpp.get_device_info()])
        return
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, configuration["parameters"]))
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        _say(answers, failed=str(error))
        raise SystemExit(1) from None
    Path(configuration["socket"]).chmod(0o600)
    _say(answers, ready=server.listening_address, confined=confined)
    sys.stdin.read()
    os._exit(0)


def _confine(*, private: bool) -> bool:
    """Ends with its parent, gains no privileges, writes no file; has no network where the kernel grants that."""
    from intramuros.security import sandbox

    sandbox.die_with_parent()
    sandbox.drop_privileges()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    most = min(MAX_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return private and sandbox.leave_network()


def _parameters(xllamacpp: Any, wanted: dict[str, Any]) -> Any:
    """Fills llama.cpp's parameters from dotted names. Raises: AttributeError for a name this release does not have."""
    parameters = xllamacpp.CommonParams()
    for name, value in wanted.items():
        *path, last = name.split(".")
        target = parameters
        for step in path:
            target = getattr(target, step)
        setattr(target, last, _converted(getattr(target, last), value))
    return parameters


def _converted(present: Any, value: Any) -> Any:
    """Enumerations and sets as what they are now; everything else as it comes."""
    if isinstance(present, list) and present and hasattr(type(present[0]), "__members__"):
        return [type(present[0])(entry) for entry in value]
    if hasattr(type(present), "__members__"):
        return type(present)(value)
    return set(value) if isinstance(present, set) else value


def _plain(device: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": str(device["description"] or device["name"]),
        "kind": int(device["type"]),
        "memory_bytes": int(device["memory_total"]),
        "free_bytes": int(device["memory_free"]),
    }


def _say(answers: Any, **message: Any) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
