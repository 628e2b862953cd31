"""Arrays to bytes and back: little-endian, row-major, dtype and shape beside them."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.v1.embedding_pb2 import (
    DTYPE_BINARY,
    DTYPE_FLOAT16,
    DTYPE_FLOAT32,
    DTYPE_INT8,
    Dtype,
    Tensor,
)

_NUMPY: dict[int, np.dtype[Any]] = {
    DTYPE_FLOAT32: np.dtype("<f4"),
    DTYPE_FLOAT16: np.dtype("<f2"),
    DTYPE_INT8: np.dtype("i1"),
}


def encode(array: NDArray[np.float32], dtype: Dtype.ValueType = DTYPE_FLOAT32) -> Tensor:
    """Stores embeddings in the chosen dtype.

    Args:
        array: float32 of shape (n, d).
        dtype: how to store them; unspecified means FLOAT32. INT8 scales each row by its largest absolute value over
            127; BINARY keeps the signs.

    Returns:
        A tensor of shape (n, d).

    Source: symmetric per-row scaling as in Jacob et al. 2018, section 2.1, zero point 0; bit order of `ubinary` in
    sentence-transformers `quantize_embeddings`.
    """
    dtype = dtype or DTYPE_FLOAT32
    tensor = Tensor(dtype=dtype, shape=array.shape)
    if dtype == DTYPE_BINARY:
        tensor.data = np.packbits(array > 0, axis=-1).tobytes()
    elif dtype == DTYPE_INT8:
        scales = np.abs(array).max(axis=-1, keepdims=True, initial=0.0) / 127
        steps = np.divide(array, scales, out=np.zeros_like(array), where=scales > 0)
        tensor.data = np.rint(steps).astype(np.int8).tobytes()
        tensor.scales = scales.astype("<f4").tobytes()
    else:
        tensor.data = array.astype(_NUMPY[dtype]).tobytes()
    return tensor


def decode(tensor: Tensor) -> NDArray[np.float32]:
    """Reads a tensor back as numbers.

    Args:
        tensor: any dtype.

    Returns:
        float32 of the tensor's shape; BINARY as -1 and 1. Not writable where it shares the tensor's bytes.

    Raises:
        ValueError: the shape does not fit the number of bytes, or the dtype is unknown.
    """
    shape, dtype = tuple(tensor.shape), tensor.dtype or DTYPE_FLOAT32
    if not shape or any(size < 0 for size in shape):
        raise ValueError(f"tensor shape {shape} has no dimension or a negative size")
    if dtype == DTYPE_BINARY:
        row_bytes = -(-shape[-1] // 8)
        _check_size(tensor, prod(shape[:-1]) * row_bytes)
        packed = np.frombuffer(tensor.data, np.uint8).reshape(*shape[:-1], row_bytes)
        bits = np.unpackbits(packed, axis=-1, count=shape[-1])
        return bits.astype(np.float32) * 2 - 1
    if dtype not in _NUMPY:
        raise ValueError(f"tensor dtype {dtype} is unknown; this client or server is older than its peer")
    _check_size(tensor, prod(shape) * _NUMPY[dtype].itemsize)
    array = np.frombuffer(tensor.data, _NUMPY[dtype]).reshape(shape)
    if dtype == DTYPE_INT8:
        scales = np.frombuffer(tensor.scales, "<f4")
        if scales.size != prod(shape[:-1]):
            raise ValueError(f"int8 tensor of shape {shape} has {scales.size} scales; one a row is needed")
        array = array * scales.reshape(*shape[:-1], 1)
    return np.asarray(array, np.float32)


def _check_size(tensor: Tensor, expected: int) -> None:
    if len(tensor.data) != expected:
        raise ValueError(f"tensor of shape {tuple(tensor.shape)} needs {expected} bytes, not {len(tensor.data)}")
