"""What the checks of the self-test say they saw: in English here, by key and values for pages of another language.

Called by `tasks.selftest` and `tasks.scratch`. The pages have the same keys among their words; a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SAID = {
    "raised": "{what}",
    "egress": "a try to reach {host} was refused before any packet; allowed: {allowed}",
    "egress_nothing": "a try to reach {host} was refused before any packet; allowed: nothing",
    "egress_open": "A connection to {host} was allowed.",
    "outside": "with nobody's consent nothing went to {upstreams}",
    "outside_open": "Without consent a request went to {upstream}.",
    "no_outside": "no upstream outside is named: only this machine and servers inside answer",
    "reader": "a sample of {pages} page(s) read",
    "reader_empty": "The sample document came back without text.",
    "isolation": "level {level}; {attempts} ways out tried, none open",
    "isolation_lacking": "level {level} ({lacking}); {attempts} ways out tried, none open",
    "isolation_open": "Ways out: {ways}.",
    "key_elsewhere": "opened with a passphrase or the keyring; no key on disk",
    "key": "{file}, mode 600",
    "key_inside": "{file} lies inside the data folder.",
    "key_readable": "{file} can be read by other users of this machine.",
    "words": "{files} files searched for words just stored",
    "words_readable": "The words stand readable in {file}.",
    "audit": "{records} records and {checkpoints} signed checkpoints verified",
    "audit_broken": "Record {record}: {reason}",
    "copy_none": "no second place is named: INTRAMUROS_AUDIT_COPY",
    "copy_broken": "{place}: {reason}",
    "copy": "{place} can be written and agrees",
    "copy_up_to": "{place} can be written and agrees up to record {record}",
    "unrecorded": "with a journal that can't be written, a request was refused before it ran",
    "unrecorded_blind": "No journal was found where one was written.",
    "unrecorded_ran": "A request ran whose record could not be written.",
    "content": "the newest {records} records hold names of actions, ids and numbers, no sentence",
    "content_found": "Record {record} holds a sentence.",
    "erased": "a word on {pages} pages is on none after the erasure; file and key are gone, the receipt is signed",
    "erased_blind": "The search for a word that is stored did not find it.",
    "erased_left": "After an erasure {pages} pages and {files} files were left.",
    "erased_key": "The key of an erased project still opens.",
    "detector": "a detector that fails let nothing through",
    "detector_passed": "A text passed a detector that failed.",
    "model_file": "{model}: SHA-256 {digest}… as installed",
    "model_file_other": "{file} is not the file that was installed.",
    "no_model": "no model is installed yet",
    "acknowledged": "{rows} acknowledged rows are there, in order, in the files a kill would have left",
    "acknowledged_lost": "Of {rows} acknowledged rows {there} are there.",
    "database": "integrity and page seals checked",
    "files": "{looked} of {files} read to their end",
    "files_broken": "{broken} of {looked} don't open: {names}",
    "no_document": "no document is stored yet",
    "backup": "{backup}, {days} days old",
    "backup_old": "The last one is {days} days old: {backup}.",
    "backup_failed": "The scheduled backup to {folder} failed: {what}",
    "backup_refused": "The next scheduled backup to {folder} will be refused: {what}",
    "backup_former_keys": (
        "Scheduled backups to {folder} are refused since the change of keys: name a new folder in "
        "INTRAMUROS_BACKUP_FOLDER."
    ),
    "backup_overdue": "The scheduled backup to {folder} is overdue: back up now, and look into the server's log.",
    "backup_damaged": "The last backup in {folder} lacks {damaged} damaged stored files.",
    "no_backup": "none was made yet: intramuros backup FOLDER",
    "disk": "{free} GiB free",
    "disk_full": "Only {free} MiB are free.",
    "engine": "{tokens} tokens from {model}; {context} tokens of context, more is refused",
    "engine_cut": "A prompt longer than the context was accepted.",
    "no_embedder": "no embedder is configured: search goes by words alone",
    "search": (
        "{reason}; {numbers} numbers a vector, {embedded} of {passages} passages have one, {cut} of them cut by "
        "{cut_tokens} tokens in all"
    ),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One sentence, as `str` in English."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return SAID[self.key].format_map({name: _english(value) for name, value in self.values.items()})


def _english(value: object) -> object:
    """A list by name as words: `engine without files, calls; reader without …`."""
    if not isinstance(value, Mapping):
        return value
    return "; ".join(f"{who} without {', '.join(lacking)}" for who, lacking in value.items())


class Broken(Exception):  # a finding of the self-test, not an error of the program
    """A promise did not hold; the sentence says what was seen."""

    def __init__(self, key: str, **values: object) -> None:
        self.seen = Seen(key, values)
        super().__init__(str(self.seen))


class NothingToTry(Exception):
    """The check needs something this installation does not have yet."""

    def __init__(self, key: str, **values: object) -> None:
        self.seen = Seen(key, values)
        super().__init__(str(self.seen))


def seen(key: str, **values: object) -> Seen:
    """What a check saw that held."""
    return Seen(key, values)
