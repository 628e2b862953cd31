"""Small collections to test with."""

import json
from datetime import UTC, datetime

import numpy as np

from frostline.server.collections.config import CollectionConfig, Metric
from frostline.server.collections.records import Record
from frostline.server.encoders.space import EmbeddingSpace


def config(name="notes", dimensions=4, metric=Metric.DOT, **fields):
    space = EmbeddingSpace.plain(dimensions)
    return CollectionConfig(id=name, space=space, metric=metric, create_time=datetime(2026, 1, 1, tzinfo=UTC), **fields)


def record(record_id, vector=(1, 0, 0, 0), text=None, image=None, **payload):
    return Record(record_id, np.array(vector, np.float32), json.dumps(payload).encode(), text, image)


def brute_force(vectors, query, metric):
    """Scores of all vectors in double precision.

    Args:
        vectors: of shape (n, d).
        query: of shape (d,).
        metric: how close two vectors are.

    Returns:
        float64 of shape (n,).
    """
    vectors, query = np.asarray(vectors, np.float64), np.asarray(query, np.float64)
    if metric is Metric.EUCLIDEAN:
        return -np.linalg.norm(vectors - query, axis=1)
    if metric is Metric.DOT:
        return vectors @ query
    return vectors @ query / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))
