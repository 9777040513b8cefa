"""Runs a model of safetensors files with the `transformers` library, behind the HTTP that llama.cpp's server speaks.

Called by `worker.__main__`, in its process. Nothing here is imported by the gateway, which does not need torch.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from intramuros.engines.worker.door import Door, Failed

A_PATH = re.compile(r"/[^\s:'\"]+")

_running: list[Any] = []


def serve(parameters: dict[str, Any], door: Door) -> str:
    """Loads the model and serves it; returns the address. Raises: Failed."""
    from intramuros.engines.worker.http import Server
    from intramuros.engines.worker.transformers import loading

    loading.prepare()
    files = {name: Path(path) for name, path in parameters["files"].items()}
    try:
        how = {name: parameters[name] for name in ("kind", "threads", "on_gpu", "pooling", "normalises")}
        loaded = loading.load(files, **how)
        routes = _answering(loaded, parameters).routes
    except Failed:
        raise
    except Exception as error:  # whatever the libraries say of a model that they can't load
        said = A_PATH.sub("the file", str(error)).strip().partition("\n")[0][:200]
        raise Failed(f"{type(error).__name__}: {said}") from None
    server = Server(Path(parameters["socket"]), routes)
    address = server.start()
    _running.append(server)
    door.close()
    return address


def _answering(loaded: Any, parameters: dict[str, Any]) -> Any:
    from intramuros.engines.worker.transformers.answers import Answers
    from intramuros.engines.worker.transformers.encoders import Encoder

    name, context = parameters["name"], parameters["context_tokens"]
    if loaded.kind != "chat":
        return Encoder(loaded, name=name, context_tokens=context)
    slots, batch = parameters["slots"], parameters["batch_tokens"]
    return Answers(loaded, name=name, context_tokens=context, slots=slots, batch_tokens=batch)


def devices() -> list[dict[str, Any]]:
    """The graphics processors that torch could compute on."""
    from intramuros.engines.worker.transformers import loading

    loading.prepare()
    import torch

    found = []
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        found.append({"name": name, "kind": 1, "memory_bytes": total, "free_bytes": free})
    return found
