"""Builds the index of one vector of a segment, and measures it. Runs in a process of its own."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.vectors import exact, vector_index
from frostline.server.collections.vectors.calibration import calibrated
from frostline.server.collections.vectors.tuning import Tuning
from frostline.server.report import Report

FLAT_ROWS = 50_000
"""Below so many rows, comparing with all of them is fast enough."""
FEWEST_ROWS = 2_000
"""Below so many, nothing can be learned from a sample: rows are compared one by one whatever was asked for."""
_SAMPLED_PER_LIST = 64
_SAMPLED_ROWS = 1 << 18
_ADDED_VALUES = 1 << 24
"""How many float32 values are added to an index at once: 64 MiB."""


def build(
    vectors: NDArray[np.float32],
    folder: Path,
    slot: int,
    metric: Metric,
    kind: IndexKind,
    min_recall: float,
    threads: int,
    report: Report,
    older: int | None = None,
) -> None:
    """Writes `<slot>.json` and, unless rows are compared one by one, `<slot>.faiss`. Neither is synced to disk.

    Args:
        vectors: float32 of shape (n, d), contiguous, the content of `<slot>.f32`; normalised where the metric is
            cosine. A memory map is read in pieces.
        folder: where the files go.
        slot: of the vector.
        metric: how close two vectors are.
        kind: how to index; auto is flat below 50,000 rows, else ivf_pq.
        min_recall: the share of the 10 nearest that must be found, measured, with any filter.
        threads: how many to use.
        report: is told how far the build is.
        older: how many rows, from the first, are not newer: recall is reached for both sorts. None for one sort.
    """
    rows, dimensions = vectors.shape
    kind = _kind(kind, rows)
    tuning = Tuning(kind=kind, metric=metric, rows=rows, dimensions=dimensions, min_recall=min_recall)
    if kind is not IndexKind.FLAT:
        exact.build_with(threads)
        lists = 0 if kind is IndexKind.HNSW else list_count(rows)
        report("train", 0.0)
        index = vector_index.trained(kind, metric, lists, _sample(vectors, lists))
        step = max(1, _ADDED_VALUES // dimensions)
        for start in range(0, rows, step):
            report("add", start / rows)
            index.add(np.ascontiguousarray(vectors[start : start + step]))
        searchable = vector_index.finished(index, metric)
        size, crc = vector_index.write_index(index, folder / f"{slot}.faiss")
        turned = searchable.turned if isinstance(searchable, vector_index.IvfIndex) else 0
        changes = {"lists": lists, "index_bytes": size, "index_crc": crc, "turned": turned}
        tuning = tuning.model_copy(update=changes)
        tuning = calibrated(vectors, tuning, searchable, report, older)
    (folder / f"{slot}.json").write_text(tuning.model_dump_json())


def list_count(rows: int) -> int:
    """How many lists: the power of 2 nearest to 4 times the root of the rows, but no shorter ones than 64 rows.

    Measured at 200,000 x 384: 2,048 lists are searched in half the time of 1,024, and a query is compared with as many
    centroids as rows.
    """
    return int(2 ** min(12, max(4, round(math.log2(min(4 * math.sqrt(rows), rows / 64))))))


def _kind(kind: IndexKind, rows: int) -> IndexKind:
    if rows < FEWEST_ROWS or (kind is IndexKind.AUTO and rows < FLAT_ROWS):
        return IndexKind.FLAT
    return IndexKind.IVF_PQ if kind is IndexKind.AUTO else kind


def _sample(vectors: NDArray[np.float32], lists: int) -> NDArray[np.float32]:
    """Rows to train on, in order of the file: a random choice."""
    wanted = min(len(vectors), _SAMPLED_ROWS, max(1 << 14, lists * _SAMPLED_PER_LIST))
    chosen = np.random.default_rng(0).choice(len(vectors), wanted, replace=False, shuffle=False)
    return np.ascontiguousarray(vectors[np.sort(chosen)])
