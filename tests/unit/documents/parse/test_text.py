"""Plain text."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.documents.document import Reading
from intramuros.documents.parse import text
from intramuros.documents.parse.limits import Limits
from intramuros.errors import DocumentError


def read(content: str | bytes, limits: Limits = Limits()) -> Reading:
    return text.read(content.encode() if isinstance(content, str) else content, limits)


def shown(reading: Reading) -> list[tuple[str, int, str]]:
    return [(block.kind, block.level, block.text) for page in reading.pages for block in page.blocks]


@pytest.mark.parametrize(
    "content",
    [
        "Congés payés".encode(),
        codecs.BOM_UTF8 + "Congés payés".encode(),
        "Congés payés".encode("utf-16"),
        codecs.BOM_UTF16_BE + "Congés payés".encode("utf-16-be"),
        "Congés payés".encode("cp1252"),
    ],
)
def test_encodings(content: bytes) -> None:
    assert shown(read(content)) == [("paragraph", 0, "Congés payés")]


def test_a_guessed_encoding_is_said() -> None:
    assert read("10 € — été".encode("cp1252")).warnings == ("encoding_guessed",)
    assert read("10 € — été").warnings == ()


def test_wrapped_lines_are_joined_and_hyphens_go() -> None:
    wrapped = """Le présent règlement fixe les règles de vie commune de l'entreprise et de la communi-
cation interne entre les services. Il s'applique à tous les salariés quelle que soit
la nature de leur contrat, ainsi qu'aux stagiaires et aux intérimaires de chaque site
de production.

Un second paragraphe, qui ne tient pas non plus sur une seule ligne de ce document et
continue ici."""
    found = shown(read(wrapped))
    assert len(found) == 2
    assert "communication interne" in found[0][2]
    assert found[0][2].endswith("site de production.")


def test_unwrapped_lines_are_paragraphs_of_their_own() -> None:
    lines = [
        "Budget",
        "Le CSE ne dispose d'aucun budget.",
        "Local",
        "L'employeur met à la disposition des membres de la délégation un local nécessaire pour leur permettre d'accomplir "
        "leur mission et, notamment, de se réunir quand ils le souhaitent, aussi souvent qu'il le faut.",
        "Un mot.",
    ]
    assert [block[2] for block in shown(read("\n".join(lines)))] == lines


def test_headings_that_are_plain_to_see() -> None:
    content = """RAPPORT ANNUEL

Introduction
============

Du texte.

Méthode
-------

2.1 Mesures prises

Encore du texte.

Article 3 - Durée
La durée est de trois ans.
"""
    assert shown(read(content)) == [
        ("heading", 1, "RAPPORT ANNUEL"),
        ("heading", 1, "Introduction"),
        ("paragraph", 0, "Du texte."),
        ("heading", 2, "Méthode"),
        ("heading", 2, "2.1 Mesures prises"),
        ("paragraph", 0, "Encore du texte."),
        ("heading", 2, "Article 3 - Durée"),
        ("paragraph", 0, "La durée est de trois ans."),
    ]
    assert read(content).title == "RAPPORT ANNUEL"


@pytest.mark.parametrize(
    "line", ["Bonjour Madame,", "1200 CHF", "TVA 8.1 %.", "- un point", "ABC", "Une ligne ordinaire"]
)
def test_what_is_no_heading(line: str) -> None:
    assert all(kind != "heading" for kind, _, _ in shown(read(f"\n{line}\n\nDu texte.")))


def test_lists_and_fields_keep_their_lines() -> None:
    content = """Client        : Hôpital du Vallon, Yverdon-les-Bains
Commande      : 4500-2231/B

- Lancer la fabrication des deux portes de remplacement dans l'atelier de
  Besançon.
- Revoir l'emballage."""
    assert [(kind, said) for kind, _, said in shown(read(content))] == [
        ("paragraph", "Client : Hôpital du Vallon, Yverdon-les-Bains"),
        ("paragraph", "Commande : 4500-2231/B"),
        ("item", "- Lancer la fabrication des deux portes de remplacement dans l'atelier de Besançon."),
        ("item", "- Revoir l'emballage."),
    ]


def test_form_feeds_are_pages() -> None:
    reading = read("page un\fpage deux\f")
    assert [page.text for page in reading.pages] == ["page un", "page deux", ""]
    assert [page.has_text for page in reading.pages] == [True, True, False]


def test_long_text_has_pages_of_about_three_thousand_characters() -> None:
    reading = read("\n".join(f"Paragraphe {n} : " + "mot " * 50 for n in range(100)))
    sizes = [len(page.text) for page in reading.pages]
    assert len(sizes) > 5
    assert all(2500 <= size <= 3800 for size in sizes[:-1])


def test_limits() -> None:
    with pytest.raises(DocumentError) as too_many:
        read("mot " * 100_000, Limits(characters=1000))
    assert too_many.value.code == "too_much_text"
    with pytest.raises(DocumentError) as too_long:
        read("a\f" * 20, Limits(pages=10))
    assert (too_long.value.code, too_long.value.details) == ("too_many_pages", {"pages": 21, "limit": 10})


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for page in read(content).pages:
        page.text.encode()


@given(st.text(st.sampled_from("abc \n-.A1\t"), max_size=500))
def test_no_word_is_lost(content: str) -> None:
    before = [letter for letter in content if letter.isalnum()]
    after = [letter for page in read(content).pages for letter in page.text if letter.isalnum()]
    assert before == after
