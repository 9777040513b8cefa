"""Numbers of registers: accounts, cards, insurance, tax, firms. One tier of the redactor.

Shape, check digits and context words decide together: of random digits of the right length one in ten passes Luhn, so
nine digits are a SIREN only where the text speaks of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from intramuros.privacy.redact import checks
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.rules import CAPITAL, DIGIT, END, Rule, words

_S = r"(?:[ .\-/]|[ ]?\n[ >]{0,2})?"
_OCR = r"[0-9OoIl|SB]"
_CONTEXT_CARD = words(
    "carte", "card", "karte", "carta", "visa", "mastercard", "amex", "paiement", "payment", "zahlung", "pagamento"
)
_CONTEXT_FIRM = words(
    r"siren", r"siret", r"rcs", r"r\.c\.s", "immatricul", "registre du commerce", "n° d'entreprise", "identifiant"
)
_CONTEXT_TAX = words("fiscal", "nif", "spi", "impôt", "impot", "impots", "déclarant", "tax")
_CONTEXT_VAT = words(
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
_CONTEXT_NIR = words(
    "sécurité sociale", "securite sociale", "sécu", "nir", "insee", "assuré", "immatriculation", "n° ss", "ss"
)
_CONTEXT_QR = words(
    "référence", "reference", "referenz", "riferimento", "qr", "bvr", "esr", "versement", "zahlung", "pagamento", "ref"
)
_CONTEXT_DE_TAX = words("steuer", "idnr", "tin", "tax", "identifikationsnummer")


def _is_time(number: str) -> bool:
    return re.match(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", number) is not None


def _plain_siret(text: str) -> bool:
    return checks.siret(text) and not _is_time(text)


def _reread(check: Callable[[str], bool]) -> Callable[[str], bool]:
    """A check of what text recognition may have misread; only of numbers that are digits for the most part."""
    return lambda text: (
        sum(c.isdigit() for c in text) * 4 >= sum(c.isalnum() for c in text) * 3 and check(checks.reread(text))
    )


def _reread_uid(text: str) -> bool:
    return checks.uid(checks.reread(_REGISTER_WORD.sub("", text[3:])))


_REGISTER_WORD = re.compile(r" ?(?:TVA|MWST|IVA|TPV|VAT|HR|RC)$")
_IBAN = re.compile(r"[A-Za-z](?<![0-9A-Za-z_].)[A-Za-z][ ]?[0-9OoIl|][ ]?[0-9OoIl|](?=[ .\-]{0,2}[0-9A-Za-z|])")
_IBAN_LETTER = re.compile(r"(?:[ .\-/_]{0,2}|[ ]?\n[ >]{0,2})([0-9A-Za-z|])")


class Ibans:
    """Account numbers: from the country and its check digits on, as many characters as that country's have."""

    name = "account numbers"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """The check decides, so separators, small letters and misread digits do no harm."""
        found = []
        for start in _IBAN.finditer(text):
            missing = checks.IBAN_LENGTHS.get(text[start.start() : start.start() + 2].upper(), 0) - 4
            end = start.end()
            while missing > 0 and (letter := _IBAN_LETTER.match(text, end)):
                end, missing = letter.end(), missing - 1
            if missing == 0 and not text[end : end + 1].isalnum() and checks.iban(text[start.start() : end]):
                found.append(Finding("IBAN_CODE", start.start(), end, 1.0))
        return found


REGISTERS = (
    Rule("CH_QR_REFERENCE", re.compile(DIGIT + r"[0-9]" + r"(?:[ ]?[0-9]{5}){5}" + END), checks.qr_reference, 0.9),
    Rule(
        "CH_QR_REFERENCE",
        re.compile(_OCR + r"(?<![0-9A-Za-z_].)" + _OCR + rf"(?:[ ]?{_OCR}{{5}}){{5}}" + END),
        _reread(checks.qr_reference),
        0.6,
        _CONTEXT_QR,
    ),
    Rule(
        "CREDIT_CARD",
        re.compile(r"[2-6](?<![0-9A-Za-z_].)" + rf"{_OCR}{{3}}(?:[ .\-]?{_OCR}{{4}}){{3}}" + END),
        _reread(checks.card),
        0.4,
        _CONTEXT_CARD,
    ),
    Rule("CREDIT_CARD", re.compile(DIGIT + r"(?:[ .\-]?[0-9]){12,18}" + END), checks.card, 0.7, _CONTEXT_CARD),
    Rule(
        "CH_AVS",
        re.compile(r"7(?<![0-9A-Za-z_].)(?<![0-9][.,].)[5S][6G]" + rf"(?:{_S}{_OCR}){{10}}" + END),
        checks.avs,
        0.95,
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
    ),
    Rule(
        "FR_NIR",  # without its key
        re.compile(DIGIT + rf"{_S}[0-9]{{2}}{_S}[0-9]{{2}}{_S}[0-9][0-9AB]{_S}[0-9]{{3}}{_S}[0-9]{{3}}" + END),
        checks.nir,
        0.3,
        _CONTEXT_NIR,
        0.85,
    ),
    Rule("FR_SIRET", re.compile(DIGIT + r"[0-9]{2}[ .][0-9]{3}[ .][0-9]{3}[ .][0-9]{5}" + END), checks.siret, 0.9),
    Rule("FR_SIRET", re.compile(DIGIT + r"[0-9]{2}(?:[ .\-]?[0-9]){11}" + END), checks.siret, 0.3, _CONTEXT_FIRM),
    Rule("FR_SIRET", re.compile(DIGIT + r"[0-9]{13}" + END), _plain_siret, 0.55, _CONTEXT_FIRM),
    Rule(
        "FR_RCS",
        re.compile(
            r"R(?<![\w].)(?:CS|\.C\.S\.?)[ :]{1,3}(?:de |d')?[^\W\d_][\w' \-]{1,38}?[ :]{1,3}(?:n°|numéro)?["
            r" ]?(?:[ABCD] ?)?[0-9]{3}[ .]?[0-9]{3}[ .]?[0-9]{3}" + END
        ),
        None,
        0.95,
    ),
    Rule(
        "FR_SIREN",
        re.compile(DIGIT + r"[0-9]{2}[ .\-]?[0-9]{3}[ .\-]?[0-9]{3}" + r"(?![0-9A-Za-z_])(?![.,' ][0-9]{3})"),
        checks.siren,
        0.3,
        _CONTEXT_FIRM,
    ),
    Rule(
        "FR_NIF",
        re.compile(DIGIT + r"[0-9][ ]?[0-9]{2}[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}" + END),
        checks.nif,
        0.45,
        _CONTEXT_TAX,
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
    ),
    Rule(
        "VAT",
        re.compile(r"[A-Z](?<![0-9A-Za-z_].)[A-Z][ .\-]?(?:[0-9A-Z][ .\-]?){7,13}(?<![ .\-])(?![0-9A-Za-z_])"),
        lambda text: (
            text[:2] in {"FR", "DE", "IT", "BE", "LU", "AT"} and checks.vat(text) and any(c.isdigit() for c in text[4:])
        ),
        0.8,
        _CONTEXT_VAT,
    ),
    Rule(
        "VAT",
        re.compile(CAPITAL + r"[A-Z][ .\-]?(?:[0-9A-Z][ .\-]?){7,13}(?<![ .\-])(?![0-9A-Za-z_])"),
        checks.vat,
        0.3,
        _CONTEXT_VAT,
        0.85,
        before=30,
    ),
    Rule(
        "VAT",  # the Italian partita IVA without its country
        re.compile(DIGIT + r"[0-9]{10}" + END),
        checks.luhn,
        0.2,
        words(r"p\.iva", r"p\. iva", "partita iva", r"part\. iva"),
        0.9,
        before=24,
        after=0,
    ),
    Rule(
        "IT_FISCAL_CODE",
        re.compile(
            r"[A-Z](?<![0-9A-Za-z_].)[A-Z]{2}[ ]?[A-Z]{3}[ ]?[0-9LMNP-VOIl]{2}[A-EHLMPRST][0-9LMNP-VOIl]{2}[ ]?"
            r"[A-Z][ ]?[0-9LMNP-VOIl]{3}[ ]?[A-Z](?![0-9A-Za-z_])"
        ),
        checks.it_fiscal_code,
        0.95,
    ),
    Rule(
        "DE_TAX_ID",
        re.compile(DIGIT + r"[0-9][ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}" + END),
        checks.de_tax_id,
        0.3,
        _CONTEXT_DE_TAX,
    ),
)
