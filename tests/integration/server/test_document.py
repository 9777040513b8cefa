"""The OpenAPI document against the server: what it names is taken, what it does not is refused, and nothing is a fault.

Small, seeded and in this process. Deeper is `make compat`, with schemathesis against a real server: six packages more,
which the tests of every day do not need.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import pytest

from intramuros.server import openapi
from intramuros.server.access import RULES
from intramuros.server.rule import Access, Rule, is_for_programs
from tests.asgi import Answer
from tests.integration.server.matrix import Cast, address
from tests.integration.server.test_matrix import cast
from tests.support.from_schema import spoilt, value_of

__all__ = ["cast"]

LEFT_OUT = {"model.pull", "upstream.test", "break_glass.begin"}
"""They go to other servers; no key opens the last."""
SAID = {501: {"no_back_end"}, 503: {"detector_failed"}, 507: {"model_too_large", "adapter_too_large"}}
"""What is no fault: nothing is installed for it, a judge whose words can't be used, too little memory."""
REAL = {"model": "default", "source": "default", "from": "default", "endpoint": "/v1/chat/completions"}
"""Names of what is there, where any text would be right for the document."""
ROUNDS = 12
"""Requests to each route: half of them as the document says, half of them spoilt."""
ANSWERS_ERRORS = {"mcp"}
"""With status 200: JSON-RPC has errors of its own."""


def routes() -> Iterator[tuple[Rule, Mapping[str, Any]]]:
    """Each route that takes JSON, with the schema of its body."""
    paths = openapi.document(version="1")["paths"]
    for rule in RULES:
        if is_for_programs(rule.path) and rule.action not in LEFT_OUT:
            body = paths[rule.path.replace(":path", "")][rule.method.lower()].get("requestBody", {}).get("content", {})
            if "application/json" in body:
                yield rule, body["application/json"]["schema"]


async def sent(cast: Cast, rule: Rule, body: Any) -> Answer:
    """As somebody who may: the member, whose the objects are, or an administrator."""
    who = "member" if rule.access is Access.SIGNED_IN else "administrator"
    headers = {"anthropic-version": "2023-06-01", "content-type": "application/json"}
    raw = json.dumps(body).encode()
    return await cast.client(who, "key").call(rule.method, address(rule, cast.objects), raw, headers=headers)


def said(answer: Answer) -> str:
    """The words of an error in any of the protocols' shapes."""
    found = answer.json()
    error = found.get("error", found)
    return str(error.get("message", "")) if isinstance(error, dict) else str(error)


async def test_a_name_is_known_and_no_other_is(cast: Cast) -> None:
    """Each route is asked about each of its fields alone, without each that it requires, and about one that is none."""
    wrong = []
    for rule, schema in routes():
        for name in schema["properties"]:
            answer = await sent(cast, rule, {name: None})
            if answer.status >= 400 and "Unknown" in said(answer) and f"'{name}'" in said(answer):
                wrong.append((rule.method, rule.path, name, said(answer)))
        for name in schema.get("required", ()):
            rest = {one: value_of(schema["properties"][one], Random(1)) for one in schema["required"] if one != name}
            if (answer := await sent(cast, rule, rest)).status < 400 and rule.action not in ANSWERS_ERRORS:
                wrong.append((rule.method, rule.path, f"without {name}", str(answer.status)))
        if rule.action not in ANSWERS_ERRORS:
            good = {name: value_of(schema["properties"][name], Random(1)) for name in schema.get("required", ())}
            answer = await sent(cast, rule, {"no_such_field": 1} | good)
            if answer.status not in {400, 404, 422} or (answer.status != 404 and "no_such_field" not in said(answer)):
                wrong.append((rule.method, rule.path, "no_such_field", f"{answer.status} {answer.body[:200]!r}"))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_body_is_a_fault_and_a_good_share_is_taken(cast: Cast, seed: int) -> None:
    dice, faults, counts = Random(seed), [], defaultdict[str, list[bool]](list)
    there = {"input_file_id": "file", "file_id": "file", "previous_response_id": "response", "project": "project"}
    real = REAL | {name: cast.objects[one] for name, one in there.items()}
    for rule, schema in routes():
        for number in range(ROUNDS):
            body = value_of(schema, dice)
            body |= {name: value for name, value in real.items() if name in body}
            body = spoilt(body, dice) if number % 2 else body
            answer = await sent(cast, rule, body)
            if not number % 2 and not (answer.status >= 500 and _is_said(answer)):
                counts[rule.path] += [answer.status < 400]
            if answer.status >= 500 and not _is_said(answer):
                faults.append((rule.method, rule.path, body, answer.status, answer.body[:300]))
    assert not faults, "\n".join(map(str, faults[:10]))
    taken = [answer for answers in counts.values() for answer in answers]
    assert sum(taken) >= 0.4 * len(taken), {path: f"{sum(found)} of {len(found)}" for path, found in counts.items()}


def _is_said(answer: Answer) -> bool:
    if b"not in this script" in answer.body:
        return True  # the engine of these tests neither embeds nor ranks
    error = answer.json().get("error")
    code = error.get("code") if isinstance(error, dict) else ""
    return answer.status in SAID and (not code or code in SAID[answer.status])
