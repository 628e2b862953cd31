"""Small collections to test with."""

import json
from datetime import UTC, datetime

import numpy as np

from frostline.server.collections.config import CollectionConfig, Metric, VectorField
from frostline.server.collections.rows.records import Record
from frostline.server.encoders.space import EmbeddingSpace


def config(name="notes", dimensions=4, metric=Metric.DOT, **fields):
    """A collection of one vector, `default`; `vectors` gives others."""
    vectors = fields.pop("vectors", None) or (VectorField(space=EmbeddingSpace.plain(dimensions), metric=metric),)
    return CollectionConfig(id=name, vectors=vectors, create_time=datetime(2026, 1, 1, tzinfo=UTC), **fields)


def vector_field(name, dimensions=4, metric=Metric.DOT):
    return VectorField(name=name, space=EmbeddingSpace.plain(dimensions), metric=metric)


def record(record_id, vector=(1, 0, 0, 0), text=None, image=None, **payload):
    """A record; `vector` is that of `default`, or a mapping of vectors by name, or None."""
    vectors = vector if isinstance(vector, dict) else {} if vector is None else {"default": vector}
    arrays = {name: np.array(each, np.float32) for name, each in vectors.items()}
    return Record(record_id, arrays, json.dumps(payload).encode(), text, image)


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
