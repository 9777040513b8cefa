"""The table of the ways to sign in: every one there is, with the words of the pages, its addresses and its strength."""

from __future__ import annotations

import ast
import re

from intramuros.accounts.sessions import MOST_AT_ONCE
from intramuros.server.access import RULES
from intramuros.server.rule import Access
from intramuros.web.words import load
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "how-to" / "protect-your-account.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.partition("## Every way in")[2].partition("## ")[0], re.MULTILINE
)
NOT_FOR_SIGNING_IN = {"/health", "/static/{version}/{name}", "/mcp"}
"""What is open to anyone and tells nobody anything: of `/mcp` only the refusal of a method."""
OTHERS = {"invitation", "API key", "the command line"}
"""Ways that begin no session of a person who is there already."""


def methods() -> set[str]:
    """What sessions say of how they began, by whoever opens them: `method="…"`, and what a second step says."""
    found: set[object] = set()
    for path in sorted((REPOSITORY / "src" / "intramuros").glob("**/*.py")):
        if path.parent.name not in {"web", "accounts", "app"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "method" and isinstance(node.value, ast.Constant):
                found.add(node.value.value)
            if path.name == "factors.py" and isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                found |= {node.value.value for target in node.targets if getattr(target, "id", "") == "method"}
    return {one for one in found if isinstance(one, str) and one.islower()}


def test_every_method_has_its_words_and_its_row() -> None:
    words = load()["en"]
    used = methods() | {"password", "ldap"}
    assert used >= {"password", "totp", "recovery", "passkey", "sso", "ldap"}
    assert used == {key.removeprefix("method.") for key in words.table if key.startswith("method.")}
    assert {way for way, _, _ in ROWS[2:]} == {words(f"method.{one}") for one in used} | OTHERS
    assert all(len(strength) > 30 for _, _, strength in ROWS[2:])


def test_every_address_that_is_open_to_anyone_belongs_to_a_way() -> None:
    named = {address for _, addresses, _ in ROWS for address in re.findall(r"`(/[^`]+)`", addresses)}
    assert named == {rule.path for rule in RULES if rule.access is Access.PUBLIC} - NOT_FOR_SIGNING_IN


def test_how_many_sessions_there_may_be_is_written() -> None:
    assert MOST_AT_ONCE == 10 and "You may have ten: one more ends the one that was used longest ago." in PAGE
