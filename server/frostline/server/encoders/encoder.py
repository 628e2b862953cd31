"""The contract of an encoder: what a batch scheduler must know to run one."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from frostline.server.encoders.bundle import Manifest
from frostline.server.errors import InvalidInput

Content = str | bytes
"""A text, or the bytes of an image file."""


class Truncate(StrEnum):
    """Which side of a text that is too long is cut away."""

    RIGHT = "right"
    LEFT = "left"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Prepared:
    """One input made ready for the graph.

    Attributes:
        array: int64 token ids of shape (t,), or float32 pixels of shape (channels, height, width).
        length: its cost in a batch: tokens of a text, 1 for an image.
        tokens: tokens read, special tokens included; 0 for an image.
        truncated: whether text was cut away.
    """

    array: NDArray[np.int64] | NDArray[np.float32]
    length: int
    tokens: int
    truncated: bool


class Encoder(Protocol):
    """A frozen model. All methods may be called from several threads at once."""

    @property
    def manifest(self) -> Manifest:
        """What the encoder is."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of all that changes its output, 64 hexadecimal digits."""
        ...

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda:0`."""
        ...

    def prepare(
        self, contents: Sequence[Content], prefix: str = "", truncate: Truncate = Truncate.RIGHT
    ) -> list[Prepared | InvalidInput]:
        """Tokenizes texts or decodes images.

        Args:
            contents: n inputs.
            prefix: the prompt put before each text; ignored for images.
            truncate: what happens to a text of more than `manifest.max_tokens` tokens.

        Returns:
            n results in the same order; an error for each input that cannot be read.
        """
        ...

    def run(self, batch: Sequence[Prepared], layer: str, normalize: bool) -> NDArray[np.float32]:
        """Runs the graph up to a layer.

        Args:
            batch: n prepared inputs, padded here to the longest.
            layer: one of `manifest.layers`.
            normalize: whether rows get unit length.

        Returns:
            float32 of shape (n, d), d the layer's dimensions. A row does not depend on its neighbors by more than 1e-5.
        """
        ...

    def close(self) -> None:
        """Frees the graph; the encoder is not used again."""
        ...
