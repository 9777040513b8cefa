"""The reference pages are made from the code; a setting, command or error that is not in them fails here."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MAKER = runpy.run_path(str(ROOT / "scripts" / "make_reference.py"))


@pytest.mark.parametrize("name", sorted(MAKER["PAGES"]))
def test_reference_page_is_current(name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == MAKER["PAGES"][name](), "run: python scripts/make_reference.py"


def test_the_commands_page_has_every_command() -> None:
    page = MAKER["PAGES"]["commands.md"]()
    for command in (
        "add",
        "ask",
        "audit verify",
        "demo",
        "init",
        "keys create",
        "models pull",
        "search",
        "selftest",
        "serve",
    ):
        assert f"## intramuros {command}\n" in page
    assert "--project" in page


def test_both_readmes_have_the_same_sections() -> None:
    english, french = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.fr.md"))
    assert english.count("\n## ") == french.count("\n## ")
    assert english.count("| ") == french.count("| "), "the tables differ"


def test_every_direct_dependency_has_its_reason() -> None:
    import re
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text(encoding="utf-8").lower()
    names = [re.split(r"[<>=\[ ]", dependency)[0] for dependency in project["dependencies"]]
    assert [name for name in names if f"| `{name}`" not in page] == []


def test_the_threat_model_names_tests_that_are_there() -> None:
    import re

    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8"))
    assert len(named) > 9
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_links_between_the_documents_lead_somewhere() -> None:
    import re

    for page in [ROOT / "README.md", ROOT / "README.fr.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        assert [link for link in links if not (page.parent / link).exists()] == [], page
