"""Who is asking: the one identity that doors hand to tasks."""

from __future__ import annotations

from dataclasses import dataclass

from intramuros.accounts.rights import EVERYTHING, Limit, Rights


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in person, an API key's owner, or whoever holds the data's key on this machine (`local`)."""

    user_id: str
    name: str
    role: str  # administrator | auditor | manager | member | service
    credential: str  # "session" | "key:<id>" | "local"
    language: str = "fr"
    must_enrol: bool = False  # may do nothing but set up a second factor
    proven_at: float = 0.0  # when they last showed a password or passkey; UTC seconds
    rights: Rights = EVERYTHING
    limits: tuple[Limit, ...] = ()  # their key's, their own, their groups': all of them hold
    weight: float = 1.0  # their share of a model while others want it too

    @property
    def is_administrator(self) -> bool:
        """Whether they may manage the installation."""
        return self.role == "administrator"

    @property
    def is_auditor(self) -> bool:
        """Whether they may read the audit and the reports about access."""
        return self.role in {"auditor", "administrator"}

    @property
    def is_manager(self) -> bool:
        """Whether they may invite members and make groups."""
        return self.role in {"manager", "administrator"}

    @property
    def oversees(self) -> bool:
        """Whether they may see who is here and in which groups."""
        return self.is_auditor or self.is_manager

    @property
    def key_id(self) -> str | None:
        """The API key that asks; None for people."""
        return self.credential[4:] if self.credential.startswith("key:") else None


LOCAL = Caller(user_id="local", name="local operator", role="administrator", credential="local")
"""The person at the machine's own command line, who could open the data anyway."""
