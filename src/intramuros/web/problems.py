"""An error in the words of the person who sees it.

Called by the pages and the refusals. The product's errors carry English words; here they get those of the interface's
language, by their code, and a document's failure those of the documents themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from intramuros.documents import failures
from intramuros.errors import DocumentError, IntramurosError
from intramuros.web.words import Words


@dataclass(frozen=True, slots=True)
class Problem:
    """What happened and what to do next, to be shown; `reference` is where the log has more."""

    code: str
    message: str
    hint: str = ""
    reference: str = ""


def problem(error: IntramurosError, words: Words) -> Problem:
    """The error, said in the language of the interface."""
    if isinstance(error, DocumentError) and error.code in failures.CODES:
        said = failures.words(error.code, words.language, numbers=error.details)
        return Problem(error.code, said.message, said.hint)
    code = next((code for code in _codes(error) if words.has(f"error.{code}")), "internal_error")
    return Problem(
        code=error.code,
        message=words(f"error.{code}", **_numbers(error)),
        hint=words.or_else(f"error.{code}_hint", error.hint if words.language == "en" else ""),
        reference=str(error.details.get("reference", "")),
    )


def _codes(error: IntramurosError) -> list[str]:
    """The code of the error itself, then those of what it is a kind of."""
    kinds = [kind.code for kind in type(error).__mro__ if issubclass(kind, IntramurosError)]
    return [error.code, *kinds]


def _numbers(error: IntramurosError) -> dict[str, object]:
    return {name: value for name, value in error.details.items() if isinstance(value, int | float)}
