"""Segments of one slot to test with, and what is near in them."""

import functools

import numpy as np
import pytest

from frostline.server.collections.config import Metric
from frostline.server.collections.vectors import calibration, exact
from frostline.server.collections.vectors.building import build
from frostline.server.collections.vectors.segment import SegmentVectors

ROWS, DIMENSIONS, QUERIES = 12_000, 32, 200


@functools.cache
def clustered(rows, seed=0):
    """Vectors around centers, of lengths that differ."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(99).standard_normal((200, DIMENSIONS))
    labels = random.integers(0, len(centers), rows)
    vectors = centers[labels] + 0.5 * random.standard_normal((rows, DIMENSIONS))
    vectors *= random.uniform(0.7, 1.3, (rows, 1))
    return vectors.astype(np.float32), labels


def nearest(vectors, query, metric, k, matching=None):
    """The rows of the best scores, in double precision."""
    (rows,) = nearest_of_each(vectors, query[None], metric, k, matching)
    return rows


def nearest_of_each(vectors, queries, metric, k, matching=None):
    rows = np.arange(len(vectors)) if matching is None else np.flatnonzero(matching)
    vectors = vectors[rows].astype(np.float64)
    for query in queries.astype(np.float64):
        scores = -np.square(vectors - query).sum(axis=1) if metric is Metric.EUCLIDEAN else vectors @ query
        few = np.flatnonzero(scores >= np.partition(scores, -k)[-k]) if k < len(scores) else np.arange(len(scores))
        yield rows[few[np.argsort(-scores[few], kind="stable")[:k]]]


def made(folder, vectors, metric, kind, min_recall=0.95, older=None):
    stored = exact.normalized(vectors, metric)
    (folder / "0.f32").write_bytes(stored.tobytes())
    with pytest.MonkeyPatch.context() as patch:  # the plans must not depend on what else the machine does
        patch.setattr(calibration, "row_seconds", lambda *_: 2e-7)
        patch.setattr(calibration, "code_seconds", lambda *_: 1e-8)
        build(stored, folder, 0, metric, kind, min_recall, 1, lambda _stage, _done: None, older)
    return SegmentVectors.open(folder, 0, metric, stored.shape[1], len(stored))


def asked(metric, count=QUERIES):
    return exact.normalized(clustered(count, seed=1)[0], metric)
