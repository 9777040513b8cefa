"""The sentences the answer task says itself, in the four languages: that there is no answer, and why a sentence fails.

Called by the answer task. Pages have their own translations; these are part of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from intramuros.retrieval.verify import Problem

_NO_ANSWER = {
    "fr": "Je n'ai pas trouvé de réponse à cette question dans les documents de ce projet.",
    "de": "Ich habe in den Dokumenten dieses Projekts keine Antwort auf diese Frage gefunden.",
    "it": "Non ho trovato una risposta a questa domanda nei documenti di questo progetto.",
    "en": "I found no answer to this question in the documents of this project.",
}
_NEAREST = {
    "fr": "Voici les passages les plus proches ; ils parlent peut-être d'autre chose.",
    "de": "Hier sind die nächstliegenden Stellen; sie handeln vielleicht von etwas anderem.",
    "it": "Ecco i passaggi più vicini; forse parlano d'altro.",
    "en": "Here are the nearest passages; they may be about something else.",
}
_HALF_COVERED = {
    "fr": "ces citations ne couvrent qu'une partie de la question",
    "de": "diese Zitate decken nur einen Teil der Frage ab",
    "it": "queste citazioni coprono solo una parte della domanda",
    "en": "these quotations cover only a part of the question",
}
_NOTHING_ON = {
    "fr": "rien sur « {said} »",
    "de": "nichts zu «{said}»",
    "it": "nulla su «{said}»",
    "en": "nothing on “{said}”",
}
_REASONS = {
    "number": {
        "fr": "le nombre « {said} » n'est pas dans les sources",
        "de": "die Zahl «{said}» steht nicht in den Quellen",
        "it": "il numero «{said}» non è nelle fonti",
        "en": "the number “{said}” is not in the sources",
    },
    "date": {
        "fr": "la date « {said} » n'est pas dans les sources",
        "de": "das Datum «{said}» steht nicht in den Quellen",
        "it": "la data «{said}» non è nelle fonti",
        "en": "the date “{said}” is not in the sources",
    },
    "time": {
        "fr": "l'heure « {said} » n'est pas dans les sources",
        "de": "die Uhrzeit «{said}» steht nicht in den Quellen",
        "it": "l'ora «{said}» non è nelle fonti",
        "en": "the time “{said}” is not in the sources",
    },
    "name": {
        "fr": "le nom « {said} » n'est pas dans les sources",
        "de": "der Name «{said}» steht nicht in den Quellen",
        "it": "il nome «{said}» non è nelle fonti",
        "en": "the name “{said}” is not in the sources",
    },
    "reference": {
        "fr": "la référence « {said} » n'est pas dans les sources",
        "de": "die Referenz «{said}» steht nicht in den Quellen",
        "it": "il riferimento «{said}» non è nelle fonti",
        "en": "the reference “{said}” is not in the sources",
    },
    "quotation": {
        "fr": "la citation « {said} » n'est pas mot pour mot dans les sources",
        "de": "das Zitat «{said}» steht nicht wörtlich in den Quellen",
        "it": "la citazione «{said}» non è parola per parola nelle fonti",
        "en": "the quotation “{said}” is not word for word in the sources",
    },
    "wording": {
        "fr": "les sources citées parlent d'autre chose",
        "de": "die genannten Quellen handeln von etwas anderem",
        "it": "le fonti citate parlano d'altro",
        "en": "the sources it cites are about something else",
    },
    "no_source": {
        "fr": "aucune source ne le confirme",
        "de": "keine Quelle bestätigt das",
        "it": "nessuna fonte lo conferma",
        "en": "no source confirms it",
    },
    "unknown_source": {
        "fr": "la source {said} n'existe pas",
        "de": "die Quelle {said} gibt es nicht",
        "it": "la fonte {said} non esiste",
        "en": "there is no source {said}",
    },
}


def no_answer(language: str, *, has_nearest: bool) -> str:
    """Says that the documents have no answer, and that the nearest passages follow if they do."""
    return f"{_NO_ANSWER[language]} {_NEAREST[language]}" if has_nearest else _NO_ANSWER[language]


def half_covered(missing: Sequence[str], language: str) -> str:
    """Says that quotations have only a part of the question, and which of its words they don't have."""
    said = _NOTHING_ON[language].format(said=", ".join(missing))
    return f"{_HALF_COVERED[language]} ({said})" if missing else _HALF_COVERED[language]


def reason(problems: Sequence[Problem], language: str) -> str | None:
    """Why a sentence is not supported, in words; None when it is."""
    return "; ".join(_REASONS[problem.kind][language].format(said=problem.said) for problem in problems) or None
