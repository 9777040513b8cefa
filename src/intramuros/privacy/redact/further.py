"""Further tiers: detectors made elsewhere, in the shapes their makers gave them.

Called by whoever adds one to a redactor (`Redactor.with_tiers`). No detector is imported here and none is part of the
product: these are the few lines that make a recogniser of Presidio, or a model such as GLiNER, one tier among the
others. What it raises, or answers that is no finding, lets nothing through (`redactor`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from intramuros.privacy.redact.finding import Finding


class PresidioRecogniser(Protocol):
    """Presidio's `EntityRecognizer`. Source: presidio_analyzer/entity_recognizer.py."""

    supported_entities: list[str]

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any) -> Sequence[Any] | None:
        """Results with `entity_type`, `start`, `end` and `score`."""
        ...


@dataclass(frozen=True, slots=True)
class PresidioTier:
    """A recogniser of Presidio's that needs no language pipeline."""

    recogniser: PresidioRecogniser
    name: str = "presidio"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """What it finds. Raises: whatever it raises."""
        results = self.recogniser.analyze(text, self.recogniser.supported_entities, None)
        return [Finding(r.entity_type, r.start, r.end, float(r.score)) for r in results or ()]


class SpanModel(Protocol):
    """GLiNER's way of asking. Source: gliner/model.py, `predict_entities`."""

    def predict_entities(self, text: str, labels: list[str]) -> Iterable[Mapping[str, Any]]:
        """Results with `start`, `end`, `label` and `score`."""
        ...


@dataclass(frozen=True, slots=True)
class SpanTier:
    """A model that marks spans: `labels` says which of its labels is which entity."""

    model: SpanModel
    labels: Mapping[str, str]
    name: str = "model"
    characters: int = 1200
    """How much it reads at once; what lies over an edge is read twice."""
    overlap: int = 200

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """What it finds, window by window. Raises: whatever it raises; KeyError for a label nobody named."""
        found = []
        for start in range(0, max(1, len(text) - self.overlap), self.characters - self.overlap):
            window = text[start : start + self.characters]
            for span in self.model.predict_entities(window, list(self.labels)):
                kind = self.labels[span["label"]]
                found.append(Finding(kind, start + span["start"], start + span["end"], float(span["score"])))
        return found
