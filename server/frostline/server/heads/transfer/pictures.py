"""What can be seen in image files without an encoder."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any  # scikit-image is typed in part only

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from frostline.server.encoders import decoding
from frostline.server.errors import InvalidInput

_SIDE, _CELL, _BLOCK, _ORIENTATIONS = 64, 8, 2, 9
_COLOUR_SIDE = 32


def features(paths: Sequence[Path]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Histograms of oriented gradients of the grey image, and the colours of its pixels.

    Args:
        paths: n image files of any size; all are resized to the same square.

    Returns:
        float32 of shape (n, 1764) and of shape (n, 3072), the latter 0 to 1.

    Raises:
        InvalidInput: a file is no image; says which.

    Source: Dalal and Triggs 2005 (HOG).
    """
    looks = [_look(row, path) for row, path in enumerate(paths)]
    gradients, colours = (np.stack(each) for each in zip(*looks, strict=True))
    return gradients, colours


def _look(row: int, path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    hog: Any = import_module("skimage.feature").hog

    try:
        image = decoding.decode(path.read_bytes())
    except InvalidInput as error:
        raise InvalidInput(f"example {row}: {error}") from error
    grey = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))
    gradients = hog(grey, _ORIENTATIONS, pixels_per_cell=(_CELL, _CELL), cells_per_block=(_BLOCK, _BLOCK))
    colours = np.asarray(image.resize((_COLOUR_SIDE, _COLOUR_SIDE), Image.Resampling.BILINEAR))
    return np.asarray(gradients, np.float32), np.asarray(colours, np.float32).ravel() / np.float32(255)
