"""Rows as numpy arrays and as roaring bitmaps, and the way between.

pyroaring adds rows one by one, 10 to 50 nanoseconds each; writing them in the format that it reads is far faster.
"""

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

_CONTAINER = 1 << 16
_ARRAY_MOST = 4096
"""Rows of one container up to which it lists them; fuller ones are sets of bits."""
_COOKIE = 12346
_DENSE = 16
"""Where one row in so many is wanted, marking them in order costs less than sorting them."""


def all_rows(rows: int) -> BitMap:
    """The rows 0 to rows - 1."""
    return BitMap(range(rows))


def rows_of(bitmap: BitMap) -> NDArray[np.uint32]:
    """The rows of a bitmap, ascending: uint32 of shape (len(bitmap),)."""
    return np.frombuffer(bitmap.to_array(), np.uint32) if bitmap else np.empty(0, np.uint32)


def bitmap_of(rows: NDArray[np.uint32], total: int) -> BitMap:
    """Makes a bitmap.

    Args:
        rows: of shape (n,), in any order, some perhaps several times.
        total: how many rows there are; all are below.

    Raises:
        IndexError: there are many rows, and some are not below the total.
    Source: the RoaringFormatSpec, without run containers.
    """
    if len(rows) == 0:
        return BitMap()
    if len(rows) * _DENSE > total:
        return _deserialized(_dense_containers(rows, total))
    if not bool((rows[1:] > rows[:-1]).all()):
        rows = np.sort(rows)
        first: NDArray[np.bool_] = np.append(True, rows[1:] > rows[:-1])
        rows = rows[first]
    return _deserialized(_sparse_containers(rows))


def _dense_containers(rows: NDArray[np.uint32], total: int) -> list[tuple[int, int, bytes]]:
    marked = np.zeros(-(-total // _CONTAINER) * _CONTAINER, np.uint8)
    marked[rows] = 1
    bits = np.packbits(marked, bitorder="little").reshape(-1, _CONTAINER // 8)
    containers: list[tuple[int, int, bytes]] = []
    for key, block in enumerate(marked.reshape(-1, _CONTAINER)):
        count = int(np.count_nonzero(block))
        if count > _ARRAY_MOST:
            containers.append((key, count, bits[key].tobytes()))
        elif count:
            containers.append((key, count, np.flatnonzero(block).astype("<u2").tobytes()))
    return containers


def _sparse_containers(rows: NDArray[np.uint32]) -> list[tuple[int, int, bytes]]:
    keys = np.arange(int(rows[0]) // _CONTAINER, int(rows[-1]) // _CONTAINER + 1)
    edges = [*np.searchsorted(rows, (keys * _CONTAINER).astype(np.uint32)).tolist(), len(rows)]
    low = rows.astype("<u2")  # keeps the lower half
    containers: list[tuple[int, int, bytes]] = []
    for key, start, end in zip(keys.tolist(), edges[:-1], edges[1:], strict=True):
        if end - start > _ARRAY_MOST:
            marked = np.zeros(_CONTAINER, np.uint8)
            marked[low[start:end]] = 1
            containers.append((key, end - start, np.packbits(marked, bitorder="little").tobytes()))
        elif end > start:
            containers.append((key, end - start, low[start:end].tobytes()))
    return containers


def _deserialized(containers: list[tuple[int, int, bytes]]) -> BitMap:
    """Joins containers: of each its key, how many rows it holds, and its bytes."""
    heads = np.array([(key, count - 1) for key, count, _ in containers], "<u2")
    ends = np.cumsum([8 + 8 * len(containers), *(len(body) for _, _, body in containers)])
    start = np.array([_COOKIE, len(containers)], "<u4").tobytes()
    bodies = [body for _, _, body in containers]
    return BitMap.deserialize(b"".join([start, heads.tobytes(), ends[:-1].astype("<u4").tobytes(), *bodies]))
