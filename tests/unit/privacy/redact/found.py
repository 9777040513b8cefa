"""What the redactor finds in a text, as (type, value) pairs."""

from __future__ import annotations

from intramuros.privacy.redact.policy import Policy
from intramuros.privacy.redact.redactor import Redactor

EVERYTHING = Redactor(policy=Policy({}))


def found(text: str, kind: str | None = None) -> list[tuple[str, str]]:
    findings = EVERYTHING.analyse(text)
    return [(f.entity_type, text[f.start : f.end]) for f in findings if kind in {None, f.entity_type}]


def values(text: str, kind: str) -> list[str]:
    return [value for _, value in found(text, kind)]
