"""Probabilities that mean what they say: a softmax whose temperature is fitted on examples that were held out."""

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.feature_scaling import scaled
from frostline.server.heads.fitted import Fitted, Task

UNTESTED_SHARE = 0.08
"""Temperature as a share of how far true logits are above others, where nothing can be held out.

The best for nearest means on the training texts of Banking77: 0.075 with label names only, 0.087 with one text each.
"""
_BINS = 15
_STEEPNESS = (1e-2, 1e4)
"""Where the inverse temperature is searched, in units of the inverse spread of logits."""
_PRECISION = 1e-4


def probabilities(fitted: Fitted, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a head predicts.

    Args:
        fitted: the head, of classes or of labels.
        features: float32 of shape (n, d).

    Returns:
        float64 of shape (n, c); see `shares`.
    """
    return shares(fitted, fitted.decision.logits(scaled(features, fitted.scaling)))


def shares(fitted: Fitted, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of a head's logits, both of shape (n, c): rows of classes add up to 1, labels stand alone."""
    divided = logits / fitted.temperature
    return sigmoid(divided) if fitted.task is Task.LABELS else softmax(divided)


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability of each logit alone."""
    return 0.5 * (1 + np.tanh(logits / 2))  # which does not overflow


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of logits, both of shape (n, c)."""
    shares: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def temperature(
    logits: NDArray[np.float64], targets: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> float:
    """What logits are to be divided by for the smallest log loss.

    The loss is convex in the inverse temperature, so halving an interval finds the only minimum. Each example has one
    more beside it that is spread over all classes, of weight 1 / (n + 2): few examples, all of them right, do not make
    a head certain.

    Args:
        logits: float64 of shape (n, c), of held-out examples, at least one.
        targets: int64 of shape (n,).
        weights: float64 of shape (n,), what each example counts; alike when None.

    Source: Guo et al. 2017, section 4.2; the smoothing of targets is Platt's, 1999, section 2.1.
    """
    logits = logits - logits.mean(axis=1, keepdims=True)
    spread = float(logits.std())
    if spread == 0:
        return 1.0
    weights = np.ones(len(logits)) if weights is None else weights
    smoothed = (1 - 1 / (len(logits) + 2)) * logits[np.arange(len(logits)), targets]
    low, high = (np.log(bound / spread) for bound in _STEEPNESS)
    while high - low > _PRECISION:
        middle = (low + high) / 2
        slope = np.einsum("ij,ij->i", softmax(logits * np.exp(middle)), logits) - smoothed
        low, high = (low, middle) if weights @ slope > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))


def untested_temperature(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """A temperature from examples that were learned from, where none can be held out.

    Args:
        logits: float64 of shape (n, c).
        targets: int64 of shape (n,).
    """
    true = logits[np.arange(len(logits)), targets]
    others = (logits.sum(axis=1) - true) / (logits.shape[1] - 1)
    gap = float((true - others).mean())
    return UNTESTED_SHARE * gap if gap > 0 else 1.0


def log_loss(
    logits: NDArray[np.float64], targets: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> float:
    """Mean log loss in nats of the softmax of logits.

    Args:
        logits: float64 of shape (n, c), divided by the temperature.
        targets: int64 of shape (n,).
        weights: float64 of shape (n,), what each example counts; alike when None.
    """
    highest = logits.max(axis=1)
    total = np.log(np.exp(logits - highest[:, np.newaxis]).sum(axis=1)) + highest
    return float(np.average(total - logits[np.arange(len(logits)), targets], weights=weights))


def expected_calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """How far confidence is from accuracy, on average over 15 bins of equal width.

    Args:
        confidence: float64 of shape (n,), the probability of each predicted class.
        right: bool of shape (n,), whether it is the true one.

    Source: Naeini et al. 2015; Guo et al. 2017, section 2.
    """
    bins = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    gaps = np.bincount(bins, confidence, _BINS) - np.bincount(bins, right, _BINS)
    return float(np.abs(gaps).sum() / len(right))
