"""The tables of widths are those of the fonts that draw."""

from __future__ import annotations

import ctypes

import pypdfium2.raw as pdfium
import pytest

from intramuros.documents.layout import faces


@pytest.mark.parametrize("face", sorted(faces.FONTS))
def test_widths_are_those_of_the_font(face: str) -> None:
    pdfium.FPDF_InitLibrary()
    document = pdfium.FPDF_CreateNewDocument()
    page = pdfium.FPDFPage_New(document, 0, 14_000, 100)
    font = pdfium.FPDFText_LoadStandardFont(document, faces.FONTS[face].encode())
    known = [character for character in faces._OWN[face] if not character.isspace()]
    between = {"symbol": "α", "dingbat": "✓"}.get(face, "x")
    for place in range(0, len(known), 50):
        some = known[place : place + 50]
        written = pdfium.FPDFPageObj_CreateTextObj(document, font, 100.0)
        data = (between + "".join(character + between for character in some) + "\0").encode("utf-16-le")
        pdfium.FPDFText_SetText(written, (ctypes.c_ushort * (len(data) // 2)).from_buffer_copy(data))
        pdfium.FPDFPageObj_Transform(written, 1, 0, 0, 1, 10, 40)
        page = pdfium.FPDFPage_New(document, place, 14_000, 100)
        pdfium.FPDFPage_InsertObject(page, written)
        pdfium.FPDFPage_GenerateContent(page)
        read = pdfium.FPDFText_LoadPage(page)
        starts = []
        for index in range(pdfium.FPDFText_CountChars(read)):
            if not pdfium.FPDFText_IsGenerated(read, index):
                x, y = ctypes.c_double(), ctypes.c_double()
                pdfium.FPDFText_GetCharOrigin(read, index, x, y)
                starts.append((chr(pdfium.FPDFText_GetUnicode(read, index)), x.value))
        assert [character for character, _ in starts[1::2]] == some
        for number, character in enumerate(some):
            advance = (starts[2 * number + 2][1] - starts[2 * number + 1][1]) * 10
            assert advance == pytest.approx(faces._OWN[face][character], abs=1.5), character
        pdfium.FPDFText_ClosePage(read)
    pdfium.FPDF_CloseDocument(document)


def test_what_is_drawn_for_characters_without_a_face() -> None:
    assert faces.drawn("1\u202f200\u00a0€ peut\u2011être e\u0301 ✅") == "1 200 € peut-être é ✔"
    assert faces.boxes("déjà → ✓ 3 ≤ 4, œuvre") == 0
    assert faces.boxes("Łódź 😀") == 3
    assert [face for face, _, _ in faces.runs("a→😀b", "text")] == ["text", "symbol", faces.BOX, "text"]
