"""Makes letters.gz: how much each three or four letters in a row speak for a name or for a word.

    python scripts/make_name_letters.py HUNSPELL [TEXT …]

HUNSPELL is a folder with the dictionaries fr, de_DE, it_IT, en_GB and en_US (.dic and .aff), each TEXT a file of ordinary
prose or code. A logistic regression over hashed letters tells the names redaction knows from the dictionaries' words
with their endings, from German compounds made at random, from words with a capital in the texts and from what
`names/no_persons.txt` has. Only 32,768 weights of a byte each are kept, none of the words.
"""

from __future__ import annotations

import gzip
import random
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from intramuros.privacy.redact import first_names as known
from intramuros.privacy.redact.first_names import FIRST_NAMES, fold
from intramuros.privacy.redact.letters import SCALE, SIZE
from intramuros.privacy.redact.surnames import SURNAMES
from intramuros.privacy.redact.words import LEGAL_FORMS, NOT_NAMES, PLACES_BEFORE

TARGET = Path(known.__file__).parent / "letters.gz"
SAMPLES = {"fr": 70_000, "de_DE": 130_000, "it_IT": 70_000, "en_GB": 60_000, "en_US": 20_000}
COMPOUNDS = 70_000
WORD = re.compile(r"[^\W\d_]{3,20}")
CAPITAL = re.compile(r"(?<=[a-z,] )[A-Z][a-zà-ÿ]{2,20}(?![\w'])")
NAMES_WEIGH, EPOCHS, BATCH, RATE = 3.0, 4, 512, 0.15


def decoded(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("iso-8859-1")


def endings(text: str) -> tuple[str, dict[str, list[tuple[str, str, re.Pattern[str]]]]]:
    """An affix file's kind of flags, and for each flag what is cut off, what is added, and where."""
    kind, rules = "char", dict[str, list[tuple[str, str, re.Pattern[str]]]]()
    for line in text.splitlines():
        parts = line.split()
        if len(parts) > 1 and parts[0] == "FLAG":
            kind = parts[1]
        if len(parts) > 4 and parts[0] == "SFX" and len(rules.setdefault(parts[1], [])) < 60:
            added = parts[3].split("/")[0]
            rules[parts[1]].append((parts[2].strip("0"), added.strip("0"), re.compile(f"{parts[4]}$")))
    return kind, rules


def inflected(folder: Path, language: str) -> Iterator[str]:
    """A dictionary's words, each also with every ending it can have."""
    kind, rules = endings(decoded(folder / f"{language}.aff"))
    for line in decoded(folder / f"{language}.dic").splitlines()[1:]:
        word, _, flags = re.split(r"[\t ]", line, maxsplit=1)[0].partition("/")
        yield word
        split = re.findall("..", flags) if kind == "long" else flags.split(",") if kind == "num" else list(flags)
        for flag in split:
            for cut, added, where in rules.get(flag, ()):
                if word.endswith(cut) and where.search(word):
                    yield word[: len(word) - len(cut)] + added


def no_names(folder: Path, texts: list[Path], names: set[str]) -> list[str]:
    """What the names are told from, folded, in a fixed order."""
    chance = random.Random(3)
    result: list[str] = []
    nouns: set[str] = set()
    for language, count in SAMPLES.items():
        words = {
            w for w in inflected(folder, language) if WORD.fullmatch(w) and (w[0].islower() or language == "de_DE")
        }
        kept = sorted({fold(w) for w in words} - names)
        if language == "de_DE":
            nouns = {fold(w) for w in words if w[0].isupper() and len(w) < 11} - names
        chance.shuffle(kept)
        result += kept[:count]
    parts = sorted(nouns)
    result += [chance.choice(parts) + chance.choice(("", "", "s")) + chance.choice(parts) for _ in range(COMPOUNDS)]
    capitals = {fold(w) for path in texts for w in CAPITAL.findall(path.read_text(encoding="utf-8", errors="replace"))}
    others = (Path(__file__).parent / "names" / "no_persons.txt").read_text(encoding="utf-8").split("\n", 1)[1]
    told = {fold(word) for word in others.split()} | {w for w in NOT_NAMES | PLACES_BEFORE | LEGAL_FORMS if len(w) > 2}
    return sorted(set(result)) + 3 * sorted(capitals - names) + 3 * sorted(told)


def places(word: str) -> list[int]:
    """The weights of a word: each that its letters meet, once."""
    said = f"^{word}$".encode()
    return sorted({zlib.crc32(said[i : i + n]) % SIZE for n in (3, 4) for i in range(len(said) - n + 1)})


def fitted(names: list[str], others: list[str]) -> tuple[NDArray[np.float64], float]:
    """Weights and bias of a logistic regression, by AdaGrad."""
    rows = [places(word) for word in names + others]
    lengths = np.array([len(row) for row in rows])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    index = np.concatenate([np.array(row) for row in rows])
    is_name = np.array([1.0] * len(names) + [0.0] * len(others))
    weigh = np.where(is_name == 1, NAMES_WEIGH, 1.0)
    weights, bias = np.zeros(SIZE), 0.0
    seen, bias_seen = np.full(SIZE, 1e-2), 1e-2
    chance = np.random.default_rng(0)
    for _ in range(EPOCHS):
        order = chance.permutation(len(rows))
        for at in range(0, len(order), BATCH):
            batch = order[at : at + BATCH]
            used = np.concatenate([index[starts[row] : starts[row + 1]] for row in batch])
            begins = np.concatenate([[0], np.cumsum(lengths[batch])[:-1]])
            guess = 1 / (1 + np.exp(-(np.add.reduceat(weights[used], begins) + bias)))
            error = (guess - is_name[batch]) * weigh[batch]
            step = np.bincount(used, np.repeat(error, lengths[batch]), SIZE) / len(batch) + 1e-6 * weights
            step[np.bincount(used, minlength=SIZE) == 0] = 0
            seen += step * step
            weights -= RATE * step / np.sqrt(seen)
            bias_seen += error.mean() ** 2
            bias -= RATE * error.mean() / np.sqrt(bias_seen)
    return weights, float(bias)


def main() -> None:
    folder, *texts = map(Path, sys.argv[1:])
    names = {name for name in FIRST_NAMES | SURNAMES if WORD.fullmatch(name)}
    weights, bias = fitted(sorted(names), no_names(folder, texts, names))
    kept = np.clip(np.round(np.append(weights, bias) * SCALE), -127, 127).astype(np.int8)
    TARGET.write_bytes(gzip.compress(kept.tobytes(), 9, mtime=0))
    print(f"{len(names)} names, bias {bias:.2f}, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
