"""The catalogue: open models that are worth running, each with what is known of it. A data file, `catalogue.json`.

Called by the command line, the web page's one-click offer, and the downloads. Only facts that were checked are in it; a
hash or a size that could not be checked is null, and then the hub's own hash is what a download is compared with.

Trust, the scale that decides how a model may answer:

- `quotes`: too small to be trusted with free text (under about 1.5 billion parameters). It answers questions by
  quoting the best sentences of the documents, word for word, with their page.
- `drafts`: writes usable text and makes mistakes; every sentence is checked against its source, and to be read by a
  person.
- `answers`: follows its sources well enough that a checked answer is usually right. Still checked, sentence by
  sentence.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any, Literal

from intramuros.errors import ModelNotFound
from intramuros.models.gguf import GgufHeader, Recurrent
from intramuros.models.machine import Machine
from intramuros.models.memory import predict
from intramuros.models.pooling import BY_ITSELF, RANK

Reasoning = Literal["none", "optional", "always"]
"""Whether the model thinks aloud before it answers: never, when its chat template is told to, or in any case."""
Trust = Literal["quotes", "drafts", "answers"]
TRUST_SCALE: tuple[Trust, ...] = ("quotes", "drafts", "answers")
STARTER = "starter"
COMMIT = re.compile(r"[0-9a-f]{40}")
CONTEXT_TOKENS = 8192  # of one conversation, in the memory figure
QUESTION_TOKENS, ANSWER_TOKENS = 1_700, 150  # a question with five passages, and a short answer
THOUGHT_TOKENS = 600
SLOWEST_ANSWER_S = 60.0  # slower is not offered
QUOTES_BELOW_PARAMETERS = 1_500_000_000
FUSED_LANGUAGES = frozenset({"fr", "de", "it", "en"})
"""What an embedder that joins the search must speak: documents of all of them stand side by side."""


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which terms the model may be used. `commercial` is None when its publisher leaves it unclear.

    `limits`: names of a closed list: acceptable-use-policy, attribution, large-companies, eu-multimodal,
    unsettled-training-data.
    """

    id: str
    url: str
    commercial: bool | None
    limits: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A file inside a package of the Python registry, which is there wherever packages can be installed."""

    package: str
    version: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int
    member: str

    def __str__(self) -> str:
        return f"python-package:{self.package}=={self.version}/{self.member}"


@dataclass(frozen=True, slots=True)
class HubSource:
    """A file in a repository of a model hub that speaks Hugging Face's protocol; `revision`: a commit, or a branch."""

    repository: str
    file: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"hf:{self.repository}@{self.revision}/{self.file}"


@dataclass(frozen=True, slots=True)
class CacheLayers:
    """Layers of one kind: how many, and what each keeps for a token. `window_tokens`: what they see; 0: everything."""

    layers: int
    kv_heads: int
    key_length: int
    value_length: int
    window_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Architecture:
    """The numbers that memory depends on, as published. `name` is llama.cpp's name of the architecture."""

    name: str
    layers: int | None
    embedding_length: int
    vocabulary: int | None
    cache: tuple[CacheLayers, ...]
    state_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Embedding:
    """How an embedder is used. `fusion_weight` is the say of its ranking beside BM25's 1; None: it never joins.

    A weight is given only where published figures put the embedder beside or above BM25 in French, German, Italian and
    English. What comes before a question and before a passage is as its publisher says; without it vectors are worse.
    `least_dimensions`: it was trained so that vectors cut to that many numbers or more keep their sense (Matryoshka).
    """

    fusion_weight: float | None
    query_prefix: str = ""
    passage_prefix: str = ""
    least_dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model of the catalogue. Units: `parameters` and `active_parameters` are counts, `_bytes`, `_tokens`.

    `preference` orders what is offered: an editorial choice by what the models' publishers and public comparisons say,
    not a measurement on anyone's documents.
    """

    name: str
    title: str
    publisher: str
    parameters: int
    active_parameters: int
    quantisation: str
    architecture: Architecture
    context_tokens: int
    languages: tuple[str, ...]
    licence: Licence
    source: PackageSource | HubSource
    sha256: str | None
    size_bytes: int | None
    reasoning: Reasoning
    good_for: str
    good_for_fr: str
    trust: Trust
    preference: int
    embedder: bool
    reranker: bool
    embedding: Embedding | None
    same_weights: tuple[str, ...] = ()
    """The SHA-256 of its weights in other formats and precisions: such a file is judged as this model."""

    @property
    def file(self) -> str:
        """The file's name at its source."""
        return self.source.file if isinstance(self.source, HubSource) else self.source.member

    @property
    def revision(self) -> str:
        """Which version of the repository or package it comes from."""
        return self.source.revision if isinstance(self.source, HubSource) else self.source.version

    @property
    def is_pinned(self) -> bool:
        """Whether it always is the same file: its source names one version, and the file's hash is known.

        The file of another may be changed by its publisher at any time; what comes is checked against the hub's hash.
        """
        is_one_version = isinstance(self.source, PackageSource) or COMMIT.fullmatch(self.revision) is not None
        return is_one_version and self.sha256 is not None

    @property
    def is_chat(self) -> bool:
        """Whether it writes answers, rather than vectors or scores."""
        return not (self.embedder or self.reranker)

    @property
    def header(self) -> GgufHeader:
        """What its file's header is going to say, as far as memory depends on it; the query heads are estimated."""
        shape = self.architecture
        full = next((kind for kind in shape.cache if not kind.window_tokens), None)
        window = next((kind for kind in shape.cache if kind.window_tokens), full)
        wide = full or window or CacheLayers(0, 0, 64, 64)
        narrow = window or wide
        heads = max(shape.embedding_length // wide.key_length, *(kind.kv_heads for kind in shape.cache), 1)
        attention = [(kind.kv_heads, kind.window_tokens > 0) for kind in shape.cache for _ in range(kind.layers)]
        layers = attention or [(0, False)] * (shape.layers or 1)
        return GgufHeader(
            architecture=shape.name,
            name=self.title,
            quantisation=self.quantisation,
            parameters=self.parameters,
            tensor_bytes=self.weights_bytes,
            file_bytes=self.weights_bytes,
            layers=len(layers),
            embedding_length=shape.embedding_length,
            heads=(heads,) * len(layers),
            kv_heads=tuple(kv_heads for kv_heads, _ in layers),
            key_length=wide.key_length,
            value_length=wide.value_length,
            key_length_window=narrow.key_length,
            value_length_window=narrow.value_length,
            window_tokens=narrow.window_tokens,
            window_layers=tuple(is_window for _, is_window in layers),
            recurrent_layers=(shape.state_bytes > 0,) + (False,) * (len(layers) - 1),
            recurrent=Recurrent(0, shape.state_bytes // 4) if shape.state_bytes else None,
            latent=False,
            context_tokens=self.context_tokens,
            vocabulary=shape.vocabulary or 0,
            experts=0,
            experts_used=0,
            has_chat_template=self.is_chat,
            template_has_tools=False,  # not known before its file is there
            template_has_effort=False,
            is_encoder=not self.is_chat and not shape.cache,
            pooling=None if self.is_chat else RANK if self.reranker else BY_ITSELF,
            licence=self.licence.id,
            languages=self.languages,
        )

    @property
    def memory_bytes(self) -> int:
        """Weights, the cache of one conversation of 8,192 tokens, or as long as it can be, and scratch memory."""
        return predict(self.header, context_tokens=min(CONTEXT_TOKENS, self.context_tokens)).total_bytes

    @property
    def weights_bytes(self) -> int:
        """Size of the weights; where the file's size is not known, what its quantisation usually takes."""
        return self.size_bytes or round(self.parameters * (8.5 if self.quantisation == "Q8_0" else 4.9) / 8)

    def answer_estimate_s(self, machine: Machine) -> float:
        """About how long a question about documents takes on this machine's processor, before anything is measured."""
        active_bytes = self.weights_bytes * self.active_parameters // self.parameters
        written_tokens = ANSWER_TOKENS + (THOUGHT_TOKENS if self.reasoning == "always" else 0)
        reading_s = QUESTION_TOKENS / machine.prefill_estimate(self.active_parameters)
        return reading_s + written_tokens / machine.decode_estimate(active_bytes)

    def describe(self, language: str) -> str:
        """What it is good for, in French or else in English."""
        return self.good_for_fr if language == "fr" else self.good_for


@dataclass(frozen=True)
class Catalogue:
    """All models of the catalogue, the starter first."""

    models: tuple[CatalogueModel, ...]

    def __iter__(self) -> Iterator[CatalogueModel]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    @cached_property
    def _by_name(self) -> dict[str, CatalogueModel]:
        return {model.name: model for model in self.models}

    @property
    def starter(self) -> CatalogueModel:
        """The small model of a first start."""
        return self.models[0]

    def find(self, name: str) -> CatalogueModel | None:
        """The model of this name; `starter` names the first."""
        return self.starter if name == STARTER else self._by_name.get(name)

    def get(self, name: str) -> CatalogueModel:
        """The model of this name. Raises: ModelNotFound, with the names that look alike."""
        if model := self.find(name):
            return model
        near = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.5)
        raise ModelNotFound(
            f"The catalogue has no model {name!r}.",
            hint=(f"Did you mean {' or '.join(near)}? " if near else "")
            + "See all of them with: intramuros models list",
        )

    def by_sha256(self, *hashes: str) -> CatalogueModel | None:
        """The model whose file, or whose weights in another format, has one of these hashes."""
        return next((model for model in self.models if {model.sha256, *model.same_weights} & {*hashes}), None)

    def fitting(self, memory_bytes: int) -> list[CatalogueModel]:
        """Models that write and fit in this much memory, best first."""
        fit = [model for model in self.models if model.is_chat and model.memory_bytes <= memory_bytes]
        return sorted(fit, key=lambda model: -model.preference)

    def best_for(self, machine: Machine, *, language: str = "fr") -> CatalogueModel:
        """The model to offer on this machine: the best that fits, speaks the language, answers within a minute, and may
        be used commercially without a question; the starter if there is no better one. Only files that can't change.
        """
        for model in self.fitting(machine.room_bytes):
            if not model.is_pinned:
                continue
            is_fast = bool(machine.gpus) or model.answer_estimate_s(machine) <= SLOWEST_ANSWER_S
            if is_fast and language in model.languages and model.licence.commercial:
                return model
        return self.starter


def load() -> Catalogue:
    """Reads the catalogue that comes with the package."""
    text = files("intramuros.models").joinpath("catalogue.json").read_text(encoding="utf-8")
    return parse(json.loads(text))


def parse(data: dict[str, Any]) -> Catalogue:
    """Reads a catalogue from its JSON form. Raises: KeyError, TypeError, ValueError if an entry is not complete."""
    licences = {name: _licence(name, entry) for name, entry in data["licences"].items()}
    return Catalogue(tuple(_model(entry, licences) for entry in data["models"]))


def trust_of(parameters: int, *, has_chat_template: bool) -> Trust:
    """How far a model that is in no catalogue can be trusted: never more than drafts."""
    return "drafts" if parameters >= QUOTES_BELOW_PARAMETERS and has_chat_template else "quotes"


def _licence(name: str, entry: dict[str, Any]) -> Licence:
    return Licence(id=name, **{**entry, "limits": tuple(entry.get("limits", ()))})


def _model(entry: dict[str, Any], licences: dict[str, Licence]) -> CatalogueModel:
    entry = dict(entry)
    kind = entry["source"]["kind"]
    source = {key: value for key, value in entry.pop("source").items() if key != "kind"}
    shape = entry.pop("architecture")
    architecture = Architecture(**{**shape, "cache": tuple(CacheLayers(**layers) for layers in shape["cache"])})
    trust = entry["trust"]
    if trust not in TRUST_SCALE:
        raise ValueError(f"{trust!r} is not on the scale of trust")
    embedding = Embedding(**entry["embedding"]) if "embedding" in entry else None
    _check_embedding(entry, embedding)
    model = {
        "active_parameters": entry["parameters"],
        "embedder": False,
        "reranker": False,
        **entry,
        "architecture": architecture,
        "embedding": embedding,
        "languages": tuple(entry["languages"]),
        "same_weights": tuple(entry.get("same_weights", ())),
        "licence": licences[entry["licence"]],
        "source": PackageSource(**source) if kind == "python-package" else HubSource(**source),
    }
    return CatalogueModel(**model)


def _check_embedding(entry: dict[str, Any], embedding: Embedding | None) -> None:
    """Raises: ValueError if the entry of an embedder does not say how it is used, or another's does."""
    name = entry["name"]
    if bool(entry.get("embedder")) != (embedding is not None):
        raise ValueError(f"{name}: an embedder, and nothing else, has the field 'embedding'")
    if embedding is None or embedding.fusion_weight is None:
        return
    if not 0 < embedding.fusion_weight <= 1:
        raise ValueError(f"{name}: a fusion weight is more than 0 and at most 1, or null")
    if missing := FUSED_LANGUAGES - set(entry["languages"]):
        raise ValueError(f"{name}: a fused embedder speaks {', '.join(sorted(missing))} too")
