"""Why a document can't be read, in plain words: one table of codes, said in French and English.

Raised by the parsers, the reader and the library; stored as code and words with the document; said again by doors in
the reader's language. Words hold numbers and limits, never content or file names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from intramuros.errors import DocumentError


class Words(NamedTuple):
    """What happened, and what to do next."""

    message: str
    hint: str


_ENGLISH = {
    "empty": Words("The file is empty.", "Save it again where it was made, then add it once more."),
    "no_text": Words(
        "No text could be read on any page: they are probably scanned images.",
        "Add a version with a text layer (made by text recognition, OCR).",
    ),
    "unknown_format": Words(
        "This kind of file can't be read.",
        "Add PDF, Word (.docx), HTML, Markdown or plain text. Others: export as PDF.",
    ),
    "not_what_it_says": Words(
        "The content is not what the file's name says.",
        "Open it in the program it was made with and save it again, as PDF for example.",
    ),
    "old_word": Words("This is the old Word format (.doc).", "Save it as .docx or PDF, then add it again."),
    "password_protected": Words(
        "The file is protected by a password.", "Remove the password where the file was made, then add it again."
    ),
    "damaged": Words("The file is damaged.", "Fetch or export it again: the copy is broken or incomplete."),
    "cut_off": Words("The file is cut off: its end is missing.", "Copy or download it again, then add it once more."),
    "too_many_pages": Words(
        "It has {pages} pages; the limit is {limit}.", "Split it, or raise INTRAMUROS_READER_PAGES."
    ),
    "too_much_text": Words(
        "It holds more text than the limit of {limit} million characters.",
        "Split it, or raise INTRAMUROS_READER_OUTPUT_MIB.",
    ),
    "too_large": Words("It is larger than the limit of {limit} MiB.", "Split it, or raise INTRAMUROS_UPLOAD_MIB."),
    "too_large_unpacked": Words(
        "Unpacked it would take more than {limit} MiB: a document does not do that.",
        "If the file is genuine, split it or export it as PDF.",
    ),
    "took_too_long": Words(
        "Reading it took longer than {limit} seconds.", "Split it, export it again, or raise INTRAMUROS_READER_TIME_S."
    ),
    "too_much_memory": Words(
        "Reading it took more memory than {limit} MiB.",
        "Split it, export it again, or raise INTRAMUROS_READER_MEMORY_MIB.",
    ),
    "original_missing": Words("The stored original is gone or damaged.", "Remove the document and add it again."),
    "stopped_repeatedly": Words(
        "Reading it was interrupted {limit} times.", "Look at the log, then remove the document and add it again."
    ),
    "cancelled": Words("Reading it was cancelled before it began.", "Remove the document and add it again."),
    "reader_failed": Words(
        "The reading process could not be started.", "Look at the log; check memory and disk space."
    ),
}
_FRENCH = {
    "empty": Words(
        "Le fichier est vide.", "Enregistrez-le à nouveau là où il a été créé, puis ajoutez-le une nouvelle fois."
    ),
    "no_text": Words(
        "Aucun texte n’a pu être lu : les pages sont sans doute des images numérisées.",
        "Ajoutez une version avec une couche de texte (reconnaissance de texte, OCR).",
    ),
    "unknown_format": Words(
        "Ce type de fichier ne peut pas être lu.",
        "Ajoutez un PDF, un Word (.docx), du HTML, du Markdown ou du texte. Sinon, exportez-le en PDF.",
    ),
    "not_what_it_says": Words(
        "Le contenu n’est pas ce que dit le nom du fichier.",
        "Ouvrez-le dans le programme d’origine et enregistrez-le à nouveau, en PDF par exemple.",
    ),
    "old_word": Words(
        "C’est l’ancien format Word (.doc).", "Enregistrez-le en .docx ou en PDF, puis ajoutez-le à nouveau."
    ),
    "password_protected": Words(
        "Le fichier est protégé par un mot de passe.",
        "Retirez le mot de passe là où il a été créé, puis ajoutez-le à nouveau.",
    ),
    "damaged": Words(
        "Le fichier est endommagé.", "Récupérez-le ou exportez-le à nouveau : la copie est abîmée ou incomplète."
    ),
    "cut_off": Words(
        "Le fichier est tronqué : la fin manque.", "Copiez-le ou téléchargez-le à nouveau, puis ajoutez-le."
    ),
    "too_many_pages": Words(
        "Il compte {pages} pages ; la limite est de {limit}.", "Divisez-le, ou augmentez INTRAMUROS_READER_PAGES."
    ),
    "too_much_text": Words(
        "Il contient plus de texte que la limite de {limit} millions de caractères.",
        "Divisez-le, ou augmentez INTRAMUROS_READER_OUTPUT_MIB.",
    ),
    "too_large": Words("Il dépasse la limite de {limit} Mio.", "Divisez-le, ou augmentez INTRAMUROS_UPLOAD_MIB."),
    "too_large_unpacked": Words(
        "Décompressé, il dépasserait {limit} Mio : un document ne fait pas cela.",
        "Si le fichier est authentique, divisez-le ou exportez-le en PDF.",
    ),
    "took_too_long": Words(
        "Sa lecture a dépassé {limit} secondes.",
        "Divisez-le, exportez-le à nouveau, ou augmentez INTRAMUROS_READER_TIME_S.",
    ),
    "too_much_memory": Words(
        "Sa lecture a dépassé {limit} Mio de mémoire.",
        "Divisez-le, exportez-le à nouveau, ou augmentez INTRAMUROS_READER_MEMORY_MIB.",
    ),
    "original_missing": Words(
        "L’original conservé a disparu ou est endommagé.", "Supprimez le document et ajoutez-le à nouveau."
    ),
    "stopped_repeatedly": Words(
        "Sa lecture a été interrompue {limit} fois.",
        "Consultez le journal, puis supprimez le document et ajoutez-le à nouveau.",
    ),
    "cancelled": Words(
        "Sa lecture a été annulée avant de commencer.", "Supprimez le document et ajoutez-le à nouveau."
    ),
    "reader_failed": Words(
        "Le processus de lecture n’a pas pu démarrer.", "Consultez le journal ; vérifiez la mémoire et l’espace disque."
    ),
}
_WORDS: Mapping[str, Mapping[str, Words]] = {"en": _ENGLISH, "fr": _FRENCH}
CODES = frozenset(_ENGLISH)


def words(code: str, language: str = "en", *, numbers: Mapping[str, object] | None = None) -> Words:
    """Message and hint of a failure; English where the language has no words of its own."""
    table = _WORDS.get(language, _ENGLISH)
    chosen = table.get(code) or table["damaged"]
    spoken = {name: _spoken(value, language) for name, value in (numbers or {}).items()}
    return Words(chosen.message.format_map(_Known(spoken)), chosen.hint)


def failure(code: str, **numbers: object) -> DocumentError:
    """The error for `code`, with its numbers in `details` so that a door can say it again in another language."""
    said = words(code, numbers=numbers)
    return DocumentError(said.message, hint=said.hint, code=code, **numbers)


class _Known(dict[str, str]):
    """A number that isn't known is left out rather than failing the message."""

    def __missing__(self, name: str) -> str:
        return "…"


def _spoken(value: object, language: str) -> str:
    if isinstance(value, int):
        return f"{value:,}".replace(",", " " if language == "fr" else ",")
    return f"{value:g}" if isinstance(value, float) else str(value)
