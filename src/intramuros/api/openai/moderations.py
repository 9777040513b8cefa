"""`POST /v1/moderations`: what a request may hold, and the route."""

from __future__ import annotations

from typing import Any

from starlette.types import Receive, Scope, Send

from intramuros.api.body import read_object
from intramuros.api.connected import while_connected
from intramuros.api.openai import fields
from intramuros.api.openai.fields import Fields, inside, words
from intramuros.api.openai.messages import plain
from intramuros.api.openai.sending import send_json
from intramuros.errors import BadRequest, kind_of
from intramuros.tasks.complete import DEFAULT_MODEL
from intramuros.tasks.moderating import ModerateTask

MOST_INPUTS = 32
TRUST = b"x-intramuros-trust"


@fields.says(
    {
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_INPUTS},
            {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MOST_INPUTS},
        ]
    }
)
def _input(value: Any, path: str) -> Any:
    """The texts to judge: parts are one text together."""
    if isinstance(value, str):
        return [plain(value)]
    if not isinstance(value, list):
        raise BadRequest(f"'{path}' must be text or a list, not {kind_of(value)}.", param=path)
    if value and all(isinstance(item, dict) for item in value):
        return ["\n".join(fields.several(_part, MOST_INPUTS, least=1)(value, path))]
    return [plain(text) for text in fields.several(words(), MOST_INPUTS, least=1)(value, path)]


def _part(value: Any, path: str) -> Any:
    if value.get("type") == "image_url":
        raise BadRequest(
            f"'{path}' is an image, which can't be judged here.", code="unsupported_content", param=f"{path}.type"
        )
    part = inside(value, path, {"type", "text"})
    fields.choice("text")(part.get("type"), f"{path}.type")
    return plain(words()(part.get("text"), f"{path}.text"))


FIELDS = Fields(honoured={"input": _input, "model": fields.model}, required=("input",))


class Moderations:
    """The route. The header `x-intramuros-trust` says how far the words of the model that judged can be trusted."""

    def __init__(self, task: ModerateTask) -> None:
        self.task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        asked, _ = FIELDS.read(await read_object(receive))
        who = {"by": scope["state"]["caller"], "entry": scope["state"]["entry"]}
        async with while_connected(receive):
            judged = await self.task.run(asked["input"], model=asked.get("model", DEFAULT_MODEL), **who)
        await send_json(send, judged.to_json(), headers=[(TRUST, judged.trust.encode())])
