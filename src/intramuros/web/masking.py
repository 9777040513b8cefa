"""What would be masked: a text, what redaction finds in it, and what a model outside would get.

Called by the router. The text stands in the answer and nowhere else: it is neither kept nor recorded, only how much
was found, by type.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from intramuros.errors import BadRequest
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.policy import ENTITIES, Action, Policy
from intramuros.privacy.redact.redactor import Hidden, Redacted, Redactor
from intramuros.web.visit import Form, Visit

LONGEST = 100_000
POLICIES = {"alias": Action.ALIAS, "mask": Action.MASK}
BLOCKED = ("SECRET", "URL_CREDENTIALS")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the text, marked or not."""

    text: str
    entity: Hidden | None = None
    is_blocked: bool = False


def show(visit: Visit) -> Response:
    """The page with an empty field."""
    return _page(visit)


def mark(visit: Visit, form: Form) -> Response:
    """The text with what was found in it marked. Raises: DetectorFailed, BadRequest."""
    text, chosen = form.get("text", "").replace("\r\n", "\n"), form.get("policy", "alias")
    if chosen not in POLICIES:
        raise BadRequest("This policy is not known.")
    if len(text) > LONGEST:
        raise BadRequest(f"A text to look at has at most {LONGEST:,} characters.", code="too_large")
    # Secrets would stop the text: here they are masked, so that the rest can be looked at, and said to stop it.
    policy = Policy(dict.fromkeys(BLOCKED, Action.MASK), POLICIES[chosen])
    redactor: Redactor = replace(visit.app.redactor, policy=policy).with_names(visit.app.directory.names())
    redacted = redactor.hide(text, Aliases())
    visit.entry.note(masked=redacted.counts, policy=policy.version, size_bytes=len(text.encode()))
    return _page(
        visit,
        text=text,
        chosen=chosen,
        pieces=list(_pieces(text, redacted)),
        result=redacted.text,
        counts=sorted(redacted.counts.items(), key=lambda item: (-item[1], item[0])),
        is_blocked=any(name in redacted.counts for name in BLOCKED),
    )


def _pieces(text: str, redacted: Redacted) -> Iterator[Piece]:
    place = 0
    for entity in redacted.entities:
        if entity.start > place:
            yield Piece(text[place : entity.start])
        yield Piece(text[entity.start : entity.end], entity, entity.entity_type in BLOCKED)
        place = entity.end
    if place < len(text):
        yield Piece(text[place:])


def _page(visit: Visit, **values: Any) -> Response:
    empty: dict[str, Any] = {
        "text": "",
        "chosen": "alias",
        "pieces": None,
        "result": "",
        "counts": [],
        "is_blocked": False,
    }
    return visit.page("masking.html", section="privacy", kinds=ENTITIES, longest=LONGEST, **{**empty, **values})
