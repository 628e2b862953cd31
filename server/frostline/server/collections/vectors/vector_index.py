"""The approximate indexes of FAISS. Beside `exact.py` the only file that imports faiss.

An index finds candidates; `segment.py` compares them exactly with the float vectors, so an index keeps 4 bits for 4
dimensions and no floats. Rows are assigned to lists by Euclidean distance whatever the metric, because inner products
would give the lists of long vectors nearly everything; lists are then searched by closeness in the metric.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.vectors.exact import BATCH
from frostline.server.collections.vectors.selection import Selection
from frostline.server.collections.vectors.tuning import CODE_DIMENSIONS, Tuning
from frostline.server.errors import DataDamaged

_faiss: Any = faiss  # ships no types
FaissObject = Any

HNSW_LINKS = 32
_ITERATIONS = 10
_SEED = 20_26


class IvfIndex:
    """Rows in lists around centroids, compressed.

    Args:
        index: a trained IndexIVFPQFastScan or IndexIVFRaBitQFastScan.
        metric: how close two vectors are.

    Attributes:
        sizes: int64 of shape (lists,), rows of each list.
        list_of_row: int32 of shape (rows,).
    """

    def __init__(self, index: FaissObject, metric: Metric) -> None:
        self._index = index
        self._metric = metric
        self._plain: dict[int, Any] = {}
        lists = int(index.nlist)
        flat = _faiss.downcast_index(index.quantizer)
        self._centroids: NDArray[np.float32] = _faiss.vector_to_array(flat.codes).view("<f4").reshape(lists, -1)
        self._lengths = np.square(self._centroids).sum(axis=1)
        self.sizes = np.array([index.invlists.list_size(each) for each in range(lists)], np.int64)
        self.list_of_row = np.full(int(index.ntotal), -1, np.int32)
        for each, ids in enumerate(self._ids()):
            if len(ids) and (int(ids.min()) < 0 or int(ids.max()) >= len(self.list_of_row)):
                raise DataDamaged(f"list {each} of the index names rows outside of the segment; rebuild the segment")
            self.list_of_row[ids] = each
        if int(self.sizes.sum()) != len(self.list_of_row) or (self.list_of_row < 0).any():
            raise DataDamaged("the lists of the index do not hold each row once; rebuild the segment")

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
        rows, scores, x = _outputs(queries, count)
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
        rows, scores, x = _outputs(queries, count)
        distances = np.zeros(lists.shape, np.float32)
        pointers = [_faiss.swig_ptr(each) for each in (lists, distances, scores, rows)]
        params = _ivf_params(lists.shape[1], selection)
        self._index.search_preassigned_c(len(queries), x, count, *pointers, False, params)
        return rows

    def nearest_lists(self, queries: NDArray[np.float32]) -> NDArray[np.int64]:
        """All lists of each query, nearest first: int64 of shape (q, lists)."""
        if len(queries) >= BATCH:
            near = queries @ self._centroids.T
            if self._metric is not Metric.DOT:
                near -= self._lengths / 2
        else:
            near = np.empty((len(queries), len(self._centroids)), np.float32)
            for query, line in zip(queries, near, strict=True):
                self._compare(query, line)
        order: NDArray[np.int64] = np.argsort(-near, axis=1)
        return order

    def _compare(self, query: NDArray[np.float32], near: NDArray[np.float32]) -> None:
        pointers = [_faiss.swig_ptr(each) for each in (near, query, self._centroids)]
        if self._metric is Metric.DOT:
            _faiss.fvec_inner_products_ny(*pointers, self._centroids.shape[1], len(near))
        else:
            _faiss.fvec_L2sqr_ny(*pointers, self._centroids.shape[1], len(near))
            np.negative(near, out=near)

    def _ids(self) -> Iterator[NDArray[np.int64]]:
        for each in range(len(self.sizes)):
            size = int(self.sizes[each])
            yield _faiss.rev_swig_ptr(self._index.invlists.get_ids(each), size) if size else np.empty(0, np.int64)


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
    measure = _measure(metric)
    if kind is IndexKind.HNSW:
        index = _faiss.IndexHNSWSQ(d, _faiss.ScalarQuantizer.QT_8bit, HNSW_LINKS, measure)
        index.train(sample)
        return index
    clusters = _faiss.Kmeans(d, lists, niter=_ITERATIONS, seed=_SEED, max_points_per_centroid=len(sample))
    clusters.train(sample)
    quantizer = _faiss.IndexFlatL2(d)
    quantizer.add(clusters.centroids)
    if kind is IndexKind.RABITQ:
        index = _faiss.IndexIVFRaBitQFastScan(quantizer, d, lists, measure)
    else:
        index = _faiss.IndexIVFPQFastScan(quantizer, d, lists, code_count(d), 4, measure)
        index.by_residual = False  # one table per query instead of one per list: half the time
    index.train(sample)
    return index


def finished(index: FaissObject, metric: Metric) -> Index:
    """The index after all rows were added with `index.add`, ready to be searched and written."""
    if isinstance(index, _faiss.IndexHNSWSQ):
        return HnswIndex(index)
    if metric is Metric.DOT:
        centroids = _faiss.downcast_index(index.quantizer)
        by_product = _faiss.IndexFlatIP(index.d)
        by_product.add(centroids.reconstruct_n(0, centroids.ntotal))
        index.quantizer = by_product
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
    found = (type(index).__name__, index.d, index.ntotal, index.metric_type, getattr(index, "nlist", 0))
    wanted = (_CLASSES[tuning.kind], tuning.dimensions, tuning.rows, _measure(tuning.metric), tuning.lists)
    if found != wanted:
        raise DataDamaged(f"{path.name} holds {found} where {wanted} was written; rebuild the segment")
    return HnswIndex(index) if tuning.kind is IndexKind.HNSW else IvfIndex(index, tuning.metric)


def code_count(dimensions: int) -> int:
    """How many codes of 4 bits a row has."""
    return next(dimensions // each for each in CODE_DIMENSIONS if dimensions % each == 0)


def file_crc(path: Path) -> int:
    """The crc-32 of a file."""
    crc = 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            crc = zlib.crc32(part, crc)
    return crc


_CLASSES = {
    IndexKind.IVF_PQ: "IndexIVFPQFastScan",
    IndexKind.RABITQ: "IndexIVFRaBitQFastScan",
    IndexKind.HNSW: "IndexHNSWSQ",
}


def _measure(metric: Metric) -> int:
    # Among vectors of length one the closest by angle are the closest by distance.
    return int(_faiss.METRIC_INNER_PRODUCT if metric is Metric.DOT else _faiss.METRIC_L2)


def _outputs(queries: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32], FaissObject]:
    shape = (len(queries), count)
    return np.empty(shape, np.int64), np.empty(shape, np.float32), _faiss.swig_ptr(queries)


def _selector(selection: Selection | None) -> FaissObject:
    return None if selection is None else _faiss.IDSelectorBitmap(len(selection.bits), _faiss.swig_ptr(selection.bits))


def _ivf_params(nprobe: int, selection: Selection | None) -> FaissObject:
    return _faiss.SearchParametersIVF(nprobe=nprobe, sel=_selector(selection))
