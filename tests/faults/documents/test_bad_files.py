"""Files that are broken, lie, or attack: each ends in one clear failure, and the next document is read as usual."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.documents.library import Document
from intramuros.errors import DocumentError, TooLarge
from tests.support import papers
from tests.support.shelf import Shelf, open_shelf

TEXT_PDF = papers.pdf(["Le préavis est de trois mois."], ["Deuxième page."])
CONTRACT = papers.word(lambda document: document.add_paragraph("Le préavis est de trois mois."))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    shelf = open_shelf(tmp_path_factory.mktemp("bad") / "data", reader_time_s=20)
    yield shelf
    shelf.close()


async def failed(shelf: Shelf, name: str, content: bytes, code: str) -> Document:
    """The document failed for this reason, in words, and a good one is still read."""
    document = await shelf.ready(name, content)
    assert (document.state, document.error_code) == ("failed", code)
    said = shelf.library.explain(document)
    assert said
    assert "…" not in said
    assert shelf.counts(document) == {"pages": 0, "chunks": 0, "words": shelf.counts()["chunks"]}
    good = await shelf.ready("bon.txt", b"Bonjour")
    assert good.state == "ready"
    return document


async def test_encrypted_pdf(shelf: Shelf) -> None:
    await failed(shelf, "secret.pdf", papers.pdf(["Secret"], password="motdepasse"), "password_protected")


async def test_pdf_that_only_forbids_printing_is_read(shelf: Shelf) -> None:
    document = await shelf.ready("libre.pdf", papers.pdf(["Tout le monde peut lire."], password=""))
    assert document.state == "ready"


@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
async def test_truncated_pdf(shelf: Shelf, part: float) -> None:
    await failed(shelf, "moitie.pdf", TEXT_PDF[: int(len(TEXT_PDF) * part)], "cut_off")


async def test_pdf_whose_last_change_is_cut_off(shelf: Shelf) -> None:
    """PDFium would show the state before the change, and the change would be missing without a word."""
    await failed(shelf, "change.pdf", TEXT_PDF + b"\n9 0 obj\n<< /Type /Page /Par", "cut_off")
    signed = await shelf.ready("signe.pdf", TEXT_PDF + b"\n<html>appended by a mail gateway</html>")
    assert signed.state == "ready"


async def test_pdf_lying_about_the_length_of_its_content(shelf: Shelf) -> None:
    """PDFium finds the end by itself: the text is there, so it is read."""
    lying = TEXT_PDF.replace(b"/Length ", b"/Length 9", 2)
    assert lying != TEXT_PDF
    document = await shelf.ready("ment.pdf", lying)
    assert (document.state, document.pages_total) == ("ready", 2)


async def test_pdf_lying_about_the_number_of_its_pages(shelf: Shelf) -> None:
    assert b"/Count 2" in TEXT_PDF
    await failed(shelf, "beaucoup.pdf", TEXT_PDF.replace(b"/Count 2", b"/Count 9"), "damaged")


async def test_pdf_of_noise(shelf: Shelf) -> None:
    await failed(shelf, "bruit.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"%%EOF", "damaged")


async def test_two_thousand_pages(shelf: Shelf) -> None:
    document = await failed(shelf, "long.pdf", papers.pdf(*[["x"]] * 2000), "too_many_pages")
    assert document.pages_total == 2000
    assert "2,000 pages; the limit is 1,000" in str(shelf.library.explain(document))


def test_zip_bomb_named_pdf_or_text(shelf: Shelf) -> None:
    for name in ("bombe.pdf", "bombe.txt", "bombe.zip"):
        with pytest.raises(DocumentError) as refused:
            shelf.add(name, papers.zip_bomb(members=2, size_mib=1))
        assert refused.value.code in {"not_what_it_says", "unknown_format"}


async def test_zip_bomb_named_docx(shelf: Shelf) -> None:
    bomb = papers.zip_bomb()
    assert len(bomb) < 8 << 20
    await failed(shelf, "bombe.docx", bomb, "too_large_unpacked")


async def test_word_file_whose_text_is_a_bomb(shelf: Shelf) -> None:
    bomb = papers.with_members(
        CONTRACT, {papers.WORD: lambda xml: xml.replace(b"<w:t>", b"<w:t>" + b" " * (200 << 20))}
    )
    assert len(bomb) < 1 << 20
    await failed(shelf, "bombe2.docx", bomb, "too_large_unpacked")


async def test_entity_bomb_in_a_word_file(shelf: Shelf) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(10))
    xml = (
        f'<?xml version="1.0"?><!DOCTYPE w [{entities}]>'
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&e9;</w:t>'
        "</w:r></w:p></w:body></w:document>"
    )
    await failed(shelf, "entites.docx", papers.with_members(CONTRACT, {papers.WORD: xml.encode()}), "damaged")


async def test_external_entity_in_a_word_file(shelf: Shelf, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("motdepasse")
    xml = (
        f'<!DOCTYPE w [<!ENTITY x SYSTEM "file://{secret}">]>'
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&x;</w:t>'
        "</w:r></w:p></w:body></w:document>"
    )
    await failed(shelf, "externe.docx", papers.with_members(CONTRACT, {papers.WORD: xml.encode()}), "damaged")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("tronque.docx", CONTRACT[: len(CONTRACT) // 2], "cut_off"),
        (
            "autre.docx",
            papers.zip_bomb(members=1, size_mib=1).replace(b"word/document.xml", b"xl/workbookshe.xml"[:17]),
            "not_what_it_says",
        ),
        ("xml.docx", papers.with_members(CONTRACT, {papers.WORD: b"<w:document>"}), "damaged"),
        ("vide.txt", b" \n\t\n ", "empty"),
        ("vide.md", b"---\ntitle: x\n---\n", "no_text"),
        ("vide.html", b"<html><script>x()</script></html>", "no_text"),
    ],
)
async def test_other_broken_files(shelf: Shelf, name: str, content: bytes, code: str) -> None:
    await failed(shelf, name, content, code)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("programme.pdf", b"MZ" + bytes(1000), "not_what_it_says"),
        ("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(100), "unknown_format"),
        ("vide.pdf", b"", "empty"),
        ("ancien.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), "old_word"),
        ("protege.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), "password_protected"),
    ],
)
def test_what_is_refused_at_the_door(shelf: Shelf, name: str, content: bytes, code: str) -> None:
    with pytest.raises(DocumentError) as refused:
        shelf.add(name, content)
    assert (refused.value.code, refused.value.status) == (code, 422)
    assert refused.value.hint


def test_three_hundred_megabytes_of_text_stop_at_the_limit(shelf: Shelf) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            if self.given >= 300 << 20:
                return b""
            self.given += size
            return b"mot " * (size // 4)

    source = Endless()
    before = len(shelf.blob_files())
    with pytest.raises(TooLarge):
        shelf.library.receive(shelf.project, "mots.txt", source, by=LOCAL)  # type: ignore[arg-type]
    assert source.given < 102 << 20
    assert len(shelf.blob_files()) == before


async def test_a_file_that_vanishes_between_receiving_and_reading(shelf: Shelf) -> None:
    document = shelf.add("disparu.txt", b"Bientot parti")
    next(path for path in shelf.blob_files() if path.name == document.blob_id).unlink()
    [gone] = await shelf.ingest.drain([document.id])
    assert (gone.state, gone.error_code) == ("failed", "original_missing")


async def test_an_original_that_was_changed(shelf: Shelf) -> None:
    document = shelf.add("change.txt", b"Le prix est de 100 CHF.")
    path = next(path for path in shelf.blob_files() if path.name == document.blob_id)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    [gone] = await shelf.ingest.drain([document.id])
    assert (gone.state, gone.error_code) == ("failed", "original_missing")
