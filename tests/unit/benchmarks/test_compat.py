"""The compatibility count: what is counted, which failures are excused, and that only names are changed on the way."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.compat.__main__ import Outcome, _compare, _read
from benchmarks.compat.names import EMBEDDER, JUDGE, THROWAWAY, WRITER, Asked, anthropic_names, openai_names
from benchmarks.compat.prepared import MAKERS
from benchmarks.compat.suites import SUITES

REPORT = """<testsuites><testsuite>
<testcase classname="tests.api_resources.test_models.TestModels" name="test_list[loose]"/>
<testcase classname="tests.api_resources.test_models.TestModels" name="test_get[loose]"><failure message="it took&#10;long">x</failure></testcase>
<testcase classname="tests.api_resources.test_models.TestModels" name="test_get[strict]"><error>x</error></testcase>
<testcase classname="tests.api_resources.test_models.TestModels" name="test_other"><skipped/></testcase>
</testsuite></testsuites>"""


def test_what_failed_and_what_was_skipped_is_not_counted_as_passed() -> None:
    outcome = _read(REPORT)
    assert outcome.counts == {"tests/api_resources/test_models.py": Counter(passed=1, failed=2, skipped=1)}
    case = "tests/api_resources/test_models.py::TestModels::test_get"
    assert outcome.failed == {f"{case}[loose]": "it took", f"{case}[strict]": ""}


def test_each_failure_needs_a_reason_and_each_reason_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(failed={"a.py::T::test_x[loose]": "no x", "a.py::T::test_y[loose]": "no y"})
    x, y = ({"test": f"a.py::*test_{name}[[]*", "reason": f"because of {name}"} for name in "xy")
    assert _compare(outcome, [x, y], is_whole=True)
    assert not _compare(outcome, [x], is_whole=True)
    assert "test_y[loose]: no y" in capsys.readouterr().err
    stale = {"test": "a.py::*test_z[[]*", "reason": "no more"}
    assert not _compare(outcome, [x, y, stale], is_whole=True) and _compare(outcome, [x, y, stale], is_whole=False)


def test_every_exception_is_of_a_suite_and_says_why() -> None:
    exceptions = json.loads(
        (Path(__file__).parents[3] / "benchmarks/compat/exceptions.json").read_text(encoding="utf-8")
    )
    assert set(exceptions) <= {suite.name for suite in SUITES}
    assert all(
        set(entry) == {"test", "reason"} and len(entry["reason"]) > 20
        for entries in exceptions.values()
        for entry in entries
    )


def test_what_is_stored_is_made_before_it_is_named() -> None:
    def made_for(path: str) -> str | None:
        return next((make.__name__ for pattern, make in MAKERS if re.match(pattern, path)), None)

    assert made_for("/v1/responses/resp_1/input_items") == "_response" == made_for("/v1/responses/a")
    assert made_for("/v1/chat/completions/completion_id") == "_completion"
    assert made_for("/v1/vector_stores/vs_1/files/file-1/content") == "_stored_file"
    assert made_for("/v1/vector_stores/vs_1/file_batches/b/cancel") == "_file_batch"
    assert made_for("/v1/vector_stores/vs_1/search") == "_read_store" and made_for("/v1/vector_stores/vs_1") == "_store"
    for path in (
        "/v1/responses", "/v1/responses/input_tokens", "/v1/responses/compact", "/v1/chat/completions", "/v1/files",
        "/v1/vector_stores", "/v1/batches", "/v1/conversations", "/v1/models/x",
    ):  # fmt: skip
        assert made_for(path) is None, path


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        (
            "POST",
            "/v1/chat/completions",
            b'{"model":"gpt-9","n":1}',
            ("/v1/chat/completions", {"model": WRITER, "n": 1}),
        ),
        ("POST", "/v1/embeddings", b'{"model":"x"}', ("/v1/embeddings", {"model": EMBEDDER})),
        ("POST", "/v1/moderations", b'{"input":"x"}', ("/v1/moderations", {"input": "x", "model": JUDGE})),
        ("GET", "/v1/models/gpt-9", b"", (f"/v1/models/{WRITER}", None)),
        ("DELETE", "/v1/models/ft%3Agpt", b"", (f"/v1/models/{THROWAWAY}-7", None)),
        ("GET", "/v1/files/x", b"not json", ("/v1/files/x", None)),
        ("POST", "/v1/files", b'name="name"\r\n\r\ngpt-9\r\n', ("/v1/files", None)),
    ],
)
def test_only_names_of_models_are_changed(method: str, path: str, body: bytes, expected: tuple[str, object]) -> None:
    asked = openai_names(Asked(method, path, body, 7))
    assert asked.path == expected[0] and asked.method == method
    assert json.loads(asked.body) == expected[1] if expected[1] else asked.body == body


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("/v1/models/model_id?beta=true", f"/v1/models/{WRITER}?beta=true"),
        ("/v1/models?after_id=x&limit=1&before_id=y", f"/v1/models?after_id=default&limit=1&before_id={WRITER}"),
    ],
)
def test_only_names_of_models_are_changed_for_anthropic(path: str, expected: str) -> None:
    asked = anthropic_names(Asked("POST", path, b'{"model":"claude-9","max_tokens":1}', 7))
    assert asked.path == expected and json.loads(asked.body) == {"model": WRITER, "max_tokens": 1}
