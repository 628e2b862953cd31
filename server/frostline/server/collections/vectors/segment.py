"""The vectors of one slot of one segment: opened, and searched.

The plan of a search: compare exactly where that is faster than an index (few rows match), else take candidates from
the index and compare these exactly. Fewer than k rows are returned only if fewer match: whatever an index did not
find is looked for exactly.
"""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.vectors import exact
from frostline.server.collections.vectors.device import CPU, Device, Scan, open_scan
from frostline.server.collections.vectors.plan import Found, Plan, ranked
from frostline.server.collections.vectors.selection import Selection
from frostline.server.collections.vectors.tuning import Tuning, chosen_lists, read_tuning
from frostline.server.collections.vectors.vector_index import HnswIndex, Index, IvfIndex, open_index
from frostline.server.errors import DataDamaged

THIN = 0.7
"""A filter that leaves this share of nearly every list is searched like no filter, a little wider."""
_THINNED = 0.01
"""So much of the rows may be in lists of which it leaves less."""
COUNTED_ROWS = 1 << 15
"""About how many matching rows are looked at to learn which lists they are in."""
_CORRELATED = 1.3
"""Matching rows lie together when so many times more of their list's rows match than of all rows."""


class SegmentVectors:
    """The vectors of one slot; read only, may be searched from several threads at once.

    Args:
        vectors: float32 of shape (n, d), contiguous; normalised where the metric is cosine.
        tuning: what was measured at build.
        index: the index; None where rows are compared one by one.
        scan: searches on a GPU; None for none.
    """

    def __init__(
        self, vectors: NDArray[np.float32], tuning: Tuning, index: Index | None, scan: Scan | None = None
    ) -> None:
        self.vectors = vectors
        self.tuning = tuning
        self._index = index
        self._scan = scan
        self._unfiltered: dict[int, Plan] = {}

    @classmethod
    def open(
        cls, folder: Path, slot: int, metric: Metric, dimensions: int, rows: int, device: Device = CPU
    ) -> "SegmentVectors":
        """Opens what `building.build` wrote beside the float file `<slot>.f32`.

        Args:
            folder: of the segment.
            slot: of the vector.
            metric: how close two vectors are.
            dimensions: of each vector.
            rows: how many vectors there are.
            device: where searches without a filter run.

        Raises:
            DataDamaged: a file is missing or not what was written.
            InvalidInput: there is no such device.
        """
        vectors = _floats(folder / f"{slot}.f32", rows, dimensions)
        tuning = read_tuning(folder / f"{slot}.json")
        if (tuning.metric, tuning.dimensions, tuning.rows) != (metric, dimensions, rows):
            raise DataDamaged(f"{slot}.json in {folder.name} speaks of other vectors; rebuild the segment")
        index = None if tuning.kind is IndexKind.FLAT else open_index(folder / f"{slot}.faiss", tuning)
        return cls(vectors, tuning, index, open_scan(vectors, tuning, index, device))

    @property
    def is_indexed(self) -> bool:
        """Whether an index answers, at least without a filter."""
        return self._index is not None and self.tuning.exact_rows < self.tuning.rows

    def tuned(self, tuning: Tuning) -> "SegmentVectors":
        """The same vectors with another tuning table; this one stays as it is."""
        return SegmentVectors(self.vectors, tuning, self._index, self._scan)

    @property
    def recall(self) -> float:
        """Measured recall of the 10 nearest without a filter; 1 where all is compared exactly."""
        return 1.0 if self._index is None else self.tuning.expected(1.0, False)

    def memory_bytes(self) -> int:
        """Bytes of memory taken beside the float file, about."""
        return self.tuning.index_bytes + 4 * len(self.vectors) * (self.tuning.lists > 0)

    def search(
        self, queries: NDArray[np.float32], k: int, selection: Selection | None = None, *, exact_only: bool = False
    ) -> Found:
        """Finds the nearest rows.

        Args:
            queries: float32 of shape (q, d), contiguous; normalised where the metric is cosine.
            k: how many neighbors of each query, at least 1.
            selection: the rows that may be found; None for all.
            exact_only: whether all of these rows must be compared.

        Returns:
            min(k, selected rows) neighbors of each query.
        """
        if selection is not None and selection.count == len(self.vectors):
            selection = None
        count = len(self.vectors) if selection is None else selection.count
        if self._scan is not None and count >= THIN * len(self.vectors):
            widened = min(k if selection is None else round(k * (1 + len(self.vectors) / count)), len(self.vectors))
            if self._scan.reaches(widened, exact_only):
                rows, plan = self._scan.search(queries, widened)
                return self._compared(queries, min(k, count), rows, selection, plan)
        wanted = self.tuning.candidates_for(k, selection is not None)
        if self._index is None or exact_only or count <= max(self.tuning.exact_rows, 2 * wanted):
            return self._exact(queries, k, selection)
        exact.use_threads(len(queries))
        if isinstance(self._index, HnswIndex):
            return self._by_hnsw(self._index, queries, k, wanted, selection)
        return self._by_lists(self._index, queries, k, wanted, selection)

    def _by_lists(
        self, index: IvfIndex, queries: NDArray[np.float32], k: int, wanted: int, selection: Selection | None
    ) -> Found:
        tuning = self.tuning
        if selection is None:
            unfiltered = self._unfiltered.get(k) or self._unfiltered.setdefault(
                k, Plan(tuning.kind.value, 0, tuning.nprobe_for(k), tuning.expected(1.0, False, k))
            )
            rows = index.candidates(queries, wanted, unfiltered.nprobe, None)
            plan = Plan(unfiltered.name, rows.size, unfiltered.nprobe, unfiltered.recall)
            return self._compared(queries, k, rows, None, plan)
        selectivity = selection.count / len(self.vectors)
        matches = selection.counts(index, index.list_of_row, len(index.sizes), COUNTED_ROWS)
        density = matches / np.maximum(index.sizes, 1)
        # How many lists there are for each row looked at.
        coarse = len(index.sizes) / min(selection.count, COUNTED_ROWS)
        thinned = int(index.sizes[density < THIN * (1 - 2 * min(0.4, math.sqrt(coarse)))].sum())
        if selectivity >= THIN and thinned <= _THINNED * len(self.vectors):
            nprobe = tuning.nprobe_for(k / selectivity)
            rows = index.candidates(queries, wanted, nprobe, selection)
            plan = Plan(tuning.kind.value, rows.size, nprobe, tuning.expected(1.0, False, k))
            return self._compared(queries, k, rows, selection, plan)
        together = float(density @ matches) / max(float(matches.sum()), 1.0)
        # Even by chance, each row looked at shares its list with itself.
        correlated = together > (_CORRELATED + coarse) * selectivity
        share = tuning.filtered_shares[correlated]
        lists = chosen_lists(tuning, index.nearest_lists(queries), index.sizes, matches, k, share)
        if lists.rows * tuning.code_seconds > selection.count * tuning.row_seconds:
            return self._exact(queries, k, selection)
        rows = index.candidates_in(queries, wanted, lists.ids, selection)
        plan = Plan(tuning.kind.value, rows.size, lists.ids.shape[1], tuning.expected(selectivity, correlated))
        return self._compared(queries, k, rows, selection, plan)

    def _by_hnsw(
        self, index: HnswIndex, queries: NDArray[np.float32], k: int, wanted: int, selection: Selection | None
    ) -> Found:
        share = 1.0 if selection is None else selection.count / len(self.vectors)
        sorts = (False,) if selection is None else (False, True)
        recall = min(self.tuning.expected(share, correlated) for correlated in sorts)
        if selection is not None and recall < self.tuning.min_recall:
            return self._exact(queries, k, selection)
        ef = max(wanted, round(self.tuning.ef * max(1, k / 10) / share))
        rows = index.candidates(queries, wanted, ef, selection)
        return self._compared(queries, k, rows, selection, Plan("hnsw", rows.size, ef, recall))

    def _compared(
        self, queries: NDArray[np.float32], k: int, rows: NDArray[np.int64], selection: Selection | None, plan: Plan
    ) -> Found:
        """The best k of the candidates by their exact scores."""
        if selection is not None:  # whatever FAISS did with the selector
            rows = np.where(selection.contains(rows), rows, -1)
        scores = exact.score(self.vectors, queries, rows, self.tuning.metric)
        rows, scores = ranked(rows, scores, k)
        if rows[:, -1].min() < 0:
            short = np.flatnonzero(rows[:, -1] < 0)
            found = self._exact(np.ascontiguousarray(queries[short]), k, selection)
            rows[short], scores[short] = found.rows, found.scores
            plan = plan._replace(candidates=plan.candidates + found.plan.candidates)
        return Found(rows, scores, plan)

    def _exact(self, queries: NDArray[np.float32], k: int, selection: Selection | None) -> Found:
        return exact.nearest(self.vectors, queries, k, self.tuning.metric, selection)


def _floats(path: Path, rows: int, dimensions: int) -> NDArray[np.float32]:
    """The float file, mapped; its size is checked first."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataDamaged(f"{path.name} cannot be read, rebuild the segment: {error.strerror}") from error
    if size != rows * dimensions * 4:
        raise DataDamaged(f"{path.name} has {size} bytes, {rows} vectors take {rows * dimensions * 4}; rebuild it")
    if rows == 0:
        return np.empty((0, dimensions), np.float32)
    return np.asarray(np.memmap(path, "<f4", "r", shape=(rows, dimensions)))
