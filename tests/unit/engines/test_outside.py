"""The way to a model outside: no value leaves, every value comes back, and what can't be hidden stops the request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intramuros.api.openai.schemas import HONOURED
from intramuros.audit.entry import Entry
from intramuros.engines.engine import ChatRequest, Health, Reply, Usage
from intramuros.engines.outside import OutsideEngine
from intramuros.errors import BadRequest, DetectorFailed, TextBlocked
from intramuros.privacy.redact.aliases import ALIAS, Aliases
from intramuros.privacy.redact.chat import FIELDS
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.redactor import Redactor

NAME, IBAN, MAIL, PHONE = "Jean Dupont", "CH93 0076 2011 6238 5295 7", "j.dupont@usine.lan", "079 614 22 08"
VALUES = (NAME, "Dupont", "Jean", IBAN, MAIL, PHONE)
SAID = f"M. {NAME}, {IBAN}, {MAIL}, tél. {PHONE}"


class Remote:
    """Keeps what it is sent, and says what it is told to."""

    model = "remote"

    def __init__(self, answer: Callable[[ChatRequest], str] = lambda _: "ok", sizes: Sequence[int] = (7,)) -> None:
        self.received: list[Any] = []
        self.answer, self.sizes = answer, sizes
        self.tool_arguments: Callable[[ChatRequest], str] | None = None
        self.finishes = True

    async def generate(self, request: ChatRequest) -> Reply:
        self.received.append(request)
        message: dict[str, Any] = {"role": "assistant", "content": self.answer(request)}
        if self.tool_arguments:
            call = {"name": "look", "arguments": self.tool_arguments(request)}
            message["tool_calls"] = [{"id": "a", "type": "function", "function": call}]
        raw = {"id": "x", "choices": [{"index": 0, "message": message}], "echo": "of " + self.answer(request)}
        return Reply(self.answer(request), "stop", Usage(), raw)

    async def stream(self, request: ChatRequest) -> AsyncIterator[bytes]:
        self.received.append(request)
        for piece in _pieces(self.answer(request), self.sizes):
            yield _chunk({"content": piece})
        if self.tool_arguments:
            for piece in _pieces(self.tool_arguments(request), self.sizes):
                yield _chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        if self.finishes:
            yield _chunk({}, finish="stop")

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.received.append(list(texts))
        return [[0.0] for _ in texts]

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        self.received.append([query, *texts])
        return [0.0 for _ in texts]

    async def tokenise(self, text: str) -> list[int]:
        self.received.append(text)
        return [1]

    async def health(self) -> Health:
        return Health("ready")

    async def close(self) -> None: ...


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return orjson.dumps({"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _pieces(text: str, sizes: Sequence[int]) -> Iterator[str]:
    place = number = 0
    while place < len(text):
        size = sizes[number % len(sizes)]
        yield text[place : place + size]
        place, number = place + size, number + 1


def outside(remote: Remote, aliases: Aliases | None = None, redactor: Redactor | None = None) -> OutsideEngine:
    return OutsideEngine(remote, redactor or Redactor(), aliases or Aliases())


def streamed(engine: OutsideEngine, request: ChatRequest) -> tuple[str, str]:
    """The content and the arguments that came, put together."""

    async def read() -> tuple[str, str]:
        content = arguments = ""
        async for chunk in engine.stream(request):
            for choice in orjson.loads(chunk)["choices"]:
                content += choice["delta"].get("content") or ""
                for call in choice["delta"].get("tool_calls") or []:
                    arguments += call["function"].get("arguments") or ""
        return content, arguments

    return asyncio.run(read())


def ask(text: str) -> dict[str, Any]:
    return {"model": "remote", "messages": [{"role": "user", "content": text}]}


def said_by_user(request: ChatRequest) -> str:
    return str(request["messages"][-1]["content"])


EVERYWHERE: dict[str, Any] = {
    "model": "remote",
    "messages": [
        {"role": "system", "content": f"Du hilfst {SAID}", "name": "helper"},
        {"role": "user", "content": [{"type": "text", "text": SAID}, {"type": "text", "text": "Dupont.pdf, page 3"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": f"call-{MAIL}",
                    "type": "function",
                    "function": {"name": "look", "arguments": json.dumps({"who": SAID, MAIL: [PHONE, 7569217076985]})},
                }
            ],
        },
        {"role": "tool", "tool_call_id": f"call-{MAIL}", "content": SAID},
        {"role": "assistant", "content": SAID, "refusal": SAID, "reasoning_content": SAID, "a field to come": SAID},
        {"role": "user", "content": "Que doit Dupont ? Et Jean Dupont ?"},
    ],
    "stop": [SAID, "Dupont"],
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "answer",
            "description": SAID,
            "schema": {
                "type": "object",
                "title": SAID,
                "properties": {
                    MAIL: {"type": "string", "description": SAID, "enum": [SAID], "const": SAID},
                    "model": {"const": NAME, "default": 7569217076985, "minimum": -7569217076985},
                },
                "required": [MAIL],
            },
        },
    },
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "look",
                "description": SAID,
                "parameters": {
                    "type": "object",
                    "properties": {
                        "x": {"description": SAID, "default": {"model": SAID, "deep": [{"model": NAME}]}},
                        "avs": {"type": "integer", "enum": [7569217076985, 3], "examples": [7569217076985.0]},
                        "phone": {"const": 796142208, "default": 41796142208, "maximum": 2147483647},
                    },
                },
            },
        }
    ],
    "tool_choice": "auto",
    "temperature": 0.5,
    "user": MAIL,
    "metadata": {"who": NAME},
}


def test_nothing_leaves_from_any_field() -> None:
    remote = Remote()
    engine = outside(remote)
    asyncio.run(engine.generate(EVERYWHERE))
    (sent,) = remote.received
    written = json.dumps(sent, ensure_ascii=False)
    for value in (*VALUES, "7569217076985", "796142208"):
        assert value not in written
    phone = sent["tools"][0]["function"]["parameters"]["properties"]["phone"]
    assert phone["maximum"] == 2147483647, "what is nobody's number stays one"
    ids = [sent["messages"][2]["tool_calls"][0]["id"], sent["messages"][3]["tool_call_id"]]
    assert ids[0] == ids[1] and sent["messages"][0]["role"] == "system" and sent["temperature"] == 0.5
    assert engine.counts["IBAN_CODE"] > 5 and not {"user", "metadata"} & set(sent)


TURNED = {
    "max_completion_tokens",
    "n",
    "functions",
    "function_call",
    "web_search_options",
    "moderation",
    "reasoning_effort",
    "store",
    "metadata",
}
"""What the door takes and no engine gets under that name."""


def test_every_text_field_of_a_request_is_masked_or_refused() -> None:
    """The door's table and the table of what may leave are the same: a new field needs a decision here."""
    assert set(HONOURED) - TURNED == FIELDS
    for name in sorted(FIELDS - {"model", "messages"}):
        remote = Remote()
        asyncio.run(outside(remote).generate(ask("x") | {name: {"deep": [SAID, {"er": MAIL}]}}))
        assert not any(value in json.dumps(remote.received, ensure_ascii=False) for value in VALUES), name
    with pytest.raises(BadRequest):
        asyncio.run(outside(remote := Remote()).generate(ask("x") | {"documents": ["y"]}))
    assert not remote.received


def test_a_number_of_the_request_itself_that_is_somebody_s_stops_it() -> None:
    remote = Remote()
    with pytest.raises(BadRequest, match="'seed'"):
        asyncio.run(outside(remote).generate(ask("x") | {"seed": 7569217076985}))
    asyncio.run(outside(remote).generate(ask("x") | {"seed": 1234567890}))
    assert len(remote.received) == 1 and remote.received[0]["seed"] == 1234567890


@pytest.mark.parametrize("more", [{"image_url": {"url": "https://x.example/a.png"}}, {"file": "x"}, {"a key": 1}])
def test_a_text_part_with_something_beside_it_is_refused(more: dict[str, Any]) -> None:
    remote = Remote()
    with pytest.raises(BadRequest):
        content = [{"type": "text", "text": "x"} | more]
        asyncio.run(outside(remote).generate({"messages": [{"role": "user", "content": content}]}))
    assert not remote.received


@pytest.mark.parametrize(
    "texts",
    [
        (f"Compte {IBAN[:12]}", f"{IBAN[12:]} merci"),
        tuple(IBAN),
        ("Compte CH93 0076", "2011 6238 5295 7"),
        ("Écris à M. Jean Dup", "ont demain"),
        ("Écris à j.dup", "ont@usine.lan"),
        ("AVS 756.9217", ".0769.85"),
    ],
)
def test_what_spans_two_parts_is_hidden(texts: tuple[str, ...]) -> None:
    remote, content = Remote(), [{"type": "text", "text": text} for text in texts]
    asyncio.run(outside(remote).generate({"messages": [{"role": "user", "content": content}]}))
    sent = "".join(part["text"] for part in remote.received[0]["messages"][0]["content"])
    assert "⟦" in sent
    for piece in ("6238", "5295", "Dup", "ont@", "ont ", "9217", "0769"):
        assert piece not in sent


def test_parts_that_say_nothing_together_stay_apart() -> None:
    remote = Remote()
    texts = ("Bonjour à tous", f"M. {NAME}", "Merci", "de votre réponse")
    content = [{"type": "text", "text": text} for text in texts]
    asyncio.run(outside(remote).generate({"messages": [{"role": "user", "content": content}]}))
    sent = [part["text"] for part in remote.received[0]["messages"][0]["content"]]
    assert len(sent) == 4 and sent[2:] == ["Merci", "de votre réponse"] and sent[1].startswith("M. ⟦")


def test_how_a_template_of_ours_writes_is_not_sent() -> None:
    remote = Remote()
    asyncio.run(outside(remote).generate(ask("x") | {"chat_template_kwargs": {"enable_thinking": False}}))
    assert remote.received == [ask("x")]


def test_one_person_is_one_alias_in_all_messages() -> None:
    remote, aliases = Remote(), Aliases()
    request = {"messages": [{"role": "user", "content": t} for t in ("Que doit Dupont ?", f"M. {NAME} a appelé.")]}
    asyncio.run(outside(remote, aliases).generate(request))
    asyncio.run(outside(remote, aliases).generate(ask("Et Dupont ?")))
    found = {alias for sent in remote.received for alias in ALIAS.findall(json.dumps(sent, ensure_ascii=False))}
    assert len(found) == 1


class Broken:
    name = "broken"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        raise RuntimeError(text)


class PresidioShaped:
    """What a recogniser of Presidio's, or GLiNER behind one, answers: objects with these four attributes."""

    name = "presidio"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        at = text.find("Ubik")
        return [Finding(entity_type="ORGANIZATION", start=at, end=at + 4, score=0.8)] if at >= 0 else []


@pytest.mark.parametrize("act", ["generate", "stream", "embed", "rerank", "tokenise"])
def test_a_detector_that_fails_lets_nothing_out(act: str) -> None:
    remote = Remote()
    engine = outside(remote, redactor=Redactor().with_tiers(Broken()))
    with pytest.raises(DetectorFailed) as failure:
        match act:
            case "generate":
                asyncio.run(engine.generate(ask("x")))
            case "stream":
                streamed(engine, ask("x"))
            case "embed":
                asyncio.run(engine.embed(["x"]))
            case "rerank":
                asyncio.run(engine.rerank("x", ["y"]))
            case _:
                asyncio.run(engine.tokenise("x"))
    assert failure.value.status == 503 and not remote.received


def test_a_further_tier_hides_too() -> None:
    remote = Remote(said_by_user)
    engine = outside(remote, redactor=Redactor().with_tiers(PresidioShaped()))
    assert asyncio.run(engine.generate(ask("Que fait Ubik ?"))).text == "Que fait Ubik ?"
    assert "Ubik" not in str(remote.received) and engine.counts == {"ORGANIZATION": 1}


def test_secrets_images_and_token_numbers_stop_it() -> None:
    remote = Remote()
    with pytest.raises(TextBlocked):
        asyncio.run(outside(remote).generate(ask("password: hunter2Xyz!")))
    image = [{"type": "image_url", "image_url": {"url": "data:…"}}]
    for content in (image, [1, 2, 3]):
        with pytest.raises(BadRequest):
            asyncio.run(outside(remote).generate({"messages": [{"role": "user", "content": content}]}))
    with pytest.raises(BadRequest):
        asyncio.run(outside(remote).generate({"prompt": [1, 2, 3], "messages": []}))
    with pytest.raises(BadRequest):
        asyncio.run(outside(remote).embed([[1, 2]]))  # type: ignore[list-item]
    with pytest.raises(BadRequest):
        tool = {"type": "function", "function": {"name": "call_anna_keller"}}
        asyncio.run(outside(remote).generate(ask("x") | {"tools": [tool]}))
    assert not remote.received


def test_the_reply_is_restored_also_inside_arguments_and_echoes_are_dropped() -> None:
    remote = Remote(said_by_user)
    remote.tool_arguments = lambda request: json.dumps({"who": said_by_user(request)})
    engine = outside(remote)
    text = f'M. {NAME} "dit"\n{MAIL}'
    reply = asyncio.run(engine.generate(ask(text)))
    message = reply.raw["choices"][0]["message"]
    assert reply.text == message["content"] == text and "echo" not in reply.raw
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"who": text}
    assert engine.restored == 4 and engine.unknown == 0
    entry = Entry("chat", None, "api")
    entry.note(**engine.facts)
    assert entry.facts == {
        "route": "outside",
        "policy": Redactor().policy.version,
        "masked": {"EMAIL_ADDRESS": 1, "PERSON": 1},
        "restored": 4,
        "unknown": 0,
    }


def test_values_are_escaped_inside_arguments() -> None:
    aliases = Aliases()
    alias = aliases.alias("PERSON", 'Anna "Nan" Keller')
    remote = Remote()
    remote.tool_arguments = lambda _: json.dumps({"who": alias})  # as \u27e6 escapes
    content, arguments = streamed(outside(remote, aliases), ask("x"))
    assert json.loads(arguments) == {"who": 'Anna "Nan" Keller'} and content == "ok"


def test_unknown_aliases_are_shown_as_they_are_and_counted() -> None:
    remote = Remote(lambda _: "voir ⟦PERSON_zzz9⟧ et ⟦PER")
    engine = outside(remote)
    assert streamed(engine, ask("x"))[0] == "voir ⟦PERSON_zzz9⟧ et ⟦PER"
    assert engine.unknown == 1


def test_what_is_held_back_comes_at_the_end_however_the_stream_ends() -> None:
    for finishes in (True, False):
        aliases = Aliases()
        alias = aliases.alias("PERSON", NAME)
        remote = Remote(lambda _, cut=alias[:6]: f"fin {cut}", sizes=(3,))  # type: ignore[misc]
        remote.tool_arguments = lambda _, cut=alias[:6]: f'{{"a": "{cut}'
        remote.finishes = finishes
        assert streamed(outside(remote, aliases), ask("x")) == (f"fin {alias[:6]}", f'{{"a": "{alias[:6]}')


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([SAID, NAME, "Dupont", IBAN, " et ", "«", "⟦", "\\", '"', "\n", "ligne ", MAIL]), max_size=9
    ),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_any_text_comes_back_however_it_is_cut_and_nothing_leaves(pieces: list[str], sizes: list[int]) -> None:
    text = f"Bonjour M. {NAME}, " + " ".join(pieces)
    remote = Remote(said_by_user, sizes)
    remote.tool_arguments = lambda request: json.dumps({"v": said_by_user(request)}, ensure_ascii=bool(sizes[0] % 2))
    aliases = Aliases()
    engine = outside(remote, aliases)
    content, arguments = streamed(engine, ask(text))
    whole = asyncio.run(engine.generate(ask(text))).text
    assert content == whole == json.loads(arguments)["v"]
    assert not ALIAS.search(content)
    sent = json.dumps(remote.received, ensure_ascii=False)
    assert not any(value in sent for value in (*VALUES, *aliases.values.values()) if len(value) > 3)
