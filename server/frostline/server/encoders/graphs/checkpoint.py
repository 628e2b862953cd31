"""Weights of a safetensors file, distrusted: each is checked before it is loaded."""

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from frostline.server.errors import InvalidInput

WEIGHTS = "model.safetensors"
MAX_BYTES = 1_900_000_000
"""An ONNX file with its weights inside is one protobuf message, which ends at 2 GiB."""

_READABLE = ("F32", "F16")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


class Checkpoint:
    """Tensors of a `model.safetensors`, taken by name and expected shape.

    The safetensors library bounds the header and checks that tensors lie inside the file before anything is
    allocated; here it is checked that they are the tensors of the model.

    Args:
        folder: holds `model.safetensors`.
        prefix: left out of the names of tensors that have it.

    Raises:
        InvalidInput: there is none, it is no safetensors file, or it is too large.
    """

    def __init__(self, folder: Path, prefix: str = "") -> None:
        path = folder / WEIGHTS
        if not path.is_file():
            raise InvalidInput(_missing(folder))
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput(
                f"{WEIGHTS} has {path.stat().st_size} bytes; the largest that can be built is {MAX_BYTES}"
            )
        try:
            self._file = cast("Any", safe_open)(path, framework="numpy")  # its methods have no annotations
        except (SafetensorError, OSError, MemoryError) as error:
            raise InvalidInput(f"{WEIGHTS} is no safetensors file: {error}; download it again") from error
        self._names: dict[str, str] = {name.removeprefix(prefix): name for name in self._file.keys()}

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Loads one tensor.

        Args:
            name: as in the file, without the prefix.
            shape: the shape the model's configuration asks for.

        Returns:
            float32 of that shape; half precision is widened.

        Raises:
            InvalidInput: it is missing, has another shape or dtype, or holds a number that is not finite.
        """
        if name not in self._names:
            raise InvalidInput(f"{WEIGHTS} lacks the tensor {name!r}; is this a checkpoint of the BERT family?")
        view = self._file.get_slice(self._names[name])
        found, dtype = tuple(view.get_shape()), str(view.get_dtype())
        if found != shape:
            raise InvalidInput(f"tensor {name!r} of {WEIGHTS} has shape {found}; config.json asks for {shape}")
        if dtype not in _READABLE:
            raise InvalidInput(
                f"tensor {name!r} of {WEIGHTS} is {dtype}; save the checkpoint as {' or '.join(_READABLE)}"
            )
        with np.errstate(over="ignore"):
            tensor = np.asarray(self._file.get_tensor(self._names[name]), np.float32)
        if not np.isfinite(tensor).all():
            raise InvalidInput(f"tensor {name!r} of {WEIGHTS} holds numbers that are not finite; download it again")
        return tensor


def _missing(folder: Path) -> str:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        return f"{WEIGHTS} is missing and {pickles[0]} is a pickle, which is never opened; save it as safetensors"
    if (folder / f"{WEIGHTS}.index.json").exists():
        return f"{WEIGHTS} is missing: the checkpoint is cut into several files; save it as one"
    return f"{WEIGHTS} is missing"
