"""Exact comparison of vectors. With `vector_index.py` and `device.py` the only files that import faiss.

FAISS compares in two ways. Through BLAS: the faster for batches, but Euclidean distances come out as differences of
large numbers. One after the other: the faster for few queries, and exact for all metrics. Whichever found a row, its
score is computed again by one routine that adds up in one order, so that it depends neither on the batch nor on the
row's place. All of it runs without the interpreter's lock.
"""

import math
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import Metric
from frostline.server.collections.vectors.plan import Found, Plan, ranked
from frostline.server.collections.vectors.selection import Selection

_faiss: Any = faiss  # ships no types

BATCH = 8
"""From so many queries on, comparing through BLAS is the faster way, and starting threads pays."""
BATCH_THREADS = max(1, min(2, int(_faiss.omp_get_max_threads())))
_CHUNK_VALUES = 1 << 22
"""How many float32 values of selected rows are gathered at once: 16 MiB."""

# Queries times dimensions from which FAISS takes BLAS where it has no selector. One query against 2,048 centroids of
# 40 dimensions takes 87 microseconds through BLAS and 31 without; each of 64 queries takes 11 and 44.
_faiss.cvar.distance_compute_blas_threshold = 1024


def use_threads(queries: int) -> None:
    """Sets how many threads FAISS takes for this many queries, in the calling thread only."""
    _faiss.omp_set_num_threads(1 if queries < BATCH else BATCH_THREADS)


def build_with(threads: int) -> None:
    """Sets how many threads FAISS takes in the calling thread until the next search: for training and adding."""
    _faiss.omp_set_num_threads(threads)


def normalized(vectors: NDArray[np.float32], metric: Metric) -> NDArray[np.float32]:
    """Vectors as they are stored and searched for: of length one for cosine, else as they are.

    Args:
        vectors: float32 of shape (n, d), none zero where the metric is cosine.
        metric: how close two vectors are.

    Returns:
        float32 of shape (n, d), contiguous.
    """
    if metric is not Metric.COSINE:
        return np.ascontiguousarray(vectors, np.float32)
    wide = vectors.astype(np.float64, order="C")  # in which no length of a float32 vector overflows or vanishes
    if len(wide) == 1:  # the same in half the time
        wide /= math.sqrt(np.vdot(wide, wide))
    else:
        wide /= np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, np.newaxis]
    return wide.astype(np.float32)


def score(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], rows: NDArray[np.int64], metric: Metric
) -> NDArray[np.float32]:
    """Scores of given rows.

    Args:
        vectors: float32 of shape (n, d), contiguous.
        queries: float32 of shape (q, d), contiguous.
        rows: int64 of shape (q, c), below n; negative ones score minus infinity.
        metric: how close two vectors are.

    Returns:
        float32 of shape (q, c); higher is closer.
    """
    scores = np.empty(rows.shape, np.float32)
    sizes = (queries.shape[1], *rows.shape)
    pointers = [_faiss.swig_ptr(each) for each in (scores, queries, vectors, rows)]
    if metric is Metric.EUCLIDEAN:
        _faiss.fvec_L2sqr_by_idx(*pointers, *sizes)
        np.sqrt(scores, out=scores)
        np.negative(scores, out=scores)
    else:
        _faiss.fvec_inner_products_by_idx(*pointers, *sizes)
        if metric is Metric.COSINE:
            np.minimum(np.maximum(scores, -1, out=scores), 1, out=scores)
    scores[rows < 0] = -np.inf
    return scores


def nearest(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int, metric: Metric, selection: Selection | None
) -> Found:
    """Finds the nearest rows by comparing with each of them.

    Args:
        vectors: float32 of shape (n, d), contiguous; normalised where the metric is cosine.
        queries: float32 of shape (q, d), contiguous; likewise.
        k: how many neighbors of each query, at least 1.
        metric: how close two vectors are.
        selection: the rows to compare with, of n; None for all.

    Returns:
        min(k, selected rows) neighbors of each query.
    """
    use_threads(len(queries))
    count = len(vectors) if selection is None else selection.count
    k = min(k, count)
    name = "exact_scan" if count == len(vectors) else "exact_rows"
    plan = Plan(name, count * len(queries), 0, 1.0)
    rows = np.empty((len(queries), k), np.int64)
    if k == 0:
        return Found(rows, np.empty(rows.shape, np.float32), plan)
    positions = selection.positions() if selection is not None and count < len(vectors) else None
    if len(queries) >= BATCH and metric is not Metric.EUCLIDEAN:
        rows = _in_chunks(vectors, queries, k, metric, positions)
    else:
        _one_by_one(vectors, queries, rows, metric, positions)
    return Found(*ranked(rows, score(vectors, queries, rows, metric), k), plan)


def _one_by_one(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    rows: NDArray[np.int64],
    metric: Metric,
    positions: NDArray[np.int64] | None,
) -> None:
    found = np.empty(rows.shape, np.float32)
    x, y, values, ids = (_faiss.swig_ptr(each) for each in (queries, vectors, found, rows))
    d, nq, n, k = vectors.shape[1], len(queries), len(vectors), rows.shape[1]
    if positions is not None:
        search = _faiss.knn_L2sqr_by_idx if metric is Metric.EUCLIDEAN else _faiss.knn_inner_products_by_idx
        search(x, y, _faiss.swig_ptr(positions), d, nq, n, len(positions), k, values, ids, 0)
    elif metric is Metric.EUCLIDEAN:  # a selector keeps FAISS from BLAS
        _faiss.knn_L2sqr(x, y, d, nq, n, k, values, ids, None, _faiss.IDSelectorAll())
    else:
        _faiss.knn_inner_product(x, y, d, nq, n, k, values, ids, _faiss.IDSelectorAll())


def _in_chunks(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    metric: Metric,
    positions: NDArray[np.int64] | None,
) -> NDArray[np.int64]:
    """The best k by inner product, chunk by chunk through BLAS: a few gathered megabytes at a time."""
    count = len(vectors) if positions is None else len(positions)
    step = max(k, _CHUNK_VALUES // vectors.shape[1])
    rows = np.empty((len(queries), 0), np.int64)
    scores = np.empty((len(queries), 0), np.float32)
    for start in range(0, count, step):
        part = slice(start, min(count, start + step))
        chunk = vectors[part] if positions is None else vectors[positions[part]]
        kept = min(k, len(chunk))
        found = np.empty((len(queries), kept), np.float32)
        ids = np.empty((len(queries), kept), np.int64)
        x, y, values, places = (_faiss.swig_ptr(each) for each in (queries, chunk, found, ids))
        _faiss.knn_inner_product(x, y, vectors.shape[1], len(queries), len(chunk), kept, values, places, None)
        ids = ids + start if positions is None else positions[ids + start]
        rows, scores = np.concatenate((rows, ids), axis=1), np.concatenate((scores, found), axis=1)
        rows, scores = ranked(rows, scores, min(k, rows.shape[1]))
    return rows
