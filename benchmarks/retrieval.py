"""Search, quotations and abstention on a folder with `documents/` and `questions.jsonl`, by the product's own path.

Each line of `questions.jsonl` names a question, its `document` and literal `answer_spans`. Where the folder is the
French service-public set, `data/answerable.jsonl` adds 42 questions about details of its sheets, and
`data/unanswerable.jsonl` 64 that they can't answer: 42 near (the sheets speak of neighbouring things), 22 far. The
relevance threshold was chosen on the questions with an even number; figures of the `other_half` are of the rest. The
weights and lengths of the quote mode were chosen on all answerable questions: its figures are of questions it has seen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.projects import Project, Projects
from intramuros.documents.analyse import terms
from intramuros.documents.ingest import Ingest
from intramuros.documents.library import Library
from intramuros.documents.reader.supervisor import Reader
from intramuros.retrieval.analysed import analysed
from intramuros.retrieval.quote import Quote, quotes
from intramuros.retrieval.relevance import COMPARED, THRESHOLD, relevance
from intramuros.retrieval.search import Search
from intramuros.retrieval.sentences import split
from intramuros.retrieval.verify import Verifier
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import load
from intramuros.storage import fulltext
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database, create
from intramuros.storage.schema import chunks, documents

DATA = Path(__file__).parent / "data"
NUMBER = re.compile(r"(?<![\w,.])\d{1,4}(?!\w)")
Question = dict[str, Any]


@dataclass(frozen=True)
class Corpus:
    folder: Path
    database: Database
    search: Search
    project: Project
    ingest_s: float

    def text(self, document: str) -> str:
        return " ".join((self.folder / "documents" / document).read_text().split())


@contextmanager
def corpus(folder: Path) -> Iterator[Corpus]:
    """The folder's documents, ingested into a new encrypted database."""
    with tempfile.TemporaryDirectory(prefix="intramuros-bench-") as place:
        settings = load({"data": Path(place)}, environ={})
        database = create(Path(place) / "intramuros.db", b"k" * 32)
        blobs = Blobs(Path(place) / "blobs")
        projects = Projects(database, SubjectKeys(Path(place) / "subjects", b"d" * 32))
        reader = Reader(settings)
        project = projects.create("Bench", by=LOCAL)
        library = Library(database, blobs, projects, settings)
        started = time.perf_counter()
        received = []
        for path in sorted((folder / "documents").iterdir()):
            with path.open("rb") as source:
                received.append(library.receive(project, path.name, source, by=LOCAL).id)
        asyncio.run(Ingest(database, library, reader, settings).drain(received))
        try:
            yield Corpus(folder, database, Search(database), project, time.perf_counter() - started)
        finally:
            reader.close()
            database.close()


def ranking(corpus: Corpus, questions: Sequence[Question]) -> dict[str, float]:
    """Where the right document stands among the documents found."""
    ranks, times = [], []
    for question in questions:
        started = time.perf_counter()
        found = corpus.search.find(question["question"], projects=[corpus.project.id], limit=40)
        times.append(time.perf_counter() - started)
        order = list(dict.fromkeys(passage.document for passage in found))
        ranks.append(order.index(question["document"]) if question["document"] in order else math.inf)
    return {
        "recall_at_5": share(rank < 5 for rank in ranks),
        "ndcg_at_10": mean(1 / math.log2(rank + 2) if rank < 10 else 0.0 for rank in ranks),
        "mrr": mean(1 / (rank + 1) for rank in ranks),
        "search_ms_p50": round(1000 * statistics.median(times), 2),
        "search_ms_p95": round(1000 * statistics.quantiles(times, n=20)[-1], 2),
    }


def quoting(corpus: Corpus, questions: Sequence[Question]) -> dict[str, float]:
    """How often the first quotation, and any shown, overlaps an answer span of the right document."""
    first, shown, counts, lengths = [], [], [], []
    for question in questions:
        found = corpus.search.look(question["question"], projects=[corpus.project.id], limit=COMPARED)
        chosen = quotes(found.query, analysed(found.passages))
        hits = [overlaps(corpus, question, quote) for quote in chosen]
        first.append(bool(hits) and hits[0])
        shown.append(any(hits))
        counts.append(len(chosen))
        lengths += [len(quote.text) for quote in chosen]
    return {
        "first_quote_has_answer": share(first),
        "shown_quotes_have_answer": share(shown),
        "quotes_shown": mean(counts),
        "characters_a_quote": round(statistics.mean(lengths)),
    }


def overlaps(corpus: Corpus, question: Question, quote: Quote) -> bool:
    """Whether a quotation and an answer span share characters of the document; "Oui" must begin the quotation."""
    if quote.passage.document != question["document"]:
        return False
    text, words = corpus.text(question["document"]), " ".join(quote.text.split())
    for span in (" ".join(span.split()) for span in question["answer_spans"]):
        if span in {"Oui", "Non"}:
            if words.startswith(span):
                return True
            continue
        if span in words or any(
            a < b + len(words) and b < a + len(span) for a in at(span, text) for b in at(words, text)
        ):
            return True
    return False


def at(part: str, text: str) -> list[int]:
    places, place = [], text.find(part)
    while place >= 0:
        places.append(place)
        place = text.find(part, place + 1)
    return places


def scores(corpus: Corpus, questions: Sequence[Question], *, without: bool = False) -> list[float]:
    """The relevance of each question; `without` the document that answers it."""
    found = []
    for question in questions:
        look = corpus.search.look(question["question"], projects=[corpus.project.id], limit=COMPARED + 8 * without)
        passages = [p for p in look.passages if not without or p.document != question["document"]]
        found.append(relevance(look.query, analysed(passages)).score)
    return found


def abstention(corpus: Corpus, answerable: Sequence[Question], unanswerable: Sequence[Question]) -> dict[str, Any]:
    """Refused answerable and answered unanswerable questions, at the product's threshold."""
    other = {
        "refused": scores(corpus, answerable[1::2]),
        "answered": scores(corpus, unanswerable[1::2]),
    }
    near = scores(corpus, [q for q in unanswerable if q["kind"] == "near"])
    far = scores(corpus, [q for q in unanswerable if q["kind"] == "far"])
    gone = scores(corpus, answerable, without=True)
    everything = scores(corpus, answerable)
    curve = {
        threshold: [share(s < threshold for s in everything), share(s >= threshold for s in near + far)]
        for threshold in (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
    }
    return {
        "threshold": THRESHOLD,
        "refused_answerable": share(score < THRESHOLD for score in everything),
        "answered_unanswerable": share(score >= THRESHOLD for score in near + far),
        "refused_answerable_other_half": share(score < THRESHOLD for score in other["refused"]),
        "answered_unanswerable_other_half": share(score >= THRESHOLD for score in other["answered"]),
        "answered_unanswerable_near": share(score >= THRESHOLD for score in near),
        "answered_unanswerable_far": share(score >= THRESHOLD for score in far),
        "answered_with_its_document_removed": share(score >= THRESHOLD for score in gone),
        "refused_and_answered_by_threshold": curve,
    }


def verifying(corpus: Corpus) -> dict[str, float]:
    """How often sentences copied from a passage are confirmed, and the same with one number changed are."""
    with corpus.database.read() as connection:
        ids = list(connection.scalars(chunks.select().with_only_columns(chunks.c.id)))
    changes = random.Random(1)
    copied, changed = [], []
    for passage in corpus.search.passages(ids, projects=[corpus.project.id]):
        verifier = Verifier({1: passage}, passage.language)
        for sentence in split(passage.text):
            copied += [verdict.supported for verdict in verifier.verify(f"{sentence.text} [1]")]
            number = NUMBER.search(sentence.text)
            if number:
                other = str(int(number[0]) + changes.choice((1, 2, 3, 7)))
                text = f"{sentence.text[: number.start()]}{other}{sentence.text[number.end() :]} [1]"
                changed.append(all(verdict.supported for verdict in verifier.verify(text)))
    return {"verified_copied_sentences": share(copied), "verified_with_a_number_changed": share(changed)}


def at_scale(corpus: Corpus, questions: Sequence[Question], *, size: int) -> dict[str, float]:
    """Search times with `size` more chunks, made of the documents' sentences in random order."""
    with corpus.database.read() as connection:
        texts = [row.text for row in connection.execute(chunks.select())]
        language = connection.scalar(documents.select().with_only_columns(documents.c.language).limit(1)) or "fr"
    sentences = [sentence.text for text in texts for sentence in split(text)]
    shuffled = random.Random(1)
    with corpus.database.write() as connection:
        document = {**dict(connection.execute(documents.select().limit(1)).mappings().one())}
        document |= {"id": "synthetic", "name": "synthetic.txt", "sha256": b"synthetic"}
        connection.execute(documents.insert().values(document))
        for start in range(0, size, 1000):
            made = [" ".join(shuffled.choices(sentences, k=8)) for _ in range(min(1000, size - start))]
            rows = [
                {
                    "id": 10**6 + start + n,
                    "document_id": "synthetic",
                    "project_id": corpus.project.id,
                    "ordinal": start + n,
                }
                | {"page": 1, "headings": [], "text": text, "start": 0, "lines": [], "tokens": 250}
                for n, text in enumerate(made)
            ]
            connection.execute(chunks.insert(), rows)
            words = [
                (row["id"], "", "", " ".join(terms(str(row["text"]), language)), corpus.project.id) for row in rows
            ]
            fulltext.add(connection, words)  # type: ignore[arg-type]
    times = []
    for question in questions:
        started = time.perf_counter()
        corpus.search.find(question["question"], projects=[corpus.project.id], limit=10)
        times.append(1000 * (time.perf_counter() - started))
    return {
        f"search_ms_p50_{size}_more_chunks": round(statistics.median(times), 1),
        f"search_ms_p95_{size}_more_chunks": round(statistics.quantiles(times, n=20)[-1], 1),
    }


def share(values: Iterable[bool]) -> float:
    return mean(map(float, values))


def mean(values: Iterable[float]) -> float:
    return round(statistics.fmean(values), 4)


def read(path: Path) -> list[Question]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def measure(folder: Path, *, scale: int) -> dict[str, Any]:
    titles = read(folder / "questions.jsonl")
    there = {path.name for path in (folder / "documents").iterdir()}
    details = [question for question in read(DATA / "answerable.jsonl") if question["document"] in there]
    with corpus(folder) as place:
        result: dict[str, Any] = {"documents": len(there), "ingest_s": round(place.ingest_s, 2)}
        result |= ranking(place, titles)
        result |= {f"titles_{name}": value for name, value in quoting(place, titles).items()}
        if details:
            result["details_recall_at_5"] = ranking(place, details)["recall_at_5"]
            result |= {f"details_{name}": value for name, value in quoting(place, details).items()}
            result |= abstention(place, titles + details, read(DATA / "unanswerable.jsonl"))
        result |= verifying(place)
        if scale:
            result |= at_scale(place, titles, size=scale)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=int, default=50_000, help="chunks to add for the timing; 0: none")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.folder, scale=options.scale)
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))
