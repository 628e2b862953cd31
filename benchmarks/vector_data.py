"""Generated vectors, queries and the exact answers that recall is measured against.

Vectors lie in clusters of unequal size on a subspace of 40 dimensions, with a little noise in all of them, as
embeddings of real texts do. Every block of 50,000 rows has a seed of its own: the first 200,000 rows of a million are
the 200,000 of a small run.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DIMENSIONS, INTRINSIC, CENTERS, BLOCK = 384, 40, 5_000, 50_000
SPREAD, NOISE, SEED = 0.6, 0.02, 20
BUCKETS, BUCKET = 100, 7
_TUNING_ROWS = 500


@dataclass(frozen=True)
class Data:
    """What one run searches.

    Attributes:
        vectors: float32 of shape (rows, 384), of unit length.
        buckets: int32 of shape (rows,), uniform in 0..99; `bucket = 7` is the filter of 1 %.
        queries: float32 of shape (n, 384), of unit length, from the same distribution; none is a row.
        tuning: float32 of shape (500, 384); what parameters are chosen on.
    """

    vectors: NDArray[np.float32]
    buckets: NDArray[np.int32]
    queries: NDArray[np.float32]
    tuning: NDArray[np.float32]


class _Distribution:
    """Draws rows of the clustered distribution."""

    def __init__(self) -> None:
        draw = np.random.default_rng(SEED)
        self._centers = draw.standard_normal((CENTERS, INTRINSIC), np.float32)
        self._basis = draw.standard_normal((INTRINSIC, DIMENSIONS), np.float32) / np.float32(np.sqrt(DIMENSIONS))
        weights = draw.lognormal(0, 1, CENTERS)
        self._weights = weights / weights.sum()

    def rows(self, count: int, stream: int) -> NDArray[np.float32]:
        """Draws `count` rows of unit length; equal streams give equal rows."""
        draw = np.random.default_rng([SEED, stream])
        which = draw.choice(CENTERS, count, p=self._weights)
        latent = self._centers[which] + np.float32(SPREAD) * draw.standard_normal((count, INTRINSIC), np.float32)
        rows = latent @ self._basis
        rows += np.float32(NOISE) * draw.standard_normal((count, DIMENSIONS), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


def generate(rows: int, queries: int = 1_000) -> Data:
    """Generates the same data on every call.

    Args:
        rows: how many vectors; below 1,000 are of no use.
        queries: how many queries to measure with.
    """
    distribution = _Distribution()
    vectors = np.empty((rows, DIMENSIONS), np.float32)
    buckets = np.empty(rows, np.int32)
    for block, start in enumerate(range(0, rows, BLOCK)):
        end = min(start + BLOCK, rows)
        vectors[start:end] = distribution.rows(BLOCK, block)[: end - start]
        buckets[start:end] = np.random.default_rng([SEED, 10**6, block]).integers(0, BUCKETS, BLOCK)[: end - start]
    return Data(vectors, buckets, distribution.rows(queries, 10**7), distribution.rows(_TUNING_ROWS, 10**7 + 1))


def exact(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    matching: NDArray[np.bool_] | None = None,
    cache: Path | None = None,
) -> NDArray[np.int64]:
    """Finds the true neighbors by looking at every row.

    Args:
        vectors: float32 of shape (rows, d), of unit length.
        queries: float32 of shape (n, d), of unit length.
        k: how many neighbors.
        matching: bool of shape (rows,); rows that pass the filter, all by default. At least k must.
        cache: folder to keep answers in.

    Returns:
        int64 of shape (n, k): row numbers, best first.
    """
    file = cache / f"exact-{_digest(vectors, queries, k, matching)}.npy" if cache else None
    if file and file.exists():
        return np.load(file)
    rows = np.arange(len(vectors)) if matching is None else np.flatnonzero(matching)
    # The best k of each block, then the best k of those: scores of all rows at once would take gigabytes.
    scores, found = [], []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        part = queries @ vectors[block].T
        top = np.argpartition(-part, min(k, len(block)) - 1, axis=1)[:, :k]
        scores.append(np.take_along_axis(part, top, axis=1))
        found.append(block[top])
    order = np.argsort(-np.concatenate(scores, axis=1), axis=1, kind="stable")[:, :k]
    neighbors = np.take_along_axis(np.concatenate(found, axis=1), order, axis=1).astype(np.int64)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, neighbors)
    return neighbors


def recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Share of the true neighbors that were found; both of shape (n, k), -1 where nothing was found."""
    hits = sum(len(np.intersect1d(one, other)) for one, other in zip(found, truth, strict=True))
    return hits / truth.size


def _digest(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int, matching: NDArray[np.bool_] | None
) -> str:
    """Names a question to `exact`; of the vectors a sample of rows stands for all."""
    digest = hashlib.sha256(f"{vectors.shape} {k}".encode())
    for part in (vectors[:: max(1, len(vectors) // 1000)], queries, matching):
        digest.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]
