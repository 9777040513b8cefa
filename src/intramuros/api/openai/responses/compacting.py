"""`POST /v1/responses/compact`: a long conversation becomes a short one that goes on. Called by the router.

What a program's own orders say and what a person said last stays word for word; the model sums up the whole, and its
summary is sealed in an item that later requests take in the place of what is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import Caller
from intramuros.api.body import read_object
from intramuros.api.connected import while_connected
from intramuros.api.openai import fields
from intramuros.api.openai.responses.items import NOT_SHOWN, Item, ShownItem, as_messages, new_id
from intramuros.api.openai.responses.request import compact_call
from intramuros.api.openai.responses.routes import asked_from, earlier_of, items_of
from intramuros.api.openai.responses.running import Running
from intramuros.api.openai.responses.writing import ResponseUsage, usage
from intramuros.api.openai.sending import send_json
from intramuros.errors import BadRequest
from intramuros.tasks.admission import prompt_tokens_of
from intramuros.tasks.compact import CompactTask

LEAST_ROOM, MOST_ROOM = 1024, 20_000
"""Tokens, as estimated, of a person's messages that are kept: a quarter of the conversation, within these bounds."""
_NOTHING = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


class CompactionObject(TypedDict):
    """A conversation made short: what stays word for word, then what is sealed."""

    id: str
    object: Literal["response.compaction"]
    created_at: int
    output: list[ShownItem]
    usage: ResponseUsage


class Compact:
    """`POST /v1/responses/compact`. Nothing of it is stored."""

    def __init__(self, running: Running) -> None:
        self.running, self.task = running, CompactTask(running.task)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compacts one conversation."""
        call = compact_call(await read_object(receive))
        by: Caller = scope["state"]["caller"]
        earlier = await earlier_of(call, self.running, by)
        asked = await asyncio.to_thread(asked_from, call, earlier, self.running.compactions, by)
        some = [item for reply in earlier for item in items_of(reply)] + list(call.items)
        _check_calls(some)
        stay, has_more = await asyncio.to_thread(kept, some)
        text, numbers = "", dict[str, Any](_NOTHING)
        if has_more:
            async with while_connected(receive):
                summary = await self.task.run(asked, by=by, entry=scope["state"]["entry"])
            text, numbers = summary.text, dict(summary.usage)
        sealed = await asyncio.to_thread(self.running.compactions.seal, text, projects=asked.projects, by=by)
        compaction = {"id": new_id("cmp"), "type": "compaction", "encrypted_content": sealed}
        made: CompactionObject = {
            "id": new_id("resp"),
            "object": "response.compaction",
            "created_at": int(time.time()),
            "output": [*stay, compaction],
            "usage": usage(numbers),
        }
        await send_json(send, made, headers=fields.not_used(call.not_used))


def kept(some: Sequence[Item]) -> tuple[list[Item], bool]:
    """What stays word for word: a program's orders, and a person's last messages as far as there is room for them.

    And whether a model would read anything else.
    """
    said = [item for item in some if item["type"] == "message"]
    sizes = {id(item): prompt_tokens_of({"messages": as_messages([item])}) for item in said}
    whole = sum(sizes.values()) + sum(len(str(item.get("output", ""))) // 4 for item in some)
    room = min(max(whole // 4, LEAST_ROOM), MOST_ROOM)
    stay: list[Item] = []
    for item in reversed(said):
        if item["role"] == "user":
            room -= sizes[id(item)]
        if item["role"] in {"system", "developer"} or (item["role"] == "user" and room >= 0):
            stay.append(item)
    shown = sum(item["type"] not in NOT_SHOWN for item in some)
    return stay[::-1], len(stay) < shown


def _check_calls(some: Sequence[Item]) -> None:
    """Raises: BadRequest where a function is still to answer: its output would belong to nothing afterwards."""
    answered = {item["call_id"] for item in some if item["type"] == "function_call_output"}
    if any(item["type"] == "function_call" and item["call_id"] not in answered for item in some):
        raise BadRequest(
            "A function call of this conversation has no output yet.",
            hint="Send its output in 'input', or compact once it has been answered.",
            param="input",
        )
