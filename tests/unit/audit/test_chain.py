from __future__ import annotations

from dataclasses import replace

import pytest

from intramuros.audit.chain import GENESIS, Head, Record, link, sealed, unsealed
from intramuros.errors import StorageCorrupt

KEY = bytes(32)
RECORD = Record("1", 1.5, "u", "session", "chat", "object", "ok", {"model": "m", "prompt_tokens": 3})


def test_the_hash_is_the_one_anybody_can_compute() -> None:
    """Pinned: a change of the form would make every audit written before it look forged."""
    head = link(Head(), RECORD)
    assert head.sequence == 1
    assert head.hash.hex() == "c5889061d4bdba5616111b3b76ff1d29016c5d3208c2510a8e6c28c2f98953b2"


@pytest.mark.parametrize(
    "change",
    [
        {"id": "2"},
        {"at": 1.6},
        {"actor": None},
        {"credential": "local"},
        {"action": "ask"},
        {"object": None},
        {"outcome": "failed"},
        {"facts": {"model": "m", "prompt_tokens": 4}},
        {"facts": {}},
    ],
)
def test_every_field_counts(change: dict[str, object]) -> None:
    assert link(Head(), replace(RECORD, **change)).hash != link(Head(), RECORD).hash  # type: ignore[arg-type]


def test_place_and_past_count() -> None:
    heads = {link(head, RECORD).hash for head in (Head(), Head(1, GENESIS), Head(0, bytes([1]) * 32))}
    assert len(heads) == 3


def test_the_order_of_facts_does_not_count() -> None:
    turned = replace(RECORD, facts={"prompt_tokens": 3, "model": "m"})
    assert link(Head(), turned) == link(Head(), RECORD)


def test_the_seal_opens_only_with_its_key() -> None:
    head = link(Head(), RECORD)
    assert unsealed(sealed(head, KEY), KEY) == head
    assert unsealed(None, KEY) == Head()
    for text, key in ((sealed(head, KEY), bytes([1]) * 32), ("AAAA", KEY), ("not base64!", KEY)):
        with pytest.raises(StorageCorrupt):
            unsealed(text, key)
