"""The approximate indexes of FAISS. With `exact.py` and `device.py` the only files that import faiss.

An index finds candidates; `segment.py` compares them exactly with the float vectors, so an index keeps no floats but
4 bits for one or some dimensions of the rows as `rotation.py` turns them. Rows are assigned to lists by Euclidean
distance whatever the metric, because inner products would give the lists of long vectors nearly everything; lists are
then searched by closeness in the metric.
"""

import zlib
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.vectors.exact import BATCH
from frostline.server.collections.vectors.rotation import rotation
from frostline.server.collections.vectors.selection import Selection
from frostline.server.collections.vectors.tuning import Tuning, code_count
from frostline.server.errors import DataDamaged

_faiss: Any = faiss  # ships no types
FaissObject = Any

HNSW_LINKS = 32
_ITERATIONS = 10
_SEED = 20_26


class IvfIndex:
    """Rows in lists around centroids, turned and compressed.

    Args:
        index: a trained IndexPreTransform of a rotation and an IndexIVFPQFastScan or IndexIVFRaBitQFastScan.
        metric: how close two vectors are.

    Attributes:
        turned: how many dimensions are left of a row.
        rotation: float32 of shape (turned, d), what rows are multiplied by.
        centroids: float32 of shape (lists, turned).
        sizes: int64 of shape (lists,), rows of each list.
        list_of_row: int32 of shape (rows,).
    """

    def __init__(self, index: FaissObject, metric: Metric) -> None:
        self._whole = index  # owns the others
        self._index = _inner(index)
        self._metric = metric
        self._plain: dict[int, Any] = {}
        turn = _faiss.downcast_VectorTransform(index.chain.at(0))
        self.rotation: NDArray[np.float32] = _faiss.vector_to_array(turn.A).reshape(turn.d_out, turn.d_in)
        self._matrix = _faiss.swig_ptr(self.rotation)
        self.turned = len(self.rotation)
        lists = int(self._index.nlist)
        flat = _faiss.downcast_index(self._index.quantizer)
        self.centroids: NDArray[np.float32] = _faiss.vector_to_array(flat.codes).view("<f4").reshape(lists, -1)
        self._lengths = np.square(self.centroids).sum(axis=1)
        self.sizes, self.list_of_row = _members(self._index)

    def candidates(
        self, queries: NDArray[np.float32], count: int, nprobe: int, selection: Selection | None
    ) -> NDArray[np.int64]:
        """The likely nearest rows in the nearest lists.

        Args:
            queries: float32 of shape (q, d), contiguous.
            count: how many are wanted per query.
            nprobe: how many lists are searched.
            selection: which rows may be found.

        Returns:
            int64 of shape (q, count), -1 where fewer were found.
        """
        turned = self.turn(queries)
        rows, scores, x = _outputs(turned, count)
        params = _ivf_params(nprobe, selection) if selection else self._plain.get(nprobe)
        if params is None:
            params = self._plain[nprobe] = _ivf_params(nprobe, None)
        self._index.search_c(len(queries), x, count, _faiss.swig_ptr(scores), _faiss.swig_ptr(rows), params)
        return rows

    def candidates_in(
        self, queries: NDArray[np.float32], count: int, lists: NDArray[np.int64], selection: Selection
    ) -> NDArray[np.int64]:
        """The likely nearest selected rows in given lists.

        Args:
            queries: float32 of shape (q, d), contiguous.
            count: how many are wanted per query.
            lists: int64 of shape (q, p), contiguous; -1 for none.
            selection: which rows may be found.

        Returns:
            int64 of shape (q, count), -1 where fewer were found.
        """
        turned = self.turn(queries)
        rows, scores, x = _outputs(turned, count)
        distances = np.zeros(lists.shape, np.float32)
        pointers = [_faiss.swig_ptr(each) for each in (lists, distances, scores, rows)]
        params = _ivf_params(lists.shape[1], selection)
        self._index.search_preassigned_c(len(queries), x, count, *pointers, False, params)
        return rows

    def nearest_lists(self, queries: NDArray[np.float32]) -> NDArray[np.int64]:
        """All lists of each query, nearest first: int64 of shape (q, lists)."""
        turned = self.turn(queries)
        if len(queries) >= BATCH:
            near = turned @ self.centroids.T
            if self._metric is not Metric.DOT:
                near -= self._lengths / 2
        else:
            near = np.empty((len(queries), len(self.centroids)), np.float32)
            for query, line in zip(turned, near, strict=True):
                self._compare(query, line)
        order: NDArray[np.int64] = np.argsort(-near, axis=1)
        return order

    def turn(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors as the rows in the lists are: float32 of shape (q, turned)."""
        # One by one, so that a query comes out the same in every batch, and without waking BLAS's threads.
        turned = np.empty((len(queries), self.turned), np.float32)
        for query, line in zip(queries, turned, strict=True):
            pointers = _faiss.swig_ptr(line), _faiss.swig_ptr(query), self._matrix
            _faiss.fvec_inner_products_ny(*pointers, queries.shape[1], self.turned)
        return turned

    def _compare(self, query: NDArray[np.float32], near: NDArray[np.float32]) -> None:
        pointers = [_faiss.swig_ptr(each) for each in (near, query, self.centroids)]
        if self._metric is Metric.DOT:
            _faiss.fvec_inner_products_ny(*pointers, self.centroids.shape[1], len(near))
        else:
            _faiss.fvec_L2sqr_ny(*pointers, self.centroids.shape[1], len(near))
            np.negative(near, out=near)


class HnswIndex:
    """A graph over rows of 8 bits a dimension.

    Args:
        index: an IndexHNSWSQ.
    """

    def __init__(self, index: FaissObject) -> None:
        self._index = index

    def candidates(
        self, queries: NDArray[np.float32], count: int, ef: int, selection: Selection | None
    ) -> NDArray[np.int64]:
        """The likely nearest rows, found with a queue of length `ef`; see `IvfIndex.candidates`."""
        rows, scores, x = _outputs(queries, count)
        # bounded_queue=False would ignore the selector.
        params = _faiss.SearchParametersHNSW(efSearch=max(ef, count), sel=_selector(selection))
        self._index.search_c(len(queries), x, count, _faiss.swig_ptr(scores), _faiss.swig_ptr(rows), params)
        return rows


Index = IvfIndex | HnswIndex


def trained(kind: IndexKind, metric: Metric, lists: int, sample: NDArray[np.float32]) -> FaissObject:
    """An empty index, trained on a sample.

    Args:
        kind: ivf_pq, rabitq or hnsw.
        metric: how close two vectors are.
        lists: how many lists to part the rows into; not used by hnsw.
        sample: float32 of shape (n, d).
    """
    d = sample.shape[1]
    measure = faiss_metric(metric)
    if kind is IndexKind.HNSW:
        index = _faiss.IndexHNSWSQ(d, _faiss.ScalarQuantizer.QT_8bit, HNSW_LINKS, measure)
        index.train(sample)
        return index
    matrix = rotation(sample, keep_all=kind is IndexKind.RABITQ)
    turn = _faiss.LinearTransform(d, len(matrix), False)
    _faiss.copy_array_to_vector(matrix.ravel(), turn.A)
    turn.is_trained = True
    turned = turn.apply(sample)
    d = len(matrix)
    clusters = _faiss.Kmeans(d, lists, niter=_ITERATIONS, seed=_SEED, max_points_per_centroid=len(sample))
    clusters.train(turned)
    quantizer = _faiss.IndexFlatL2(d)
    quantizer.add(clusters.centroids)
    if kind is IndexKind.RABITQ:
        index = _faiss.IndexIVFRaBitQFastScan(quantizer, d, lists, measure)
    else:
        index = _faiss.IndexIVFPQFastScan(quantizer, d, lists, code_count(d), 4, measure)
        index.by_residual = False  # one table per query instead of one per list: half the time
    index.train(turned)
    return _faiss.IndexPreTransform(turn, index)


def finished(index: FaissObject, metric: Metric) -> Index:
    """The index after all rows were added with `index.add`, ready to be searched and written."""
    if isinstance(index, _faiss.IndexHNSWSQ):
        return HnswIndex(index)
    if metric is Metric.DOT:
        lists = _inner(index)
        centroids = _faiss.downcast_index(lists.quantizer)
        by_product = _faiss.IndexFlatIP(lists.d)
        by_product.add(centroids.reconstruct_n(0, centroids.ntotal))
        lists.quantizer = by_product
    return IvfIndex(index, metric)


def write_index(index: FaissObject, path: Path) -> tuple[int, int]:
    """Writes an index; returns its file's size and crc-32."""
    _faiss.write_index(index, str(path))
    return path.stat().st_size, file_crc(path)


def open_index(path: Path, tuning: Tuning) -> Index:
    """Opens an index into memory.

    FAISS loads most damaged files without a word and may crash on others. So the file's checksum is compared before
    FAISS sees it, and then whether the index is the one the tuning table speaks of.

    Raises:
        DataDamaged: the file is missing, or not what was written.
    """
    try:
        if path.stat().st_size != tuning.index_bytes or file_crc(path) != tuning.index_crc:
            raise DataDamaged(f"{path.name} is not what was written; rebuild the segment")
        index = _faiss.read_index(str(path), _faiss.IO_FLAG_MMAP_IFC if tuning.kind is IndexKind.HNSW else 0)
    except (OSError, RuntimeError, MemoryError) as error:
        raise DataDamaged(f"{path.name} cannot be read, rebuild the segment: {str(error)[:200]}") from error
    outer = (type(index).__name__, index.d, index.ntotal)
    if outer != (_OUTER[tuning.kind], tuning.dimensions, tuning.rows):
        raise DataDamaged(f"{path.name} holds {outer} where something else was written; rebuild the segment")
    inner = index if tuning.kind is IndexKind.HNSW else _inner(index)
    found = (type(inner).__name__, inner.ntotal, inner.metric_type, getattr(inner, "nlist", 0), inner.d)
    wanted = (_CLASSES[tuning.kind], tuning.rows, faiss_metric(tuning.metric), tuning.lists, tuning.turned or index.d)
    if found != wanted:
        raise DataDamaged(f"{path.name} holds {found} where {wanted} was written; rebuild the segment")
    return HnswIndex(index) if tuning.kind is IndexKind.HNSW else IvfIndex(index, tuning.metric)


def file_crc(path: Path) -> int:
    """The crc-32 of a file."""
    crc = 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            crc = zlib.crc32(part, crc)
    return crc


def faiss_metric(metric: Metric) -> int:
    """The number that FAISS has for a metric."""
    # Among vectors of length one the closest by angle are the closest by distance.
    return int(_faiss.METRIC_INNER_PRODUCT if metric is Metric.DOT else _faiss.METRIC_L2)


_CLASSES = {
    IndexKind.IVF_PQ: "IndexIVFPQFastScan",
    IndexKind.RABITQ: "IndexIVFRaBitQFastScan",
    IndexKind.HNSW: "IndexHNSWSQ",
}
_OUTER = {IndexKind.IVF_PQ: "IndexPreTransform", IndexKind.RABITQ: "IndexPreTransform", IndexKind.HNSW: "IndexHNSWSQ"}


def _inner(index: FaissObject) -> FaissObject:
    """The lists within an IndexPreTransform."""
    return _faiss.downcast_index(index.index)


def _members(index: FaissObject) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """How many rows each list has, int64 of shape (lists,), and the list of each row, int32 of shape (rows,)."""
    lists = index.invlists
    sizes = np.array([lists.list_size(each) for each in range(index.nlist)], np.int64)
    list_of_row = np.full(int(index.ntotal), -1, np.int32)
    parts = [_faiss.rev_swig_ptr(lists.get_ids(int(each)), int(sizes[each])) for each in np.flatnonzero(sizes)]
    ids = np.concatenate([np.empty(0, np.int64), *parts])
    if len(ids) != len(list_of_row) or (len(ids) and (int(ids.min()) < 0 or int(ids.max()) >= len(ids))):
        raise DataDamaged("the lists of the index do not name the rows of the segment; rebuild the segment")
    list_of_row[ids] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    if (list_of_row < 0).any():
        raise DataDamaged("the lists of the index do not hold each row once; rebuild the segment")
    return sizes, list_of_row


def _outputs(queries: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32], FaissObject]:
    shape = (len(queries), count)
    return np.empty(shape, np.int64), np.empty(shape, np.float32), _faiss.swig_ptr(queries)


def _selector(selection: Selection | None) -> FaissObject:
    return None if selection is None else _faiss.IDSelectorBitmap(len(selection.bits), _faiss.swig_ptr(selection.bits))


def _ivf_params(nprobe: int, selection: Selection | None) -> FaissObject:
    return _faiss.SearchParametersIVF(nprobe=nprobe, sel=_selector(selection))
