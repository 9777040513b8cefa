"""`intramuros erase` as a person runs it: what is gone, the receipt, and its check without any data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import Installation


@pytest.fixture
def made(installation: Installation, tmp_path: Path) -> Installation:
    (tmp_path / "bail.md").write_text("# Bail\n\nLe préavis zebulonette est de six mois.\n")
    installation.run("add", str(tmp_path / "bail.md"), "--project", "Baux")
    return installation


def test_a_project_its_receipt_and_the_check_of_it(made: Installation, tmp_path: Path) -> None:
    refused = made.run("erase", "project", "Baux", code=1)
    assert "--yes" in refused.err
    done = made.run("erase", "project", "Baux", "--yes", "--json").json
    assert done["state"] == "done"
    assert done["said"]["removed"]["documents"] == 1
    assert done["said"]["met_after"] == 0
    assert made.run("erase", "project", "Baux", "--yes", code=1)
    assert [row["id"] for row in made.run("erase", "receipts", "--json").json] == [done["id"]]

    receipt, key = tmp_path / "receipt.json", tmp_path / "public.pem"
    receipt.write_text(made.run("erase", "receipt", done["id"]).out)
    key.write_text(made.run("audit", "public-key").out)
    elsewhere = Installation(tmp_path / "elsewhere")
    assert elsewhere.run("erase", "verify", str(receipt), "--public-key", str(key), "--json").json["ok"]
    receipt.write_text(receipt.read_text().replace('\\"documents\\":1', '\\"documents\\":0'))
    assert elsewhere.run("erase", "verify", str(receipt), "--public-key", str(key), code=1)

    records = made.run("audit", "show", "--action", "erase", "--json").json
    assert {row["action"] for row in records} >= {"erase.project", "erase.receipts"}
    assert made.run("audit", "verify")
    assert "zebulonette" not in json.dumps(records)
