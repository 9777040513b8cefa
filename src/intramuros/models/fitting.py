"""Whether the file of an adapter or of a projector fits a model: checked before it is installed.

Called by `models.beside`. The engine loads a model together with what stands beside it, so a file that doesn't fit
would take the model itself away from everyone.

Source: llama.cpp, src/llama-adapter.cpp and tools/mtmd, which refuse to load what doesn't pass.
"""

from __future__ import annotations

from pathlib import Path

from intramuros.errors import ModelFileError
from intramuros.models.gguf_file import GgufFile, read_file

A, B, NORM = ".lora_a", ".lora_b", "_norm.weight"
TOKENS = "token_embd.weight"


def check_adapter(path: Path, model: Path, *, name: str) -> tuple[GgufFile, int]:
    """The adapter's header, and its rank.

    Raises: ModelFileError if it is no adapter, or one of another model than `model`, which is called `name`.
    """
    file = read_file(path)
    kind, how = file.metadata.get("general.type"), file.metadata.get("adapter.type")
    if kind != "adapter" or how != "lora":
        raise ModelFileError(
            "This GGUF file is no LoRA adapter.",
            hint="Adapters of other formats are turned into one by llama.cpp's convert_lora_to_gguf.py.",
            code="not_an_adapter",
        )
    if "adapter.alora.invocation_tokens" in file.lengths or "adapter.alora.invocation_tokens" in file.metadata:
        raise ModelFileError("This adapter acts from certain words on (aLoRA), which can't be used here.")
    alpha = file.metadata.get("adapter.lora.alpha")
    if not isinstance(alpha, float) or not 0 <= alpha < 1e6:
        raise ModelFileError("The adapter is broken: its alpha is missing or can't be.", code="part_broken")
    base = read_file(model)
    architecture = base.metadata.get("general.architecture")
    if (own := file.metadata.get("general.architecture")) != architecture:
        raise ModelFileError(
            f"This adapter is for models of the architecture {str(own)[:40]!r}; {name} has {architecture!r}.",
            code="part_of_other_model",
        )
    return file, _rank(file, base, name)


def _rank(file: GgufFile, base: GgufFile, name: str) -> int:
    """The largest rank among its pairs.

    Shape: the halves of a tensor [in, out] are [in, rank] and [rank, out], the innermost extent first.
    """
    rank = 0
    for tensor in sorted({_stem(found) for found in file.shapes}):
        if tensor.endswith(NORM) and tensor + A not in file.shapes:
            continue  # the engine passes over them
        a, b, whole = (file.shapes.get(tensor + A), file.shapes.get(tensor + B), base.shapes.get(tensor))
        if a is None or b is None:
            raise ModelFileError(
                f"The adapter is broken: half of what it says of {tensor} is missing.", code="part_broken"
            )
        if whole is None:
            raise ModelFileError(
                f"This adapter is for another model: {name} has no {tensor}.", code="part_of_other_model"
            )
        if min(len(a), len(b), len(whole)) < 2 or a[1] != b[0] or a[2:] != b[2:]:
            raise ModelFileError(
                f"The adapter is broken: the halves of {tensor} don't fit one another.", code="part_broken"
            )
        flipped = tensor == TOKENS
        wanted, found_shape = (whole[0], whole[1]), (b[1], a[0]) if flipped else (a[0], b[1])
        if wanted != found_shape:
            raise ModelFileError(
                f"This adapter is for another model: in {name} {tensor} has another size.", code="part_of_other_model"
            )
        rank = max(rank, a[1])
    if not rank:
        raise ModelFileError("This adapter changes nothing.", code="part_broken")
    return rank


def _stem(name: str) -> str:
    for ending in (A, B):
        if name.endswith(ending):
            return name.removesuffix(ending)
    if name.endswith(NORM):
        return name
    raise ModelFileError(
        f"The adapter is broken: it has a tensor {name[:63]!r}, which no LoRA adapter has.", code="part_broken"
    )


def check_projector(path: Path, model: Path, *, name: str) -> GgufFile:
    """The projector's header.

    Raises: ModelFileError if it is none, sees nothing, or makes vectors of another length than `model` reads.
    """
    file = read_file(path)
    facts = file.metadata
    if facts.get("general.architecture") != "clip" or facts.get("general.type", "mmproj") not in (
        "mmproj",
        "clip-vision",
    ):
        raise ModelFileError(
            "This GGUF file is no projector.", hint="Its name usually begins with mmproj.", code="not_a_projector"
        )
    if facts.get("clip.has_vision_encoder") is not True:
        raise ModelFileError("This projector hears and does not see, which is no use here.", code="not_a_projector")
    base = read_file(model)
    wanted = base.metadata.get(f"{base.metadata.get('general.architecture')}.embedding_length")
    made = {extent for tensor, shape in file.shapes.items() if tensor.startswith("mm.") for extent in shape[:2]}
    if wanted not in {facts.get("clip.vision.projection_dim"), *made}:
        raise ModelFileError(
            f"This projector is for another model: {name} reads vectors of {wanted} numbers.",
            code="part_of_other_model",
        )
    if not any(tensor.startswith("v.patch_embd") for tensor in file.shapes):
        raise ModelFileError("The projector is broken: it has nothing to look at an image with.", code="part_broken")
    return file
