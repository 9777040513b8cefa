"""Templates, scripts and style sheets keep the rules that the content security policy enforces, and stay readable."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

import intramuros.web
from intramuros.web.look import look

WEB = Path(str(resources.files(intramuros.web)))
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
SCRIPTS = sorted((WEB / "static").glob("*.js"))
SHEETS = sorted((WEB / "static").glob("*.css"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_script_or_style_and_trust_nothing(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", text), "scripts are files"
    assert not re.search(r"<style|\sstyle=", text), "styles are files"
    assert not re.search(r"\son[a-z]+=", text), "handlers are in scripts"
    assert not re.search(r"\|\s*safe\b|autoescape", text), "what is HTML arrives as Markup"
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text), "nothing comes from elsewhere"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_changes_something_carries_the_token(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL):
        if template.name not in {"sign_in.html", "first.html"}:
            token = "step_csrf" if template.name == "second.html" else "csrf"
            assert f"parts.token({token})" in form


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_compile(template: Path) -> None:
    look().environment.get_template(template.name)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_small_and_reach_nothing_else(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert not re.search(r"https?://|\beval\(|new Function|document\.write|localStorage|sessionStorage", text)
    assert text.count("innerHTML") == (1 if script.name == "events.js" else 0), "one door for HTML of the server"
    for imported in re.findall(r'from "([^"]+)"', text):
        assert (script.parent / imported).exists()
    assert len(text.splitlines()) <= 180


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_style_sheets_fetch_nothing(sheet: Path) -> None:
    text = sheet.read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import", text)
    assert text.count("{") == text.count("}")


def test_every_class_that_is_styled_is_used() -> None:
    used = "\n".join(path.read_text(encoding="utf-8") for path in [*TEMPLATES, *SCRIPTS, *WEB.glob("*.py")])
    names = {name for sheet in SHEETS for name in re.findall(r"\.([a-z][a-z-]+)", styles(sheet))}
    missing = {name for name in names if name not in used and name.rpartition("-")[0] + "-{{" not in used}
    assert not missing


def styles(sheet: Path) -> str:
    return re.sub(r"/\*.*?\*/|\{[^{}]*\}", " ", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)


def colours() -> dict[str, dict[str, str]]:
    text = (WEB / "static" / "tokens.css").read_text(encoding="utf-8")
    light, dark = text.split("@media (prefers-color-scheme: dark)")
    found = {"light": dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))}
    found["dark"] = found["light"] | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark.split("*,")[0]))
    return found


def luminance(colour: str) -> float:
    """Source: WCAG 2.2, relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *[
            ("ink", ground)
            for ground in ("page", "surface", "raised", "sunken", "mark", "warn-wash", "bad-wash", "good-wash")
        ],
        *[("ink-soft", ground) for ground in ("page", "surface", "raised", "sunken")],
        *[("accent", ground) for ground in ("page", "surface", "accent-wash")],
        *[(name, f"{name}-wash") for name in ("good", "warn", "bad")],
        ("on-accent", "accent"),
        ("on-accent", "accent-hover"),
    ],
)
def test_text_can_be_read_on_its_ground(scheme: str, text: str, ground: str) -> None:
    table = colours()[scheme]
    assert contrast(table[text], table[ground]) >= 4.5
