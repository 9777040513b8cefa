"""Modelfiles: what each instruction sets, and which line can't be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.api.ollama.modelfile import read
from intramuros.errors import BadRequest


def test_all_instructions() -> None:
    text = (
        '# comment\nfrom llama3.2:1b\n\nPARAMETER temperature 0.5\nPARAMETER num_ctx 4096\nPARAMETER stop "END"\r\n'
        'PARAMETER stop FIN\nSYSTEM """You are\nMario."""\nMESSAGE user Hi there\nMESSAGE assistant "Yes?"\n'
        'LICENSE """\nMIT\n"""\nTEMPLATE "{{ .Prompt }}"\nADAPTER ./a.gguf\nPARAMETER use_mmap true\n'
    )
    assert read(text) == {
        "from": "llama3.2:1b",
        "parameters": {"temperature": 0.5, "num_ctx": 4096, "stop": ["END", "FIN"], "use_mmap": True},
        "system": "You are\nMario.",
        "messages": [{"role": "user", "content": "Hi there"}, {"role": "assistant", "content": "Yes?"}],
        "license": "\nMIT\n",
        "template": "{{ .Prompt }}",
        "adapters": {"./a.gguf": "./a.gguf"},
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [("FROM a\nDANCE now", 2), ("FROM", 1), ('FROM a\n\nSYSTEM """never ends', 3), ("PARAMETER temperature hot", 1)],
)
def test_what_can_not_be_read_is_named(text: str, line: int) -> None:
    with pytest.raises(BadRequest, match=f"Line {line} "):
        read(text)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except BadRequest as error:
        assert error.code == "bad_modelfile"
