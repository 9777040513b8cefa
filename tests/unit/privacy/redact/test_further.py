"""Detectors in the shapes of Presidio and GLiNER as further tiers, and what happens when they fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from intramuros.errors import DetectorFailed
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.further import PresidioTier, SpanTier
from intramuros.privacy.redact.redactor import Redactor


class Recogniser:
    supported_entities = ["ORGANIZATION"]  # noqa: RUF012

    def __init__(self, end: int = 4) -> None:
        self.end = end

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any) -> Sequence[Any] | None:
        at = text.find("Ubik")
        if at < 0:
            return None
        return [
            SimpleNamespace(entity_type=entities[0], start=at, end=at + self.end, score=0.8, recognition_metadata={})
        ]


class Model:
    def predict_entities(self, text: str, labels: list[str]) -> Iterable[Mapping[str, Any]]:
        at = text.find("xavier quoi")
        return [{"start": at, "end": at + 11, "label": labels[0], "score": 0.9, "text": "xavier"}] if at >= 0 else []


def test_a_recogniser_of_presidios() -> None:
    redactor = Redactor().with_tiers(PresidioTier(Recogniser()))
    assert redactor.hide("Ubik paie.", Aliases()).entities[0].entity_type == "ORGANIZATION"
    assert redactor.hide("Rien.", Aliases()).text == "Rien."


@pytest.mark.parametrize("before", [0, 990, 1100, 5000])
def test_a_model_that_reads_windows(before: int) -> None:
    text = "a " * (before // 2) + "xavier quoi dort"
    redacted = Redactor().with_tiers(SpanTier(Model(), {"person": "PERSON"})).hide(text, Aliases())
    assert "xavier" not in redacted.text and redacted.counts == {"PERSON": 1}


def test_places_outside_the_text_let_nothing_through() -> None:
    with pytest.raises(DetectorFailed):
        Redactor().with_tiers(PresidioTier(Recogniser(end=400))).hide("Ubik paie.", Aliases())
    with pytest.raises(DetectorFailed):
        Redactor().with_tiers(PresidioTier(object())).hide("x", Aliases())  # type: ignore[arg-type]
