"""What programs write as escapes leaves as little as what they write plainly, and comes back readable."""

from __future__ import annotations

import asyncio
import html
import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.escapes import apart, spelled
from tests.unit.engines.test_outside import Remote, ask, outside, said_by_user

MAIL, IBAN = "jean.dupont@firm.example", "FR7630006000011234567890189"
RESULT = json.dumps({"client": "Mme Françoise Müller", "note": f"Payé\n{IBAN}\n{MAIL}", "mail": MAIL})


def sent(text: str, aliases: Aliases | None = None) -> str:
    remote = Remote()
    asyncio.run(outside(remote, aliases).generate(ask(text)))
    return said_by_user(remote.received[-1])


@pytest.mark.parametrize(
    "text",
    [
        '{"to": "jean.dupont\\u0040firm.example"}',
        '{"to": "jean.dupont\\u0040firm.example',
        'The tool said: {"to": "jean.dupont\\u0040firm.example"}',
        json.dumps(json.dumps({"to": MAIL})).replace("@", "\\\\u0040"),
        "<a href='mailto:x'>jean.dupont&#64;firm.example</a>",
        "<p>jean.dupont&#x40;firm.example",
        "jean.dupont&commat;firm.example",
        "https://firm.example/unsubscribe?mail=jean.dupont%40firm.example",
    ],
)
def test_an_address_is_hidden_however_it_is_escaped(text: str) -> None:
    hidden = sent(text)
    assert "dupont" not in hidden and "EMAIL_ADDRESS" in hidden


@pytest.mark.parametrize(
    "escape", [json.dumps, lambda name: html.escape(name).encode("ascii", "xmlcharrefreplace").decode(), quote]
)
def test_a_name_with_accents_is_hidden_however_it_is_escaped(escape: Any) -> None:
    hidden = sent(f"Bonjour Mme {escape('Müller')}, cordialement".replace('"', ""))
    assert "ller" not in hidden and "PERSON" in hidden


def test_what_a_program_passes_on_of_a_tool_is_hidden_in_every_line() -> None:
    aliases = Aliases()
    hidden = sent(RESULT, aliases)
    for said in ("Fran", "ller", "FR76", "dupont"):
        assert said not in hidden
    assert set(json.loads(hidden)) == {"client", "note", "mail"}
    assert {MAIL, IBAN} <= set(aliases.values.values())
    assert not any("\\" in value for value in aliases.values.values()), "a value would come back escaped"


def test_arguments_and_results_of_tools_are_looked_at_too() -> None:
    remote = Remote()
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": '{"to": "jean.dupont\\u0040firm.example'},
    }
    result = {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": RESULT}]}
    asked = ask("x")
    asked["messages"] += [{"role": "assistant", "content": None, "tool_calls": [call]}, result]
    asyncio.run(outside(remote).generate(asked))
    left = json.dumps(remote.received[-1], ensure_ascii=False)
    assert not any(said in left for said in ("dupont", "FR76", "ller"))
    asyncio.run(outside(remote).rerank("x", [RESULT]))
    assert not any(said in str(remote.received[-1]) for said in ("dupont", "FR76", "ller"))


@pytest.mark.parametrize(
    "text",
    [
        'print("caf\\u00e9")',
        "sel &amp; poivre &lt;b&gt; &eacute;t&eacute;",
        "C:\\new\\table.txt",
        json.dumps({"code": "def f():\n\treturn 1\nx = f()"}),
        "100%25 of https://firm.example/a%20b%C3%A9",
    ],
)
def test_what_says_nothing_of_anybody_stays_as_it_was_written(text: str) -> None:
    assert sent(text) == text


def test_a_password_in_an_address_does_not_end_at_its_escaped_sign() -> None:
    assert spelled("https://anna:p%40ss.word@firm.example/") == "https://anna:p%40ss.word@firm.example/"


TEXTS = st.text(alphabet=st.sampled_from('aé"\\\n\t/<>&;%@u0{}[]:,#x')) | st.text()


@given(
    value=st.recursive(TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))
)
def test_json_stays_the_json_that_it_is(value: Any) -> None:
    for source in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert json.loads(apart(source)) is not None or value is None
        if "\\\\u" not in source and "&" not in source and "%" not in source:
            assert json.loads(spelled(source)) == value


@pytest.mark.parametrize("piece", ["\\", "a%40b.c", "a%40" + "b." * 20, "&#", "%C3", "&a", "\\\\n", "\\u00"])
def test_time_grows_with_the_text_alone(piece: str) -> None:
    began = time.process_time()
    spelled(piece * (1_000_000 // len(piece)))
    apart("[" + piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 20, "it takes time by the square of the length: minutes, not a second"


@given(text=TEXTS)
def test_no_text_is_too_odd(text: str) -> None:
    assert isinstance(apart(spelled(text)), str)
