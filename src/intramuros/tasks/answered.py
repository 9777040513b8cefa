"""What an answer is made of, and the events that tell of it while it comes: plain data with its JSON form.

Made by the answer task, sent by doors, kept by conversations.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypedDict

from intramuros.documents.document import Rect
from intramuros.engines.loading import LoadProgress
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.prompt import Given

Mode = Literal["quote", "write", "none"]


@dataclass(frozen=True, slots=True)
class Source:
    """Words of a document that an answer stands on, and where they are; `number` is None where nothing cites it."""

    number: int | None
    document: str
    document_id: str
    page: int
    quote: str
    rects: tuple[Rect, ...]
    chunk_id: int

    @classmethod
    def of(cls, passage: Passage, start: int, end: int, *, number: int | None = None) -> Source:
        """The source for characters `start` to `end` of a passage; line breaks in the quotation become spaces."""
        return cls(
            number=number,
            document=passage.document,
            document_id=passage.document_id,
            page=passage.page,
            quote=" ".join(passage.text[start:end].split()),
            rects=passage.rects_of(start, end),
            chunk_id=passage.chunk_id,
        )


@dataclass(frozen=True, slots=True)
class JudgedSentence:
    """A sentence of the answer, the sources that confirm it, and if they don't, why in the reader's language."""

    kind: ClassVar[str] = "sentence"
    text: str
    sources: tuple[int, ...]
    supported: bool
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The event as doors send it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    `supported` is False when any sentence says something its sources don't, and when there is no answer. Quotations are
    literal; they are not supported when all of them together, with the headings above them, have less of the
    question's words (by weight, rare ones more) than `relevance.THRESHOLD`, and each says so in its `reason`. `read`
    are the passages a model was given with this question, `left_out` those that did not fit into its context,
    `turns_left_out` earlier turns that no longer did; `is_cut` says that the answer reached its greatest length, or
    that the model was stopped because it repeated itself; `lexical_only` that the embedder failed, so that the passages
    were found by words alone.
    """

    answer: str
    sources: tuple[Source, ...]
    supported: bool
    mode: Mode
    language: str
    model: str | None = None
    sentences: tuple[JudgedSentence, ...] = ()
    nearest: tuple[Source, ...] = ()
    read: tuple[Given, ...] = field(default=(), repr=False)
    left_out: int = 0
    turns_left_out: int = 0
    is_cut: bool = False
    lexical_only: bool = False
    timings: dict[str, float] = field(default_factory=dict)
    conversation: str | None = None
    turn: str | None = None

    def to_json(self) -> AnswerObject:
        """Plain values, as doors send and conversations keep them."""
        return {
            "answer": self.answer,
            "supported": self.supported,
            "mode": self.mode,
            "language": self.language,
            "model": self.model,
            "sources": [_plain(source) for source in self.sources],
            "sentences": [_plain(sentence) for sentence in self.sentences],
            "nearest": [_plain(source) for source in self.nearest],
            "read": [_place(given) for given in self.read],
            "left_out": self.left_out,
            "turns_left_out": self.turns_left_out,
            "is_cut": self.is_cut,
            "lexical_only": self.lexical_only,
            "timings": self.timings,
            "conversation": self.conversation,
            "turn": self.turn,
        }


class PlaceObject(TypedDict):
    """Where a passage is, without its text."""

    document: str
    document_id: str
    page: int
    chunk_id: int


class FoundObject(TypedDict):
    """Which passages an answer will be made from, and how many milliseconds the search took."""

    mode: Mode
    passages: list[PlaceObject]
    search_ms: float


class ReadObject(PlaceObject):
    """A passage that a model was given, by the number it had there."""

    number: int


class AnswerObject(TypedDict):
    """An answer with its sources; what its fields mean is said at `Answer`."""

    answer: str
    supported: bool
    mode: Mode
    language: str
    model: str | None
    sources: list[Annotated[dict[str, Any], Source]]
    sentences: list[Annotated[dict[str, Any], JudgedSentence]]
    nearest: list[Annotated[dict[str, Any], Source]]
    read: list[ReadObject]
    left_out: int
    turns_left_out: int
    is_cut: bool
    lexical_only: bool
    timings: dict[str, float]
    conversation: str | None
    turn: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """The search is done: which passages the answer will be made from, if any."""

    kind: ClassVar[str] = "found"
    mode: Mode
    passages: tuple[Passage, ...]
    search_ms: float

    def to_json(self) -> FoundObject:
        """The event as doors send it: where the passages are, without their text."""
        places: list[PlaceObject] = [
            {"document": p.document, "document_id": p.document_id, "page": p.page, "chunk_id": p.chunk_id}
            for p in self.passages
        ]
        return {"mode": self.mode, "passages": places, "search_ms": self.search_ms}


@dataclass(frozen=True, slots=True)
class Queued:
    """The answer waits for its turn: how many are before it, and about how long that takes."""

    kind: ClassVar[str] = "queued"
    position: int
    expected_wait_s: float

    def to_json(self) -> dict[str, Any]:
        """The event as doors send it."""
        return {"position": self.position, "expected_wait_s": round(self.expected_wait_s, 1)}


@dataclass(frozen=True, slots=True)
class Loading:
    """The answer waits for its model, which is being loaded; without `progress` it is there now."""

    kind: ClassVar[str] = "loading"
    model: str
    title: str
    progress: LoadProgress | None = None

    def to_json(self) -> dict[str, Any]:
        """The event as doors send it."""
        return {"model": self.model, "progress": self.progress.to_json() if self.progress else None}


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer's text, to be put after the pieces before it."""

    kind: ClassVar[str] = "text"
    text: str

    def to_json(self) -> dict[str, Any]:
        """The event as doors send it."""
        return {"text": self.text}


@dataclass(frozen=True, slots=True)
class Done:
    """The whole answer; what it says counts where events before it said otherwise."""

    kind: ClassVar[str] = "done"
    answer: Answer

    def to_json(self) -> AnswerObject:
        """The event as doors send it."""
        return self.answer.to_json()


Event = Found | Queued | Loading | Text | JudgedSentence | Done
"""What happens between a question and its answer, in this order; texts and sentences alternate."""


def _plain(value: Source | JudgedSentence) -> dict[str, Any]:
    return {name: _listed(item) for name, item in asdict(value).items()}


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def _place(given: Given) -> ReadObject:
    passage = given.passage
    return {
        "number": given.number,
        "document": passage.document,
        "document_id": passage.document_id,
        "page": passage.page,
        "chunk_id": passage.chunk_id,
    }
