"""Argon2 at a cost that suits tests: the same code, a thousandth of the work."""

from __future__ import annotations

from intramuros.security.passwords import HashCost, Passwords

COST = HashCost(memory_kib=64, passes=1, lanes=1)


def passwords() -> Passwords:
    return Passwords(COST)
