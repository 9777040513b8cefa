"""What is done with what was found: let it pass, mask it, put an alias in its place, or stop the text.

Called by the redactor. The default hides everything that is found and lets no secret through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from intramuros.errors import BadRequest

ENTITIES = (
    "PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "ADDRESS", "DATE_OF_BIRTH", "IBAN_CODE", "CH_QR_REFERENCE",
    "CREDIT_CARD", "CH_AVS", "FR_NIR", "FR_NIF", "DE_TAX_ID", "IT_FISCAL_CODE", "FR_SIREN", "FR_SIRET", "FR_RCS",
    "VAT", "PASSPORT", "ID_CARD", "LICENSE_PLATE", "IP_ADDRESS", "MAC_ADDRESS", "SECRET", "URL_CREDENTIALS",
    "DOCUMENT",
)  # fmt: skip
"""What the built-in tiers find. Further tiers may find more."""

ENTITY_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,39}")


class Action(StrEnum):
    """What is done with an entity."""

    ALLOW = "allow"
    MASK = "mask"
    ALIAS = "alias"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Policy:
    """An action for each entity; `default` for those that are not named.

    What scores below `threshold` is no finding.
    """

    actions: Mapping[str, Action] = field(
        default_factory=lambda: {"SECRET": Action.BLOCK, "URL_CREDENTIALS": Action.BLOCK}
    )
    default: Action = Action.ALIAS
    threshold: float = 0.5

    @property
    def version(self) -> str:
        """The same for policies that do the same, for the audit."""
        said = {**self.actions, "*": self.default, "threshold": self.threshold}
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def allows_any(self) -> bool:
        """Whether anything may pass as it is."""
        return self.default is Action.ALLOW or Action.ALLOW in self.actions.values()

    def action(self, entity_type: str) -> Action:
        """What is done with this entity."""
        return self.actions.get(entity_type, self.default)

    def changed(self, changes: Mapping[str, object]) -> Policy:
        """The policy with some actions changed: `{"PERSON": "allow", "*": "mask"}`.

        Raises: BadRequest for a name that is no entity's or an unknown action.
        """
        actions, default = dict(self.actions), self.default
        for name, value in changes.items():
            action = _action(value)
            if name == "*":
                default = action
            elif ENTITY_TYPE.fullmatch(name):
                actions[name] = action
            else:
                raise BadRequest(
                    "An entity's name is in capitals, such as PERSON.", hint=f"Known: {', '.join(ENTITIES)}."
                )
        return Policy(actions, default, self.threshold)


def _action(value: object) -> Action:
    try:
        return Action(str(value))
    except ValueError:
        raise BadRequest(
            "A policy's action is not known.", hint=f"Use one of: {', '.join(action.value for action in Action)}."
        ) from None
