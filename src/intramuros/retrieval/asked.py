"""What kind of answer a question asks for, and whether a sentence has one of that kind.

Called by the quote mode: "combien de temps" wants a duration, "quand" a date, "qu'est-ce que" a definition. Patterns
in French, German, Italian and English; a question that fits none asks for nothing in particular.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from intramuros.retrieval import dates, numbers


class Kind(StrEnum):
    """The kinds of answers a question may ask for."""

    DURATION = "duration"
    AMOUNT = "amount"
    SHARE = "share"
    DATE = "date"
    COUNT = "count"
    DEFINITION = "definition"
    YES_OR_NO = "yes_or_no"
    PROCEDURE = "procedure"


MEASURES = frozenset([Kind.DURATION, Kind.AMOUNT, Kind.SHARE, Kind.DATE, Kind.COUNT])
"""The kinds that a number or a date answers."""

_TIME_UNITS = frozenset(["year", "month", "week", "day", "hour", "minute", "quarter"])
_MONEY = frozenset(["eur", "chf", "usd", "gbp"])
_FREE = re.compile(r"\b(?:gratuite?(?:s|ment)?|kostenlos|kostenfrei|free|gratis|gratuita?(?:mente)?)\b")

_ASKS = r"(?:\bquel\w*|\bcombien|\bwie|\bwelche\w*|\bquanto|\bqual[ei]?|\bche|\bwhat|\bhow|\bwhich)\b[^?]{0,40}?"
_ASKS_NO_MORE = r"^(?:(?!\b(?:que|quel\w*|comment|combien|pourquoi|quand)\b|qu['’]|^ou\b)[^?])*?"

# First match decides; the text is folded.
_QUESTIONS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        Kind.DURATION,
        re.compile(
            r"combien de (?:temps|jours|semaines|mois|heures|minutes)|combien d['’](?:annees|heures)|tous les combien"
            r"|quel age|wie lange|wie alt|wie viele (?:tage|wochen|monate|jahre|stunden)|wie oft"
            r"|quanto tempo|quanto dura|quanti (?:giorni|mesi|anni)"
            r"|how (?:long|old|many (?:days|weeks|months|years|hours))"
            rf"|{_ASKS}(?:duree|delai|preavis|dauer|\w*frist\b|durata|termine\b|preavviso|duration|deadline|period)"
        ),
    ),
    (
        Kind.SHARE,
        re.compile(rf"{_ASKS}(?:\btaux\b(?! plein)|pourcentage|\w*satz\b|prozent|\btasso\b|percent|aliquota|\brate\b)"),
    ),
    (
        Kind.AMOUNT,
        re.compile(
            r"combien (?:ca )?(?:cout|vaut|rapporte|paie|gagne|peut|faut-il payer)|\ba quel prix\b|quanto costa"
            r"|wie (?:viel kostet|teuer|hoch)|was kostet|how (?:much|expensive)"
            rf"|{_ASKS}(?:\bprix\b|montant|tarif|\bcouts?\b|salaire|plafond|\bfrais\b|amende|preis|betrag|kosten|gehalt"
            r"|gebuhr|prezzo|importo|costo|stipendio|price|amount|cost|salary|\bfee)"
        ),
    ),
    (
        Kind.DATE,
        re.compile(
            r"(?:^|: |depuis |jusqu['’]a |a partir de )quand\b|\bquelle (?:est la )?date|\bwann\b|welche[ms] datum"
            r"|\bquando\b|quale data|^when\b|what date"
        ),
    ),
    (Kind.COUNT, re.compile(r"\bcombien\b|wie ?viele?\b|\bquant[ioe]\b|how many")),
    (
        Kind.DEFINITION,
        re.compile(
            r"qu['’ ]?est[- ]ce (?:que? |qu['’])|que signifie|definition|a quoi (?:sert|correspond)|qui est\b"
            r"|was (?:ist|sind|bedeutet)|wozu dient|wer ist|che cos|cosa (?:e|significa)|a cosa serve|chi e\b"
            r"|what (?:is|are|does .+ mean)|who is"
        ),
    ),
    (
        Kind.PROCEDURE,
        re.compile(r"\bcomment\b|que faire|\bwie\b|was tun|\bcome\b|cosa fare|che fare|\bhow\b|what to do"),
    ),
    (
        Kind.YES_OR_NO,
        re.compile(
            rf"{_ASKS_NO_MORE}(?:\w-(?:t-)?(?:il|elle|on|ils|elles|vous|je|nous)\b|\ba t[- ]on\b|t-il\b)|^est-ce qu"
            r"|^(?:kann|konnen|darf|durfen|muss|mussen|ist|sind|hat|haben|gibt|soll|gilt|wird)\b"
            r"|^(?:si puo|e possibile|posso|puo|possono|deve|devo|bisogna|esiste|ha|e)\b"
            r"|^(?:can|may|must|is|are|do|does|has|have|should|will)\b"
        ),
    ),
)
_DEFINES = re.compile(
    r"\b(?:est|sont|designe(?:nt)?|permet(?:tent)?|consiste|correspond|constitue|sert|s'agit|signifie|appele"
    r"|ist|sind|bezeichnet|bedeutet|dient|besteht|e|sono|indica|consente|consiste|serve|significa"
    r"|is|are|means|refers|consists|allows|serves)\b"
)
_INSTRUCTS = re.compile(
    r"\b(?:vous (?:pouvez|devez|devrez)|il faut|doit|doivent|s'effectue|s'adresser|adressez|demande|en ligne|au moyen"
    r"|sie (?:konnen|mussen)|man (?:kann|muss)|ist zu|sind zu|bisogna|occorre|si (?:deve|puo)|deve|e necessario"
    r"|you (?:can|must|need|should)|must|contact|click)\b"
)
_ANSWERS = re.compile(r"(?:oui|non|ja|nein|si|no|yes)\b[, .;:!]")
_PERMITS = re.compile(
    r"\b(?:peu(?:t|x|vent)|pouvez|pouvons|possibles?|droit|obligat\w+|interdit\w*|doi(?:t|vent)|autoris\w+"
    r"|kann|konnen|darf|durfen|muss|mussen|moglich|pflicht|verboten|erlaubt"
    r"|puo|possono|possibile|diritto|obblig\w+|vietat\w|deve|devono|can|may|must|allowed|possible|right|forbidden)\b"
)


def asked(question: str) -> Kind | None:
    """What kind of answer the question asks for."""
    folded = numbers.fold(question)
    return next((kind for kind, pattern in _QUESTIONS if pattern.search(folded)), None)


def answers(text: str, kind: Kind) -> float:
    """How well a sentence has the form of an answer of this kind: 0 not, 1 plainly."""
    folded = numbers.fold(text)
    if kind is Kind.DEFINITION:
        return float(_DEFINES.search(folded[:160]) is not None)
    if kind is Kind.PROCEDURE:
        return float(_INSTRUCTS.search(folded) is not None)
    if kind is Kind.YES_OR_NO:
        return 1.0 if _ANSWERS.match(folded) else 0.3 * (_PERMITS.search(folded) is not None)
    return float(_measures(folded, kind))


def _measures(folded: str, kind: Kind) -> bool:
    times = dates.times(folded)
    if kind is Kind.DATE and times.dates:
        return True
    units = _units(numbers.quantities(times.rest))
    if kind is Kind.COUNT:
        return bool(units)
    if kind is Kind.AMOUNT:
        return not units.isdisjoint(_MONEY | {"%"}) or _FREE.search(folded) is not None
    if kind is Kind.SHARE:
        return "%" in units
    return not units.isdisjoint(_TIME_UNITS) or (kind is Kind.DURATION and bool(times.dates))


def _units(quantities: Iterable[numbers.Quantity]) -> frozenset[str]:
    return frozenset(quantity.unit or "" for quantity in quantities)
