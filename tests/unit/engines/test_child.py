"""What is read from the engine's log, and which devices count."""

from __future__ import annotations

from pathlib import Path

import pytest

from intramuros.engines import child
from intramuros.engines.child import cause_in, gpus_among

HEAD = ["0.00.000.281 I srv          init: initializing ...", "0.00.000.300 W load: special_eot_id is odd"]
TAIL = [
    "0.00.000.945 E llama_model_load_from_file_impl: failed to load model",
    "0.00.000.951 E cmn  common_init_: failed to load model '/data/models/a/model.gguf'",
    "0.00.000.589 E srv          init: exiting due to model loading error",
]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "0.00.000.704 E gguf_init_from_file: failed to open GGUF file '/data/m.gguf' (No such file or directory)",
            "failed to open the file (No such file or directory)",
        ),
        (
            "0.00.000.963 E llama_model_load: error loading model: unknown model architecture: 'lxama'",
            "unknown model architecture: 'lxama'",
        ),
        (
            "0.00.000.496 E llama_model_load: error loading model: error loading model hyperparameters: invalid n_rot: 3",
            "invalid n_rot: 3",
        ),
        (
            "0.00.000.496 E srv    load_model: [mtmd] error: out of memory.",
            "[mtmd] error: out of memory",
        ),
        ("/src/ggml.c:12: GGML_ASSERT(a == b) failed", "the file GGML_ASSERT(a == b) failed"),
    ],
)
def test_the_cause_is_the_first_telling_line_without_names_and_paths(line: str, cause: str) -> None:
    assert cause_in([*HEAD, line, *TAIL]) == cause


def test_a_log_without_a_cause_gives_none() -> None:
    assert cause_in(HEAD) == "" and cause_in([*HEAD, *TAIL]) == ""


def test_only_graphics_processors_count_as_such() -> None:
    devices = [
        {"name": "CPU", "kind": 0, "memory_bytes": 9, "free_bytes": 8},
        {"name": "Card", "kind": 1, "memory_bytes": 7, "free_bytes": 6},
        {"name": "Inside", "kind": 2, "memory_bytes": 5, "free_bytes": 4},
        {"name": "BLAS", "kind": 3, "memory_bytes": 3, "free_bytes": 2},
    ]
    found = gpus_among(devices)
    assert [(gpu.name, gpu.memory_bytes, gpu.free_bytes) for gpu in found] == [("Card", 7, 6), ("Inside", 5, 4)]


def test_a_machine_without_a_graphics_device_is_not_asked(tmp_path: Path) -> None:
    assert not child._has_gpu_device(tmp_path)
    (tmp_path / "dri").mkdir()
    assert not child._has_gpu_device(tmp_path)
    (tmp_path / "dri" / "renderD128").touch()
    assert child._has_gpu_device(tmp_path)
