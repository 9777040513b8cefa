"""Small documents, made on the spot."""

from __future__ import annotations

import io
from collections.abc import Sequence

from docx import Document
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas


def pdf(pages: Sequence[str]) -> bytes:
    """A PDF with one line of text on each page."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for text in pages:
        canvas.drawString(72, 730, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def docx(paragraphs: Sequence[str]) -> bytes:
    """A Word document of these paragraphs."""
    buffer = io.BytesIO()
    document = Document()
    for text in paragraphs:
        document.add_paragraph(text)
    document.save(buffer)
    return buffer.getvalue()
