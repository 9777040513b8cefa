"""Quote mode: the sentences that answer, word for word."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from intramuros.retrieval.analysed import analysed
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.quote import LENGTH, QUOTES, Quote, confirming, quotes
from intramuros.retrieval.sentences import split
from tests.unit.retrieval.made import passage, query

FILLER = (
    "L'immeuble compte douze appartements et une cour plantée de tilleuls, ouverte aux enfants des locataires. "
    "Le gardien distribue le courrier chaque matin avant neuf heures et ferme le portail chaque soir à la nuit. "
    "Les vélos se rangent au sous-sol, dans le local dont chaque appartement a reçu une clé numérotée. "
    "Les poubelles sortent le mardi et le vendredi, sauf les semaines qui comptent un jour férié. "
    "L'ascenseur est révisé au printemps par une entreprise que le syndic choisit pour plusieurs années. "
)


def best(question: str, *passages: Passage) -> list[Quote]:
    return quotes(query(question), analysed(passages))


def test_the_sentence_with_the_words_comes_first() -> None:
    (first, *_) = best(
        "Quel est le préavis du bail ?", passage(FILLER + "Le préavis du bail est de trois mois. " + FILLER)
    )
    assert first.text.startswith("Le préavis du bail est de trois mois.")


def test_a_duration_is_preferred_where_one_is_asked_for() -> None:
    text = f"Le préavis du bail est écrit. {FILLER}Le préavis du bail est de trois mois. {FILLER}"
    assert best("Quel est le délai du préavis du bail ?", passage(text))[0].text.startswith("Le préavis du bail est de")
    assert best("Comment écrire le préavis du bail ?", passage(text))[0].text.startswith("Le préavis du bail est écrit")


def test_a_yes_is_preferred_where_one_is_asked_for() -> None:
    text = f"{FILLER}Le chien du locataire est un sujet. {FILLER}Oui, le locataire peut avoir un chien. {FILLER}"
    (first, *_) = best("Le locataire peut-il avoir un chien ?", passage(text, ordinal=3))
    assert first.text.startswith("Oui,")


def test_a_broad_question_is_answered_where_the_document_begins() -> None:
    beginning = passage(f"Le bail commercial lie deux parties. {FILLER}", chunk_id=1, ordinal=0)
    later = passage(f"{FILLER}Le bail commercial lie deux parties. {FILLER}", chunk_id=2, ordinal=5)
    assert best("Qu'est-ce que le bail commercial ?", later, beginning)[0].passage.chunk_id == 1


def test_quotations_are_literal_and_do_not_overlap() -> None:
    found = best("préavis du bail", passage(" ".join(f"{part} Le préavis du bail. {FILLER}" for part in "abcd")))
    assert 1 < len(found) <= QUOTES
    assert all(quote.text in quote.passage.text for quote in found)
    spans = sorted((quote.start, quote.end) for quote in found)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_chunks_that_overlap_give_no_quotation_twice() -> None:
    """A program may have a document cut so."""
    said, more = "Le préavis du bail est de trois mois. ", "Cela vaut pour le préavis du bail d'un garage. "
    first, second = passage(FILLER + said + more), passage(more + FILLER, chunk_id=2, start=len(FILLER + said))
    found = best("Quel est le préavis du bail ?", first, second)
    spans = sorted((quote.passage.start + quote.start, quote.passage.start + quote.end) for quote in found)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    other = passage(more + FILLER, chunk_id=2, start=len(FILLER + said), page=2)
    assert len(best("Quel est le préavis du bail ?", first, other)) == len(found) + 1


def test_a_quotation_is_the_sentence_that_answers() -> None:
    (first, *_) = best(
        "Quel est le préavis du bail ?", passage(f"{FILLER}Le préavis du bail est de trois mois. {FILLER}")
    )
    assert first.text == "Le préavis du bail est de trois mois."


def test_a_sentence_that_refers_back_comes_with_what_it_refers_to() -> None:
    text = f"{FILLER}Le préavis du bail est écrit. Il part de la réception de la lettre. {FILLER}"
    (first, *_) = best("Comment écrire le préavis du bail ?", passage(text))
    assert first.text == "Le préavis du bail est écrit. Il part de la réception de la lettre."


def test_a_neighbour_comes_along_for_what_is_asked() -> None:
    text = f"{FILLER}Le préavis du bail est fixe. La durée compte trois mois. {FILLER}"
    assert "trois mois" in best("Quelle est la durée du préavis du bail ?", passage(text))[0].text


def test_what_is_far_below_the_best_is_not_shown() -> None:
    weak = passage(FILLER, chunk_id=2, document_id="d2", score=0.1)
    assert len(best("Quel est le préavis du bail ?", passage("Le préavis du bail est de trois mois."), weak)) == 1


def test_neighbours_are_one_quotation() -> None:
    text = "Le préavis du bail est long. Le préavis du bail est écrit. Le préavis du bail est signé."
    assert [quote.text for quote in best("préavis du bail", passage(text))] == [text]


def test_the_same_words_are_shown_once() -> None:
    text = "Le préavis du bail est de trois mois."
    found = best("préavis du bail", passage(text, chunk_id=1), passage(text, chunk_id=2, document_id="d2"))
    assert len(found) == 1


def test_a_list_item_comes_with_the_words_that_introduce_it() -> None:
    text = f"{FILLER}\n\nLe bail prend fin en cas de :\n\nvente de l'immeuble,\n\ndécès du locataire."
    (first, *_) = best("décès du locataire", passage(text))
    assert first.text.startswith("Le bail prend fin en cas de :")
    assert "décès du locataire" in first.text


def test_the_heading_of_what_comes_next_is_left_out() -> None:
    text = "Le préavis du bail est de trois mois.\n\nCaution"
    assert best("préavis du bail", passage(text))[0].text == "Le préavis du bail est de trois mois."


def test_nothing_found_gives_nothing() -> None:
    assert quotes(query("préavis"), []) == []
    assert best("?", passage(FILLER)) == []


def test_the_rectangles_are_those_of_the_quoted_lines() -> None:
    lines = ((0, 20, 50.0, 100.0, 250.0, 112.0), (20, 37, 50.0, 114.0, 250.0, 126.0))
    quote = Quote(passage("Le bail est signé. Le préavis dure.  ", lines=lines), 20, 35, 1.0)
    assert [round(rect[1]) for rect in quote.rects] == [114]


def test_confirming_finds_the_sentence_with_the_words() -> None:
    (held,) = analysed([passage(FILLER + "Le préavis du bail est de trois mois. " + FILLER)])
    start, end = confirming(held, ["preav", "bail", "mois"])
    assert held.passage.text[start:end] == "Le préavis du bail est de trois mois."


sentence = st.lists(
    st.sampled_from(["le", "préavis", "du", "bail", "trois", "mois", "est", "Oui", ":"]), min_size=1, max_size=9
)


@given(st.lists(sentence, min_size=1, max_size=25), st.sampled_from([". ", "\n\n", ".\n", " : "]))
def test_any_text_is_quoted_literally_and_not_too_long(sentences: list[list[str]], end: str) -> None:
    text = end.join(" ".join(words) for words in sentences)
    longest = max(len(part.text) for part in split(text))
    for quote in best("Quel est le préavis du bail ?", passage(text)):
        assert quote.passage.text[quote.start : quote.end] == quote.text
        assert 0 < len(quote.text) <= max(LENGTH, longest)
