"""What runs the models of each format: the worker's module, what it imports, and what it is told of a model.

Asked by `engines.starting` when it starts a worker. A format joins by a runner in `RUNNERS` and its module in
`engines.worker`; what else it needs is said in `models.formats`. Every runner speaks llama.cpp's dialect of OpenAI's
API on its socket, as far as its models can do what is asked: see `engines.openai_http`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any

import intramuros
from intramuros.engines.decrypted import Loadable
from intramuros.engines.options import EngineOptions, footprint
from intramuros.engines.parameters import parameters
from intramuros.errors import EngineLoadFailed
from intramuros.models.folder import is_text
from intramuros.models.gguf import GGUF
from intramuros.models.installed import InstalledModel
from intramuros.models.onnx import EIGHT_BITS, ONNX, TOKENIZER
from intramuros.models.safetensors import SAFETENSORS

WARM_UP_TOKENS = 128
"""What an encoder computes once when it is loaded."""


@dataclass(frozen=True, slots=True)
class Runner:
    """What runs the models of one format.

    `module`: the one of `engines.worker` that the process runs; `packages`: what that imports, the first being the
    engine, whose version measurements hold for; `extra`: what of Intramuros brings them, empty for what is always
    there; `parameters`: what the module's `serve` is given; `reads`: what it reads besides libraries and the model.
    """

    module: str
    packages: tuple[str, ...]
    parameters: Callable[[InstalledModel, EngineOptions, Loadable, Path], dict[str, Any]]
    extra: str = ""
    reads: tuple[str, ...] = ()
    tells_memory: bool = True
    """Its log says what it took when it loaded a model, in the words of llama.cpp."""

    @property
    def version(self) -> str:
        """The engine's version; empty if it is not installed."""
        try:
            return version(self.packages[0])
        except PackageNotFoundError:
            return ""

    def module_folders(self) -> list[str]:
        """Where its worker finds what it imports: this package and its own. Raises: EngineLoadFailed."""
        folders = [str(Path(intramuros.__file__).parent.parent)]
        for name in self.packages:
            spec = find_spec(name)
            if spec is None or spec.origin is None:
                hint = (
                    f"Install it: pip install 'intramuros[{self.extra}]'" if self.extra else "Install intramuros again."
                )
                raise EngineLoadFailed(f"What runs this model is not installed: {name} is missing.", hint=hint)
            folders.append(str(Path(spec.origin).parent.parent))
        return list(dict.fromkeys(folders))


def _llama(model: InstalledModel, options: EngineOptions, found: Loadable, socket: Path) -> dict[str, Any]:
    return parameters(
        options,
        model=found.model,
        name=model.name,
        socket=socket,
        adapters=found.adapters,
        projector=found.projector,
    )


def _encoder(model: InstalledModel, options: EngineOptions, found: Loadable, socket: Path) -> dict[str, Any]:
    graph = next(name for name in found.files if name.endswith(".onnx"))
    small = min(WARM_UP_TOKENS, options.context_tokens)
    little = replace(options, context_tokens=small, batch_tokens=small)
    sealed = {PurePath(name).name: str(path) for name, path in found.files.items() if not is_text(name)}
    return {
        "graph": str(found.files[graph]),
        "weights": {name: path for name, path in sealed.items() if model.is_sealed and not name.endswith(".onnx")},
        "tokenizer": str(found.files[TOKENIZER]),
        "socket": str(socket),
        "threads": options.threads,
        "context_tokens": options.context_tokens,
        "batch_tokens": options.batch_tokens,
        "pooling": model.header.pooling,
        "normalises": model.header.normalises,
        "is_scaled": model.header.quantisation == EIGHT_BITS,
        "compute_bytes": footprint(options, model.header).compute_bytes,
        "warm_up_tokens": small,
        "warm_up_bytes": footprint(little, model.header).compute_bytes,
    }


def _transformers(model: InstalledModel, options: EngineOptions, found: Loadable, socket: Path) -> dict[str, Any]:
    return {
        "files": {name: str(path) for name, path in found.files.items()},
        "name": model.name,
        "socket": str(socket),
        "kind": options.kind,
        "threads": options.threads,
        "on_gpu": options.gpu_layers != 0,
        "context_tokens": options.context_tokens,
        "slots": options.slots,
        "batch_tokens": options.batch_tokens,
        "pooling": model.header.pooling,
        "normalises": model.header.normalises,
    }


LLAMA = Runner("llama", ("xllamacpp",), _llama)
ENCODER = Runner(
    "encoder", ("onnxruntime", "tokenizers", "numpy", "orjson"), _encoder, extra="onnx", reads=("/proc/self/statm",)
)
TRANSFORMERS = Runner(
    "transformers",
    ("transformers", "torch", "tokenizers", "safetensors", "llguidance", "numpy", "orjson"),
    _transformers,
    extra="transformers",
    reads=("/dev/urandom", "/dev/null"),
    tells_memory=False,
)
RUNNERS = {GGUF: LLAMA, ONNX: ENCODER, SAFETENSORS: TRANSFORMERS}


def runner_of(model: InstalledModel) -> Runner:
    """What runs this model. Raises: EngineLoadFailed for one that a newer version installed."""
    try:
        return RUNNERS[model.format]
    except KeyError as error:
        raise EngineLoadFailed(f"This version can't run {model.name}: it is of the format {model.format!r}.") from error
