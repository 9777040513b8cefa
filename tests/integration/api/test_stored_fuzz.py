"""Whatever is sent to the routes of files, batches of both protocols and vector stores: an answer or a refusal, never a fault."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

from intramuros.server.access import RULES
from tests.installed import Installed

IDS = ("x", "file-", "vs_", "batch_", "vsfb_", "file-" + "a" * 5000, "vs_\u0000", "../../etc/passwd", "%2e%2e", "é" * 50,
       "msgbatch_", "msgbatch_\u0000", "file-' OR 1=1 --", "batch_\udcff".encode("utf-8", "surrogatepass").decode("latin-1"), "null", "-1")  # fmt: skip
BODIES = (b"", b"{", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"a": 1e999}', json.dumps({"name": "x" * 200_000}).encode(),
          b'{"requests": {}}', b'{"requests": []}', b'{"requests": [[], null]}', b'{"requests": [{"custom_id": "a", "params": []}]}',
          b'{"requests": [{"custom_id": "a", "params": {"stream": true, "messages": {}}}, {"custom_id": "b", "params": {"tools": 7}}]}',  b'{"query": {"query": {}}}', b'{"file_id": ["x"], "files": {}, "file_ids": {}, "metadata": [[]]}')  # fmt: skip
QUERIES = (
    "",
    "?limit=-1",
    "?after_id=x",
    "?before_id=\u0000&beta=true",
    "?limit=1e3",
    "?order[]=asc",
    "?after=\u0000",
    "?filter=x",
    "?purpose=" + "x" * 3000,
    "?%00=%ff",
)
STORED = [
    rule
    for rule in RULES
    if rule.path.startswith(("/v1/files", "/v1/batches", "/v1/vector_stores", "/v1/messages/batches"))
]


@pytest.mark.parametrize("rule", STORED, ids=lambda rule: f"{rule.method} {rule.path}")
async def test_never_a_fault(installed: Installed, rule) -> None:  # type: ignore[no-untyped-def]
    client, wrong = installed.client("alice"), []
    store = (await client.post("/v1/vector_stores", {"name": "Fuzz"})).json()["id"]

    async def tried(path: str, body: bytes = b"{}", **headers: str) -> None:
        answer = await client.call(rule.method, path, body, headers={"anthropic-version": "2023-06-01", **headers})
        if answer.status >= 500 or (answer.status >= 400 and "error" not in answer.json()):
            wrong.append((path[:80], body[:40], answer.status))
        if answer.status >= 400 and path.startswith("/v1/messages") and answer.json().get("type") != "error":
            wrong.append((path[:80], answer.body[:40], answer.status))

    for bad in IDS:
        await tried(re.sub("{[a-z]+}", quote(bad, safe="%").replace("\\", ""), rule.path))
        if rule.method != "DELETE":
            await tried(re.sub("{[a-z]+}", quote(bad), rule.path.replace("{store}", store)))
    path = re.sub("{[a-z]+}", "file-x", rule.path.replace("{store}", store))
    if rule.method == "POST":
        for body in BODIES:
            await tried(path, body)
            await tried(path, body, **{"content-type": "multipart/form-data; boundary=x"})
    if rule.method == "GET":
        for query in QUERIES:
            await tried(path + quote(query, safe="?=[]%&"))
    assert wrong == []
