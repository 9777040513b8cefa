"""The formats of models of several files: which files make one up, and what they say of it.

Asked by `models.download` before anything is fetched and by `models.installed` before anything is installed. What a
format needs: a reader and a line in `FORMATS`, so that it is fetched, checked and installed; a line in
`engines.runners`, which says what runs it; in `engines.options` how it is started and what memory it takes, where that
is not as for ONNX. A GGUF model is a single file: see `models.gguf`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from intramuros.errors import ModelFileError
from intramuros.models import onnx, safetensors
from intramuros.models.folder import MOST_FILES
from intramuros.models.gguf import GgufHeader


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    `pick`: of the names in a folder those that make up the model, none if it has none of this format; a name that was
    asked for says which, where a folder holds several. `read`: what the picked files say, by name; strict, since the
    engine trusts it. It raises ModelFileError, saying in plain words what is wrong.
    """

    name: str
    pick: Callable[[Collection[str], str], tuple[str, ...]]
    read: Callable[[Mapping[str, Path]], GgufHeader]


FORMATS = (
    Format(safetensors.SAFETENSORS, safetensors.pick, safetensors.read),
    Format(onnx.ONNX, onnx.pick, onnx.read),
)


def pick(names: Collection[str], asked: str = "") -> tuple[str, ...]:
    """The files of a folder that make up a model. `asked`: the one of them that a person named, if they did.

    Raises: ModelFileError if the folder holds no model that can run here.
    """
    for known in FORMATS:
        if found := known.pick(names, asked):
            if len(found) > MOST_FILES:
                raise ModelFileError(f"The model has {len(found)} files: more than {MOST_FILES}.", hint="")
            return found
    what = f"{asked} is no file" if asked else "This folder holds no files"
    raise ModelFileError(
        f"{what} of a model that can run here.",
        hint="What runs: a .gguf file, or a folder with config.json, tokenizer.json and model.onnx or .safetensors.",
    )


def read(files: Mapping[str, Path]) -> GgufHeader:
    """What the files of a model say of it. Raises: ModelFileError."""
    for known in FORMATS:
        if known.pick(files, ""):
            return known.read(files)
    raise ModelFileError("These files are no model that can run here.", hint="")
