"""A chat request pseudonymised: every text in it, wherever it stands.

Called by `engines.outside`. Whatever is not known to be structure is text and is hidden, keys of objects too: a field
that is added to a message later is masked without anybody thinking of it, and a field of the request that is not in
the table is refused. Numbers that could be somebody's are texts too, and parts of a message are read as the model reads
them: one after the other.
"""

from __future__ import annotations

import hmac
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from intramuros.errors import BadRequest
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.escapes import apart, spelled
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.parts import together
from intramuros.privacy.redact.redactor import Redactor

FIELDS = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "temperature", "top_p", "max_tokens", "stop", "seed"),
        *("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "response_format"),
        *("tools", "tool_choice", "parallel_tool_calls", "top_k", "min_p", "repeat_penalty"),
    )
)
"""What an engine outside may be sent. Anything else stops the request: nobody has said how to hide it."""
DROPPED = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key", "chat_template_kwargs"})
"""What changes no answer and says who asks, and how a template of ours writes, which a model elsewhere doesn't have."""
_PROTOCOL = {
    "role": frozenset({"system", "developer", "user", "assistant", "tool"}),
    "type": frozenset({"text", "function", "json_object", "json_schema"}),
    "tool_choice": frozenset({"none", "auto", "required"}),
}
"""Values that say nothing of anybody, by the field they stand in."""
_PARTS = frozenset({"text", "refusal"})
_PART_FIELDS = frozenset({"type", "text", "refusal"})
_FEWEST_DIGITS = 7
_ABROAD = ("33", "39", "41", "49")
_IDENTIFIERS = frozenset({"id", "tool_call_id"})
_AS_IT_IS = _IDENTIFIERS | {"model", "name", "role", "type"}

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
        kept = {name: self._readable(value, name) for name, value in kept.items()}
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
        hidden = self.redactor.hide_all([self._spelled(text) for text in texts], self.aliases)
        for redacted in hidden:
            self.counts.update(redacted.counts)
        return [redacted.text for redacted in hidden]

    def _readable(self, value: Any, name: str) -> Any:
        """The value with its texts as a model reads them, where that shows more of somebody."""
        if isinstance(value, str):
            return value if name in _AS_IT_IS else self._spelled(value)
        if isinstance(value, Mapping):
            return {key: self._readable(held, str(key)) for key, held in value.items()}
        if isinstance(value, list | tuple):
            return [self._readable(held, name) for held in value]
        return value

    def _spelled(self, text: str) -> str:
        for spell in (spelled, apart):
            other = spell(text)
            if other == text:
                continue
            before, after = self._values(text), self._values(other)
            if after != before and len(after) >= len(before):
                text = other
        return text

    def _values(self, text: str) -> list[str]:
        return [text[one.start : one.end] for one in self._found(text)]

    def _request(self, request: Mapping[str, Any], change: Change) -> dict[str, Any]:
        return {name: self._field(name, value, change) for name, value in request.items()}

    def _field(self, name: str, value: Any, change: Change) -> Any:
        """One field of the request itself. Raises: BadRequest for a number that says who someone is."""
        if name == "model" and isinstance(value, str):
            return value
        walked = self._walked(value, change, name)
        if isinstance(walked, str) and not isinstance(value, str):
            raise BadRequest(f"The number in '{name}' seems to say who someone is.", param=name)
        return walked

    def _walked(self, value: Any, change: Change, name: str) -> Any:
        """The value with every text changed, always in the same order."""
        if isinstance(value, str):
            return self._text(value, change, name)
        if isinstance(value, Mapping):
            if name == "content" and value.get("type") not in _PARTS:
                raise BadRequest("Images, sound and files can't be sent outside: what they show can't be hidden.")
            if name == "content" and (more := sorted(map(str, set(value) - _PART_FIELDS))):
                raise BadRequest(f"'{more[0][:64]}' in a part of a message can't be sent outside.", param="messages")
            return {change(str(key)): self._walked(held, change, str(key)) for key, held in value.items()}
        if isinstance(value, list | tuple):
            if name == "content" and any(isinstance(held, int) for held in value):
                raise BadRequest("Token numbers can't be sent outside: what they say can't be hidden.")
            if name == "content":
                value = together(value, self._found)
            return [self._walked(held, change, name) for held in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return _number(value, change)
        raise BadRequest("The request holds something that is neither text nor number.")

    def _found(self, text: str) -> list[Finding]:
        return self.redactor.analyse(text, known=self.aliases.people)

    def _text(self, value: str, change: Change, name: str) -> str:
        if value in _PROTOCOL.get(name, ()):
            return value
        if name in _IDENTIFIERS:
            return "call_" + hmac.digest(self.aliases.key, b"call\0" + value.encode(), "sha256").hex()[:24]
        if name == "name":
            return self._identifier(value)
        return _arguments(value, change) if name == "arguments" else change(value)

    def _identifier(self, value: str) -> str:
        """A name of the protocol, which can't be an alias. Raises: BadRequest where it says who someone is."""
        spelled = value.translate(str.maketrans("_-.", "   "))
        if any(self._found(text) for text in (value, spelled, spelled.title())):
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
        return _number(value, change)
    return value


def _number(value: float, change: Change) -> Any:
    """The number, or what stands in its place where it is somebody's: an AVS or a telephone number without its zero."""
    whole = abs(int(value)) if math.isfinite(value) and value == int(value) else None
    digits = str(abs(value)) if whole is None else str(whole)
    if sum(digit.isdigit() for digit in digits) < _FEWEST_DIGITS:
        return value
    spellings = [digits]
    if len(digits) == 9:
        spellings.append("0" + digits)
    elif digits.startswith(_ABROAD) and 10 < len(digits) < 14:
        spellings.append("+" + digits)
    hidden = [(spelling, change(spelling)) for spelling in spellings]
    return next((said for spelling, said in hidden if said != spelling), value)
