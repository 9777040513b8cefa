"""From a request to the tokens of its prompt: the model's own chat template, or a text as it is.

Used by the worker alone. The template is the model's: it runs in Jinja's sandbox, in a process that can reach nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from intramuros.engines.worker.http import Refused
from intramuros.engines.worker.transformers.loading import INVALID

OPTIONS = frozenset({"enable_thinking", "reasoning_effort"})
"""What a template may be told: any other name could be one of the library's own."""
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


def chat_text(request: Mapping[str, Any], tokenizer: Any) -> str:
    """What the model reads of a chat: its template with the messages. An answer that was begun is gone on with.

    Raises: Refused.
    """
    messages = _messages(request.get("messages"))
    tools, options = request.get("tools"), request.get("chat_template_kwargs") or {}
    if not tokenizer.chat_template:
        raise Refused(400, INVALID, "this model has no chat template")
    if not isinstance(options, dict) or not isinstance(tools, list | None):
        raise Refused(400, INVALID, "the tools or the options of the template are of a wrong type")
    is_begun = messages[-1]["role"] == "assistant" and not messages[-1].get("tool_calls")
    if not set(options) <= OPTIONS:
        raise Refused(400, INVALID, "the template is told what it may not be told")
    try:
        text = tokenizer.apply_chat_template(
            messages,
            tools=tools or None,
            tokenize=False,
            add_generation_prompt=not is_begun,
            continue_final_message=is_begun,
            **options,
        )
    except Exception:  # whatever a template of somebody else's raises; its words may quote the messages
        raise Refused(400, INVALID, "the chat template does not accept these messages") from None
    return str(text)


def _messages(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise Refused(400, INVALID, "messages is no list of messages")
    return [_message(one) for one in value]


def _message(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("role") not in ROLES:
        raise Refused(400, INVALID, "a message has no role that is known")
    message = {**value, "content": _content(value.get("content"))}
    if calls := value.get("tool_calls"):
        message["tool_calls"] = [_call(call) for call in calls]
    return message


def _content(value: Any) -> str:
    """The text of a message: templates of this library take a text, not its parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise Refused(400, INVALID, "the content of a message is neither text nor a list")
    texts = []
    for part in value:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or not isinstance(part.get("text"), str):
            raise Refused(400, INVALID, "only text: image, audio and other input is not supported")
        texts.append(part["text"])
    return "\n".join(texts)


def _call(value: Any) -> dict[str, Any]:
    """A call with its arguments as an object, as templates expect them."""
    try:
        function = dict(value["function"])
        if isinstance(function.get("arguments"), str):
            function["arguments"] = json.loads(function["arguments"] or "{}")
    except (KeyError, TypeError, ValueError):
        raise Refused(400, INVALID, "a tool call is not valid") from None
    return {**value, "function": function}


def chat_tokens(request: Mapping[str, Any], tokenizer: Any) -> list[int]:
    """The tokens of a chat's prompt. Raises: Refused."""
    return list(tokenizer(chat_text(request, tokenizer), add_special_tokens=False)["input_ids"])


def text_tokens(prompt: Any, tokenizer: Any, *, vocabulary: int) -> list[int]:
    """The tokens of a text that is to be continued: of a text, or of a list of texts and token numbers.

    Raises: Refused.
    """
    parts = prompt if isinstance(prompt, list) else [prompt]
    tokens: list[int] = []
    for place, part in enumerate(parts):
        if isinstance(part, str):
            tokens += tokenizer(part, add_special_tokens=place == 0)["input_ids"]
        elif isinstance(part, int) and not isinstance(part, bool) and 0 <= part < vocabulary:
            tokens.append(part)
        else:
            raise Refused(400, INVALID, "the prompt is neither a text nor made of texts and tokens of this model")
    return tokens


def around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that a tokenizer puts before a text and after it."""
    found = tokenizer("a", return_special_tokens_mask=True)
    tokens, marks = list(found["input_ids"]), list(found["special_tokens_mask"])
    first = next((place for place, mark in enumerate(marks) if not mark), len(marks))
    last = next((place for place, mark in enumerate(reversed(marks)) if not mark), 0)
    return tokens[:first], tokens[len(tokens) - last :]


def plain_tokens(request: Mapping[str, Any], tokenizer: Any) -> list[int]:
    """The tokens of a text (`content`), without special ones. Raises: Refused."""
    if not isinstance(request.get("content"), str):
        raise Refused(400, INVALID, "content is no text")
    return list(tokenizer(request["content"], add_special_tokens=False)["input_ids"])


def check_length(count: int, context_tokens: int) -> None:
    """Raises: Refused for more tokens than the model reads."""
    if count > context_tokens:
        raise Refused(
            400,
            "exceed_context_size_error",
            "the request exceeds the available context size",
            n_prompt_tokens=count,
            n_ctx=context_tokens,
        )
