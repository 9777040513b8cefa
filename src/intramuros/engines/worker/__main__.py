"""The child process that runs one model: llama.cpp's server on a Unix socket, and nothing else.

Started by `engines.child` as `python -I -S`, so that no installed package runs code in it. Reads its configuration as
one line of JSON from standard input, which stays open: when it ends, the parent is gone and so is this process. Answers
with lines of JSON on standard output: `{"confined": …}`, upon which it waits for a word to go on, then `{"ready": …}`,
`{"attempts": …}` or `{"failed": …}`; or `{"devices": …}`. The engine's log goes to standard error. The only module that
imports xllamacpp, whose names change between releases.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

MOST_OPEN_FILES = 1024
MOST_THREADS = 4096


def main() -> None:
    """Does what the configuration says: load a model and serve it, try the ways out, or name the devices."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    configuration = json.loads(sys.stdin.readline())
    sys.path.extend(configuration["path"])
    if configuration["task"] == "devices":
        _stay_small()
        _say(answers, devices=[_plain(device) for device in _library(answers).get_device_info()])
        return
    walls = _confine(configuration["rights"], answers.fileno())
    _say(answers, confined=walls)
    if not sys.stdin.readline() or configuration["task"] == "rest":
        return
    if configuration["task"] == "try":
        _say(answers, attempts=_attempts(configuration["targets"]))
        return
    _serve(configuration, answers, is_filtered=walls["calls"])


def _serve(configuration: dict[str, Any], answers: Any, *, is_filtered: bool) -> None:
    xllamacpp = _library(answers)
    os.umask(0o177)  # its socket is for this user alone
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, configuration["parameters"]))
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        _say(answers, failed=str(error))
        raise SystemExit(1) from None
    if not _close_the_door() and is_filtered:
        _say(answers, failed="the filter of its system calls could not be narrowed")
        os._exit(1)
    _say(answers, ready=server.listening_address)
    sys.stdin.read()
    os._exit(0)


def _library(answers: Any) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        _say(answers, failed=f"xllamacpp can't be imported: {error}")
        raise SystemExit(1) from error
    return xllamacpp


def _confine(rights: dict[str, Any], answers: int) -> dict[str, bool]:
    """Leaves the network, the files and the calls it does not need; says what the kernel granted."""
    from intramuros.security import calls, sandbox

    sandbox.close_descriptors(but=[answers, *rights["inherits"]])
    network = sandbox.leave_network()
    dropped = sandbox.drop_privileges()
    sandbox.die_with_parent()
    _limit(data=rights["data_bytes"], **{"as": rights["address_bytes"]}, nproc=MOST_THREADS if network else None)
    read, devices = ([Path(path) for path in rights[name]] for name in ("read", "devices"))
    listen_in, unlike = Path(rights["listen_in"]), Path(rights["unlike"])
    files = sandbox.only_open(read, listen_in=listen_in, devices=devices, unlike=unlike)
    forbidden = sandbox.forbid_calls(calls.loading(os.getpid()))
    return {"network": network, "files": files, "calls": forbidden, "rights": dropped}


def _close_the_door() -> bool:
    """It listens: from now on it takes connections and opens no socket, in any of its threads."""
    from intramuros.security import calls, sandbox

    return sandbox.forbid_calls(calls.serving(os.getpid()))


def _stay_small() -> None:
    """For naming devices, which reads nothing of anybody: gains no privileges, ends with its parent, writes no file."""
    from intramuros.security import sandbox

    sandbox.drop_privileges()
    sandbox.die_with_parent()
    _limit()


def _limit(**more: int | None) -> None:
    """Writes no file, opens few."""
    from intramuros.security import sandbox

    sandbox.limit(fsize=0, core=0, msgqueue=0, nofile=MOST_OPEN_FILES, **more)


def _attempts(targets: dict[str, Any]) -> dict[str, str]:
    from intramuros.security import attempts

    return attempts.run(attempts.Targets.from_json(targets))


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
