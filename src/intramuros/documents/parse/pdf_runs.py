"""Runs of words and lines of text on a PDF page: the data that layout, tables and blocks work on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from intramuros.documents.document import Rect
from intramuros.documents.parse.pdf_words import Word

_FAR = 3.0  # the same between things that do not belong to one sentence


@dataclass(slots=True)
class Run:
    """Words of one line that stand together. x0, y0, x1, y1 in the frame, baseline included in y1."""

    words: list[Word]
    x0: float
    y0: float
    x1: float
    y1: float
    text: str = ""
    size: float = 0.0  # most of its characters have: bullets, superscripts and words in another font don't count
    is_bold: bool = False

    def settle(self) -> None:
        """Sums up the words once there are no more to come."""
        self.text = " ".join(word.text for word in self.words)
        self.is_bold = all(word.is_bold for word in self.words)
        sizes: Counter[float] = Counter()
        for word in self.words:
            sizes[word.size] += len(word.text)
        self.size = max(sizes, key=lambda size: sizes[size])

    @property
    def rect(self) -> Rect:
        """On the page as shown."""
        return union(word.rect for word in self.words)


@dataclass(slots=True)
class TextLine:
    """One line of a column: one run, or several side by side (cells)."""

    runs: list[Run]
    flow: int = 0  # lines of one flow follow each other; a paragraph never spans two
    left: float = 0  # edges of the flow's text
    right: float = 0
    row: int | None = None  # of a table: which row the line belongs to
    cells: list[list[Run]] = field(default_factory=list)  # of a row's first line: the whole row's runs by column

    @property
    def x0(self) -> float:
        """Left edge in the frame."""
        return min(run.x0 for run in self.runs)

    @property
    def x1(self) -> float:
        """Right edge in the frame."""
        return max(run.x1 for run in self.runs)

    @property
    def y0(self) -> float:
        """Upper edge in the frame."""
        return min(run.y0 for run in self.runs)

    @property
    def y1(self) -> float:
        """Lower edge in the frame."""
        return max(run.y1 for run in self.runs)

    @property
    def size(self) -> float:
        """The size most of its characters have."""
        return max(self.runs, key=lambda run: run.x1 - run.x0).size

    @property
    def text(self) -> str:
        """Runs far apart are parted by a bar."""
        text = self.runs[0].text
        for run, after in zip(self.runs, self.runs[1:], strict=False):
            text += (" | " if after.x0 - run.x1 > _FAR * after.size else " ") + after.text
        return text

    @property
    def is_bold(self) -> bool:
        """Whether all of it is."""
        return all(run.is_bold for run in self.runs)

    @property
    def rect(self) -> Rect:
        """On the page as shown."""
        return union(run.rect for run in self.runs)


def union(rects: Iterable[Rect]) -> Rect:
    """The smallest rectangle around all."""
    x0, y0, x1, y1 = zip(*rects, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
