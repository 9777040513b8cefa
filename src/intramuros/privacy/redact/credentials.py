"""What opens something: keys, tokens, private keys, passwords, addresses with a password in them.

Handed to the redactor as one tier; the policy blocks them by default, because a key that left is a key to change.
Each pattern has a literal without which it can't match, so that text without secrets costs almost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.rules import Rule

_PREFIXED = (
    ("sk-", r"s(?<![\w-].)k-(?:ant-|proj-|or-v1-|svcacct-)?[\w-]{20,200}"),
    ("gh", r"g(?<![\w].)h[pousr]_[A-Za-z0-9]{30,255}"),
    ("github_pat_", r"g(?<![\w].)ithub_pat_\w{22,255}"),
    ("glpat-", r"g(?<![\w].)lpat-[\w-]{20,64}"),
    ("xox", r"x(?<![\w].)ox[abeoprs]-[\w-]{10,250}"),
    ("AKIA", r"A(?<![\w].)KIA[0-9A-Z]{16}(?!\w)"),
    ("ASIA", r"A(?<![\w].)SIA[0-9A-Z]{16}(?!\w)"),
    ("AIza", r"A(?<![\w].)Iza[\w-]{35}(?!\w)"),
    ("ya29.", r"y(?<![\w].)a29\.[\w-]{20,500}"),
    ("hf_", r"h(?<![\w].)f_[A-Za-z0-9]{30,64}"),
    ("npm_", r"n(?<![\w].)pm_[A-Za-z0-9]{36}(?!\w)"),
    ("pypi-", r"p(?<![\w].)ypi-AgE[\w-]{40,500}"),
    ("SG.", r"S(?<![\w].)G\.[\w-]{16,64}\.[\w-]{16,128}"),
    ("_live_", r"[sr](?<![\w].)k_live_[A-Za-z0-9]{16,128}"),
    ("_test_", r"[sr](?<![\w].)k_test_[A-Za-z0-9]{16,128}"),
    ("imk_", r"i(?<![\w].)mk_[A-Za-z0-9]{20,64}"),
    ("dop_v1_", r"d(?<![\w].)op_v1_[a-f0-9]{64}"),
    ("shp", r"s(?<![\w].)hp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("eyJ", r"e(?<![\w].)yJ[\w-]{8,4000}\.eyJ[\w-]{8,8000}\.[\w-]{0,4000}"),
    ("AGE-SECRET-KEY-", r"A(?<![\w].)GE-SECRET-KEY-1[0-9A-Z]{58}"),
)
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\\:,. \r\n>-]{0,20000}?-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----|"
    r"[A-Za-z0-9+/=\s\\]{0,20000})"
)
_WORD = re.compile(
    r"mots? de passe|mdp|passwor[dt]|passwd|passphrase|pwd|kennwort|parola d'ordine|code pin|api[ _-]?key"
    r"|clé api|api[ _-]?schlüssel"
    r"|chiave api|secret(?:[ _-]?key)?|client[ _-]?secret|access[ _-]?key|access[ _-]?token|auth[ _-]?token"
    r"|bearer|token"
)
_VALUE = re.compile(
    r"[\"']?(?:(?: [\w']{1,14}){0,5}?(?: (?:est|ist|is|è|lautet|:|c'est|lauten)(?!\w)|:))?"
    r"[ \t]{0,3}(?:[:=]|=>| )[ \t]{0,3}[\"'`«]?["
    r" ]?([^\s\"'`«»,;<>()]{6,200})"
)


_INDEXED = re.compile(r"[A-Za-z_][\w.]*\[")


def looks_secret(value: str) -> bool:
    """Whether what stands after "password:" is one: no word, no name of a variable, no call, no placeholder."""
    if (
        value[0] in "${[⟦*"
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


CREDENTIALS = (
    *(Rule("SECRET", re.compile(pattern), gate=gate, score=1.0) for gate, pattern in _PREFIXED),
    Rule("SECRET", _PEM, gate="-----BEGIN ", score=1.0),
    Rule(
        "URL_CREDENTIALS",
        re.compile(r"[a-z](?<![\w].)[a-z0-9+.-]{1,20}://[^\s/@:\"'<>]{1,100}:[^\s/@\"'<>]{1,200}@[^\s\"'<>)]{1,400}"),
        gate="://",
        score=1.0,
    ),
    Rule(
        "URL_CREDENTIALS",
        re.compile(
            r"h(?<![\w].)ttps?://[^\s\"'<>?#]{1,400}[?#][^\s\"'<>]{0,400}?(?:token|key|secret|password"
            r"|passwd|pwd|sig|signature|auth)=[^\s\"'<>&]{8,400}[^\s\"'<>)]{0,400}",
        ),
        gate="://",
        score=0.9,
    ),
)


class Assigned:
    """`password: …` and the like."""

    name = "passwords"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """Reads on only where one of its words stands."""
        found = []
        for word in _WORD.finditer(text.lower()):
            match = _VALUE.match(text, word.end())
            before = text[word.start() - 1 : word.start()]
            if match and not before.isalpha() and looks_secret(match.group(1)):
                found.append(Finding("SECRET", *match.span(1), 0.75))
        return found
