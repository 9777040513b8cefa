"""What runs models of safetensors files, beyond the contract: its walls, its choice of words, and what it computes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from intramuros.engines.local import LocalEngine
from intramuros.errors import BadRequest, EngineDied, EngineLoadFailed
from intramuros.models import torch_memory
from intramuros.models.catalogue import load
from intramuros.models.download import pull
from intramuros.models.installed import InstalledModels
from intramuros.privacy.egress import Egress
from tests.models import engines, folders, tiny
from tests.models.engines import HELLO, LONG, processing

pytestmark = pytest.mark.asyncio(loop_scope="module")

LETTERS = HELLO | {"max_tokens": 24, "temperature": 1.0, "top_k": 0, "top_p": 1, "min_p": 0, "seed": 7}
THINKS = tiny.TEMPLATE.replace("<|assistant|>", "<|assistant|>{% if enable_thinking != false %}<think>{% endif %}")
DIRECT = """
import json, sys, torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, DynamicCache, PreTrainedTokenizerFast as Tokenizer
folder, vectors, ranker = sys.argv[1:]
tokenizer, model = Tokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
given = tokenizer.apply_chat_template(
    [{"role": "user", "content": "Bonjour"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
)
cache = DynamicCache(config=model.config)
written = model.generate(**given, max_new_tokens=24, do_sample=False, cache=cache)
said = tokenizer.decode(written[0, given["input_ids"].shape[1] :])
kept = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
states = AutoModel.from_pretrained(vectors)(**Tokenizer.from_pretrained(vectors)("facture", return_tensors="pt"))
tokens = states.last_hidden_state[0]
mean, last = [torch.nn.functional.normalize(one, dim=0).tolist() for one in (tokens.mean(0), tokens[-1])]
pair = Tokenizer.from_pretrained(ranker)("facture", "bail", return_tensors="pt", return_token_type_ids=True)
score = AutoModelForSequenceClassification.from_pretrained(ranker)(**pair).logits.item()
print(json.dumps({"said": said, "tokens": cache.get_seq_length(), "kept": kept, "mean": mean, "last": last, "score": score}))
"""


OTHERS = """
import sys, transformers as t
windows, ranker = sys.argv[1:]
sizes = dict(vocab_size=262, hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=2)
sizes |= dict(num_key_value_heads=1, head_dim=32, max_position_embeddings=512, sliding_window=32)
kinds = ["sliding_attention", "full_attention", "sliding_attention"]
config = t.Gemma3TextConfig(**sizes, layer_types=kinds, eos_token_id=257, bos_token_id=256, pad_token_id=257)
t.Gemma3ForCausalLM(config).save_pretrained(windows)
config = t.DistilBertConfig(vocab_size=262, dim=64, hidden_dim=128, n_layers=2, n_heads=2, num_labels=1)
t.DistilBertForSequenceClassification(config).save_pretrained(ranker)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEngine]:
    folders.needs_transformers()
    folder = tmp_path_factory.mktemp("transformers")
    kernel: dict[str, Any] = {"_attn_implementation": "owner/kernel"}  # code that the library would fetch
    made = folders.chat(folder / "tiny", layers=4, template=THINKS, **kernel)
    model = engines.installed_folder(made)
    async with engines.running(model, engines.settings(folder)) as engine:
        yield engine


async def said(engine: LocalEngine, **fields: Any) -> str:
    return (await engine.generate(LETTERS | {"chat_template_kwargs": {"enable_thinking": False}} | fields)).text


async def test_it_stands_behind_all_walls_and_takes_what_its_model_needs(engine: LocalEngine) -> None:
    assert engine.confinement is not None
    if not all((engine.confinement.network, engine.confinement.files, engine.confinement.calls)):
        pytest.skip(f"NOT TESTED: this kernel grants no full confinement: {engine.confinement.missing}")
    statuses = [path.read_text() for path in Path(f"/proc/{engine.pid}/task").glob("*/status")]
    lines = {line for status in statuses for line in status.splitlines()}
    assert (
        len(statuses) > 2 and {"NoNewPrivs:\t1", "Seccomp_filters:\t2"} <= lines and "Seccomp_filters:\t1" not in lines
    )
    limits = Path(f"/proc/{engine.pid}/limits").read_text()
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max file size")] == [["0", "0"]]
    data = next(line for line in limits.splitlines() if line.startswith("Max data size"))
    assert "unlimited" not in data


async def test_a_seed_makes_the_same_words_and_another_makes_others(engine: LocalEngine) -> None:
    first = await said(engine)
    assert await said(engine) == first and len({await said(engine, seed=seed) for seed in range(4)}) > 1


async def test_the_likeliest_word_wins_whatever_way_it_is_asked_for(engine: LocalEngine) -> None:
    greedy = await said(engine, temperature=0)
    assert await said(engine, top_k=1) == await said(engine, top_p=0.0) == await said(engine, min_p=1) == greedy
    assert await said(engine) != greedy


async def test_what_is_pushed_or_forbidden(engine: LocalEngine) -> None:
    [token] = await engine.tokenise("Z")
    assert await said(engine, logit_bias=[[token, 100]]) == "Z" * 24
    again = await said(engine, temperature=0, repeat_penalty=2.0, frequency_penalty=2.0, max_tokens=40)
    assert len(set(again)) > 5 + len(set(await said(engine, temperature=0, max_tokens=40)))
    with pytest.raises(BadRequest):
        await said(engine, logit_bias=[[1 << 20, 1]])
    with pytest.raises(BadRequest):
        await said(engine, temperature="warm")


async def test_an_answer_ends_at_its_stop_and_says_at_which(engine: LocalEngine) -> None:
    whole = await said(engine, temperature=0)
    request = LETTERS | {
        "temperature": 0,
        "stop": ["nowhere", whole[8:10]],
        "chat_template_kwargs": {"enable_thinking": False},
    }
    reply = await engine.generate(request)
    assert reply.text == whole[: whole.index(whole[8:10])] and reply.finish_reason == "stop"
    assert reply.raw["choices"][0]["stop_reason"] == whole[8:10]


async def test_log_probabilities_are_those_of_the_model(engine: LocalEngine) -> None:
    request = LETTERS | {"temperature": 0, "logprobs": True, "top_logprobs": 3, "max_tokens": 3}
    [choice] = (await engine.generate(request)).raw["choices"]
    for entry in choice["logprobs"]["content"]:
        best = [one["logprob"] for one in entry["top_logprobs"]]
        assert len(best) == 3 and best == sorted(best, reverse=True) and entry["logprob"] == best[0] < 0
    text = await engine.generate({"prompt": "abc", "max_tokens": 2, "temperature": 0, "logprobs": 1})
    assert len(text.raw["choices"][0]["logprobs"]["content"]) == 2


async def test_thoughts_that_the_template_opens_stand_apart(engine: LocalEngine) -> None:
    message = (await engine.generate(LETTERS)).raw["choices"][0]["message"]
    assert message["reasoning_content"] and not message["content"]
    schema = {"type": "json_schema", "json_schema": {"schema": {"enum": ["yes", "no"]}}}
    held = (await engine.generate(LETTERS | {"response_format": schema})).raw["choices"][0]["message"]
    assert json.loads(held["content"]) in {"yes", "no"} and "reasoning_content" not in held


async def test_an_answer_that_was_begun_is_gone_on_with(engine: LocalEngine) -> None:
    messages = [*HELLO["messages"], {"role": "assistant", "content": "Bien sûr"}]
    begun, fresh = [await engine.prompt_tokens({"messages": one}) for one in (messages, HELLO["messages"])]
    assert begun == fresh + len("Bien sûr".encode()) - len("<think>")


async def test_a_prompt_is_read_again_only_where_it_differs(engine: LocalEngine) -> None:
    parts = ["The sources, first. " * 8, "One question.", "Another one."]
    await said(engine, messages=[{"role": "user", "content": parts[0] + parts[1]}])
    reply = await engine.generate(LETTERS | {"messages": [{"role": "user", "content": parts[0] + parts[2]}]})
    assert len(parts[0]) <= reply.usage.cached_tokens < len(parts[0]) + 30
    again = await engine.generate(LETTERS | {"messages": [{"role": "user", "content": parts[0] + parts[2]}]})
    assert again.raw["choices"][0]["message"] == reply.raw["choices"][0]["message"]


async def test_its_text_does_not_end_within_a_character_nor_beyond_the_context(engine: LocalEngine) -> None:
    long = await engine.generate({"prompt": "a", "temperature": 0, "ignore_eos": True, "max_tokens": -1})
    assert long.finish_reason == "length" and long.usage.completion_tokens == tiny.CONTEXT_TOKENS - 1


async def test_it_computes_what_the_library_computes(engine: LocalEngine, tmp_path: Path) -> None:
    vectors, ranker = folders.embedder(tmp_path / "vectors"), folders.reranker(tmp_path / "ranker")
    run = [sys.executable, "-c", DIRECT, str(engine.installed.path), str(vectors), str(ranker)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    shutil.copytree(engine.installed.path, plain := tmp_path / "plain")
    config = json.loads((plain / "config.json").read_text())
    del config["_attn_implementation"]
    (plain / "config.json").write_text(json.dumps(config))
    run[3] = str(plain)
    told = await asyncio.to_thread(subprocess.run, run, env=environment, capture_output=True, check=True)
    direct = json.loads(told.stdout)
    reply = await engine.generate(HELLO | {"max_tokens": 24})
    message = reply.raw["choices"][0]["message"]
    assert message["reasoning_content"] == direct["said"]
    header = engine.installed.header
    size = torch_memory.predict(header, context_tokens=direct["tokens"], slots=1, batch_tokens=128, on_gpu=False)
    assert size.kv_bytes == direct["kept"]
    async with engines.running(engines.installed_folder(vectors, "vectors"), engines.settings(tmp_path)) as embedder:
        assert (await embedder.embed(["facture"]))[0] == pytest.approx(direct["mean"], abs=1e-5)
    (vectors / "1_Pooling/config.json").write_text('{"pooling_mode_lasttoken": true}')
    async with engines.running(engines.installed_folder(vectors, "last"), engines.settings(tmp_path)) as embedder:
        assert (await embedder.embed(["facture"]))[0] == pytest.approx(direct["last"], abs=1e-5)
    async with engines.running(engines.installed_folder(ranker, "ranker"), engines.settings(tmp_path)) as ranks:
        assert await ranks.rerank("facture", ["bail"]) == pytest.approx([direct["score"]], abs=1e-5)


async def test_models_whose_layers_see_windows_and_rankers_not_told_whose_a_token_is(tmp_path: Path) -> None:
    folders.needs_transformers()
    windows, ranker = folders.chat(tmp_path / "windows"), folders.chat(tmp_path / "ranker")
    run = [sys.executable, "-c", OTHERS, str(windows), str(ranker)]
    await asyncio.to_thread(subprocess.run, run, env={**os.environ, "HF_HUB_OFFLINE": "1"}, check=True)
    async with engines.running(engines.installed_folder(windows, "windows"), engines.settings(tmp_path)) as writer:
        assert writer.installed.header.window_layers == (True, False, True)
        first = HELLO | {"messages": [{"role": "user", "content": "Bonjour " * 12 + "un"}], "max_tokens": 20}
        other = HELLO | {"messages": [{"role": "user", "content": "Bonjour " * 12 + "deux"}], "max_tokens": 20}
        alone = (await writer.generate(first)).raw["choices"]
        await writer.generate(other)  # begins alike, and ends elsewhere
        assert (await writer.generate(first)).raw["choices"] == alone
    async with engines.running(engines.installed_folder(ranker, "ranker"), engines.settings(tmp_path)) as ranks:
        assert len(set(await ranks.rerank("facture", ["bail", "contrat"]))) == 2


async def test_what_it_takes_is_no_more_than_was_predicted(engine: LocalEngine) -> None:
    predicted = torch_memory.predict(
        engine.installed.header,
        context_tokens=engine.options.context_tokens,
        slots=engine.options.slots,
        batch_tokens=engine.options.batch_tokens,
        on_gpu=False,
    )
    status = Path(f"/proc/{engine.pid}/status").read_text()
    peak = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))
    assert 0.5 * predicted.total_bytes < peak < 1.1 * predicted.total_bytes


async def test_a_sealed_model_is_loaded_from_memory(tmp_path: Path) -> None:
    folders.needs_transformers()
    shelf = InstalledModels(tmp_path / "data" / "models", load(), key=bytes(32), encrypts=True)
    folder = folders.chat(tmp_path / "sealed")
    model = await pull(str(folder), to=shelf, egress=Egress(), progress=lambda _step: None)
    stored = b"".join(path.read_bytes() for path in model.path.rglob("*") if path.is_file())
    assert model.is_sealed and b"embed_tokens" not in stored and b"LlamaForCausalLM" not in stored
    async with engines.running(model, engines.settings(tmp_path)) as engine:
        assert (await engine.generate(LETTERS)).usage.completion_tokens == 24


async def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    folders.needs_transformers()
    model = engines.installed_folder(folders.chat(tmp_path / "tiny", layers=4))
    async with engines.running(model, engines.settings(tmp_path)) as engine:
        async with aclosing(engine.stream(LONG)) as chunks:
            await anext(chunks)
            os.kill(engine.pid, signal.SIGKILL)
            with pytest.raises(EngineDied):
                async for _ in chunks:
                    pass
        assert (await engine.generate(LETTERS)).usage.completion_tokens == 24
        assert engine.restarts == 1 and await processing(engine) == 0


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"intermediate_size": 256}, "tensors"),
        ({"model_type": "llamax"}, "no such architecture"),
    ],
)
async def test_why_a_model_is_not_loaded(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    folders.needs_transformers()
    model = engines.installed_folder(folders.chat(tmp_path / "tiny", layers=2))
    (model.path / "config.json").write_text(json.dumps(json.loads((model.path / "config.json").read_text()) | config))
    with pytest.raises(EngineLoadFailed) as error:
        await engines.start(model, engines.settings(tmp_path))
    assert said in error.value.message and str(tmp_path) not in error.value.message


async def test_what_is_missing_is_named_with_the_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    model = engines.installed_folder(folders.chat(tmp_path / "tiny"))
    with pytest.raises(EngineLoadFailed) as error:
        await engines.start(model, engines.settings(tmp_path))
    assert "missing" in error.value.message and "intramuros[transformers]" in error.value.hint
