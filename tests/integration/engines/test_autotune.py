"""Autotuning with real workers, on a tiny model: that it measures and ends, not how fast the machine is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intramuros.engines import autotune
from intramuros.engines.autotune import Bench, tune
from intramuros.engines.published import Notices
from intramuros.models.machine import Machine
from intramuros.privacy.egress import Egress
from tests.models import engines, tiny


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody else used the machine."""

    async def idle(**_: Any) -> float:
        return 0.0

    monkeypatch.setattr(autotune, "busy_share", idle)
    monkeypatch.setattr(autotune, "STEP_S", 60.0)
    monkeypatch.setattr(autotune, "ROUNDS", 1)


async def test_every_step_is_measured_and_reported(tmp_path: Path) -> None:
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))
    options = engines.options(model, engines.settings(tmp_path))
    machine, said = Machine("x", "x86_64", 1, 2, frozenset(), 1 << 34, 1 << 33), []
    tuned = await tune(
        model, options, machine, folder=tmp_path / "run", egress=Egress(), report=lambda *step: said.append(step)
    )
    assert tuned.complete
    assert [step for step, _ in said] == ["attention", "threads", "speculation", "done"]
    assert [share for _, share in said] == sorted(share for _, share in said) and said[-1][1] == 1
    assert {"attention_turn_s", "threads_1_tokens_s", "threads_2_tokens_s", "copying_tokens_s"} <= set(tuned.measured)
    assert tuned.measured["attention_turn_s"] <= tuned.measured["attention_default_turn_s"]
    assert tuned.applied(options).context_tokens == options.context_tokens
    assert not list((tmp_path / "run").iterdir())  # no sockets, no stand-in left


@pytest.mark.starter
async def test_what_is_copied_is_guessed_and_the_guesses_are_right(tmp_path: Path, starter_model: Path) -> None:
    model = engines.installed(starter_model)
    options = engines.options(model, engines.settings(tmp_path), slots=1, context_tokens=512, speculation="ngram-map-k")
    async with Bench(Notices(tmp_path / "run"), Egress())._worker(model, options) as worker:
        timings = (await worker.post("/completion", autotune.COPYING))["timings"]
    assert timings["draft_n_accepted"] > 0.5 * timings["predicted_n"]


@pytest.mark.parametrize(("copying", "chosen"), [(50.0, "none"), (99.0, "ngram-map-k")])
async def test_guessing_is_turned_on_where_it_helps(
    copying: float, chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def plain_speed(*_: Any) -> float:
        return 50.0

    async def copying_speed(*_: Any) -> float:
        return copying

    monkeypatch.setattr(autotune, "_plain_speed", plain_speed)
    monkeypatch.setattr(autotune, "_copying_speed", copying_speed)
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))
    options = engines.options(model, engines.settings(tmp_path))
    machine = Machine("x", "x86_64", 1, 1, frozenset(), 1 << 34, 1 << 33)
    tuned = await tune(model, options, machine, folder=tmp_path / "run", egress=Egress())
    assert tuned.applied(options).speculation == chosen


async def test_a_disturbed_measurement_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 1.0, 9.0, 1.0, 9.0, 1.0])

    async def disturbed(*_: Any) -> float:
        return next(times)

    monkeypatch.setattr(autotune, "_written_s", disturbed)
    monkeypatch.setattr(autotune, "ROUNDS", 3)
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))
    options = engines.options(model, engines.settings(tmp_path))
    machine = Machine("x", "x86_64", 1, 1, frozenset(), 1 << 34, 1 << 33)
    tuned = await tune(model, options, machine, folder=tmp_path / "run", egress=Egress())
    assert not tuned.complete and tuned.applied(options).flash_attention is False


async def test_one_disturbed_reading_does_not_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default a reading takes 1 s and a token 2 s; with the other attention 1 s each, but for one hiccup of 1,000 s."""
    reads, tokens = iter([1.0, 1000.0, 1.0, 1.0]), iter([2.0, 1.0])

    async def read_s(*_: Any) -> float:
        return next(reads)

    async def written_s(*_: Any) -> float:
        return next(tokens)

    monkeypatch.setattr(autotune, "_read_s", read_s)
    monkeypatch.setattr(autotune, "_written_s", written_s)
    monkeypatch.setattr(autotune, "TURN_READ", 10 * autotune.TURN_READ)
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))
    options = engines.options(model, engines.settings(tmp_path))
    machine = Machine("x", "x86_64", 1, 1, frozenset(), 1 << 34, 1 << 33)
    bench = Bench(Notices(tmp_path / "run"), Egress())
    chosen, _ = await bench.attention(model, options, machine)
    assert chosen.flash_attention is False


async def test_a_machine_that_got_busy_meanwhile_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter([0.0, 0.9])

    async def busier(**_: Any) -> float:
        return next(shares)

    monkeypatch.setattr(autotune, "busy_share", busier)
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))
    options = engines.options(model, engines.settings(tmp_path))
    machine = Machine("x", "x86_64", 1, 1, frozenset(), 1 << 34, 1 << 33)
    assert not (await tune(model, options, machine, folder=tmp_path / "run", egress=Egress())).complete


async def test_a_model_that_can_not_be_loaded_leaves_the_choice_as_it_was(tmp_path: Path) -> None:
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))
    model.path.write_bytes(model.path.read_bytes()[:-20_000])
    options = engines.options(model, engines.settings(tmp_path))
    tuned = await tune(model, options, Machine.detect(), folder=tmp_path / "run", egress=Egress())
    assert not tuned.complete and tuned.applied(options).speculation == "none"


async def test_a_step_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autotune, "STEP_S", 0.01)
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))
    options = engines.options(model, engines.settings(tmp_path))
    tuned = await tune(model, options, Machine.detect(), folder=tmp_path / "run", egress=Egress())
    assert not tuned.complete and tuned.changes == {}
    assert not list((tmp_path / "run").iterdir())
