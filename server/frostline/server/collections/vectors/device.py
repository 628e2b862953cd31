"""Searches on a GPU, of all rows or nearly all. With `exact.py` and `vector_index.py` the only files that import faiss.

A device holds a copy of a segment's vectors and compares with all of them; or, where they are too many for that, codes
of 8 bits for each dimension as the segment's index turns them, in the lists of that index. It looks into as many lists
as the index was tuned to. Codes of 8 bits tell more than the index's own of 4, so recall is at least what was measured.
"""

import threading
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import Metric
from frostline.server.collections.vectors.plan import Plan
from frostline.server.collections.vectors.tuning import Tuning
from frostline.server.collections.vectors.vector_index import Index, IvfIndex, faiss_metric
from frostline.server.errors import InvalidInput

_faiss: Any = faiss  # ships no types

FLAT_BYTES = 8 << 30
"""Vectors of a segment that take more are searched through lists."""
_ROWS = 65_536
"""So many rows are sent to a device, or turned, at once."""
_MOST = 2048
"""FAISS finds no more neighbors on a GPU, and looks into no more lists."""
_locks: dict[str, threading.Lock] = {}
"""One per device: FAISS lets one thread at a time use a device's resources."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where searches of all rows run.

    Attributes:
        name: `cpu` or `cuda:N`.
        flat_bytes: how large the vectors of a segment may be to be compared one by one.
    """

    name: str = "cpu"
    flat_bytes: int = FLAT_BYTES

    def check(self) -> None:
        """Checks that vectors can be searched there.

        Raises:
            InvalidInput: there is no such device, or this FAISS knows no GPUs.
        """
        kind, _, number = self.name.partition(":")
        gpus = int(_faiss.get_num_gpus())
        if self.name != "cpu" and (kind != "cuda" or not number.isdecimal() or int(number) >= gpus):
            raise InvalidInput(
                f"no vectors can be searched on device {self.name!r}: this FAISS sees {gpus} GPUs; install "
                "frostline[gpu-index] on a machine with one, or take cpu"
            )


CPU = Device()


class FlatScan:
    """Compares with all rows of a segment.

    Args:
        vectors: float32 of shape (n, d).
        metric: how close two vectors are.
        device: not the CPU.

    Raises:
        InvalidInput: there is no such device.
    """

    def __init__(self, vectors: NDArray[np.float32], metric: Metric, device: Device) -> None:
        flat = _faiss.IndexFlatL2 if metric is Metric.EUCLIDEAN else _faiss.IndexFlatIP
        self._there = _There(flat(vectors.shape[1]), device)
        for start in range(0, len(vectors), _ROWS):
            self._there.index.add(vectors[start : start + _ROWS])

    def reaches(self, k: int, exact_only: bool) -> bool:
        """Whether it can find k neighbors, all of them if need be."""
        return k <= _MOST

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], Plan]:
        """Finds the nearest rows.

        Args:
            queries: float32 of shape (q, d).
            k: how many of each query, within reach.

        Returns:
            int64 of shape (q, k), and how they were found.
        """
        return self._there.search(queries, k), Plan("gpu_scan", len(queries) * int(self._there.index.ntotal), 0, 1.0)


class ListScan:
    """Compares with the codes in the nearest lists of a segment.

    Args:
        vectors: float32 of shape (n, d).
        index: has parted them into lists.
        tuning: says into how many to look.
        device: not the CPU.

    Raises:
        InvalidInput: there is no such device.
    """

    def __init__(self, vectors: NDArray[np.float32], index: IvfIndex, tuning: Tuning, device: Device) -> None:
        self._index, self._tuning = index, tuning
        quantizer = (_faiss.IndexFlatIP if tuning.metric is Metric.DOT else _faiss.IndexFlatL2)(index.turned)
        quantizer.add(index.centroids)
        eight_bits = _faiss.ScalarQuantizer.QT_8bit
        codes = _faiss.IndexIVFScalarQuantizer(
            quantizer, index.turned, len(index.sizes), eight_bits, faiss_metric(tuning.metric), False
        )
        codes.train(vectors[:: max(1, len(vectors) // _ROWS)] @ index.rotation.T)
        for start in range(0, len(vectors), _ROWS):
            part = vectors[start : start + _ROWS] @ index.rotation.T  # `turn` takes row after row
            ids = np.arange(start, start + len(part))
            lists = index.list_of_row[start : start + len(part)].astype(np.int64)
            codes.add_core(len(part), *(_faiss.swig_ptr(each) for each in (part, ids, lists)))
        self._there = _There(codes, device)

    def reaches(self, k: int, exact_only: bool) -> bool:
        """Whether it can find k neighbors; never all of them for certain."""
        return not exact_only and max(self._tuning.candidates_for(k, False), self._tuning.nprobe_for(k)) <= _MOST

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], Plan]:
        """Finds rows that are likely the nearest; see `FlatScan.search`.

        Returns:
            int64 of shape (q, k or more), -1 where the lists hold fewer, and how they were found.
        """
        nprobe = self._tuning.nprobe_for(k)
        rows = self._there.search(
            self._index.turn(queries), self._tuning.candidates_for(k, False), _faiss.SearchParametersIVF(nprobe=nprobe)
        )
        return rows, Plan("gpu_ivf", rows.size, nprobe, self._tuning.expected(1.0, False, k))


Scan = FlatScan | ListScan


def open_scan(vectors: NDArray[np.float32], tuning: Tuning, index: Index | None, device: Device) -> Scan | None:
    """Brings a segment's vectors to a device.

    Args:
        vectors: float32 of shape (n, d); normalised where the metric is cosine.
        tuning: of the segment.
        index: of the segment; None for none.
        device: where to.

    Returns:
        None for the CPU, and for more vectors than may be compared one by one where the index has no lists.

    Raises:
        InvalidInput: there is no such device.
    """
    if device.name == "cpu":
        return None
    if vectors.nbytes <= device.flat_bytes:
        return FlatScan(vectors, tuning.metric, device)
    return ListScan(vectors, index, tuning, device) if isinstance(index, IvfIndex) else None


class _There:
    """An index on a device."""

    def __init__(self, index: Any, device: Device) -> None:  # noqa: ANN401 (FAISS ships no types)
        device.check()
        self._resources = _faiss.StandardGpuResources()
        self._lock = _locks.setdefault(device.name, threading.Lock())
        with self._lock:
            self.index = _faiss.index_cpu_to_gpu(self._resources, int(device.name.partition(":")[2]), index)

    def search(self, queries: NDArray[np.float32], k: int, params: object = None) -> NDArray[np.int64]:
        """The nearest k rows of each query: int64 of shape (q, k)."""
        with self._lock:
            rows: NDArray[np.int64] = self.index.search(queries, k, params=params)[1]
        return rows
