"""Plurals, numbers, sizes, dates, and which language a browser gets."""

from __future__ import annotations

import json
import re
import string
from importlib import resources
from pathlib import Path
from typing import cast

import pytest

import intramuros.web
from intramuros.errors import AlreadyRunning, IntramurosError
from intramuros.models.catalogue import TRUST_SCALE
from intramuros.security.attempts import NAMES
from intramuros.security.isolation import LEVELS, WALLS
from intramuros.server.access import RULES
from intramuros.web.privacy import QUIET
from intramuros.web.words import LANGUAGES, Words, load, preferred

WEB = Path(str(resources.files(intramuros.web)))
KEY = re.compile(r"""(?:\bt|words|visit\.words|marks\.words|self)(?:\.count|\.or_else)?\(\s*f?["']([a-z_]+\.[^"'{]*)""")
FAMILY = re.compile(r"""(?:\bt|words|visit\.words|self)(?:\.or_else)?\(\s*f?["']([a-z_.]+\.)(?:["'] ~|\{)""")


@pytest.fixture(scope="module")
def words() -> dict[str, Words]:
    return load()


def table(language: str) -> dict[str, str]:
    text = (WEB / "translations" / f"{language}.json").read_text(encoding="utf-8")
    pairs = json.loads(text, object_pairs_hook=lambda found: found)
    assert len(pairs) == len(dict(pairs)), f"a key stands twice in {language}.json"
    return cast("dict[str, str]", dict(pairs))


def sources() -> str:
    files = [*WEB.glob("*.py"), *(WEB / "templates").glob("*.html")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_language_has_the_same_keys_with_the_same_gaps() -> None:
    tables = {language: table(language) for language in LANGUAGES}
    french = tables["fr"]
    for other in tables.values():
        assert set(other) == set(french)
        for key, text in other.items():
            gaps = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            assert gaps == {name for _, name, _, _ in string.Formatter().parse(french[key]) if name}, key


def test_every_text_that_is_asked_for_exists_and_every_text_is_asked_for() -> None:
    known = set(table("fr"))
    text = sources()
    families = {found for found in FAMILY.findall(text) if found.endswith(".")}
    asked = {found for found in KEY.findall(text) if not found.endswith(".")}
    for key in asked:
        assert key in known or f"{key}.one" in known, f"{key} is asked for and not translated"
    unused = {
        key
        for key in known
        if key not in asked and key.rpartition(".")[0] not in asked and not any(key.startswith(f) for f in families)
        if f'"{key}"' not in text and f"'{key}'" not in text
    }
    assert not unused


def test_every_family_of_texts_is_complete() -> None:
    known = set(table("fr"))
    kinds: list[type[IntramurosError]] = [IntramurosError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        is_named = kind.__module__ == "intramuros.errors" and kind.status != 500
        if is_named and kind is not AlreadyRunning:  # which a browser never meets
            assert any(
                f"error.{getattr(base, 'code', '')}" in known for base in kind.__mro__ if base is not IntramurosError
            ), kind
    assert {f"attempt.{name}" for name in NAMES} <= known
    assert {f"isolation.wall.{wall}" for wall in WALLS} <= known
    for level in (*LEVELS, "unknown"):
        assert {f"isolation.level.{level}", f"isolation.explained.{level}"} <= known
    assert {f"isolation.policy.{level}" for level in LEVELS} <= known
    for trust in TRUST_SCALE:
        assert {f"trust.{kind}.{trust}" for kind in ("short", "ask", "badge", "title", "text")} <= known
    for role in ("reader", "contributor", "owner"):
        assert f"role.{role}" in known
    for outcome in ("ok", "refused", "failed", "interrupted"):
        assert f"outcome.{outcome}" in known


def test_every_action_a_person_may_take_has_its_words() -> None:
    known = set(table("fr"))
    for rule in RULES:
        if rule.audited and rule.action not in QUIET:
            assert f"action.{rule.action}" in known, rule


def test_french_has_its_spaces() -> None:
    for key, text in table("fr").items():
        assert not re.search(r"[^\u202f][;!?](?:\s|$)", text), f"{key}: a narrow no-break space before ; ! ?"
        assert not re.search(r"[^\u00a0]:(?:\s|$)", text), f"{key}: a no-break space before a colon"
        assert not re.search(r"«[^\u202f]|[^\u202f]»", text), f"{key}: narrow no-break spaces inside « »"
        assert "'" not in text, f"{key}: a typographic apostrophe"
        assert "..." not in text, f"{key}: an ellipsis is one character"
        assert not re.search(r"[}\d] (?:%|€|[kMG]o|m?s|min|h)(?![\w’])", text), f"{key}: a no-break space before a unit"


def test_english_has_its_quotation_marks() -> None:
    for key, text in table("en").items():
        assert not re.search(r"['\"]", text), f"{key}: typographic quotation marks"


@pytest.mark.parametrize(
    ("number", "fr", "en"), [(0, "0 page", "0 pages"), (1, "1 page", "1 page"), (2, "2 pages", "2 pages")]
)
def test_counts_as_each_language_does(words: dict[str, Words], number: int, fr: str, en: str) -> None:
    assert words["fr"].count("documents.pages", number) == fr
    assert words["en"].count("documents.pages", number) == en


def test_writes_numbers_and_sizes(words: dict[str, Words]) -> None:
    assert words["fr"].number(1234567) == "1\u202f234\u202f567"
    assert words["en"].number(1234567) == "1,234,567"
    assert words["fr"].number(2.54, decimals=1) == "2,5"
    assert words["fr"].size(98_362_432) == "98\u00a0Mo"
    assert words["en"].size(2_540_000_000) == "2.5\u00a0GB"
    assert words["fr"].size(0) == "0\u00a0ko"


def test_writes_days_and_moments(words: dict[str, Words]) -> None:
    assert re.fullmatch(r"\d+ novembre 2023 à \d\d:\d\d", words["fr"].moment(1_700_000_000))
    assert re.fullmatch(r"\d+ November 2023, \d\d:\d\d", words["en"].moment(1_700_000_000))


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "fr"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("de-CH,fr;q=0.7,en;q=0.3", "fr"),
        ("fr;q=0.1, en;q=0.2", "en"),
        ("de, it", "fr"),
        ("en;q=0", "fr"),
        ("en;q=much, fr;q=0.1", "fr"),
        ("*", "fr"),
        (",".join(["xx"] * 5000) + ",en", "fr"),
    ],
)
def test_chooses_what_the_browser_prefers(header: str, language: str) -> None:
    assert preferred(header) == language
