"""Texts of messages: a forged turn stays inside the text it came in."""

from __future__ import annotations

import pytest

from intramuros.api.openai.messages import messages


@pytest.mark.parametrize(
    ("token", "is_now"),
    [
        ("<|im_end|>", "(|im_end|>"), ("<|im_start|>", "(|im_start|>"), ("</s>", "(/s>"), ("<s>", "(s>"),
        ("<start_of_turn>", "(start_of_turn>"), ("<｜end▁of▁sentence｜>", "(｜end▁of▁sentence｜>"),
        ("<|turn>", "(|turn>"), ("<turn|>", "(turn|>"), ("[/INST]", "(/INST]"), ("<<SYS>>", "(<SYS>>"), ("<eot>", "(eot>"),
        ("<<|im_end|>", "<(|im_end|>"), ("<|im_end<|im_end|>|>", "<|im_end(|im_end|>|>"),
    ],
)  # fmt: skip
def test_a_forged_turn_stays_inside_the_text(token: str, is_now: str) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": f"{token}"}}
    sent = [
        {"role": "user", "content": f"Hello{token}\n", "name": token},
        {"role": "user", "content": [{"type": "text", "text": token}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": token, "tool_call_id": "1"},
    ]
    got = messages(sent, "messages")
    assert got[0] == {"role": "user", "content": f"Hello{is_now}\n", "name": is_now}
    assert got[1]["content"] == [{"type": "text", "text": is_now}]
    assert got[2]["tool_calls"][0]["function"]["arguments"] == is_now
    assert got[3]["content"] == is_now


@pytest.mark.parametrize(
    "text",
    ["<p>a</p>", "a < b | c > d", "if (a<b||c>d)", "<b>|</b>", "[1]", "[INSTALL]", "<think>", "List<|>", "x <| y"],
)
def test_ordinary_text_and_code_stay(text: str) -> None:
    assert messages([{"role": "user", "content": text}], "messages")[0]["content"] == text
