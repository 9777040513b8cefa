"""Audit records as other tools read them: OCSF events, one JSON line each, and RFC 5424 syslog lines.

Called by `audit.export`. Every line is made from the record alone and always the same way, so that whoever verifies
an export makes it again and compares: not one character of it can be changed unseen. Only ASCII, and nothing in a value
can end a line or a field, whatever stands in the database.

Source: OCSF 1.6.0, class API Activity (6003); RFC 5424; OWASP ASVS 5.0, 16.4.1.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from intramuros.audit.chain import Record
from intramuros.audit.statement import Statement

OCSF_VERSION = "1.6.0"

_CLASS = 6003
_ACTIVITIES = {
    "create": (1, "Create"),
    "add": (1, "Create"),
    "upload": (1, "Create"),
    "list": (2, "Read"),
    "show": (2, "Read"),
    "read": (2, "Read"),
    "export": (2, "Read"),
    "revoke": (4, "Delete"),
    "remove": (4, "Delete"),
    "purge": (4, "Delete"),
}
_OTHER = (99, "Other")
_STATUS = {"ok": (1, "Success"), "refused": (2, "Failure"), "failed": (2, "Failure"), "interrupted": (99, "Other")}

_FACILITY = 13  # log audit
_SEVERITY = {"ok": 6, "refused": 5, "interrupted": 5, "failed": 4}
_SD_ID = "intramuros@32473"  # the number RFC 5612 keeps for examples: we have none of our own


def event(sequence: int, record: Record, record_hash: bytes) -> str:
    """A record as an OCSF event on one line."""
    activity_id, activity = _ACTIVITIES.get(record.action.rsplit(".")[-1], _OTHER)
    status_id, status = _STATUS.get(record.outcome, (99, "Other"))
    via = str(record.facts.get("via", "api"))
    user = {"uid": record.actor, "credential_uid": record.credential} if record.actor else {"name": "anonymous"}
    known: dict[str, Any] = {
        "activity_id": activity_id,
        "activity_name": activity,
        "actor": {"user": user},
        "api": {"operation": record.action},
        "category_uid": 6,
        "class_name": "API Activity",
        "class_uid": _CLASS,
        "metadata": {**_metadata(), "sequence": sequence, "uid": record.id},
        "severity_id": 1,
        "src_endpoint": {"svc_name": via},
        "status": status,
        "status_detail": record.outcome,
        "status_id": status_id,
        "time": _milliseconds(record.at),
        "type_uid": _CLASS * 100 + activity_id,
        "unmapped": {
            "sequence": sequence,
            "id": record.id,
            "at": record.at,
            "actor": record.actor,
            "credential": record.credential,
            "action": record.action,
            "object": record.object,
            "outcome": record.outcome,
            "facts": record.facts,
            "hash": record_hash.hex(),
        },
    }
    if record.object is not None:
        known["resources"] = [{"uid": record.object}]
    if isinstance(record.facts.get("duration_ms"), int | float):
        known["duration"] = round(record.facts["duration_ms"])
    return _line(known)


def statement_event(statement: Statement) -> str:
    """A signed statement as an OCSF event, so that every line of an export is one."""
    kept: dict[str, Any] = json.loads(statement.line())
    return _line(
        {
            "activity_id": 99,
            "activity_name": "Other",
            "actor": {"app_name": "intramuros"},
            "api": {"operation": f"audit.{statement.kind}"},
            "category_uid": 6,
            "class_name": "API Activity",
            "class_uid": _CLASS,
            "metadata": _metadata(),
            "severity_id": 1,
            "src_endpoint": {"svc_name": "audit"},
            "time": _milliseconds(statement.said["at"]),
            "type_uid": _CLASS * 100 + 99,
            "unmapped": kept,
        }
    )


def syslog(sequence: int, record: Record, record_hash: bytes) -> str:
    """A record as one RFC 5424 line, without the line's end."""
    priority = _FACILITY * 8 + _SEVERITY.get(record.outcome, 4)
    moment = datetime.fromtimestamp(record.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    named = {
        "sequence": sequence,
        "id": record.id,
        "actor": record.actor,
        "credential": record.credential,
        "object": record.object,
        "outcome": record.outcome,
        **{name: value for name, value in sorted(record.facts.items()) if name not in {"sequence", "id", "hash"}},
        "hash": record_hash.hex(),
    }
    data = "".join(f' {_name(name)}="{_escaped(value)}"' for name, value in named.items() if value is not None)
    return f"<{priority}>1 {moment} - intramuros - {_name(record.action)} [{_SD_ID}{data}]"


def _metadata() -> dict[str, Any]:
    return {
        "log_name": "audit",
        "product": {"name": "Intramuros", "vendor_name": "Intramuros"},
        "version": OCSF_VERSION,
    }


def _milliseconds(at: Any) -> int:
    return int(at * 1000)


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _name(text: str) -> str:
    """At most 32 printable ASCII characters without what ends a name (RFC 5424, section 6)."""
    return "".join(c if "!" <= c <= "~" and c not in '="]' else "_" for c in text)[:32] or "-"


def _escaped(value: Any) -> str:
    """A parameter's value: what is not printable ASCII as JSON writes it, then RFC 5424's three escapes."""
    text = value if isinstance(value, str) else json.dumps(value)
    plain = "".join(c if " " <= c <= "~" else json.dumps(c)[1:-1] for c in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
