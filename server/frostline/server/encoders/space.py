"""The space a vector lives in."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import SpaceMismatch


class Pooling(StrEnum):
    """How token embeddings become one embedding."""

    NONE = "none"
    MEAN = "mean"
    CLS = "cls"
    LAST_TOKEN = "last_token"


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """What makes vectors comparable: two vectors may meet only where all fields are equal.

    Prompts are no part of it: a document and a query are compared although their prompts differ.

    Attributes:
        fingerprint: hash of all that changes the encoder's output; empty for plain vectors.
        layer: the depth that was taken; empty for plain vectors.
        pooling: how token embeddings were pooled.
        dimensions: length of a vector.
        normalize: whether vectors have unit length.
    """

    fingerprint: str
    layer: str
    pooling: Pooling
    dimensions: int
    normalize: bool

    @classmethod
    def plain(cls, dimensions: int) -> "EmbeddingSpace":
        """The space of vectors whose origin Frostline does not know."""
        return cls("", "", Pooling.NONE, dimensions, normalize=False)

    def fit(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cuts an encoder's vectors to this space's dimensions, and gives them unit length where it asks for it.

        Args:
            vectors: float32 of shape (n, d), d at least `dimensions`.

        Returns:
            float32 of shape (n, dimensions); rows of zeros stay zero.

        Source: Kusupati et al. 2022, Matryoshka representation learning (prefixes, normalised again).
        """
        cut = vectors[:, : self.dimensions]
        if not self.normalize:
            return cut
        norms = np.linalg.norm(cut, axis=1, keepdims=True)
        unit: NDArray[np.float32] = np.divide(cut, norms, out=np.zeros_like(cut), where=norms > 0)
        return unit

    def expect(self, other: "EmbeddingSpace", where: str) -> None:
        """Refuses a vector of another space.

        Args:
            other: the space the vector came with.
            where: what it should go to, for the message.

        Raises:
            SpaceMismatch: names the first field that differs, with both values.
        """
        for field in ("fingerprint", "layer", "pooling", "dimensions", "normalize"):
            expected, found = getattr(self, field), getattr(other, field)
            if expected != found:
                raise SpaceMismatch(
                    f"vector has {field} {found!r}, {where} holds {field} {expected!r}; "
                    "embed with the encoder and options of the collection"
                )
