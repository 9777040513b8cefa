"""Dates of birth: a date is one where the text says so, in four languages. One tier of the redactor."""

from __future__ import annotations

import re
from collections.abc import Callable

from intramuros.privacy.redact.outline import has
from intramuros.privacy.redact.rules import Form, Rule, shape

MONTHS = (
    "janvier|février|fevrier|mars|avril|mai|juin|juillet|août|aout|septembre|octobre|novembre|décembre"
    "|decembre|janv|févr|juil|sept|déc"
    "|januar|jänner|jaenner|februar|märz|maerz|april|juni|juli|august|september|oktober|november|dezember"
    "|jan|feb|apr|aug|okt|nov|dez"
    "|gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre"
    "|january|february|march|may|june|july|october|december|mar|jun|jul|sep|oct|dec"
    "|gen|mag|giu|lug|ago|set|ott|dic|avr|fév|mär|mrz"
)
_SAID = (
    *(
        "né",
        "naiss",
        "nascit",
        "nato",
        "nata",
        "nati",
        "nate",
        "geb",
        "born",
        "birth",
        "dob",
        "d.o.b",
        "ddn",
        "*",
        "ahv",
        "avs",
        "vu le jour",
        "zur welt",
        "licht der welt",
        "anniv",
        "complean",
        "mondo",
        "d.n.",
        " nasc",
        " b. ",
        "(b. ",
        "d.d.n",
    ),
    *("patient", "pazient", "versichert", "bewohner", "klient", "kind", "enfant", "figli", "child"),
)
_BORN = shape(
    r"[nadgcvbpkef*,(\x00](?<=(?=(?:(?<![^\W_])(?:née?s?|né\(e\)|né·e|nés|naissance|naiss\.|geboren(?:e[rnms]?)?|geb\.?|geburtsdatum"
    r"|geburtstag|geb\.?-?dat(?:\.|um)?|geburtsdat\.?|d\.n\.|d\.d\.n\.|anniv(?:ersaire)?\.?|compleanno"
    r"|vu le jour|al mondo|nat[oaie]|nascita|nascit[oa]|nasc\.?|b\.|born"
    r"|birth ?date|date of birth|birth|birthday|d\.?o\.?b\.?|ddn|\* ?)(?![^\W_])|\* ?)"
    r"(?:(?:(?![0-9]{4})[^.;\n|]){0,48}|(?:(?![0-9]{4})[^.;\n|]){0,24}[ .:=]{0,3}[\n|.=][ .:=\t|]{0,16}) \x00|"
    r"(?:nascita|naissance|geburtsdatum|birth)[^\n]{0,12}\n\n?[^\n]{0,24} \x00"
    r"|(?:patient(?:e|in)?|paziente|versicherte[rn]?|bewohner(?:in)?|klient(?:in)?)[^;\n|0-9]{0,60}, {1,2}\x00"
    r"|[,(] {1,2}\x00 ?,? ?\(?(?:ahv|avs)(?!\w)"
    r"|(?<![^\W_])(?:kind(?:er)?|enfants?|figli[oae]?|child(?:ren)?)(?: [0-9])? ?:[^\n|]{1,60}[,(] {0,2}\x00"
    r"|\x00 {1,2}[(:]{0,2} ?(?:geboren|geb\.|geburtstag|born|nat[oa] |è nat[oa] |née? |naissance|date de nais"
    r"|geburtsdatum|nascita|data di nasc|(?:in [\w ]{2,16} )?zur welt|das licht der welt|erblickt"
    r"|date of birth|[\w' ]{3,24} was born)).)",
    *_SAID,
)
_DATES = re.compile(r"[0-9O](?<![0-9A-Za-z_].)[0-9OIl ./\-]{5,}")
_DAY, _MONTH = r"(?:0?[1-9]|[12][0-9]|3[01])", r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:19[0-9]{2}|20(?:[01][0-9]|2[0-7]))"
_DAY_FR = (
    "premier|une?|deux|trois|quatre|cinq|six|sept|huit|neuf|dix|onze|douze|treize|quatorze|quinze|seize|vingt|trente"
)
_YEAR_FR = (
    r"(?:mil(?:le)?|deux[ -]mil(?:le)?)(?:[ -](?:neuf|cents?|vingts?|trente|quarante|cinquante|soixante|dix|onze"
    r"|douze|treize"
    r"|quatorze|quinze|seize|sept|huit|une?|deux|trois|quatre|cinq|six|et))*"
)
_BORDER = r"(?<![0-9A-Za-z_].)(?<![0-9][./\-].)"
_END = r"(?![0-9A-Za-z_])(?![./\-][0-9])"


def _is_no_plain_date(text: str) -> bool:
    """Whether it is a date that only the looser rule sees: misread, or with spaces between."""
    return " " in text or not text.translate(_NO_SEPARATORS).isdigit()


_NO_SEPARATORS = str.maketrans("", "", "./-")


_AFTER_DAY = has(b"0 0000", b"0, 0000", b"0aa 0000", b"0aa, 0000")


def _rule(
    pattern: str,
    *gates: str,
    form: Form | None = None,
    within: re.Pattern[str] | None = None,
    check: Callable[[str], bool] | None = None,
) -> Rule:
    return Rule(
        "DATE_OF_BIRTH",
        re.compile(pattern),
        check,
        0.1,
        _BORN,
        0.9,
        before=70,
        after=20,
        said=_SAID,
        gates=gates,
        within=within,
        form=form,
    )


BIRTHS = (
    _rule(
        r"[0-9]" + _BORDER + r"[0-9]?(?<=[0-9])" + rf" ?[./\-] ?{_MONTH} ?[./\-] ?(?:{_YEAR}|[0-9]{{2}})" + _END,
        within=_DATES,
    ),
    _rule(
        r"[0-3O]" + _BORDER + r"[0-9OIl][ ./\-][01OIl][0-9OIl][ ./\-](?:19|20|l9|2O)[0-9OIl]{2}" + _END,
        within=_DATES,
        check=_is_no_plain_date,
    ),
    _rule(r"[12]" + _BORDER + rf"(?:9[0-9]{{2}}|0[0-2][0-9])[./\-]{_MONTH}[./\-]{_DAY}" + _END, within=_DATES),
    _rule(
        r"[0-9]"
        + _BORDER
        + r"[0-9]?(?:er|ère|\.|st|nd|rd|th|°)? {0,2}(?:of |de |di )?"
        + rf"(?=[JFMASONDGLjfmasondgl])(?i:{MONTHS})\.?,? {{0,2}}{_YEAR}"
        + _END
    ),
    _rule(rf"(?:{_DAY_FR})(?:[- ](?:et[- ])?(?:{_DAY_FR}))? (?i:{MONTHS}) {_YEAR_FR}" + _END, " mil"),
    _rule(
        rf"[a-z](?<![^\W_].)[a-zäöüß]{{2,19}}te[nr]? (?i:{MONTHS}) (?:neunzehnhundert|zweitausend)[a-zäöüß]{{0,30}}"
        + _END,
        "neunzehnhundert",
        "zweitausend",
    ),
    _rule(
        rf"[a-z](?<![^\W_].)[a-zù]{{1,14}} (?i:{MONTHS}) (?:millenovecento|duemila)[a-zé]{{0,24}}" + _END,
        "millenove",
        "duemila",
    ),
    _rule(
        r"(?:the )?(?:(?:twenty|thirty)[- ])?(?:first|second|third|fifth|eighth|ninth|twelfth|t(?:wen|hir)tieth"
        r"|(?:four|six|seven|ten|eleven|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
        r"|nineteen)th) (?:day )?(?:of )?"
        rf"(?i:{MONTHS}),? (?:{_YEAR}|(?:nineteen|twenty|two thousand)(?:[- ](?:hundred|and|[a-z]{{3,9}})){{0,3}})"
        + _END,
        *(
            "irst ",
            "econd ",
            "hird ",
            "ourth ",
            "ifth ",
            "ixth ",
            "venth ",
            "ghth ",
            "inth ",
            "enth ",
            "lfth ",
            "eenth ",
            "ieth ",
        ),
    ),
    _rule(
        r"[JFMASONDjfmasond](?<![^\W_].)" + rf"[a-z]{{2,8}}\.? {_DAY}(?:st|nd|rd|th)?,? {_YEAR}" + _END,
        form=_AFTER_DAY,
    ),
)
