"""The child process that runs one model on a Unix socket, and nothing else.

Started by `engines.child` as `python -I -S`, so that no installed package runs code in it. Reads its configuration as
one line of JSON from standard input, which stays open: when it ends, the parent is gone and so is this process. Answers
with lines of JSON on standard output: `{"confined": …}`, upon which it waits for a word to go on, then `{"ready": …}`,
`{"attempts": …}` or `{"failed": …}`; or `{"devices": …}`. The engine's log goes to standard error.

What it runs is a module of this package, by the configuration's `module` (see `engines.runners`). It is imported once
the process is confined, and has a function `serve(parameters, door)` that returns once it listens, and may raise
`door.Failed`; see `worker.door`.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

MOST_OPEN_FILES = 1024
MOST_THREADS = 4096
SHORT_CPU_S = 60
"""Processor time of a process that serves nothing; one that serves is watched by its parent (`engines.unasked`)."""


def main() -> None:
    """Does what the configuration says: load a model and serve it, try the ways out, burn time, or name the devices."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    configuration = json.loads(sys.stdin.readline())
    sys.path.extend(configuration["path"])
    if configuration["task"] == "devices":
        _stay_small()
        _run(configuration, "devices", answers)
        return
    is_short = configuration["task"] in {"try", "rest"}
    walls = _confine(configuration["rights"], answers.fileno(), cpu_s=SHORT_CPU_S if is_short else None)
    _say(answers, confined=walls)
    if not sys.stdin.readline() or configuration["task"] == "rest":
        return
    if configuration["task"] == "try":
        _say(answers, attempts=_attempts(configuration["targets"]))
        return
    if configuration["task"] == "burn":
        _say(answers, burns=True)
        while True:
            pass
    os.umask(0o177)  # its socket is for this user alone
    _run(configuration, "serve", answers, is_filtered=walls["calls"])
    sys.stdin.read()
    os._exit(0)


def _run(configuration: dict[str, Any], what: str, answers: Any, *, is_filtered: bool = False) -> None:
    """Has the engine's module do something, and says what it answers or why it can't."""
    from intramuros.engines.worker.door import Door, Failed

    door = Door(is_filtered=is_filtered)
    try:
        module = import_module(f"intramuros.engines.worker.{configuration['module']}")
        found = module.devices() if what == "devices" else module.serve(configuration["parameters"], door)
    except (Failed, ImportError) as error:
        _say(answers, failed=str(error))
        os._exit(1)
    _say(answers, **({"devices": found} if what == "devices" else {"ready": found}))


def _confine(rights: dict[str, Any], answers: int, *, cpu_s: int | None) -> dict[str, bool]:
    """Leaves the network, the files and the calls it does not need; says what the kernel granted."""
    from intramuros.security import calls, sandbox

    sandbox.close_descriptors(but=[answers, *rights["inherits"]])
    network = sandbox.leave_network()
    dropped = sandbox.drop_privileges()
    sandbox.die_with_parent()
    _limit(
        data=rights["data_bytes"], **{"as": rights["address_bytes"]}, nproc=MOST_THREADS if network else None, cpu=cpu_s
    )
    read, devices = ([Path(path) for path in rights[name]] for name in ("read", "devices"))
    listen_in, unlike = Path(rights["listen_in"]), Path(rights["unlike"])
    files = sandbox.only_open(read, listen_in=listen_in, devices=devices, unlike=unlike)
    forbidden = sandbox.forbid_calls(calls.loading(os.getpid()))
    return {"network": network, "files": files, "calls": forbidden, "rights": dropped}


def _stay_small() -> None:
    """For naming devices, which reads nothing of anybody: gains no privileges, ends with its parent, writes no file."""
    from intramuros.security import sandbox

    sandbox.drop_privileges()
    sandbox.die_with_parent()
    _limit(cpu=SHORT_CPU_S)


def _limit(**more: int | None) -> None:
    """Writes no file, opens few."""
    from intramuros.security import sandbox

    sandbox.limit(fsize=0, core=0, msgqueue=0, nofile=MOST_OPEN_FILES, **more)


def _attempts(targets: dict[str, Any]) -> dict[str, str]:
    from intramuros.security import attempts

    return attempts.run(attempts.Targets.from_json(targets))


def _say(answers: Any, **message: Any) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
