"""Word documents."""

from __future__ import annotations

from typing import Any

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_BREAK
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from intramuros.documents.document import Reading
from intramuros.documents.parse import docx as parser
from intramuros.documents.parse.limits import Limits
from intramuros.errors import DocumentError
from tests.support import papers

Document = docx.document.Document


def read(content: bytes, limits: Limits = Limits()) -> Reading:
    return parser.read(content, limits)


def shown(content: bytes) -> list[tuple[str, int, str]]:
    return [(block.kind, block.level, block.text) for page in read(content).pages for block in page.blocks]


def element(name: str, **values: str) -> Any:
    made = OxmlElement(name)
    for key, value in values.items():
        made.set(qn(f"w:{key}"), value)
    return made


def test_headings_lists_and_title() -> None:
    def build(document: Document) -> None:
        document.add_heading("Contrat", level=0)
        document.add_heading("Objet", level=1)
        document.add_paragraph("Texte.")
        document.add_heading("Détail", level=2)
        document.add_paragraph("un", style="List Bullet")
        document.add_paragraph("premier", style="List Number")
        document.add_paragraph("deuxième", style="List Number")

    content = papers.word(build)
    assert shown(content) == [
        ("heading", 1, "Contrat"),
        ("heading", 1, "Objet"),
        ("paragraph", 0, "Texte."),
        ("heading", 2, "Détail"),
        ("item", 0, "- un"),
        ("item", 0, "1. premier"),
        ("item", 0, "2. deuxième"),
    ]
    assert read(content).title == "Contrat"


@pytest.mark.parametrize("name", ["Titre 2", "Überschrift 2", "Titolo 2", "heading 2"])
def test_headings_of_other_languages(name: str) -> None:
    def build(document: Document) -> None:
        style = document.styles.add_style("Propre", WD_STYLE_TYPE.PARAGRAPH)
        style.element.find(qn("w:name")).set(qn("w:val"), name)
        document.add_paragraph("Durée", style=style)

    assert shown(papers.word(build)) == [("heading", 2, "Durée")]


def test_bold_paragraphs_are_headings_where_no_style_is_used() -> None:
    def build(document: Document) -> None:
        document.add_paragraph().add_run("1. Objet").bold = True
        document.add_paragraph("Le texte est long.")
        document.add_paragraph().add_run("Une phrase en gras n'est pas un titre.").bold = True
        document.add_paragraph().add_run("1.2 Durée").bold = True

    assert [(kind, level) for kind, level, _ in shown(papers.word(build))] == [
        ("heading", 1),
        ("paragraph", 0),
        ("paragraph", 0),
        ("heading", 2),
    ]

    def styled(document: Document) -> None:
        document.add_heading("Titre", level=1)
        build(document)

    assert [kind for kind, _, _ in shown(papers.word(styled))].count("heading") == 1


def test_tables_by_row_with_their_header_and_merged_cells() -> None:
    def build(document: Document) -> None:
        table = document.add_table(4, 3)
        rows = [
            ["Zone", "Ville", "Prix"],
            ["Suisse", "Zurich", "180"],
            ["", "Genève", "170"],
            ["France", "Paris", "165"],
        ]
        for row, cells in zip(table.rows, rows, strict=True):
            for cell, text in zip(row.cells, cells, strict=True):
                cell.text = text
        table.cell(1, 0).merge(table.cell(2, 0))

    assert [text for _, _, text in shown(papers.word(build))] == [
        "Zone: Suisse | Ville: Zurich | Prix: 180",
        "Zone: Suisse | Ville: Genève | Prix: 170",
        "Zone: France | Ville: Paris | Prix: 165",
    ]


def test_a_table_of_one_column_is_a_frame_around_text() -> None:
    def build(document: Document) -> None:
        cell = document.add_table(1, 1).cell(0, 0)
        cell.text = "Encadré"
        cell.add_paragraph("Suite", style="List Bullet")

    assert shown(papers.word(build)) == [("paragraph", 0, "Encadré"), ("item", 0, "- Suite")]


def test_pages_where_word_last_broke_them() -> None:
    def build(document: Document) -> None:
        first = document.add_paragraph()
        first.add_run("avant ")
        first.add_run("après")._r.insert(0, element("w:lastRenderedPageBreak"))
        document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)  # Word writes both: one page, not two
        document.add_paragraph().add_run("page trois")._r.insert(0, element("w:lastRenderedPageBreak"))
        document.add_paragraph("x" * 9000)

    pages = read(papers.word(build)).pages
    assert [page.blocks[0].text for page in pages] == ["avant", "après", "page trois"]
    assert pages[0].width is None


def test_pages_by_explicit_breaks_and_length_otherwise() -> None:
    def build(document: Document) -> None:
        document.add_paragraph("un")
        document.add_page_break()
        for number in range(12):
            document.add_paragraph(f"{number} " + "mot " * 150)

    pages = read(papers.word(build)).pages
    assert pages[0].text == "un"
    assert len(pages) == 4


def test_footnotes_deletions_fields_and_text_boxes() -> None:
    def build(document: Document) -> None:
        paragraph = document.add_paragraph("Texte")
        note = element("w:r")
        note.append(element("w:footnoteReference", id="2"))
        paragraph._p.append(note)
        deleted = element("w:del")
        run = element("w:r")
        run.append(element("w:delText"))
        run[-1].text = "supprimé"
        deleted.append(run)
        paragraph._p.append(deleted)
        inserted = element("w:ins")
        run = element("w:r")
        for name, text in (("w:instrText", " PAGE "), ("w:t", " inséré"), ("w:noBreakHyphen", ""), ("w:t", "ci")):
            run.append(element(name))
            run[-1].text = text
        inserted.append(run)
        paragraph._p.append(inserted)
        box = element("w:txbxContent")
        inner = element("w:p")
        inner.append(element("w:r"))
        inner[0].append(element("w:t"))
        inner[0][0].text = "Dans la boîte"
        box.append(inner)
        holder = element("w:r")
        holder.append(element("w:pict"))
        holder[0].append(box)
        paragraph._p.append(holder)

    xml = (
        '<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        '<w:footnote w:id="-1" w:type="separator"><w:p><w:r><w:t>no</w:t></w:r></w:p></w:footnote>'
        '<w:footnote w:id="2"><w:p><w:r><w:t>Voir annexe.</w:t></w:r></w:p></w:footnote></w:footnotes>'
    )
    content = papers.with_members(papers.word(build), {"word/footnotes.xml": xml.encode()})
    assert [text for _, _, text in shown(content)] == ["Texte inséré-ci", "Dans la boîte", "Voir annexe."]


def test_numbers_of_several_levels() -> None:
    level = '<w:lvl w:ilvl="{0}"><w:start w:val="1"/><w:numFmt w:val="{1}"/><w:lvlText w:val="{2}"/></w:lvl>'
    numbering = (
        '<w:numbering xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:abstractNum w:abstractNumId="7">'
        + level.format(0, "decimal", "%1.")
        + level.format(1, "decimal", "%1.%2")
        + level.format(2, "lowerLetter", "%3)")
        + level.format(3, "upperRoman", "%4.")
        + '</w:abstractNum><w:num w:numId="5"><w:abstractNumId w:val="7"/></w:num></w:numbering>'
    )

    def build(document: Document) -> None:
        for depth, text in ((0, "a"), (1, "b"), (1, "c"), (2, "d"), (0, "e"), (1, "f"), (3, "g")):
            paragraph = document.add_paragraph(text)
            properties = element("w:numPr")
            properties.append(element("w:ilvl", val=str(depth)))
            properties.append(element("w:numId", val="5"))
            paragraph._p.get_or_add_pPr().append(properties)

    content = papers.with_members(papers.word(build), {"word/numbering.xml": numbering.encode()})
    assert [text for _, _, text in shown(content)] == ["1. a", "1.1 b", "1.2 c", "a) d", "2. e", "2.1 f", "I. g"]


def test_limits() -> None:
    def build(document: Document) -> None:
        for _ in range(50):
            document.add_paragraph("mot " * 1000)

    content = papers.word(build)
    with pytest.raises(DocumentError) as too_much:
        read(content, Limits(characters=10_000))
    assert too_much.value.code == "too_much_text"
    with pytest.raises(DocumentError) as too_many:
        read(content, Limits(pages=10))
    assert too_many.value.code == "too_many_pages"
