"""Names of this installation in the place of the suites' ("gpt-…", "ft:…"): the product refuses those, rightly."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

WRITER, EMBEDDER, JUDGE, THROWAWAY = "compat-writer", "compat-embedder", "compat-judge", "compat-throwaway"
STARTER = "compat-starter"


@dataclass(frozen=True)
class Asked:
    """One request as a suite sent it. `number`: how many came before it."""

    method: str
    path: str
    body: bytes
    number: int

    def changed(self, **parts: Any) -> Asked:
        """The same with other parts."""
        return replace(self, **parts)


Alias = Callable[[Asked], Asked]


def openai_names(asked: Asked) -> Asked:
    """Names of models in paths and bodies; a model to be deleted is another one each time."""
    models = {"/v1/embeddings": EMBEDDER, "/v1/moderations": JUDGE, "/v1/responses/compact": STARTER}
    if found := re.fullmatch(r"(/v1/models)/[^/]+", asked.path):
        name = f"{THROWAWAY}-{asked.number % 1000}" if asked.method == "DELETE" else WRITER
        return replace(asked, path=f"{found[1]}/{name}")
    return replace(asked, body=_with_model(asked.body, models.get(asked.path, WRITER), asked.path))


def anthropic_names(asked: Asked) -> Asked:
    """Names of models in paths, pages and bodies."""
    path = re.sub(r"(/v1/models)/[^/?]+", rf"\1/{WRITER}", asked.path)
    if path.startswith("/v1/models"):
        path = re.sub(r"after_id=[^&]+", "after_id=default", path)
        path = re.sub(r"before_id=[^&]+", f"before_id={WRITER}", path)
    body = _with_model(asked.body, WRITER, path)
    if re.fullmatch(r"/v1/messages/batches(\?.*)?", path) and asked.method == "POST":
        value = orjson.loads(body)
        for one in value["requests"]:
            one["params"]["model"] = WRITER
        body = orjson.dumps(value)
    return replace(asked, path=path, body=body)


def _with_model(body: bytes, model: str, path: str) -> bytes:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _in_form(body, model)
    if isinstance(value, dict) and ("model" in value or path == "/v1/moderations"):
        return orjson.dumps(value | {"model": model})
    return body


def _in_form(body: bytes, model: str) -> bytes:
    """The same in a form with files."""
    return re.sub(rb'(name="model"\r\n\r\n)[^\r]+', rb"\g<1>" + model.encode(), body)
