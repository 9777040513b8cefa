"""Dates of birth: a date is one where the text says so, in four languages. One tier of the redactor."""

from __future__ import annotations

import re

from intramuros.privacy.redact.rules import Rule, shape

_MONTHS = (
    "janvier|février|fevrier|mars|avril|mai|juin|juillet|août|aout|septembre|octobre|novembre|décembre"
    "|decembre|janv|févr|juil|sept|déc"
    "|januar|jänner|jaenner|februar|märz|maerz|april|juni|juli|august|september|oktober|november|dezember"
    "|jan|feb|apr|aug|okt|nov|dez"
    "|gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre"
    "|january|february|march|may|june|july|october|december|mar|jun|jul|sep|oct|dec"
)
_BORN = shape(
    r"(?:(?<![^\W_])(?:née?s?|né\(e\)|né·e|nés|naissance|naiss\.|geboren(?:e[rnms]?)?|geb\.?|geburtsdatum"
    r"|geburtstag|geb\.?-dat\.?|geburtsdat\.?|nat[oaie]|nascita|nascit[oa]|born"
    r"|birth ?date|date of birth|birth|birthday|d\.?o\.?b\.?|ddn|\* ?)(?![^\W_])|\* ?)"
    r"(?:(?![0-9]{4})[^.;\n|]){0,48} \x00|"
    r"(?:nascita|naissance|geburtsdatum|birth)[^\n]{0,12}\n[^\n]{0,24} \x00"
    r"|\x00 {1,2}\(?(?:geboren|geb\.|born|nat[oa] |née? |naissance|date de naissance|geburtsdatum|nascita)"
)
_DAY, _MONTH = r"(?:0?[1-9]|[12][0-9]|3[01])", r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:19[0-9]{2}|20[0-2][0-9])"
_BORDER = r"(?<![0-9A-Za-z_].)(?<![0-9][./\-].)"
_END = r"(?![0-9A-Za-z_])(?![./\-][0-9])"


def _rule(pattern: str) -> Rule:
    return Rule("DATE_OF_BIRTH", re.compile(pattern), None, 0.1, _BORN, 0.9, before=70, after=20)


BIRTHS = (
    _rule(r"[0-9]" + _BORDER + r"[0-9]?(?<=[0-9])" + rf" ?[./\-] ?{_MONTH} ?[./\-] ?(?:{_YEAR}|[0-9]{{2}})" + _END),
    _rule(r"[0-3]" + _BORDER + r"[0-9OIl][ ./\-][01OIl][0-9OIl][ ./\-](?:19|20|l9|2O)[0-9OIl]{2}" + _END),
    _rule(r"[12]" + _BORDER + rf"(?:9[0-9]{{2}}|0[0-2][0-9])[./\-]{_MONTH}[./\-]{_DAY}" + _END),
    _rule(
        r"[0-9]"
        + _BORDER
        + rf"[0-9]?(?:er|ère|\.|st|nd|rd|th|°)? {{0,2}}(?:of |de |di )?(?i:{_MONTHS})\.?,? {{0,2}}{_YEAR}"
        + _END
    ),
    _rule(r"[JFMASONDjfmasond](?<![^\W_].)" + rf"[a-z]{{2,8}}\.? {_DAY}(?:st|nd|rd|th)?,? {_YEAR}" + _END),
)
