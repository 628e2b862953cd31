"""Turns vectors into the dimensions in which they differ.

Embeddings lie near a subspace: the few directions in which they differ least say next to nothing about which is near
to which, but cost as much as the others. What is left is turned at random, so that every dimension says as much as any
other, as codes of equal length want it.

Source: Jegou et al. 2010, Aggregating local descriptors, section 3 (PCA, then a random rotation).
"""

import numpy as np
from numpy.typing import NDArray

KEPT = 0.99
"""Share of the variance that is kept. Codes of 4 bits for one dimension lose as much."""
_STEP = 8
_SEED = 20_26
_SAMPLED_ROWS = 1 << 15


def rotation(sample: NDArray[np.float32], *, keep_all: bool = False) -> NDArray[np.float32]:
    """The matrix to multiply vectors by.

    Args:
        sample: float32 of shape (n, d).
        keep_all: whether no direction is left out.

    Returns:
        float32 of shape (t, d), t a multiple of 8. Its rows are orthogonal and of length one, but where t exceeds d,
        where its columns are: then nothing is left out.
    """
    values, directions = np.linalg.eigh(_covariance(sample))
    shares = np.cumsum(np.maximum(values[::-1], 0))
    needed = len(values) if keep_all else int(np.count_nonzero(shares < KEPT * shares[-1])) + 1
    turned = -(-needed // _STEP) * _STEP
    kept = min(turned, len(values))
    mixed, _ = np.linalg.qr(np.random.default_rng(_SEED).standard_normal((turned, turned)))
    return np.ascontiguousarray(mixed[:, :kept] @ directions[:, ::-1][:, :kept].T, np.float32)


def _covariance(sample: NDArray[np.float32]) -> NDArray[np.float64]:
    part = sample[:: max(1, len(sample) // _SAMPLED_ROWS)].astype(np.float64)
    part -= part.mean(axis=0)
    covariance: NDArray[np.float64] = part.T @ part / len(part)
    return covariance
