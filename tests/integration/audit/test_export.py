"""An export verifies with the public key alone, and no edit of it goes unseen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from intramuros.accounts.caller import LOCAL
from intramuros.audit.export import verify_export
from intramuros.audit.ledger import Pace
from intramuros.audit.ocsf import statement_event
from intramuros.audit.record import Audit
from intramuros.audit.statement import CHECKPOINT, Signer, parsed
from intramuros.errors import NotAllowed
from intramuros.security import signing
from intramuros.storage.database import Database

Lines = list[str]


@pytest.fixture
def audit(database: Database, audit_key: bytes) -> Audit:
    """Twelve records of several kinds, every fourth signed."""
    audit = Audit(database, audit_key, pace=Pace(records=4, seconds=10**6), instance="here")
    for number in range(11):
        with audit.entry_sync("chat.complete", by=LOCAL if number % 2 else None, object=f"m-{number}") as entry:
            entry.note(model="m", prompt_tokens=number, first_token_ms=number / 3, documents=["a", "b"])
    with pytest.raises(NotAllowed), audit.entry_sync("document.remove", by=LOCAL):
        raise NotAllowed
    audit.stop()
    return audit


def numbers(lines: Lines) -> list[int]:
    return [found["sequence"] for line in lines if "hash" in (found := json.loads(line)["unmapped"])]


def of_record(lines: Lines, sequence: int) -> int:
    """The place of a record in the lines."""
    return next(i for i, line in enumerate(lines) if json.loads(line)["unmapped"].get("sequence") == sequence)


def test_an_export_holds(audit: Audit) -> None:
    lines = list(audit.export())
    result = verify_export([f"{line}\n" for line in lines], audit.public_key())
    assert (result.ok, result.first, result.records, result.checkpoints) == (True, 1, 12, 3)
    assert result.head == audit.verify().head
    assert numbers(lines) == list(range(1, 13))


def test_every_line_is_an_api_activity(audit: Audit) -> None:
    """The attributes OCSF 1.6.0 requires of class 6003, and of the objects in them."""
    for line in audit.export():
        event = json.loads(line)
        assert (event["class_uid"], event["category_uid"]) == (6003, 6)
        assert event["type_uid"] == 600300 + event["activity_id"]
        assert event["metadata"]["version"] == "1.6.0"
        assert event["metadata"]["product"]["vendor_name"]
        assert isinstance(event["time"], int)
        assert event["severity_id"] == 1
        assert event["api"]["operation"]
        assert event["src_endpoint"]["svc_name"]
        assert event["actor"].get("user") or event["actor"].get("app_name")
        assert line.isascii()
    assert event["api"]["operation"] == "audit.checkpoint"


def test_part_of_the_records(audit: Audit, database: Database) -> None:
    with database.write() as connection:  # the hashes don't hold any more: only the choice is looked at
        connection.execute(text("UPDATE audit SET at = 1000 + sequence"))
    assert numbers(list(audit.export(since=1005, until=1007))) == [5, 6, 7]
    assert numbers(list(audit.export(until=1002))) == [1, 2]
    assert numbers(list(audit.export(since=2000))) == []


def test_the_last_records_verify_alone(audit: Audit, database: Database) -> None:
    with database.read() as connection:
        since = connection.scalar(text("SELECT at FROM audit WHERE sequence = 7"))
    lines = list(audit.export(since=since))
    result = verify_export(lines, audit.public_key())
    assert (result.ok, result.first, result.records) == (True, 7, 6)
    assert verify_export(list(audit.export(since=since + 10**6)), audit.public_key()).ok


def without(sequence: int) -> Callable[[Lines], None]:
    def edit(lines: Lines) -> None:
        del lines[of_record(lines, sequence)]

    return edit


def exchanged(lines: Lines) -> None:
    one, other = of_record(lines, 6), of_record(lines, 7)
    lines[one], lines[other] = lines[other], lines[one]


def repeated(lines: Lines) -> None:
    place = of_record(lines, 6)
    lines.insert(place, lines[place])


def cut_off(lines: Lines) -> None:
    del lines[of_record(lines, 9) :]


def without_checkpoint(lines: Lines) -> None:
    del lines[of_record(lines, 4) + 1]


def another_actor(lines: Lines) -> None:
    place = of_record(lines, 6)
    lines[place] = lines[place].replace('"local"', '"u-mallory"')


def another_actor_for_the_siem_only(lines: Lines) -> None:
    place = of_record(lines, 6)
    event = json.loads(lines[place])
    event["actor"]["user"]["uid"] = "u-mallory"
    lines[place] = json.dumps(event, sort_keys=True, separators=(",", ":"))


def a_name_twice(lines: Lines) -> None:
    place = of_record(lines, 6)
    lines[place] = '{"actor":{"user":{"uid":"u-mallory"}},' + lines[place][1:]


def a_number_as_yes(lines: Lines) -> None:
    place = of_record(lines, 1)
    lines[place] = (
        lines[place].replace('"sequence":1}', '"sequence":true}').replace('"sequence":1,', '"sequence":true,')
    )


def no_header(lines: Lines) -> None:
    del lines[0]


def nothing(lines: Lines) -> None:
    lines.clear()


def broken(lines: Lines) -> None:
    lines[of_record(lines, 6)] = "[" * 100_000


@pytest.mark.parametrize(
    ("edit", "first_bad", "reason"),
    [
        (without(6), 6, "missing"),
        (without(1), 1, "missing"),
        (without(12), None, ""),
        (exchanged, 6, "missing"),
        (repeated, 6, "place"),
        (cut_off, 9, "records 9 to 12 are missing at the end"),
        (without_checkpoint, None, "missing"),
        (another_actor, 6, "changed"),
        (another_actor_for_the_siem_only, 6, "changed"),
        (a_name_twice, 6, "changed"),
        (a_number_as_yes, 1, "can't be read"),
        (no_header, None, "begin"),
        (nothing, None, "empty"),
        (broken, 6, "can't be read"),
    ],
)
def test_an_edit_is_found(audit: Audit, edit: Callable[[Lines], None], first_bad: int | None, reason: str) -> None:
    lines = list(audit.export())
    edit(lines)
    result = verify_export(lines, audit.public_key())
    assert not result.ok
    assert reason in result.reason
    if first_bad is not None:
        assert result.first_bad == first_bad


def test_an_export_made_with_another_key_is_found(audit: Audit) -> None:
    lines = list(audit.export())
    other = signing.public_of(signing.new_key())
    assert "another key" in verify_export(lines, other).reason


def test_a_checkpoint_somebody_else_signed_is_found(audit: Audit) -> None:
    lines = list(audit.export())
    place = of_record(lines, 4) + 1
    mine = parsed(json.loads(lines[place])["unmapped"]["statement"], b"")
    private = signing.new_key()
    forged = Signer(private, signing.public_of(private), "here").sign(CHECKPOINT, mine.head)
    lines[place] = statement_event(forged)
    result = verify_export(lines, audit.public_key())
    assert "another key" in result.reason
    assert result.first_bad == 4


def test_a_header_of_an_earlier_export_does_not_hide_what_came_after(audit: Audit) -> None:
    earlier = list(audit.export())
    with audit.entry_sync("key.create"):
        pass
    audit.stop()
    later = list(audit.export())
    assert not verify_export([earlier[0], *later[1:]], audit.public_key()).ok


@pytest.fixture
def exported(audit: Audit) -> Lines:
    return list(audit.export())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["character", "insert", "delete", "move", "remove", "repeat", "cut"]),
    place=st.integers(0, 10**6),
    at=st.integers(0, 10**6),
    character=st.one_of(st.characters(codec="utf-8"), st.sampled_from([" ", "0", '"', "\t", "\u200b", "\r"])),
)
def test_no_edit_goes_unseen(audit: Audit, exported: Lines, kind: str, place: int, at: int, character: str) -> None:
    """Any character exchanged, put in or taken out, any line moved, removed or repeated."""
    lines = list(exported)
    place %= len(lines)
    line = lines[place]
    other, at = at % len(lines), at % len(line)
    if kind == "character":
        lines[place] = line[:at] + character + line[at + 1 :]
    elif kind == "insert":
        lines[place] = line[:at] + character + line[at:]
    elif kind == "delete":
        lines[place] = line[:at] + line[at + 1 :]
    elif kind == "move":
        lines.insert(other, lines.pop(place))
    elif kind == "remove":
        del lines[place]
    elif kind == "repeat":
        lines.insert(other, line)
    else:
        del lines[place:]
    assert verify_export(lines, audit.public_key()).ok == (lines == exported)


SYSLOG = re.compile(
    r"<(\d{1,3})>1 (\S+) - intramuros - ([!-~]{1,32}) \[intramuros@32473((?: [!-~]+=\"(?:[^\"\\\]]|\\.)*\")+)\]"
)


def test_syslog_lines(audit: Audit) -> None:
    lines = list(audit.export_syslog())
    assert len(lines) == 12
    for line in lines:
        assert SYSLOG.fullmatch(line), line
    assert lines[-1].startswith("<109>1 20")
    assert ' error="not_allowed"' in lines[-1]


@pytest.mark.parametrize("value", ['x"] evil', "line\nbreak", "a\\", "\x1b[31m", "é\u2028", "]", '" sequence="9'])
def test_nothing_in_the_database_ends_a_line_or_a_field(audit: Audit, database: Database, value: str) -> None:
    """Entries take only identifiers; this is for whoever writes into the table directly."""
    with database.write() as connection:
        connection.execute(
            text("UPDATE audit SET actor = :v, object = :v, action = :v WHERE sequence = 2"), {"v": value}
        )
    lines = list(audit.export_syslog())
    assert len(lines) == 12
    found = SYSLOG.fullmatch(lines[1])
    assert found
    assert len(re.findall(r'(?<!\\)" sequence=|\A sequence=', found[4])) == 1
    assert lines[1].isascii()
    assert lines[1].isprintable()
    assert all(line.isprintable() for line in audit.export())
