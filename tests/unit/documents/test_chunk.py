"""Chunks: literal, whole, within one page and heading."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from intramuros.documents.chunk import MAX_TOKENS, Chunk, Sizes, chunks, tokens
from intramuros.documents.document import Block, Line, Page, Reading

SENTENCE = "Le salarié bénéficie de vingt-cinq jours de congés payés par année complète de travail. "


def reading(*pages: list[Block], title: str = "") -> Reading:
    return Reading(tuple(Page(number, tuple(blocks)) for number, blocks in enumerate(pages, start=1)), title)


def check(document: Reading, found: list[Chunk]) -> None:
    """What holds for every document."""
    texts = {page.number: page.text for page in document.pages}
    assert [chunk.ordinal for chunk in found] == list(range(len(found)))
    for chunk in found:
        assert texts[chunk.page][chunk.start : chunk.start + len(chunk.text)] == chunk.text
        assert chunk.text.strip()
        assert chunk.tokens == tokens(chunk.text) <= MAX_TOKENS + 60
        assert all(0 <= line.start < line.end <= len(chunk.text) for line in chunk.lines)


def test_small_blocks_of_a_section_are_one_chunk() -> None:
    document = reading([Block("Budget", "heading", 1), Block("Un."), Block("- deux", "item"), Block("- trois", "item")])
    [chunk] = chunks(document)
    assert chunk.headings == ("Budget",)
    assert chunk.text == "Un.\n\n- deux\n- trois"


def test_never_across_a_heading_or_a_page() -> None:
    document = reading(
        [Block("A", "heading", 1), Block("un"), Block("B", "heading", 2), Block("deux")],
        [Block("trois"), Block("C", "heading", 1), Block("quatre")],
    )
    assert [(chunk.page, chunk.headings, chunk.text) for chunk in chunks(document)] == [
        (1, ("A",), "un"),
        (1, ("A", "B"), "deux"),
        (2, ("A", "B"), "trois"),
        (2, ("C",), "quatre"),
    ]


def test_long_sections_are_cut_between_sentences_into_equal_parts() -> None:
    found = chunks(reading([Block((SENTENCE * 20).strip())]))
    assert len(found) == 2
    assert all(chunk.text.startswith("Le salarié") and chunk.text.endswith("travail.") for chunk in found)
    assert abs(found[0].tokens - found[1].tokens) <= 2 * tokens(SENTENCE)


def test_abbreviations_do_not_end_sentences() -> None:
    text = ("M. Dupont et Mme. Durand suivent l'art. 12 al. 3 du règlement, p. ex. le no. 4. " * 20).strip()
    for chunk in chunks(reading([Block(text)])):
        assert chunk.text.startswith("M. Dupont")


def test_what_introduces_stays_with_what_follows() -> None:
    section = [Block(SENTENCE * 5), Block(SENTENCE * 5), Block("Les cas sont les suivants :")]
    items = [Block(f"- cas numéro {n}, " + SENTENCE.strip(), "item") for n in range(8)]
    for chunk in chunks(reading([*section, *items])):
        assert not chunk.text.endswith(":")
    assert any("suivants :\n\n- cas numéro 0" in chunk.text for chunk in chunks(reading([*section, *items])))


def test_table_rows_stay_whole() -> None:
    rows = [Block(f"Destination: Ville {n} | Hôtel: {100 + n} CHF | Repas: {n} CHF", "row") for n in range(60)]
    found = chunks(reading([Block("Barème", "heading", 1), *rows]))
    assert len(found) > 1
    for chunk in found:
        assert all(re.fullmatch(r"Destination: Ville \d+ \| .* CHF", line) for line in chunk.text.split("\n"))


def test_text_without_any_space_is_cut_too() -> None:
    document = reading([Block("x" * 5000)])
    found = chunks(document)
    check(document, found)
    assert sum(len(chunk.text) for chunk in found) == 5000


def test_a_heading_with_nothing_below_can_be_found() -> None:
    document = reading([Block("Annexe A", "heading", 1), Block("Annexe B", "heading", 1), Block("texte")])
    assert [chunk.text for chunk in chunks(document)] == ["Annexe A", "texte"]
    assert [chunk.text for chunk in chunks(reading([Block("Seul", "heading", 1)]))] == ["Seul"]


def test_a_heading_with_text_below_is_no_chunk_of_its_own() -> None:
    document = reading([Block("A", "heading", 1), Block("un"), Block("B", "heading", 1), Block("deux")])
    assert [(chunk.headings, chunk.text) for chunk in chunks(document)] == [(("A",), "un"), (("B",), "deux")]


def test_the_title_stands_above_headings_of_its_own_level() -> None:
    document = reading([Block("Contrat", "heading", 1), Block("Objet", "heading", 1), Block("texte")], title="Contrat")
    [chunk] = chunks(document)
    assert chunk.headings == ("Contrat", "Objet")


def test_lines_are_counted_in_the_chunk() -> None:
    lines = (Line(0, 10, (0, 0, 10, 10)), Line(11, 20, (0, 10, 10, 20)))
    document = reading([Block("avant"), Block("Titre", "heading", 1), Block("0123456789 abcdefghi", lines=lines)])
    chunk = chunks(document)[-1]
    assert [chunk.text[line.start : line.end] for line in chunk.lines] == ["0123456789", "abcdefghi"]


_texts = st.text(st.sampled_from("abc é.!?\n" + " " * 3), max_size=3000)
_blocks = st.builds(
    Block,
    text=_texts.map(lambda text: " ".join(text.split()) or "x"),
    kind=st.sampled_from(["paragraph", "heading", "item", "row", "code"]),
    level=st.integers(0, 6),
)


@given(st.lists(st.lists(_blocks, max_size=8), min_size=1, max_size=3))
def test_every_document_is_cut_soundly_and_no_word_is_lost(pages: list[list[Block]]) -> None:
    document = reading(*pages)
    found = chunks(document)
    check(document, found)
    for page in document.pages:
        held = " ".join(" ".join([*chunk.headings, chunk.text]) for chunk in found if chunk.page == page.number)
        headings = {heading for chunk in found for heading in chunk.headings}
        for block in page.blocks:
            if block.text not in headings:
                assert set(block.text.split()) <= set(held.split()) or block.text in held or _is_cut(block.text)


def _is_cut(text: str) -> bool:
    """Words longer than a chunk are cut anywhere."""
    return any(tokens(word) > MAX_TOKENS for word in text.split())


def test_a_program_says_how_large_and_how_much_they_share() -> None:
    document = reading([Block("A", "heading", 1), Block((SENTENCE * 20).strip()), Block("B", "heading", 1), Block("b")])
    first, second, *_, last = chunks(document, Sizes(100, 50))
    assert first.tokens <= 100 and first.text == (SENTENCE * 3).strip()
    assert second.start < first.start + len(first.text) and second.text.startswith(SENTENCE.strip())
    assert last.text == "b", "never across a heading"
    [whole, _] = chunks(document, Sizes(4096, 0))
    assert whole.text == (SENTENCE * 20).strip()
    apart = chunks(document, Sizes(100, 0))
    assert all(a.start + len(a.text) <= b.start for a, b in itertools.pairwise(apart))


@given(
    st.lists(st.text(st.sampled_from("ab. \n"), max_size=900) | st.just(SENTENCE * 9), min_size=1, max_size=6),
    st.integers(100, 700).flatmap(lambda most: st.builds(Sizes, st.just(most), st.integers(0, most // 2))),
)
def test_wanted_sizes_hold_and_nothing_is_left_out(texts: list[str], sizes: Sizes) -> None:
    document = reading([Block(text) for text in texts])
    [page] = document.pages
    found, reached = chunks(document, sizes), 0
    for chunk in found:
        assert page.text[chunk.start : chunk.start + len(chunk.text)] == chunk.text
        assert chunk.tokens <= sizes.most
        assert not page.text[reached : chunk.start].strip(), "what stands between two chunks is in neither"
        assert tokens(page.text[chunk.start : max(reached, chunk.start)]) <= sizes.overlap
        assert chunk.start + len(chunk.text) > reached, "each goes on"
        reached = chunk.start + len(chunk.text)
    assert not page.text[reached:].strip()
