"""Whether an installed embedder may join the search, and how: what the catalogue says of it, applied to a file.

Called by the embedder and by `models show`. Vectors join only where published figures say that they are worth it:
measured, an English embedder merged with equal weight costs French search 6 to 12 points of recall@5.
"""

from __future__ import annotations

from dataclasses import dataclass

from intramuros.models.catalogue import Catalogue, CatalogueModel, Embedding
from intramuros.models.manifest import InstalledModel


@dataclass(frozen=True, slots=True)
class Standing:
    """What an embedder is worth in the search: `embedding` is None when it may not join; `reason` in plain words."""

    embedding: Embedding | None
    reason: str

    @property
    def is_fused(self) -> bool:
        """Whether its vectors join the search."""
        return self.embedding is not None


def standing(model: InstalledModel, catalogue: Catalogue) -> Standing:
    """Judges an installed model by the catalogue's entry of the same file."""
    if not model.header.is_embedder or model.header.is_reranker:
        return Standing(None, f"{model.name} does not turn texts into vectors: search goes by words alone")
    entry = _entry(model, catalogue)
    if entry is None or entry.embedding is None:
        return Standing(
            None, f"{model.name} is not an embedder of the catalogue, so it is not fused: search goes by words alone"
        )
    if entry.embedding.fusion_weight is None:
        return Standing(
            None,
            f"{model.name} makes the search of some languages worse, says the catalogue, so it is not fused:"
            " search goes by words alone",
        )
    return Standing(
        entry.embedding, f"{model.name} is fused with the ranking by words, weight {entry.embedding.fusion_weight:g}"
    )


def _entry(model: InstalledModel, catalogue: Catalogue) -> CatalogueModel | None:
    """The entry of the same file: by its hash, or by its source where the catalogue knows no hash."""
    if entry := catalogue.by_sha256(*model.hashes):
        return entry
    return next((entry for entry in catalogue if entry.sha256 is None and str(entry.source) == model.source), None)


def may_cut(model: InstalledModel, dimensions: int, catalogue: Catalogue) -> bool:
    """Whether its vectors keep their sense when only so many of their numbers are kept: known of the catalogue's."""
    entry = catalogue.by_sha256(*model.hashes)
    least = entry.embedding.least_dimensions if entry and entry.embedding else None
    return least is not None and least <= dimensions <= model.header.embedding_length
