"""PDF, on files made on the spot."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from intramuros.documents.document import Block, Page, Rect
from intramuros.documents.parse import pdf
from intramuros.documents.parse.limits import Limits
from tests.support import papers

PROSE = [
    "Le salarié bénéficie de vingt-cinq jours de congés payés par année",
    "complète de travail. La demande doit être déposée au moins un mois",
    "avant la date de départ souhaitée, sauf circonstances exceptionnelles",
    "dûment justifiées auprès de la direction.",
]


def pages(content: bytes) -> tuple[Page, ...]:
    return pdf.read(content, Limits()).pages


def blocks(content: bytes) -> list[Block]:
    return [block for page in pages(content) for block in page.blocks]


def ink(content: bytes, page: int = 1) -> Rect:
    """Where anything dark stands on the picture of a page, in points."""
    scale = 2.0
    image = Image.open(io.BytesIO(pdf.render(content, page, scale))).convert("L")
    box = image.point(lambda value: 255 if value < 128 else 0).getbbox()
    assert box
    x0, y0, x1, y1 = (value / scale for value in box)
    return x0, y0, x1, y1


def covers(rect: Rect, inner: Rect, *, slack: float = 1.0) -> bool:
    return (
        rect[0] - slack <= inner[0]
        and rect[1] - slack <= inner[1]
        and rect[2] + slack >= inner[2]
        and rect[3] + slack >= inner[3]
    )


def test_paragraphs_with_the_rectangle_of_each_line() -> None:
    content = papers.pdf(lambda canvas: papers.lines(canvas, PROSE))
    [block] = blocks(content)
    assert block.text == " ".join(PROSE)
    assert [block.text[line.start : line.end] for line in block.lines] == PROSE
    [page] = pages(content)
    assert (page.width, page.height) == pytest.approx(A4, abs=0.01)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rectangles_are_where_the_page_shows_the_words(degrees: int) -> None:
    content = papers.turned(papers.pdf(["Hauteur"]), degrees=degrees)
    [block] = blocks(content)
    assert block.text == "Hauteur"
    rect = block.lines[0].rect
    assert covers(rect, ink(content))
    assert (rect[2] - rect[0]) * (rect[3] - rect[1]) < 45 * 16


def test_rectangles_on_a_cropped_page() -> None:
    content = papers.turned(papers.pdf(["Hauteur"]), crop=(50, 400, 400, 800))
    [page] = pages(content)
    assert (page.width, page.height) == (350, 400)
    assert covers(page.blocks[0].lines[0].rect, ink(content))
    turned = papers.turned(content, degrees=90, crop=(50, 400, 400, 800))
    assert covers(blocks(turned)[0].lines[0].rect, ink(turned))


def test_text_that_is_turned_on_the_page() -> None:
    def draw(canvas: Canvas) -> None:
        papers.lines(canvas, PROSE)
        canvas.translate(500, 300)
        canvas.rotate(90)
        canvas.drawString(0, 0, "Texte qui monte")
        canvas.drawString(0, -14, "et sa deuxième ligne")

    found = blocks(papers.pdf(draw))
    assert [block.text for block in found] == [" ".join(PROSE), "Texte qui monte et sa deuxième ligne"]
    x0, y0, x1, y1 = found[1].lines[0].rect
    assert y1 - y0 > 60 > x1 - x0


def test_headings_by_size_and_weight() -> None:
    def draw(canvas: Canvas) -> None:
        papers.lines(canvas, ["Règlement intérieur"], size=20, font="Helvetica-Bold")
        papers.lines(canvas, ["1. Congés"], y=730, size=15)
        papers.lines(canvas, PROSE, y=700)
        papers.lines(canvas, ["Détail"], y=630, font="Helvetica-Bold")
        papers.lines(canvas, PROSE, y=610)

    content = papers.pdf(draw)
    assert [(block.kind, block.level, block.text) for block in blocks(content) if block.kind == "heading"] == [
        ("heading", 1, "Règlement intérieur"),
        ("heading", 2, "1. Congés"),
        ("heading", 3, "Détail"),
    ]
    assert pdf.read(content, Limits()).title == "Règlement intérieur"


def test_two_columns_are_read_one_after_the_other() -> None:
    left = [f"Ligne {n} de la colonne de gauche, assez longue" for n in range(12)]
    right = [f"Rang {n} de la colonne de droite, assez longue" for n in range(12)]

    def draw(canvas: Canvas) -> None:
        papers.lines(canvas, ["Un titre qui va d'un bord à l'autre de la page entière"], y=800, size=18)
        papers.lines(canvas, left, x=60)
        papers.lines(canvas, right, x=320)

    text = pages(papers.pdf(draw))[0].text
    assert text.index("Ligne 11") < text.index("Rang 0")
    assert text.startswith("Un titre")
    assert "gauche, assez longue Rang" not in text


def test_ruled_tables_with_wrapped_cells() -> None:
    rows = [
        (["Destination"], ["Hôtel"], ["Repas"]),
        (["Zurich"], ["180 CHF"], ["35 CHF"]),
        (["Paris et petite couronne", "avec les aéroports"], ["150 EUR"], ["28 EUR"]),
    ]

    def draw(canvas: Canvas) -> None:
        y = 700.0
        canvas.line(60, y, 480, y)
        for row in rows:
            for x, cell in zip((65, 260, 380), row, strict=True):
                papers.lines(canvas, cell, x=x, y=y - 14)
            y -= 14 * max(len(cell) for cell in row) + 8
            canvas.line(60, y, 480, y)

    found = blocks(papers.pdf(draw))
    assert [block.text for block in found] == [
        "Destination: Zurich | Hôtel: 180 CHF | Repas: 35 CHF",
        "Destination: Paris et petite couronne avec les aéroports | Hôtel: 150 EUR | Repas: 28 EUR",
    ]
    first = found[0]
    assert [first.text[line.start : line.end] for line in first.lines] == [
        "Destination: Zurich",
        "Hôtel: 180 CHF",
        "Repas: 35 CHF",
    ]
    assert first.lines[1].rect[0] == pytest.approx(260, abs=1)


def test_tables_without_lines() -> None:
    def draw(canvas: Canvas) -> None:
        for x, cells in ((72, ["Poste", "Pièces", "Main d'œuvre"]), (300, ["Montant", "1 200,00", "850,50"])):
            papers.lines(canvas, cells, x=x)

    assert [block.text for block in blocks(papers.pdf(draw))] == [
        "Poste: Pièces | Montant: 1 200,00",
        "Poste: Main d'œuvre | Montant: 850,50",
    ]


def test_list_items_and_their_second_lines() -> None:
    def draw(canvas: Canvas) -> None:
        papers.lines(
            canvas,
            [
                "• le contrôle des filtres de l'installation et leur",
                "   remplacement si nécessaire",
                "• un rapport écrit",
            ],
        )

    assert [(block.kind, block.text) for block in blocks(papers.pdf(draw))] == [
        ("item", "• le contrôle des filtres de l'installation et leur remplacement si nécessaire"),
        ("item", "• un rapport écrit"),
    ]


def test_hyphens_at_line_ends() -> None:
    content = papers.pdf(
        ["Le salarié doit com-", "muniquer la date, peut-", "être avant la fin du mois, au service IT-", "Suisse"]
    )
    [block] = blocks(content)
    assert block.text == "Le salarié doit communiquer la date, peut-être avant la fin du mois, au service IT-Suisse"
    assert len(block.lines) == 4
    assert all(line.rect[3] - line.rect[1] < 16 for line in block.lines)


def test_running_headers_and_page_numbers() -> None:
    def page(number: int) -> papers.Draw:
        def draw(canvas: Canvas) -> None:
            papers.lines(canvas, ["Atelier Vauban SA"], y=820, size=8)
            papers.lines(canvas, [f"Version 3 du 4 mars, page {number} sur 4"], y=30, size=8)
            papers.lines(canvas, [f"- {number} -"], y=20, size=8)
            papers.lines(canvas, [f"Page de texte numéro {number} avec ses mots.", *PROSE])

        return draw

    found = pages(papers.pdf(*(page(number) for number in range(1, 5))))
    whole = "\n".join(page.text for page in found)
    assert whole.count("Atelier Vauban SA") == 1
    assert whole.count("Version 3 du 4 mars") == 1
    assert "- 2 -" not in whole
    assert "Atelier Vauban SA" in found[0].text
    assert all(f"numéro {number} avec" in page.text for number, page in enumerate(found, start=1))


def test_what_repeats_in_the_middle_stays() -> None:
    content = papers.pdf(*[[f"Chapitre {n}", *PROSE] for n in range(4)])
    assert sum(page.text.count("dûment justifiées") for page in pages(content)) == 4


def test_a_page_without_text() -> None:
    found = pages(papers.pdf(["Texte"], lambda canvas: canvas.rect(100, 100, 200, 200, fill=1)))
    assert [page.has_text for page in found] == [True, False]


def test_what_is_filled_into_a_form_is_read() -> None:
    def draw(canvas: Canvas) -> None:
        papers.lines(canvas, ["Nom :"])
        canvas.acroForm.textfield(name="nom", value="Helene Morand", x=120, y=760, width=200, height=20)

    assert "Helene Morand" in pages(papers.pdf(draw))[0].text


def test_titles_that_are_file_names_do_not_count() -> None:
    def read_title(title: str) -> str:
        written = io.BytesIO()
        canvas = Canvas(written)
        canvas.setTitle(title)
        papers.lines(canvas, PROSE)
        canvas.save()
        return pdf.read(written.getvalue(), Limits()).title

    assert read_title("Politique de sécurité") == "Politique de sécurité"
    assert read_title("Microsoft Word - Doc1.docx") == ""
    assert read_title("untitled") == ""


def test_pictures_are_bounded() -> None:
    content = papers.pdf(["grand"], size=(3000, 3000))
    image = Image.open(io.BytesIO(pdf.render(content, 1, 50)))
    assert image.size == (4000, 4000)


def test_progress_is_told_page_by_page() -> None:
    told: list[tuple[int, int]] = []
    pdf.read(papers.pdf(["a"], ["b"], ["c"]), Limits(), lambda read, total: told.append((read, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
