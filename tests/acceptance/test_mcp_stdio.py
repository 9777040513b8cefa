"""`intramuros mcp` started by the official client, as a host starts it, against the real server with documents."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

from intramuros.documents import samples
from tests.acceptance.conftest import Installation

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, str, Path]]:
    """A server with the sample documents, its address, and a file with a key that may only search."""
    made = Installation(tmp_path_factory.mktemp("mcp"))
    made.run("init")
    made.run("add", *(str(path) for path in samples.paths()), "--project", "Atelier")
    key = made.folder / "api.key"
    key.write_text(made.run("keys", "create", "host", "--scope", "search", "--json").json["key"] + "\n")
    yield made, made.serve(), key
    made.stop()


def started(served: tuple[Installation, str, Path], **more: str) -> StdioServerParameters:
    made, url, key = served
    arguments = ["-m", "intramuros", "mcp", "--url", more.get("url", url), "--api-key-file", more.get("key", str(key))]
    return StdioServerParameters(command=sys.executable, args=arguments, env=made.environment())


def spoken(served: tuple[Installation, str, Path], *messages: Any, **more: str) -> list[Any]:
    """What comes back for these messages."""
    how = started(served, **more)
    text = "".join((message if isinstance(message, str) else json.dumps(message)) + "\n" for message in messages)
    done = subprocess.run(
        [how.command, *how.args], input=text, env=how.env, capture_output=True, text=True, timeout=60, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_host_that_starts_the_command(
    served: tuple[Installation, str, Path], mode: Literal["auto", "legacy"]
) -> None:
    async with Client(started(served), mode=mode) as client:
        found = await client.call_tool("search", {"query": "congés payés", "project": "Atelier"})
        assert found.structured_content and found.structured_content["passages"]
        uri = found.structured_content["passages"][0]["uri"]
        assert (await client.read_resource(uri)).contents
        answer = await client.call_tool(
            "ask", {"question": "À combien de jours de congés payés un salarié à temps plein a-t-il droit ?"}
        )
        assert answer.structured_content and answer.structured_content["sources"], answer
        prompt = await client.get_prompt("answer_from_documents", {"question": "é"})
        assert prompt.messages


def test_what_can_t_be_passed_on_is_answered_nevertheless(served: tuple[Installation, str, Path]) -> None:
    answers = spoken(served, INITIALIZE, "{not json", '{"jsonrpc": "2.0", "id": "x", "method": "nope"}', "")
    by_id = {answer["id"]: answer for answer in answers}
    assert by_id[1]["result"]["protocolVersion"] == "2025-06-18"
    assert by_id[None]["error"]["code"] == -32700 and by_id["x"]["error"]["code"] == -32601
    (unreachable,) = spoken(served, INITIALIZE, url="http://localhost:9")
    assert unreachable["id"] == 1 and "intramuros serve" in unreachable["error"]["message"]


def test_a_key_that_is_no_good(served: tuple[Installation, str, Path], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.write_text("imk_wrong")
    (answer,) = spoken(served, INITIALIZE, key=str(wrong))
    assert answer["id"] == 1 and answer["error"]["code"] == -32000 and "key" in answer["error"]["message"]
    made, _, _ = served
    missing = subprocess.run(
        [sys.executable, "-m", "intramuros", "mcp"],
        env=made.environment(), input="", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert missing.returncode == 1 and "keys create" in missing.stderr and missing.stdout == ""


def test_the_key_in_the_environment_is_no_unknown_setting(served: tuple[Installation, str, Path]) -> None:
    made, url, key = served
    made.run("keys", "list", INTRAMUROS_API_KEY=key.read_text().strip(), INTRAMUROS_URL=url)


def test_it_ends_when_it_is_told_to(served: tuple[Installation, str, Path]) -> None:
    how = started(served)
    process = subprocess.Popen([how.command, *how.args], env=how.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(20) in {1, 130}
    process.stdin.close()
    process.stdout.close()
