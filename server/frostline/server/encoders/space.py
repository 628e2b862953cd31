"""The space a vector lives in."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import SpaceMismatch

_UNIT_TOLERANCE = 1e-6  # what float32 leaves of unit length; vectors that come back keep their last bits


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
            float32 of shape (n, dimensions). Rows of zeros, and rows of unit length to 1e-6, stay as they are; rows
            that are not finite do not become so.

        Source: Kusupati et al. 2022, Matryoshka representation learning (prefixes, normalised again).
        """
        cut = vectors[:, : self.dimensions]
        if not self.normalize:
            return cut
        precise = cut.astype(np.float64)  # squares of float32 leave its range
        norms = np.linalg.norm(precise, axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # infinity over infinity: not a number, as it should be
            np.divide(precise, norms, out=precise, where=(norms != 0) & (np.abs(norms - 1) > _UNIT_TOLERANCE))
        return precise.astype(np.float32)

    def expect(
        self,
        other: "EmbeddingSpace",
        where: str,
        what: str = "vector",
        advice: str = "embed with the encoder and options of the collection",
    ) -> None:
        """Refuses what lives in another space.

        Args:
            other: the space it lives in.
            where: what it should go to, for the message.
            what: it, for the message.
            advice: what to do.

        Raises:
            SpaceMismatch: names the first field that differs, with both values.
        """
        for field in ("fingerprint", "layer", "pooling", "dimensions", "normalize"):
            expected, found = getattr(self, field), getattr(other, field)
            if expected != found:
                raise SpaceMismatch(f"{what} has {field} {found!r}, {where} holds {field} {expected!r}; {advice}")
