"""Receiving, showing and erasing documents."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.projects import Project
from intramuros.errors import DocumentError, NotAllowed, NotFound, StorageFull, TooLarge
from tests.support.shelf import Shelf, open_shelf


def test_what_is_received_is_stored_and_waits(shelf: Shelf) -> None:
    document = shelf.add("dossier/Note.txt", b"Bonjour")
    assert (document.name, document.state, document.size_bytes) == ("Note.txt", "received", 7)
    assert shelf.library.get(shelf.project, document.id) == document
    assert shelf.library.list(shelf.project) == [document]
    assert shelf.library.original(shelf.project, document) == b"Bonjour"
    [blob] = shelf.blob_files()
    assert b"Bonjour" not in blob.read_bytes()


def test_the_same_file_is_stored_once_in_a_project(shelf: Shelf) -> None:
    first = shelf.add("a.txt", b"Bonjour")
    assert shelf.add("b.txt", b"Bonjour") == first
    assert len(shelf.blob_files()) == 1
    other = shelf.projects.create("Autre", LOCAL)
    second = shelf.library.receive(other, "a.txt", io.BytesIO(b"Bonjour"), by=LOCAL)
    assert second.id != first.id


async def test_a_failed_file_is_tried_again_when_it_is_added_again(shelf: Shelf) -> None:
    failed = await shelf.ready("scan.pdf", b"%PDF-1.4 broken %%EOF")
    assert failed.state == "failed"
    again = shelf.add("scan.pdf", b"%PDF-1.4 broken %%EOF")
    assert (again.id, again.state, again.error_code, again.attempts) == (failed.id, "received", None, 0)
    assert len(shelf.blob_files()) == 1


@pytest.mark.parametrize(("name", "content", "code"), [("a.pdf", b"", "empty"), ("a.exe", b"MZ\x90", "unknown_format")])
def test_what_is_refused_leaves_nothing(shelf: Shelf, name: str, content: bytes, code: str) -> None:
    with pytest.raises(DocumentError) as refused:
        shelf.add(name, content)
    assert refused.value.code == code
    assert shelf.library.list(shelf.project) == []
    assert shelf.blob_files() == []


def test_a_file_over_the_limit_leaves_nothing(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path / "data", upload_mib=1)
    with pytest.raises(TooLarge) as refused:
        shelf.add("a.txt", b"x" * (1 << 20) + b"y")
    assert "1 MiB" in refused.value.message
    assert shelf.blob_files() == []
    assert shelf.add("a.txt", b"x" * (1 << 20)).size_bytes == 1 << 20
    shelf.close()


def test_a_source_that_breaks_off_leaves_nothing(shelf: Shelf) -> None:
    class Vanishing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 4096:
                raise FileNotFoundError(2, "gone")
            return super().read(size)

    with pytest.raises(FileNotFoundError):
        shelf.library.receive(shelf.project, "a.txt", Vanishing(b"x" * 10_000), by=LOCAL)
    assert shelf.blob_files() == []
    assert shelf.library.list(shelf.project) == []


def test_a_full_disk_while_the_row_is_written_leaves_nothing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageFull

    monkeypatch.setattr(shelf.library, "_record", full)
    with pytest.raises(StorageFull):
        shelf.add("a.txt", b"Bonjour")
    assert shelf.blob_files() == []


def test_readers_may_look_but_not_add(shelf: Shelf) -> None:
    document = shelf.add("a.txt", b"Bonjour")
    reader = Project(shelf.project.id, shelf.project.name, role="reader", created_at=0)
    assert shelf.library.list(reader) == [document]
    with pytest.raises(NotAllowed):
        shelf.library.receive(reader, "b.txt", io.BytesIO(b"x"), by=LOCAL)


def test_documents_are_found_through_their_own_project_only(shelf: Shelf) -> None:
    document = shelf.add("a.txt", b"Bonjour")
    other = shelf.projects.create("Autre", LOCAL)
    with pytest.raises(NotFound):
        shelf.library.get(other, document.id)
    assert shelf.library.list(other) == []


async def test_erased_with_everything_made_of_it(shelf: Shelf) -> None:
    kept = await shelf.ready("b.txt", b"Le preavis est de trois mois.")
    document = await shelf.ready("a.txt", "Le règlement fixe les congés.".encode())
    assert shelf.counts() == {"pages": 2, "chunks": 2, "words": 2}
    shelf.erase(document)
    assert shelf.counts() == {"pages": 1, "chunks": 1, "words": 1}
    assert shelf.library.list(shelf.project) == [kept]
    assert len(shelf.blob_files()) == 1
    with pytest.raises(NotFound):
        shelf.library.get(shelf.project, document.id)


async def test_pages_and_what_changed(shelf: Shelf) -> None:
    document = await shelf.ready("a.txt", b"un\fdeux")
    assert [shelf.library.page(document, number).text for number in (1, 2)] == ["un", "deux"]
    with pytest.raises(NotFound):
        shelf.library.page(document, 3)
    assert shelf.library.changed_since(shelf.project, 0) == [document]
    assert shelf.library.changed_since(shelf.project, document.updated_at) == []
    later = shelf.add("b.txt", b"trois")
    assert shelf.library.changed_since(shelf.project, document.updated_at) == [later]


async def test_failures_are_explained_in_the_readers_language(shelf: Shelf) -> None:
    document = await shelf.ready("scan.pdf", b"%PDF-1.4 broken %%EOF")
    assert document.error_code == "damaged"
    english, french = shelf.library.explain(document), shelf.library.explain(document, language="fr")
    assert english and english.startswith("The file is damaged. Fetch")
    assert french and french.startswith("Le fichier est endommagé.")
    assert shelf.library.explain(shelf.add("a.txt", b"x")) is None


def test_what_a_crash_left_is_swept_but_nothing_that_is_known(shelf: Shelf) -> None:
    kept = shelf.add("a.txt", b"Bonjour")
    orphan = shelf.blobs.put(shelf.projects.key(shelf.project), b"left behind")
    assert shelf.library.sweep() == 0  # it may be just being written
    for path in shelf.blob_files():
        os.utime(path, (0, 0))
    assert shelf.library.sweep() == 1
    assert shelf.library.original(shelf.project, kept) == b"Bonjour"
    assert all(orphan.id != path.name for path in shelf.blob_files())
