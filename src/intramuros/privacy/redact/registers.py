"""Numbers of registers: accounts, cards, insurance, tax, firms. One tier of the redactor.

Shape, check digits and context words decide together: of random digits of the right length one in ten passes Luhn, so
nine digits are a SIREN only where the text speaks of one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from intramuros.privacy.redact import checks
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.outline import has
from intramuros.privacy.redact.rules import CAPITAL, DIGIT, END, LETTERED, Rule, Words, shape

_S = r"(?:[ .\-/]|[ ]?\n[ >]{0,2})?"
_OCR = r"[0-9OoIl|SB]"
_CONTEXT_CARD = Words(
    "carte", "card", "karte", "carta", "visa", "mastercard", "amex", "paiement", "payment", "zahlung", "pagamento"
)
_CONTEXT_FIRM = Words(
    r"siren", r"siret", r"rcs", r"r\.c\.s", "immatricul", "registre du commerce", "n° d'entreprise", "identifiant"
)
_CONTEXT_TAX = Words("fiscal", "nif", "spi", "impôt", "impot", "impots", "déclarant", "tax")
_CONTEXT_VAT = Words(
    "tva",
    r"t\.v\.a",
    "vat",
    "ust",
    "umsatzsteuer",
    "mwst",
    "iva",
    r"p\.iva",
    r"p\. iva",
    "partita",
    "intracom",
    "btw",
    "steuernummer",
    "tax",
)
_CONTEXT_NIR = Words(
    "sécurité sociale", "securite sociale", "sécu", "nir", "insee", "assuré", "immatriculation", "n° ss", "ss"
)
_CONTEXT_DE_TAX = Words("steuer", "idnr", "tin", "tax", "identifikationsnummer")

_DE_TAX_NUMBER = shape(
    r"(?<![^\W_])(?:steuer(?:nummer|-?nr\.?|n°)|st\.?-?nr\.?|stnr\.?)(?: \([^)\n]{2,16}\))?"
    r"[ .:|\t]{0,4}\n?[ \t]{0,8} \x00",
    "st",
)


def _is_time(number: str) -> bool:
    return re.match(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", number) is not None


def _plain_siret(text: str) -> bool:
    return checks.siret(text) and not _is_time(text)


def _reread_uid(text: str) -> bool:
    return checks.uid(checks.reread(_REGISTER_WORD.sub("", text[3:])))


_REGISTER_WORD = re.compile(r" ?(?:TVA|MWST|IVA|TPV|VAT|HR|RC)$")
_IBAN = re.compile(
    r"[0-9OoIl|SBZ](?=[ ]?[0-9OoIl|SBZ])"
    r"(?:(?<=[A-Za-z]{2}.)(?<![0-9A-Za-z_]...)|(?<=[A-Za-z]{2} .)(?<![0-9A-Za-z_]....))"
    r"[ ]?[0-9OoIl|SBZ](?=[ .\-]{0,2}[0-9A-Za-z|])"
)
"""Two check digits after the letters of a country."""
_IBAN_LETTER = r"(?:[ .\-/_]{0,2}|[ ]?\n[ >]{0,2})[0-9A-Za-z|]"
_IBAN_GOES_ON = {
    country: re.compile(f"(?:{_IBAN_LETTER}){{{length - 4}}}(?![^\\W_])")
    for country, length in checks.IBAN_LENGTHS.items()
}
"""What follows the check digits, by country."""


class Ibans:
    """Account numbers: from the country and its check digits on, as many characters as that country's have."""

    name = "account numbers"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """The check decides, so separators, small letters and misread digits do no harm."""
        found = []
        for start in _IBAN.finditer(text):
            place = start.start() - (3 if text[start.start() - 1] == " " else 2)
            goes_on = _IBAN_GOES_ON.get(text[place : place + 2].upper())
            if goes_on and (rest := goes_on.match(text, start.end())) and checks.iban(text[place : rest.end()]):
                found.append(Finding("IBAN_CODE", place, rest.end(), 1.0))
        return found


REGISTERS = (
    Rule(
        "CH_QR_REFERENCE",
        re.compile(DIGIT + r"[0-9]" + r"(?:[ ]?[0-9]{5}){5}" + END),
        checks.qr_reference,
        0.9,
        digits=27,
    ),
    Rule(
        "CREDIT_CARD", re.compile(DIGIT + r"(?:[ .\-]?[0-9]){12,18}" + END), checks.card, 0.7, _CONTEXT_CARD, digits=13
    ),
    Rule(
        "CH_AVS",
        re.compile(r"7(?<![0-9A-Za-z_].)(?<![0-9][.,].)[5S][6G]" + rf"(?:{_S}{_OCR}){{10}}" + END),
        checks.avs,
        0.95,
        digits=13,
    ),
    Rule(
        "FR_NIR",
        re.compile(
            r"[1-478I](?<![0-9A-Za-z_].)(?<![0-9][.,].)"
            + rf"{_S}{_OCR}{{2}}{_S}{_OCR}{{2}}{_S}[0-9O][0-9OIlABab]{_S}{_OCR}{{3}}{_S}{_OCR}{{3}}["
            rf" .\-/]{{0,3}}{_OCR}{{2}}" + END
        ),
        checks.nir,
        0.95,
        digits=15,
    ),
    Rule(
        "FR_NIR",  # without its key
        re.compile(DIGIT + rf"{_S}[0-9]{{2}}{_S}[0-9]{{2}}{_S}[0-9][0-9AB]{_S}[0-9]{{3}}{_S}[0-9]{{3}}" + END),
        checks.nir,
        0.3,
        _CONTEXT_NIR,
        0.85,
        digits=13,
    ),
    Rule(
        "FR_SIRET",
        re.compile(DIGIT + r"[0-9]{2}[ .][0-9]{3}[ .][0-9]{3}[ .][0-9]{5}" + END),
        checks.siret,
        0.9,
        digits=14,
    ),
    Rule(
        "FR_SIRET",
        re.compile(DIGIT + r"[0-9]{2}(?:[ .\-]?[0-9]){11}" + END),
        checks.siret,
        0.3,
        _CONTEXT_FIRM,
        digits=14,
    ),
    Rule("FR_SIRET", re.compile(DIGIT + r"[0-9]{13}" + END), _plain_siret, 0.55, _CONTEXT_FIRM, digits=14),
    Rule(
        "FR_RCS",
        re.compile(
            r"R(?<![\w].)(?:CS|\.C\.S\.?)[ :]{1,3}(?:de |d')?[^\W\d_][\w' \-]{1,38}?[ :]{1,3}(?:n°|numéro)?["
            r" ]?(?:[ABCD] ?)?[0-9]{3}[ .]?[0-9]{3}[ .]?[0-9]{3}" + END
        ),
        None,
        0.95,
        gates=("RCS", "R.C.S"),
    ),
    Rule(
        "FR_SIREN",
        re.compile(DIGIT + r"[0-9]{2}[ .\-]?[0-9]{3}[ .\-]?[0-9]{3}" + r"(?![0-9A-Za-z_])(?![.,' ][0-9]{3})"),
        checks.siren,
        0.3,
        _CONTEXT_FIRM,
        digits=9,
    ),
    Rule(
        "FR_NIF",
        re.compile(DIGIT + r"[0-9][ ]?[0-9]{2}[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}" + END),
        checks.nif,
        0.45,
        _CONTEXT_TAX,
        digits=13,
    ),
    Rule(
        "VAT",
        re.compile(
            r"C(?<![0-9A-Za-z_].)HE[ \-.]{0,3}[0-9OIlSB]{3}[ .\-]?"
            r"[0-9OIlSB]{3}[ .\-]?[0-9OIlSB]{3}(?![0-9])(?:[ ]?(?:TVA|MWST|IVA"
            r""
            r"|TPV|VAT|HR|RC)(?!\w))?"
        ),
        _reread_uid,
        0.95,
        gates=("CHE",),
    ),
    Rule(
        "VAT",
        re.compile(r"[A-Z](?<![0-9A-Za-z_].)[A-Z][ .\-]?(?:[0-9A-Z][ .\-]?){7,13}(?<![ .\-])(?![0-9A-Za-z_])"),
        lambda text: (
            text[:2] in {"FR", "DE", "IT", "BE", "LU", "AT"} and checks.vat(text) and any(c.isdigit() for c in text[4:])
        ),
        0.8,
        _CONTEXT_VAT,
        within=LETTERED,
    ),
    Rule(
        "VAT",
        re.compile(CAPITAL + r"[A-Z][ .\-]?(?:[0-9A-Z][ .\-]?){7,13}(?<![ .\-])(?![0-9A-Za-z_])"),
        checks.vat,
        0.3,
        _CONTEXT_VAT,
        0.85,
        before=30,
        within=LETTERED,
    ),
    Rule(
        "VAT",  # the Italian partita IVA without its country
        re.compile(DIGIT + r"[0-9]{10}" + END),
        checks.luhn,
        0.2,
        Words(r"p\.iva", r"p\. iva", "partita iva", r"part\. iva", "codice fiscale", r"c\. ?f\."),
        0.9,
        before=40,
        after=0,
        digits=11,
    ),
    Rule(
        "IT_FISCAL_CODE",
        re.compile(
            r"[A-Z](?<![0-9A-Za-z_].)[A-Z]{2}[ ]?[A-Z]{3}[ ]?[0-9LMNP-VOIl]{2}[A-EHLMPRST][0-9LMNP-VOIl]{2}[ ]?"
            r"[A-Z][ ]?[0-9LMNP-VOIl]{3}[ ]?[A-Z](?![0-9A-Za-z_])"
        ),
        checks.it_fiscal_code,
        0.95,
        within=LETTERED,
    ),
    Rule(
        "IT_FISCAL_CODE",  # in small letters
        re.compile(
            r"[a-z](?<![0-9A-Za-z_].)[a-z]{2} ?[a-z]{3} ?"
            r"[0-9]{2}[a-ehlmprst][0-9]{2} ?[a-z][0-9]{3} ?[a-z](?![0-9A-Za-z_])"
        ),
        checks.it_fiscal_code,
        0.95,
        form=has(b"00a00"),
    ),
    Rule(
        "DE_TAX_ID",
        re.compile(DIGIT + r"(?:[ .\-/]{0,2}[0-9]){10}" + END),
        checks.de_tax_id,
        0.3,
        _CONTEXT_DE_TAX,
        digits=11,
    ),
    Rule(
        "DE_TAX_ID",  # the tax office's number, which has no check digit of its own in every Land
        re.compile(
            DIGIT
            + r"[0-9]{1,2}(?: ?[/ ] ?[0-9]{3,4} ?[/ ] ?[0-9]{4,5}|[0-9]{8,10})"
            + r"(?![0-9A-Za-z_])(?![.,/][0-9])"
        ),
        None,
        0.1,
        _DE_TAX_NUMBER,
        0.85,
        before=40,
        after=0,
        digits=10,
    ),
)
