"""A chat request pseudonymised: every text in it, wherever it stands.

Called by `engines.outside`. Whatever is not known to be structure is text and is hidden, keys of objects too: a field
that is added to a message later is masked without anybody thinking of it, and a field of the request that is not in
the table is refused.
"""

from __future__ import annotations

import hmac
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from intramuros.errors import BadRequest
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.redactor import Redactor

FIELDS = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "temperature", "top_p", "max_tokens", "stop", "seed"),
        *("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "response_format"),
        *("tools", "tool_choice", "parallel_tool_calls", "top_k", "min_p", "repeat_penalty"),
    )
)
"""What an engine outside may be sent. Anything else stops the request: nobody has said how to hide it."""
DROPPED = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key"})
"""What changes no answer and says who asks."""
_PROTOCOL = {
    "role": frozenset({"system", "developer", "user", "assistant", "tool"}),
    "type": frozenset({"text", "function", "json_object", "json_schema"}),
    "tool_choice": frozenset({"none", "auto", "required"}),
}
"""Values that say nothing of anybody, by the field they stand in."""
_PARTS = frozenset({"text", "refusal"})
_IDENTIFIERS = frozenset({"id", "tool_call_id"})

Change = Callable[[str], str]


@dataclass(slots=True)
class ChatHider:
    """Hides the requests of one conversation. `counts` is how much was hidden, by type: all a record may say."""

    redactor: Redactor
    aliases: Aliases
    counts: Counter[str] = field(default_factory=Counter)

    def hide(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request as it may leave. Raises: DetectorFailed, TextBlocked, BadRequest; nothing may be sent then."""
        kept = {name: value for name, value in request.items() if name not in DROPPED}
        if unknown := sorted(set(kept) - FIELDS):
            raise BadRequest(
                f"'{unknown[0][:64]}' can't be sent outside: it is not known how to hide what it says.",
                param=unknown[0][:64],
            )
        texts: list[str] = []

        def collect(text: str) -> str:
            texts.append(text)
            return text

        self._request(kept, collect)
        hidden = iter(self.redactor.hide_all(texts, self.aliases))

        def replace(_: str) -> str:
            redacted = next(hidden)
            self.counts.update(redacted.counts)
            return redacted.text

        return self._request(kept, replace)

    def hide_texts(self, texts: list[str]) -> list[str]:
        """Texts of the conversation. Raises: as `hide`."""
        hidden = self.redactor.hide_all(texts, self.aliases)
        for redacted in hidden:
            self.counts.update(redacted.counts)
        return [redacted.text for redacted in hidden]

    def _request(self, request: Mapping[str, Any], change: Change) -> dict[str, Any]:
        return {name: self._walked(value, change, name) for name, value in request.items()}

    def _walked(self, value: Any, change: Change, name: str) -> Any:
        """The value with every text changed, always in the same order."""
        if isinstance(value, str):
            return self._text(value, change, name)
        if isinstance(value, Mapping):
            if name == "content" and value.get("type") not in _PARTS:
                raise BadRequest("Images, sound and files can't be sent outside: what they show can't be hidden.")
            return {change(str(key)): self._walked(held, change, str(key)) for key, held in value.items()}
        if isinstance(value, list | tuple):
            if name == "content" and any(isinstance(held, int) for held in value):
                raise BadRequest("Token numbers can't be sent outside: what they say can't be hidden.")
            return [self._walked(held, change, name) for held in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        raise BadRequest("The request holds something that is neither text nor number.")

    def _text(self, value: str, change: Change, name: str) -> str:
        if name == "model" or value in _PROTOCOL.get(name, ()):
            return value
        if name in _IDENTIFIERS:
            return "call_" + hmac.digest(self.aliases.key, b"call\0" + value.encode(), "sha256").hex()[:24]
        if name == "name":
            return self._identifier(value)
        return _arguments(value, change) if name == "arguments" else change(value)

    def _identifier(self, value: str) -> str:
        """A name of the protocol, which can't be an alias. Raises: BadRequest where it says who someone is."""
        spelled = value.translate(str.maketrans("_-.", "   "))
        if any(self.redactor.analyse(text, known=self.aliases.people) for text in (value, spelled, spelled.title())):
            raise BadRequest(
                "The name of a tool, a schema or an author seems to say who someone is, and a name can't be hidden.",
                hint="Give it another name.",
            )
        return value


def _arguments(source: str, change: Change) -> str:
    """A tool call's arguments: JSON whose texts and long numbers are hidden each; what is no JSON, as one text."""
    try:
        value = json.loads(source)
    except ValueError:
        return change(source)
    return json.dumps(_leaves(value, change), ensure_ascii=False)


def _leaves(value: Any, change: Change) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): _leaves(held, change) for key, held in value.items()}
    if isinstance(value, list):
        return [_leaves(held, change) for held in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        hidden = change(str(value))
        return value if hidden == str(value) else hidden
    return value
