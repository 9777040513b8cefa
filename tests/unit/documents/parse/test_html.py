"""HTML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.documents.parse import html
from intramuros.documents.parse.limits import Limits
from intramuros.errors import DocumentError


def shown(content: str | bytes) -> list[tuple[str, int, str]]:
    reading = html.read(content.encode() if isinstance(content, str) else content, Limits())
    return [(block.kind, block.level, block.text) for page in reading.pages for block in page.blocks]


def test_what_a_reader_reads() -> None:
    content = """<!doctype html><html><head><title>Titre | Intranet</title><style>p{}</style></head><body>
    <nav><a href=/>Accueil</a></nav><header role=navigation>Menu</header>
    <h1>Congés <em>payés</em></h1><p>Un <b>para</b>graphe<br>ici.</p>
    <div>avant<div>dedans</div>après</div>
    <ul><li>un<li><p>deux</p><ul><li>deux-un</ul></ul><ol start=3><li>trois<li>quatre</ol>
    <script>mal()</script><p hidden>caché</p><p style="display: none">caché aussi</p><p aria-hidden=true>et encore</p>
    <select><option>choix</select><button>Envoyer</button><pre>a
  b</pre>fin</body></html>"""
    assert shown(content) == [
        ("heading", 1, "Congés payés"),
        ("paragraph", 0, "Un paragraphe ici."),
        ("paragraph", 0, "avant"),
        ("paragraph", 0, "dedans"),
        ("paragraph", 0, "après"),
        ("item", 0, "- un"),
        ("item", 0, "- deux"),
        ("item", 0, "- deux-un"),
        ("item", 0, "3. trois"),
        ("item", 0, "4. quatre"),
        ("code", 0, "a\n  b"),
        ("paragraph", 0, "fin"),
    ]


def test_tables_by_row_and_layout_tables_as_text() -> None:
    data = "<table><caption>Barème</caption><thead><tr><th>Ville<th>Prix<tbody><tr><td>Zurich<td>180 CHF</table>"
    assert shown(data) == [("paragraph", 0, "Barème"), ("row", 0, "Ville: Zurich | Prix: 180 CHF")]
    layout = f"<table><tr><td><p>Bonjour</p>{data}<td><h2>Côté</h2></table>"
    assert shown(layout) == [("paragraph", 0, "Bonjour"), *shown(data), ("heading", 2, "Côté")]
    assert shown("<table><tr><td>une<tr><td>colonne</table>") == [("paragraph", 0, "une"), ("paragraph", 0, "colonne")]


def test_title() -> None:
    assert html.read(b"<title> Un  titre </title><p>x", Limits()).title == "Un titre"
    assert html.read(b"<title>Site</title><h1>Page</h1>", Limits()).title == "Page"


@pytest.mark.parametrize(
    "content",
    [
        '<meta charset="iso-8859-1"><p>été'.encode("latin-1"),
        b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1252"><p>' + "été".encode("cp1252"),
        b'<?xml version="1.0" encoding="ISO-8859-15"?><p>' + "été".encode("iso-8859-15"),
        '<meta charset="iso-8859-1"><p>été'.encode(),  # it lies
        '<meta charset="nonsense"><p>été'.encode("cp1252"),
        "<p>été".encode("cp1252"),
        "<p>été".encode("utf-16"),
    ],
)
def test_encodings(content: bytes) -> None:
    assert shown(content) == [("paragraph", 0, "été")]


def test_soft_hyphens_and_entities() -> None:
    assert shown("<p>Rechts&shy;schutz &amp; mehr&nbsp;&lt;x&gt;") == [("paragraph", 0, "Rechtsschutz & mehr <x>")]


def test_nesting_that_no_page_has() -> None:
    with pytest.raises(DocumentError) as refused:
        shown("<div>" * 3000 + "x")
    assert refused.value.code == "damaged"
    assert shown("<div>" * 300 + "x") == [("paragraph", 0, "x")]


@given(st.text(st.sampled_from("<>/abptdrliuol =\"'&;! -"), max_size=300))
def test_any_markup_is_read(content: str) -> None:
    shown(content)


@given(
    st.lists(
        st.sampled_from(
            ["<p>", "</p>", "<li>", "<ul>", "</ul>", "<td>", "<tr>", "<table>", "</table>", "<h1>", "mot "]
        ),
        max_size=40,
    )
)
def test_no_word_of_wild_markup_is_lost(parts: list[str]) -> None:
    content = "<body>" + "".join(parts)
    assert sum(text.split().count("mot") for _, _, text in shown(content)) == parts.count("mot ")
