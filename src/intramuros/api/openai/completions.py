"""`POST /v1/completions`: texts continued, without roles and templates. What a request may hold, and the route."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from intramuros.api.body import read_object
from intramuros.api.connected import while_connected
from intramuros.api.openai import fields
from intramuros.api.openai.fields import Fields, boolean, not_used, whole, words
from intramuros.api.openai.sending import send_events, send_json
from intramuros.errors import BadRequest
from intramuros.tasks.admission import OnWait
from intramuros.tasks.continuing import ContinueTask, Wanted

USUAL_TOKENS = 16  # OpenAI's default


@fields.says(
    {
        "anyOf": [
            {"type": "string"},
            {
                "type": "array",
                "items": {"anyOf": [{"type": "string"}, fields.TOKENS]},
                "minItems": 1,
                "maxItems": fields.MOST_CHOICES,
            },
            fields.TOKENS,
        ]
    }
)
def _prompt(value: Any, path: str) -> Any:
    """All prompts: texts, or lists of token numbers."""
    if isinstance(value, str):
        return [value]
    token = whole(0, fields.LARGEST_TOKEN)
    if isinstance(value, list) and value and all(isinstance(item, int) for item in value):
        return [fields.several(token, fields.MOST_TOKENS)(value, path)]

    def one(item: Any, place: str) -> Any:
        if isinstance(item, list):
            return fields.several(token, fields.MOST_TOKENS, least=1)(item, place)
        return words()(item, place)

    return fields.several(one, fields.MOST_CHOICES, least=1)(value, path)


FIELDS = Fields(
    honoured={
        "model": fields.model,
        "prompt": _prompt,
        "suffix": words(),
        "max_tokens": whole(0, fields.MOST_TOKENS),
        "n": whole(1, fields.MOST_CHOICES),
        "best_of": whole(0, fields.MOST_CHOICES),
        "echo": boolean,
        "logprobs": whole(0, 20),
        "stream": boolean,
        "stream_options": fields.stream_options,
        **fields.SAMPLING,
    },
    required=("model", "prompt"),
    hints=frozenset({"user"}),
)


@dataclass(frozen=True, slots=True)
class CompletionCall:
    """A checked request, and how the answer is wanted."""

    wanted: Wanted
    stream: bool
    with_usage: bool
    not_used: tuple[str, ...]


def completion_call(body: Mapping[str, Any]) -> CompletionCall:
    """Checks a whole request. Raises: BadRequest whose `param` names the field."""
    request, hints = FIELDS.read(body)
    stream, with_usage = fields.streaming(request, hints)
    prompts, n = request.pop("prompt"), request.pop("n", 1)
    best_of = request.pop("best_of", 0) or n
    more = {name: request.pop(name) for name in ("echo", "suffix", "logprobs") if name in request}
    wanted = Wanted({"max_tokens": USUAL_TOKENS, **request}, prompts, n=n, best_of=best_of, **more)
    _check(wanted, stream=stream)
    if wanted.echo and wanted.logprobs is not None:
        hints.append("echo.logprobs")
    return CompletionCall(wanted, stream, with_usage, tuple(hints))


def _check(wanted: Wanted, *, stream: bool) -> None:
    if wanted.best_of < wanted.n:
        raise BadRequest("'best_of' must be at least 'n'.", param="best_of")
    if stream and wanted.best_of > wanted.n:
        raise BadRequest("'best_of' can't be streamed: the best is known at the end.", param="best_of")
    if len(wanted.prompts) * wanted.best_of > fields.MOST_CHOICES:
        raise BadRequest(f"More than {fields.MOST_CHOICES} texts would be written.", param="n")
    if wanted.echo and not all(isinstance(prompt, str) for prompt in wanted.prompts):
        raise BadRequest("'echo' needs a prompt of text: you have the tokens already.", param="echo")


class Completions:
    """The route. `scope["state"]` holds the audit `entry` that the guard opened."""

    def __init__(self, task: ContinueTask) -> None:
        self.task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        call = completion_call(await read_object(receive))
        who = {"by": scope["state"]["caller"], "entry": scope["state"]["entry"]}
        headers = not_used(call.not_used)
        async with while_connected(receive):
            if call.stream:

                def stream(waits: OnWait) -> AsyncGenerator[bytes]:
                    return self.task.stream(call.wanted, with_usage=call.with_usage, on_wait=waits, **who)

                await send_events(send, stream, headers=headers)
            else:
                await send_json(send, await self.task.run(call.wanted, **who), headers=headers)
