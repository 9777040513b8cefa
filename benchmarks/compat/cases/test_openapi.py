"""Every route of the server's own OpenAPI document, asked what it allows and what it does not: never a fault."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("COMPAT_EXAMPLES") or 25)
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reference" / "openapi.json"
REAL = {"project": "Castle", "model": "compat-writer", "file": "file-none", "kind": "user"}
LEFT_OUT = ("/api/pull", "/api/blobs")
"""One goes to other servers; the other takes whole models."""
SAID = {501: {"no_back_end"}, 503: {"detector_failed"}, 507: {"model_too_large"}}
"""What is no fault: nothing is installed for it, a judge whose words can't be used, too little memory."""


def _document() -> dict[str, Any]:
    """With names of what is there."""
    read: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    read["paths"] = {path: held for path, held in read["paths"].items() if not path.startswith(LEFT_OUT)}
    for operations in read["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path" and parameter["name"] in REAL:
                    parameter["schema"] = {"enum": [REAL[parameter["name"]], "nobody"]}
    return read


schema = schemathesis.openapi.from_dict(_document())


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_never_a_fault(case: Any, url: str, key: str) -> None:
    answer = case.call(base_url=url, headers={"Authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"})
    if answer.status_code >= 500:
        assert answer.status_code in SAID, (answer.status_code, answer.text[:300])
        said = answer.json()["error"]
        code = said.get("code") if isinstance(said, dict) else ""
        assert code in SAID[answer.status_code] or not code, answer.text[:300]
