"""Passwords that a word announces: assigned in code, told in a sentence, asked for and answered.

A tier of its own. What stands right after `password:` is one unless it is a word or a name of a variable; further off,
in prose only, what no word of a language looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from intramuros.privacy.redact.door_codes import told_codes
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.outline import says

_WORD = re.compile(
    r"m(?:ots? de passe|dp)|p(?:ass(?:wor[dt]|wd|phrase|code|(?=[\"']? ?[:=]))|wd?(?![a-z])|s[kw](?![a-z])"
    r"|arola d'ordine)|kennwort|bearer"
    r"|token"
    r"|w(?:lan|ifi|i-fi)[ -]?(?:key|schlüssel|code)|clé (?:du )?(?:wi-?fi|wpa2?)|chiave (?:del )?(?:wi-?fi|wlan|rete)"
    r"|passe(?= ?:)|code d'accès|zugangscode|codice di accesso|access code"
    r"|a(?:pi[ _-]?(?:key|schlüssel)|ccess[ _-]?(?:key|token)|(?<![^\W_]a)uth[ _-]?token)"
    r"|c(?:ode (?:pin|(?:du )?wi-?fi)|lé api|hiave api|lient[ _-]?secret)|secret(?:[ _-]?key)?"
)
_VALUE = re.compile(
    r"[\"']?(?:(?: [\w']{1,14}){0,5}?(?: (?:est|ist|is|è|lautet|:|c'est|lauten)(?!\w)|:))?"
    r"(?: \([\w ]{2,16}\))?[ \t]{0,3}(?::[ \t]?\n|[:=]>?|[-=]>|→|>|[|\t]| )[ \t]{0,3}[\"'`«]?["
    r" ]?([^\s\"'`«»,;<>()]{6,200})"
)


_FURTHER_ON = re.compile(
    r"(?:[^\n\"'`(){}=<>]|(?<=\w)'(?=\w)){1,60}?[ :](?=[^\s]{0,40}[0-9])(?=[^\s]{0,40}[a-z])(?=[^\s]{0,40}[A-Z])"
    r"(?:(?<=: )|(?<='s )|(?<= is )|(?<= ist )|(?<= est )|(?<= è )|(?<=lautet )"
    r"|(?=[\w-]{1,40}[#$%&*!.+~^=]))([A-Za-z0-9](?![\w-]{0,40}\.[a-z]{1,4}(?!\w))"
    r"[^\s\"'`(){}<>@,;/\\]{5,40}[^\s\"'`(){}<>@,;.:?!/\\])"
)
"""A word further on that only a password looks like: a capital, a small letter and a digit; no name of a file."""
_ANSWERED = re.compile(
    r"[^\n]{0,20}\?[^\n]{0,12}\n(?:[^\n]{0,60}\n)??[^\n]{0,40}(?:: |> ?"
    r"|\n)([^\s\"'`(){}<>@,;/\\]{6,40})[ \t]*(?=\n|$)"
)
"""Somebody asks for it, somebody answers with it alone on the line."""
_INDEXED = re.compile(r"[A-Za-z_][\w.]*\[")


_TOLD = re.compile(
    r"(?:wlan|wi-?fi)(?:[^\n]{0,50}(?:schlüssel|clé|chiave|key|code)|(?=[^\n]{0,24}\?)|(?= ?[:=]))|"
    r"m(?:ots? de passe|dp)|p(?:ass(?:wor[dt]|wd|phrase|code)|wd?(?![a-z])|sw(?![a-z])|arola d'ordine)|kennwort"
    r"|code (?:du )?wi-?fi|code d'accès|zugangs(?:code|daten)|wlan-(?:schlüssel|key)"
    r"|c(?:lé|hiave|ode) (?:wi-?fi|wpa)|key (?:wi-?fi|wpa)"
    r"|identifiants?(?! )|credenziali|credentials|log ?in(?:s|ge)?(?= )|log in with|connecte[rz]?-?(?:toi"
    r"|vous)?(?= )|accedi|anmeld"
)
_STEMS = (
    "pass", "mdp", "pw", "psk", "psw", "kennwort", "parola", "cod", "zugang", "wlan", "wifi", "wi-fi", "login",
    "log in", "credenzial", "credential", "identifiant", "accedi", "anmeld", "connecte", "clé", "key w", "chiave",
    "bearer", "token", "api", "access", "secret",
)  # fmt: skip
"""Literals without one of which no word of `_WORD` or `_TOLD` stands in a text."""
_CODE = re.compile(
    r"[{}<`]|\w\(|::|;$|=>|\w=|==|(?:^|\s)\$ |\$[A-Z]{2}|\|[^|\n]*\||^\s*(?:def|import|from|class|if|for|return"
    r"|const|let"
    r"|var|func|fn"
    r"|#include|@) |^[ >\t]*(?:Traceback|File \")"
)
"""Lines of code, of a shell or of a table: a password there is assigned, or stands under a heading."""
_TOKEN = re.compile(r"[^\s\"'`«»,;()<>|]{5,64}")
_NO_PASSWORD = re.compile(
    r"(?i:https?:|www\.|ftp:)|.*://|[\w.+-]+@[\w-]+\.[\w.]+$|[0-9.,:/%€$+\-h]+$|.*\.(?:pdf|docx?|xlsx?|csv|zip"
    r"|txt|jpe?g|png|eml|msg|py|js"
    r"|json|ya?ml|html?|md|pptx?|exe|sh|conf|cfg|ini|log|com|org|net|ch|fr|de|it|example|intern|lan|local)$"
    r"|(?i:sha-?[0-9]+|md5|argon2\w*|bcrypt|pbkdf2\w*|base64|utf-?(?:8|16)|oauth2?|http/?[12.]*|tls\s?1?\S*"
    r"|v[0-9][\w.]*|ipv[46]|u?int[0-9]+|float[0-9]+"
    r"|wpa[23]\S*|windows[0-9]*|office365|m365|o365|x509|[rhe]s(?:256|384|512)|ed25519|aes-?[0-9]+\S*|rfc[0-9]+"
    r"|iso[0-9-]+|802\.11\w*|[0-9]+(?:er|e|ème|th|st|nd|rd)"
    r"|[0-9][0-9.,]*(?:zeichen|stellen|chars?|caract\w*|caratteri|min|sec"
    r"|jours|tage|giorni|days|mo|gb|mb|kb|ghz|mhz|h|px|km|kg|chf|eur))$"
    r"|[A-Za-z]+-[A-Za-z]+(?:-[A-Za-z]+)*$|[A-Za-z]+-[0-9.]{1,3}$|[a-z]+[0-9]?(?:-[a-z]+[0-9]?)+$"
    r"|[a-z]\w*(?:\.[A-Za-z]\w*)+$|\w*/\w+/"
    r"|[\w.-]+:[0-9]"
    r"|\[?[0-9]{1,2}[:h.][0-9]{2}|.*\u27e6|[^\w&$!#%*@+~]"
)
"""Addresses, dates, names of files, methods, units: none of them is a password."""
_SIGNS = frozenset("!#$%&*_+~^@?=./-§")
_RIGHT_AFTER = re.compile(
    r"(?:[:=|\t]|->|→|(?<![^\W_])(?:est|ist|is|è|e'|lautet|heißt|heisst|war|was|era|était|to|en|auf|in|sur|a|à|su|now"
    r"|jetzt|désormais|c'est|maintenant|toujours"
    r"|ora|adesso|using|mit|avec|con|with|type|tape|gib|inserisci|mis|set|messo|habe|pw|mdp|passwor[dt]|passe"
    r"|(?:pw|mdp|pwd|psw|passwor[dt]|mot de passe|kennwort) [\w-]{2,16}|pwd|psw|kennwort|zip"
    r"|schlüssel|clé|chiave|key|[\w.-]{3,20} /)) ?$",
    re.IGNORECASE,
)


_INSIDE = re.compile(r"[a-z]{4,20}[0-9][a-z]{4,20}$")


def is_strong(value: str) -> bool:
    """Whether no word of a language looks like it: letters with digits and a sign or capitals, or a chance mix."""
    if len(value) < 6:
        return False
    letters = sum(map(str.isalpha, value))
    figures = sum(map(str.isdigit, value))
    if letters < 2 or _NO_PASSWORD.match(value) or value[0] in "${[<":
        return False
    has_sign = any(c in _SIGNS for c in value[:-1]) or value[-1] in "!#$%&*_+~^@"
    has_cases = value != value.lower() and value != value.upper()
    if figures:
        return has_sign or has_cases or (figures >= 2 and not value.isupper()) or _INSIDE.match(value) is not None
    return is_chance(value) or (any(c in "!#$%&*~^@" for c in value[1:-1]) and has_cases)


def is_chance(value: str) -> bool:
    """Whether capitals and small letters follow each other as chance has it, not as in camelCase."""
    turns = sum(a.islower() and b.isupper() for a, b in pairwise(value))
    doubles = sum(a.isupper() and b.isupper() for a, b in pairwise(value))
    return value.isalpha() and len(value) >= 8 and turns >= 2 and (turns >= 4 or doubles >= 1) and not value.isupper()


def looks_secret(value: str) -> bool:
    """Whether what stands after "password:" is one: no word, no name of a variable, no call, no placeholder."""
    if (
        value[0] in "${[⟦*-"
        or value[-1] in "?="
        or "(" in value
        or "://" in value
        or _INDEXED.match(value)
        or (value.endswith(".") and value[:-1].isalpha())
    ):
        return False
    kinds = sum((any(c.isdigit() for c in value), any(c.isalpha() for c in value), any(not c.isalnum() for c in value)))
    has_mixed_case = value != value.lower() and value != value.upper() and value[1:] != value[1:].lower()
    is_name = re.fullmatch(r"[A-Za-z_]\w*(?:[.-][A-Za-z_]\w*)*[.:]?", value) is not None and not (
        any(c.isdigit() for c in value) and (has_mixed_case or len(value) >= 10)
    )
    return kinds >= 2 and not is_name and any(c.isalpha() for c in value)


def is_made_up(value: str) -> bool:
    """Whether a word has letters and at least two digits, or a sign between: no word of a language, no time of day."""
    return any(c.isalpha() for c in value) and sum(c.isdigit() for c in value) >= 2 and not value[0].isdigit()


_ALONE = re.compile(
    r"(?:\n[^\n]{0,60}\?[ \t]*)?\n(?:[^\n]{0,40}(?:: |> ?|\] ))?(?:(?:c'est|it'?s|è|e'|das ist|ist"
    r"|is) )?(?P<value>[^\s\"'`(){}<>;,|\\]{6,40})[ \t]*(?=\n|$)"
)
_MIXED = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[^\s]{8}")
_SIGNED = re.compile(r"(?=[^0-9]*[0-9])[^\s]*[!#$%&*~^@_]")
_KEYWORDS = re.compile(
    r"(?i:str|string|text|none|null|true|false|required|optional|hidden|unknown|input|field|user\w*|param\w*)[0-9]*$"
)


def _bare(value: str) -> str:
    """Without the mark that ends a sentence."""
    return value[:-1] if value[-1:] in ".:?" and len(value) > 6 else value


def is_plain(value: str, text: str, end: int) -> bool:
    """Whether what stands right after a word and a colon is one though it has but letters and two digits."""
    line_end = text.find("\n", end)
    line = text[text.rfind("\n", 0, end) + 1 : line_end if line_end >= 0 else len(text)]
    return (
        text[end : end + 12].lstrip(" \t)\"'")[:1] in {":", "-", "=", "\t", "|", "→", ">"}
        and not _KEYWORDS.match(value)
        and not re.search(r"\w\(|[{}]|^\s*(?:def|self|if|return) ", line)
        and value[0] not in "-./"
        and is_strong(_bare(value))
    )


_NETWORK = re.compile(r"(?i:ssid|netz(?:werk|name)?|network|réseau|rete)[ :=\"']{1,3}$")
"""What the name of a wireless network stands after."""


class Assigned:
    """`password: …` and the like."""

    name = "passwords"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """Reads on only where one of its words stands."""
        found = []
        lowered = text.lower()
        may_say = says(lowered, _STEMS)
        for word in _WORD.finditer(lowered) if may_say else ():
            match = _VALUE.match(text, word.end())
            before = text[word.start() - 1 : word.start()]
            if (before.isalpha() and not word.group().endswith(("wort", "schlüssel"))) or before == "$":
                continue
            if match and "|" in text[word.end() : match.start(1)] and not is_strong(match.group(1)):
                match = None
            if match and (looks_secret(match.group(1)) or is_plain(match.group(1), text, word.end())):
                found.append(Finding("SECRET", *match.span(1), 0.75))
            elif (match := _FURTHER_ON.match(text, word.end())) or (
                (match := _ANSWERED.match(text, word.end())) and is_made_up(match.group(1))
            ):
                found.append(Finding("SECRET", *match.span(1), 0.7))
        if may_say:
            found += self._told(text, lowered, found)
        found += [
            Finding("SECRET", start, end, 0.7)
            for start, end in told_codes(text, lowered)
            if not _CODE.search(_line(text, start))
        ]
        return [f for f in found if not _is_hash(text, f.start, f.end)]

    def _told(self, text: str, lowered: str, found: Sequence[Finding]) -> Iterator[Finding]:
        """Passwords in the line of a word for them, or alone on one of the next two, where nothing looks like code."""
        done = -1
        for word in _TOLD.finditer(lowered):
            start = text.rfind("\n", 0, word.start()) + 1
            end = text.find("\n", word.end())
            end = end if end >= 0 else len(text)
            if start == done or end - start > 400 or _CODE.search(text, start, end):
                continue
            known = [(f.start, f.end) for f in found if start <= f.start <= end]
            near = [
                token
                for token in _TOKEN.finditer(text, max(start, word.start() - 70), min(end, word.end() + 90))
                if not (token.start() < word.end() and word.start() < token.end())
                and not any(token.start() < stop and at < token.end() for at, stop in known)
                and is_strong(_bare(token.group()))
                and not _NETWORK.search(text, max(start, token.start() - 14), token.start())
            ]
            places = [
                token.span()
                for token in near
                if _SIGNED.search(token.group())
                or (text[token.start() - 1 : token.start()] == "(" and text[token.end() : token.end() + 1] == ")")
                or (
                    (not known or _MIXED.match(token.group()))
                    and _RIGHT_AFTER.search(text, max(start, token.start() - 24), token.start())
                )
            ]
            if not near and not known and (alone := _ALONE.match(text, end)) and is_strong(_bare(alone["value"])):
                places = [alone.span("value")]
            for at, stop in places:
                done = start
                yield Finding("SECRET", at, at + len(_bare(text[at:stop])), 0.7)


_HASH = re.compile(r"[0-9a-f]{7,64}")
_HASHED = re.compile(
    r"(?<![^\W_])(?:commit|merged?|revert|rev(?:ision)?|cherry|hash|sha(?:-?(?:1|256|512))?|md5|checksum"
    r"|digest|prüfsumme|git)"
    r"(?![^\W_])|^[ *|]*[0-9a-f]{7,40} ",
    re.IGNORECASE,
)


def _line(text: str, place: int) -> str:
    """The line at a place, 200 characters to each side at the most."""
    start = text.rfind("\n", max(0, place - 200), place) + 1 or max(0, place - 200)
    end = text.find("\n", place, place + 200)
    return text[start : end if end >= 0 else place + 200]


def _is_hash(text: str, start: int, end: int) -> bool:
    """Whether it is the hash of a commit or a file: such a line says so and names no password right before."""
    return (
        _HASH.fullmatch(text, start, end) is not None
        and _HASHED.search(_line(text, start)) is not None
        and re.search(r"(?i:pass\w*|pw|mdp|kennwort|secret|key|token) ?[:=] ?[\"']?$", text[max(0, start - 14) : start])
        is None
    )
