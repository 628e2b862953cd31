"""Whether the graph of a head computes what the head computes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.server.encoders.session import Session
from frostline.server.heads import graph
from frostline.server.heads.calibration import shares
from frostline.server.heads.decision import Neighbors, unit
from frostline.server.heads.feature_scaling import FeatureScaling, scaled
from frostline.server.heads.fitted import Fitted

TOLERANCE = 1e-5

_RANDOM_ROWS = 64
_MOST_MEANS = 256
_TOSS_UP = 1e-6  # neighbors so close to each other may change places with the last bit


def difference(path: Path, fitted: Fitted) -> float:
    """The largest difference of any output, on random embeddings, means of classes, and zeros.

    Args:
        path: of the graph.
        fitted: the head.

    Returns:
        Of probabilities and cosines as they are; of logits and numbers as a share of the largest, where that is above
        1. Infinite where an output is not finite.
    """
    given = _embeddings(fitted)
    features = scaled(given, fitted.scaling)
    if isinstance(fitted.decision, Neighbors):
        settled = _is_settled(fitted.decision, features)
        given, features = given[settled], features[settled]
    names = graph.outputs(fitted.task)
    found = Session(path, list(names), "cpu", threads=1).run({graph.INPUT: given})
    logits = fitted.decision.logits(features)
    expected = {
        graph.LOGITS: logits,
        graph.VALUES: logits[:, 0],
        graph.PROBABILITIES: shares(fitted, logits),
        graph.SCOPE: _scope(fitted, features),
    }
    scale = max(1.0, float(np.abs(logits).max(initial=0)))
    largest = [
        float(np.abs(output - expected[name]).max(initial=0)) / (scale if name in (graph.LOGITS, graph.VALUES) else 1)
        for name, output in zip(names, found, strict=True)
    ]
    return max(largest) if np.isfinite(largest).all() else np.inf


def _embeddings(fitted: Fitted) -> NDArray[np.float32]:
    means = fitted.scope.means
    chosen = means[:: -(-len(means) // _MOST_MEANS)]
    drawn = np.random.default_rng(0).standard_normal((_RANDOM_ROWS, means.shape[1]))
    if fitted.scaling is FeatureScaling.NONE:  # else lengths shall differ
        drawn = unit(drawn)
    zeros = np.zeros((1, means.shape[1]), np.float32)
    return np.concatenate([drawn.astype(np.float32), chosen, zeros])


def _is_settled(decision: Neighbors, features: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which embeddings have a last voter that is clearly closer than the next one."""
    if decision.neighbors == len(decision.vectors):
        return np.ones(len(features), np.bool_)
    near = np.sort(unit(features) @ decision.vectors.T, axis=1)
    return near[:, -decision.neighbors] - near[:, -decision.neighbors - 1] > _TOSS_UP


def _scope(fitted: Fitted, features: NDArray[np.float32]) -> NDArray[np.float32]:
    nearest: NDArray[np.float32] = (unit(features) @ fitted.scope.means.T).max(axis=1)
    return nearest
