"""Marks of sources and of what is not confirmed, in a model's Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from intramuros.web.prose import Marks, Sentence, prose
from intramuros.web.words import load

MARKS = Marks("t1", {1: "Source 1 : bail.pdf, page 3", 2: "Source 2"}, load()["fr"])
ONE = '<a class="marker" href="#s-t1-1" aria-label="Source 1 : bail.pdf, page 3">1</a>'
TWO = '<a class="marker" href="#s-t1-2" aria-label="Source 2">2</a>'
BADGE = '<a class="doubt" href="#doubts-t1">non confirmé</a>'


def html(text: str, *sentences: Sentence) -> str:
    return str(Markup("").join(prose(text, sentences, MARKS)))


def test_citations_become_links_to_their_cards() -> None:
    assert html("Trois mois [1]. Deux [1, 2].") == f"<p>Trois mois{ONE}. Deux{ONE}{TWO}.</p>\n"


def test_a_citation_of_no_source_stays_text() -> None:
    assert html("Trois mois [9].") == "<p>Trois mois [9].</p>\n"


def test_a_citation_can_not_be_made_a_link_by_the_model() -> None:
    assert "evil" not in html("Trois mois [1].\n\n[1]: http://evil.test 'x'").split("</p>")[0]


def test_a_sentence_without_a_citation_gets_the_marks_it_was_verified_with() -> None:
    assert html("Trois mois. Fin.", Sentence("Trois mois.", (1,))) == f"<p>Trois mois.{ONE} Fin.</p>\n"


def test_what_is_not_confirmed_is_underlined_and_says_so() -> None:
    assert html("Trois mois. Cela coûte 42 €.", Sentence("Cela coûte 42 €.", (), supported=False)) == (
        f'<p>Trois mois. <span class="unsupported">Cela coûte 42 €.</span>{BADGE}</p>\n'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- Un point.", f'<li><span class="unsupported">Un point.</span>{BADGE}</li>'),
        ("1. Un point.", f'<li><span class="unsupported">Un point.</span>{BADGE}</li>'),
        ("**Tout en gras.**", f'<span class="unsupported"><strong>Tout en gras.</strong></span>{BADGE}'),
        ("## Un titre", f'<h4><span class="unsupported">Un titre</span>{BADGE}</h4>'),
        ("> Une citation.", f'<p><span class="unsupported">Une citation.</span>{BADGE}</p>'),
        ("**Début** et fin.", f'<span class="unsupported"><strong>Début</strong> et fin.</span>{BADGE}'),
    ],
)
def test_marks_do_not_break_lists_headings_and_bold(text: str, expected: str) -> None:
    assert expected in html(text, Sentence(text, (), supported=False))


def test_a_table_row_keeps_its_cells() -> None:
    text = "| a | b |\n|---|---|\n| un | 12 |"
    shown = html(text, Sentence("| un | 12 |", (1,), supported=False))
    assert shown.count("<td>") == 2
    assert BADGE in shown
    assert ONE in shown


def test_a_sentence_across_elements_is_said_not_underlined() -> None:
    shown = html("**Un. Deux.**", Sentence("Un.", (), supported=False))
    assert BADGE in shown
    assert "unsupported" not in shown


def test_marks_in_the_text_itself_are_taken_out() -> None:
    assert html("A\ue000B\ue001C\ue101D", Sentence("A\ue000B", (), supported=True)) == "<p>ABCD</p>\n"


def test_labels_are_escaped() -> None:
    marks = Marks("t1", {1: 'x" onmouseover="alert(1)'}, load()["fr"])
    shown = "".join(prose("A [1].", (), marks))
    assert 'onmouseover="' not in shown


@given(st.text(alphabet=st.sampled_from("ab *_[]12\n-|>#`<\ue000\ue001\ue101."), max_size=80), st.booleans(), st.data())
def test_html_is_well_formed_whatever_is_marked(text: str, supported: bool, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    shown = html(text, Sentence(text[start:end], (1,), supported))
    assert not re.search("[\ue000-\uf8ff]", shown)
    opened: list[str] = []
    for closing, name in re.findall(r"<(/?)([a-z0-9]+)[^>]*>", shown):
        if name in {"br", "hr"}:
            continue
        if not closing:
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
