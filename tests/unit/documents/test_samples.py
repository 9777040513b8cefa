"""The sample documents can be read, and the answers stand where the questions say."""

from __future__ import annotations

import pytest

from intramuros.documents import media, samples
from intramuros.documents.document import Reading
from intramuros.documents.language import detect
from intramuros.documents.parse import docx, html, markdown, pdf, text
from intramuros.documents.parse.limits import Limits

_PARSERS = {media.PDF: pdf, media.DOCX: docx, media.HTML: html, media.MARKDOWN: markdown, media.TEXT: text}


def read(name: str) -> Reading:
    path = next(path for path in samples.paths() if path.name == name)
    content = path.read_bytes()
    reading: Reading = _PARSERS[media.sniff(name, content[:4096])].read(content, Limits())
    return reading


def test_six_samples_of_five_formats_in_two_languages() -> None:
    readings = {path.name: read(path.name) for path in samples.paths()}
    assert len(readings) == 6
    assert {path.suffix for path in samples.paths()} == {".pdf", ".docx", ".html", ".md", ".txt"}
    languages = [detect("\n".join(page.text for page in reading.pages)) for reading in readings.values()]
    assert sorted(languages) == ["en", "en", "fr", "fr", "fr", "fr"]
    assert all(reading.title for reading in readings.values())


@pytest.mark.parametrize("question", samples.questions(), ids=lambda question: question["language"])
def test_answers_stand_on_their_page(question: samples.Question) -> None:
    if question["document"] is None:
        assert question["page"] is None
        assert question["answer"] is None
        return
    reading = read(question["document"])
    assert question["page"] and question["answer"]
    holders = [page.number for page in reading.pages if question["answer"] in page.text]
    assert holders == [question["page"]]


def test_one_question_has_no_answer() -> None:
    assert [question["document"] is None for question in samples.questions()] == [False, False, True]


def test_the_pdf_has_headings_a_table_and_no_running_lines_but_once() -> None:
    pages = read("reglement-interieur.pdf").pages
    kinds = {block.kind for page in pages for block in page.blocks}
    assert kinds == {"heading", "paragraph", "item", "row"}
    whole = "\n".join(page.text for page in pages)
    assert whole.count("RI-2024, version 3") == 1
    assert "sur 3" not in whole
    assert "Équipe: Matin | Début: 5 h 45 | Fin: 13 h 45 | Pause: 30 minutes" in whole
