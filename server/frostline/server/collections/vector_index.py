"""Exact nearest neighbors in memory. The only file that imports faiss.

Vectors lie in blocks of a fixed number of rows. A block's rows are written once; a deletion sets a bit in a copy of
its bitmap. So each commit makes a new `VectorIndex` that shares all but what changed with the one before, searches
keep the one they began with, and neither waits for the other. Everything here is derived from the durable rows.

FAISS compares in one of two ways. Through BLAS: the faster for batches, 40 against 280 ms for 64 queries over 100,000
vectors of 384 dimensions on 2 cores. One after the other: the faster for few queries, the only one that takes a
selector, and the only one exact for Euclidean distances (BLAS gets them as a difference of large numbers).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import Metric
from frostline.server.collections.search_port import Neighbors

_faiss: Any = faiss  # ships no types

BLOCK_ROWS = 16_384
BLAS_QUERIES = 4
"""From so many queries on, BLAS is the faster way."""
RESCORED_VALUES = 1 << 22
"""How many float32 values of candidates are gathered at once."""

# FAISS chooses by a threshold whose meaning changed from release to release (queries until 1.14, queries * dimensions
# in 1.15). At 0 it always takes BLAS where no selector is given, so the choice is made here.
_faiss.cvar.distance_compute_blas_threshold = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Rows up to `count` never change; those behind it are free. `dead` has bit i set where row i was deleted."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    count: int
    dead: NDArray[np.uint8]
    dead_count: int

    @classmethod
    def empty(cls, rows: int, dimensions: int) -> "_Block":
        vectors = np.empty((rows, dimensions), np.float32)
        return cls(np.empty(rows, np.int64), vectors, 0, np.zeros(-(-rows // 8), np.uint8), 0)

    @property
    def live(self) -> int:
        return self.count - self.dead_count

    @property
    def free(self) -> int:
        return len(self.ids) - self.count

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> "_Block":
        end = self.count + len(ids)
        self.ids[self.count : end] = ids
        self.vectors[self.count : end] = vectors
        return replace(self, count=end)

    def remove(self, ids: NDArray[np.int64]) -> "_Block":
        rows = np.searchsorted(self.ids[: self.count], ids)
        rows = rows[rows < self.count]
        rows = rows[np.isin(self.ids[rows], ids)]
        if not len(rows):
            return self
        bits = self.bits()
        bits[rows] = 1
        return replace(self, dead=np.packbits(bits, bitorder="little"), dead_count=int(bits.sum()))

    def search(self, queries: NDArray[np.float32], k: int, metric: Metric) -> Neighbors:
        k = min(k, self.live)
        rows = np.empty((len(queries), k), np.int64)
        scores = np.empty((len(queries), k), np.float32)
        bitmap = _faiss.IDSelectorBitmap(len(self.dead), _faiss.swig_ptr(self.dead))
        one_by_one = metric is Metric.EUCLIDEAN or self.dead_count > 0 or len(queries) < BLAS_QUERIES
        selector = _faiss.IDSelectorNot(bitmap) if one_by_one else None
        sizes = (self.vectors.shape[1], len(queries), self.count, k)
        out = (_faiss.swig_ptr(scores), _faiss.swig_ptr(rows))
        pointers = (_faiss.swig_ptr(queries), _faiss.swig_ptr(self.vectors))
        if metric is Metric.EUCLIDEAN:
            _faiss.knn_L2sqr(*pointers, *sizes, *out, None, selector)
        else:
            _faiss.knn_inner_product(*pointers, *sizes, *out, selector)
        return Neighbors(self.ids[rows], self._score(queries, rows, metric))

    def _score(self, queries: NDArray[np.float32], rows: NDArray[np.int64], metric: Metric) -> NDArray[np.float32]:
        """Scores again in one fixed order of addition: they depend neither on the batch nor on the row's place."""
        scores = np.empty(rows.shape, np.float32)
        step = max(1, RESCORED_VALUES // (rows.shape[1] * queries.shape[1]))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            found = self.vectors[rows[part]]
            if metric is Metric.EUCLIDEAN:
                found -= queries[part, None]
                scores[part] = -np.sqrt(np.einsum("qkd,qkd->qk", found, found))
            else:
                scores[part] = np.einsum("qkd,qd->qk", found, queries[part])
        return scores

    def bits(self) -> NDArray[np.uint8]:
        return np.unpackbits(self.dead, bitorder="little", count=len(self.ids))


@dataclass(frozen=True, slots=True, eq=False)
class VectorIndex:
    """The vectors as of one commit; satisfies `VectorSearch`.

    Attributes:
        dimensions: length of a vector.
        metric: how close two vectors are.
        block_rows: rows of a block.
        blocks: the rows, by ascending internal id.
    """

    dimensions: int
    metric: Metric
    block_rows: int = BLOCK_ROWS
    blocks: tuple[_Block, ...] = ()

    @property
    def count(self) -> int:
        """Vectors that can be found."""
        return sum(block.live for block in self.blocks)

    @property
    def dead_count(self) -> int:
        """Deleted vectors that still take memory."""
        return sum(block.dead_count for block in self.blocks)

    def changed(
        self, ids: NDArray[np.int64], vectors: NDArray[np.float32], removed: NDArray[np.int64]
    ) -> "VectorIndex":
        """The index after a commit. Only the newest index may be changed, and by one thread at a time.

        Args:
            ids: int64 of shape (n,), ascending, above all ids before.
            vectors: float32 of shape (n, d), their vectors.
            removed: int64 of shape (m,), ids to delete, of these or of earlier ones; unknown ids are passed over.

        Returns:
            A new index; this one goes on answering as before.
        """
        blocks = list(self.blocks)
        for new_ids, new_vectors in self._pieces(ids, self._normalized(vectors)):
            if not blocks or not blocks[-1].free:
                blocks.append(_Block.empty(self.block_rows, self.dimensions))
            blocks[-1] = blocks[-1].add(new_ids, new_vectors)
        if len(removed):
            blocks = _compacted([block.remove(removed) for block in blocks])
        return replace(self, blocks=tuple(blocks))

    def search(self, queries: NDArray[np.float32], k: int) -> Neighbors:
        """Finds the nearest vectors; see `VectorSearch`."""
        queries = np.ascontiguousarray(self._normalized(queries), np.float32)
        best = Neighbors(np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32))
        for block in self.blocks:
            if block.live:
                best = _closest(best, block.search(queries, k, self.metric), k)
        if self.metric is Metric.COSINE:
            np.clip(best.scores, -1, 1, out=best.scores)
        return best

    def _pieces(
        self, ids: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Cuts rows to what the last block, and then each new one, has room for."""
        room = self.blocks[-1].free if self.blocks else 0
        start, end = 0, room or self.block_rows
        while start < len(ids):
            yield ids[start:end], vectors[start:end]
            start, end = end, end + self.block_rows

    def _normalized(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.metric is not Metric.COSINE:
            return vectors
        # In double precision, where no length of a float32 vector overflows or vanishes.
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        unit: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
        return unit


def _compacted(blocks: list[_Block]) -> list[_Block]:
    """Rewrites blocks of which over a quarter is dead, and joins them to a neighbor where both fit into one."""
    kept: list[_Block] = []
    rewritten = False
    for block in blocks:
        worn = block.dead_count * 4 > block.count
        if kept and (worn or rewritten) and kept[-1].live + block.live <= len(block.ids):
            kept[-1], rewritten = _packed(kept[-1], block), True
        else:
            kept.append(_packed(block) if worn else block)
            rewritten = worn
    return [block for block in kept if block.live]


def _packed(*blocks: _Block) -> _Block:
    """The live rows of neighbors, in order, in one new block."""
    packed = _Block.empty(*blocks[0].vectors.shape)
    for block in blocks:
        alive = np.flatnonzero(block.bits()[: block.count] == 0)
        packed = packed.add(block.ids[alive], block.vectors[alive])
    return packed


def _closest(first: Neighbors, second: Neighbors, k: int) -> Neighbors:
    ids = np.concatenate((first.ids, second.ids), axis=1)
    scores = np.concatenate((first.scores, second.scores), axis=1)
    order = np.lexsort((ids, -scores), axis=-1)[:, :k]
    return Neighbors(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))
