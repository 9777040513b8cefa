"""What opens something: keys, tokens, private keys, passwords, addresses with a password in them.

Handed to the redactor as one tier; the policy blocks them by default, because a key that left is a key to change.
Each pattern has a literal without which it can't match, so that text without secrets costs almost nothing.
"""

from __future__ import annotations

import re

from intramuros.privacy.redact.rules import Rule

_PREFIXED = (
    ("sk-", r"s(?<![\w-].)k-(?:ant-|proj-|or-v1-|svcacct-)?[\w-]{20,200}"),
    ("ghp_ gho_ ghu_ ghs_ ghr_", r"g(?<![\w].)h[pousr]_[A-Za-z0-9]{30,255}"),
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
    ("shpat_ shpca_ shppa_ shpss_", r"s(?<![\w].)hp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("eyJ", r"e(?<![\w].)yJ[\w-]{8,4000}\.eyJ[\w-]{8,8000}\.[\w-]{0,4000}"),
    ("AGE-SECRET-KEY-", r"A(?<![\w].)GE-SECRET-KEY-1[0-9A-Z]{58}"),
)
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\\:,. \r\n>-]{0,20000}?-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----|"
    r"[A-Za-z0-9+/=\s\\]{0,20000})"
)

CREDENTIALS = (
    *(Rule("SECRET", re.compile(pattern), gates=tuple(gates.split(" ")), score=1.0) for gates, pattern in _PREFIXED),
    Rule("SECRET", _PEM, gates=("-----BEGIN ",), score=1.0),
    Rule(
        "URL_CREDENTIALS",
        re.compile(
            r"[A-Za-z](?<![\w].)[A-Za-z0-9+.-]{1,20}://[^\s/@:\"'<>]{0,100}:[^\s/@\"'<>]{1,200}@[^\s\"'<>)]{1,400}"
        ),
        gates=("://",),
        score=1.0,
    ),
    Rule(
        "URL_CREDENTIALS",  # a token in place of a user
        re.compile(r"[A-Za-z](?<![\w].)[A-Za-z0-9+.-]{1,20}://(?=[^\s/@:]{0,99}[0-9])[\w-]{16,100}@[^\s\"'<>)]{1,400}"),
        gates=("://",),
        score=1.0,
    ),
    Rule(
        "URL_CREDENTIALS",  # postgresql://db/rh?user=app&password=…, also after jdbc:
        re.compile(
            r"[a-z](?<![\w:].)(?:dbc:[a-z0-9]{2,20}:|[a-z0-9+.-]{1,20}:)(?://|thin:|@)[^\s\"'<>]{1,400}?"
            r"[?&;](?:password|passwd|pwd|token|secret)=[^\s\"'<>;]{3,400}"
        ),
        gates=("password=", "passwd=", "pwd=", "token=", "secret="),
        score=0.95,
    ),
    Rule(
        "URL_CREDENTIALS",  # jdbc:oracle:thin:user/password@host, sqlplus user/password@name
        re.compile(
            r"[js](?<![\w:].)(?:dbc:[a-z0-9]{2,20}:(?:[a-z0-9]{2,12}:)?|qlplus (?:-[a-zA-Z]{1,2} )?)[\"']?"
            r"[^\s/@:\"'<>]{1,64}/[^\s/@\"'<>]{1,128}@[^\s\"'<>)]{1,400}"
        ),
        gates=("jdbc:", "sqlplus "),
        score=1.0,
    ),
    Rule(
        "SECRET",  # net use … /user:name password
        re.compile(r"/(?<=[ \t].)(?:user|USER):[^\s]{1,64} (?P<value>[^\s*/]{4,64})"),
        gates=("/user:", "/USER:"),
        score=0.9,
    ),
    Rule(
        "SECRET",  # mysql -pPassword, sshpass -p password, curl -u name:password
        re.compile(
            r"(?:sshpass -p ?|mysql(?:dump)? [^\n]{0,80}?-p"
            r"|(?:curl|wget|http) [^\n]{0,120}?(?:-u|--user|-a) ?['\"]?[\w.@-]{1,40}:)"
            r"['\"]?(?P<value>[^\s'\"$]{4,64})"
        ),
        score=0.9,
        gates=("sshpass ", "mysql", "curl ", "wget ", "http "),
    ),
    Rule(
        "URL_CREDENTIALS",
        re.compile(
            r"h(?<![\w].)ttps?://[^\s\"'<>?#]{1,400}[?#][^\s\"'<>]{0,400}?(?:token|key|secret|password"
            r"|passwd|pwd|sig|signature|auth)=[^\s\"'<>&]{8,400}[^\s\"'<>)]{0,400}",
        ),
        gates=("://",),
        score=0.9,
    ),
)
