"""What was learned from all users, as files: derived from the collection, and deleted at any time without harm."""

# scipy ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array

from frostline.server.errors import DataDamaged
from frostline.server.recommendations.blending import Blend
from frostline.server.recommendations.collaborative import Collaborative
from frostline.server.recommendations.features import FeatureMap
from frostline.server.recommendations.strategies.factors import Factors

ARRAYS = "arrays.safetensors"
MANIFEST = "manifest.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What was learned from a collection.

    Attributes:
        sequence: the commit up to which it learned.
        features: makes the features it knows items by.
        blend: how strategies are blended.
        warm: ids of the w records that had interactions, those with most first.
        collaborative: strategies over these.
        rows: internal ids of the n records there were, ascending: int64 of shape (n,).
        anchors: int32 of shape (n, k): from which of the warm ones each record's scores are estimated.
        shares: float32 of shape (n, k): by how much; see `kriging.weights`.
        unit: see `kriging.median_square`.
    """

    sequence: int
    features: FeatureMap
    blend: Blend
    warm: Sequence[str]
    collaborative: Collaborative
    rows: NDArray[np.int64]
    anchors: NDArray[np.int32]
    shares: NDArray[np.float32]
    unit: float

    @property
    def anchor_count(self) -> int:
        """How many of the warm records are anchors: the first ones, those that EASE knows."""
        return len(self.collaborative.ease)


class _Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    sequence: int
    features: FeatureMap
    blend: Blend
    warm: tuple[str, ...]
    unit: float


def save(learned: Learned, folder: Path) -> None:
    """Writes it into an empty folder."""
    near = learned.collaborative.neighbors
    arrays = {
        "ease": learned.collaborative.ease,
        "carried_ease": learned.collaborative.carried_ease,
        "factors": learned.collaborative.factors.items,
        "neighbor_starts": near.indptr.astype(np.int64),
        "neighbors": near.indices.astype(np.int32),
        "neighbor_weights": near.data.astype(np.float32),
        "rows": learned.rows,
        "anchors": learned.anchors,
        "shares": learned.shares,
    }
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / ARRAYS)
    manifest = _Manifest(
        format=_FORMAT,
        sequence=learned.sequence,
        features=learned.features,
        blend=learned.blend,
        warm=tuple(learned.warm),
        unit=learned.unit,
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json())


def load(folder: Path) -> Learned:
    """Reads it.

    Raises:
        DataDamaged: it cannot be read, or is of another Frostline.
    """
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
        if content.get("format") != _FORMAT:
            raise DataDamaged(f"{folder} was learned by another Frostline")
        manifest = _Manifest.model_validate(content)
        arrays = load_file(folder / ARRAYS)
        width = len(manifest.warm)
        near = arrays["neighbor_weights"], arrays["neighbors"], arrays["neighbor_starts"]
        return Learned(
            sequence=manifest.sequence,
            features=manifest.features,
            blend=manifest.blend,
            warm=manifest.warm,
            collaborative=Collaborative(
                arrays["ease"],
                arrays["carried_ease"],
                csr_array(near, shape=(width, width)),
                Factors(arrays["factors"]),
            ),
            rows=arrays["rows"],
            anchors=arrays["anchors"],
            shares=arrays["shares"],
            unit=manifest.unit,
        )
    except (OSError, ValueError, KeyError, ValidationError, SafetensorError) as error:
        raise DataDamaged(f"{folder} cannot be read: {error}") from error
