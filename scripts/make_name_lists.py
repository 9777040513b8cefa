"""Makes the published lists of names that redaction knows: first_names.txt.gz and surnames.txt.gz.

    python scripts/make_name_lists.py FAKER HUNSPELL [TEXT …]

FAKER is a folder with the package `faker` (MIT licence), HUNSPELL one with the dictionaries fr.dic, de_DE.dic, it_IT.dic,
en_GB.dic and en_US.dic, each TEXT a file of ordinary prose or code. Names are taken from the locales in Latin letters
and from the lists beside this script in `names/`, written from general knowledge; what is a word of a dictionary,
stands in a text in small letters, is a place, or is among the words redaction knows to be none, is left out: a list may
miss a name, but what it has must be one.
"""

from __future__ import annotations

import gzip
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from intramuros.privacy.redact import first_names as known
from intramuros.privacy.redact.first_names import fold
from intramuros.privacy.redact.words import GREETINGS, LEGAL_FORMS, NOT_NAMES, PLACES_BEFORE, TITLES

TARGET = Path(known.__file__).parent
DICTIONARIES = ("fr", "en_GB", "en_US", "de_DE", "it_IT")
GERMAN = frozenset({"de_AT", "de_CH", "de_DE", "de_LI", "de_LU"})
LOCALES = GERMAN | {
    *(
        "cs_CZ",
        "da_DK",
        "en_GB",
        "en_IE",
        "en_IN",
        "en_KE",
        "en_NG",
        "en_NZ",
        "en_PK",
        "en_US",
        "es_AR",
        "es_CA",
        "es_CO",
    ),
    *(
        "es_ES",
        "es_MX",
        "et_EE",
        "fi_FI",
        "fr_BE",
        "fr_CA",
        "fr_CH",
        "fr_DZ",
        "fr_FR",
        "fr_QC",
        "ga_IE",
        "ha_NG",
        "hr_HR",
    ),
    *(
        "hu_HU",
        "ig_NG",
        "it_IT",
        "lt_LT",
        "lv_LV",
        "nl_BE",
        "nl_NL",
        "no_NO",
        "pl_PL",
        "pt_BR",
        "pt_PT",
        "ro_RO",
        "sk_SK",
    ),
    *("sl_SI", "sv_SE", "tr_TR", "tw_GH", "vi_VN", "yo_NG", "zu_ZA"),
}
NEVER = NOT_NAMES | TITLES | GREETINGS | LEGAL_FORMS | PLACES_BEFORE | {"ase", "gregorian", "lora"}
ENDINGS = ("s", "es", "ed", "ing", "er", "ers", "ly", "y")
NAME = re.compile(r"[^\W\d_][^\W\d_'’-]{2,20}")
SMALL = re.compile(r"(?<![\w./@#'`_-])[a-zà-ÿ]{3,}(?![\w/@_`=(-])")


def decoded(path: Path) -> str:
    """A dictionary's text: UTF-8, or ISO 8859-1 as older packages have it."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("iso-8859-1")


def words(folder: Path) -> tuple[set[str], set[str], set[str]]:
    """From the dictionaries, folded: words in small letters, German ones with a capital, places."""
    small: set[str] = set()
    german: set[str] = set()
    names: set[str] = set()
    places: set[str] = set()
    for name in DICTIONARIES:
        for line in decoded(folder / f"{name}.dic").splitlines():
            word = re.split(r"[/\t ]", line, maxsplit=1)[0]
            if word[:1].islower():
                small.add(fold(word))
            elif name == "de_DE":
                german.add(fold(word))
            elif name == "fr":  # its dictionary says of a proper name what it names
                (names if re.search(r"po:(?:prn|patr)", line) else places).add(fold(word))
    zones = {fold(part) for path in Path("/usr/share/zoneinfo").rglob("*") for part in path.name.split("_")}
    return small, german, (places - names) | zones


def names(kind: str) -> Iterator[tuple[str, str]]:
    """Every name of a kind, `first_name` or `last_name`, with its locale."""
    for locale in sorted(LOCALES):
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute in dir(provider):
            values = getattr(provider, attribute)
            if attribute.startswith(kind) and isinstance(values, tuple | list | dict):
                for name in values:
                    if isinstance(name, str) and NAME.fullmatch(name):
                        yield fold(name), locale


def written(kind: str) -> set[str]:
    """The names of a list beside this script, folded: `first_names` or `surnames`."""
    lines = (Path(__file__).parent / "names" / f"{kind}.txt").read_text(encoding="utf-8").splitlines()
    listed = (name for line in lines if not line.startswith("#") for name in line.split())
    return {fold(name) for name in listed if NAME.fullmatch(name)}


def known_already(kind: str) -> set[str]:
    """What the list has: it only grows, whichever texts are given."""
    return set(gzip.decompress((TARGET / f"{kind}.txt.gz").read_bytes()).decode().split())


def main() -> None:
    faker, hunspell, *texts = map(Path, sys.argv[1:])
    sys.path.insert(0, str(faker))
    small, german, places = words(hunspell)
    prose = {fold(word) for text in texts for word in SMALL.findall(text.read_text(encoding="utf-8"))}

    def is_word(name: str) -> bool:
        roots = {name, *(name[: -len(e)] for e in ENDINGS if name.endswith(e) and len(name) < 9)}
        if any(name.endswith(e) and name[: -len(e)] in german for e in ("e", "n", "en", "er")):
            return True
        return (
            name in NEVER
            or name in places
            or name in prose
            or any(r in small or f"{r}e" in small for r in roots if len(r) > 2)
        )

    last = {name for name, _ in names("last_name")}
    first = {name for name, locale in names("first_name") if name not in german or locale in GERMAN} - last
    first |= written("first_names")
    surnames = {name for name in (last | written("surnames")) - german if len(name) > 3}
    for name, listed in (("first_names", first), ("surnames", surnames)):
        kept = sorted({word for word in listed if not is_word(word)} | known_already(name))
        (TARGET / f"{name}.txt.gz").write_bytes(gzip.compress("\n".join(kept).encode(), 9, mtime=0))
        print(f"{name}: {len(kept)}")


if __name__ == "__main__":
    main()
