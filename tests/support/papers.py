"""Documents made on the spot: PDF with reportlab, Word with python-docx, and broken ones by hand."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Sequence

import docx
import pypdfium2
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

Draw = Callable[[Canvas], None]
WORD = "word/document.xml"


def pdf(*pages: Draw | Sequence[str], password: str | None = None, size: tuple[float, float] = A4) -> bytes:
    """A PDF: each page drawn by a function, or lines of 11-point text from the top left."""
    written = io.BytesIO()
    encrypt = StandardEncryption(password, canPrint=0) if password else None
    canvas = Canvas(written, pagesize=size, encrypt=encrypt, invariant=1)
    for page in pages:
        if callable(page):
            page(canvas)
        else:
            lines(canvas, page)
        canvas.showPage()
    canvas.save()
    return written.getvalue()


def lines(
    canvas: Canvas, texts: Sequence[str], *, x: float = 72, y: float = 770, font: str = "Helvetica", size: float = 11
) -> None:
    """Draws lines below each other."""
    canvas.setFont(font, size)
    for number, text in enumerate(texts):
        canvas.drawString(x, y - 1.25 * size * number, text)


def turned(content: bytes, *, degrees: int = 0, crop: tuple[float, float, float, float] | None = None) -> bytes:
    """The PDF with its pages shown rotated, or cropped to (left, bottom, right, top)."""
    document = pypdfium2.PdfDocument(content)
    for page in document:
        page.set_rotation(degrees)
        if crop:
            page.set_cropbox(*crop)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def word(build: Callable[[docx.document.Document], object]) -> bytes:
    """A Word file built with python-docx."""
    document = docx.Document()
    build(document)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def with_members(package: bytes, members: dict[str, bytes | Callable[[bytes], bytes]]) -> bytes:
    """A ZIP package with members replaced or added."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            value = members.get(name, old.read(name))
            new.writestr(name, value(old.read(name)) if callable(value) else value)
        for name in members.keys() - set(old.namelist()):
            value = members[name]
            assert isinstance(value, bytes)
            new.writestr(name, value)
    return written.getvalue()


def zip_bomb(members: int = 40, size_mib: int = 100) -> bytes:
    """A small ZIP file that unpacks to gigabytes of zeros: each member is the same compressed data."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as package, package.open("0.xml", "w") as first:
        for _ in range(size_mib):
            first.write(bytes(1 << 20))
    single = written.getvalue()
    with zipfile.ZipFile(io.BytesIO(single)) as package:
        info = package.infolist()[0]
    data = single[30 + len(info.filename) : 30 + len(info.filename) + info.compress_size]
    return _repeated(info, data, members)


def _repeated(info: zipfile.ZipInfo, data: bytes, members: int) -> bytes:
    """A ZIP file of many names for the same compressed data, written by hand."""
    body, directory = b"", b""
    sizes = (info.CRC, info.compress_size, info.file_size)
    for number in range(members):
        name = f"word/{number}.xml".encode() if number else WORD.encode()
        directory += (
            struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, *sizes, len(name), 0, 0, 0, 0, 0, len(body))
            + name
        )
        body += struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, *sizes, len(name), 0) + name + data
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, members, members, len(directory), len(body), 0)
    return body + directory + end
