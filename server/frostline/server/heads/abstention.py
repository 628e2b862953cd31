"""When a head had better not answer: it is not sure enough, or the input is unlike all it has seen."""

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.decision import unit
from frostline.server.heads.fitted import Scope
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.moments import Moments

NEVER_ANSWERS = 2.0
"""A threshold that no probability reaches."""
_CHUNK_ROWS = 4_096


def abstain_threshold(probabilities: NDArray[np.float64], targets: NDArray[np.int64], error: float) -> float:
    """The lowest probability of an answer.

    Args:
        probabilities: float64 of shape (n, c), of held-out examples.
        targets: int64 of shape (n,).
        error: the share of answers that may be wrong.

    Returns:
        The threshold with the most answers whose error, with one more of them wrong, is still as stated. 0 where
        `error` is 0, which asks for no abstaining; NEVER_ANSWERS where there is no such threshold.
    """
    if error == 0:
        return 0.0
    return answer_threshold(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets, error)


def answer_threshold(confidence: NDArray[np.float64], right: NDArray[np.bool_], error: float) -> float:
    """The lowest probability of an answer; see `abstain_threshold`.

    Args:
        confidence: float64 of shape (n,), the probability of each predicted class.
        right: bool of shape (n,), whether it is the true one.
        error: the share of answers that may be wrong.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    wrong = np.cumsum(~right[order])
    answered = np.arange(1, len(ranked) + 1)
    last_of_equals = np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)]
    good = np.flatnonzero(last_of_equals & ((wrong + 1) / (answered + 1) <= error))
    return float(ranked[good[-1]]) if len(good) else NEVER_ANSWERS


def scope(labelled: Labelled, moments: Moments) -> Scope:
    """What tells inputs that are like these examples from others.

    Args:
        labelled: examples that are all in `moments`, with its classes.
        moments: the sums whose class means are meant.

    Returns:
        The means, and for each example how like it is to them, without itself and its copies in the mean of its class.
        The only example of a class and descriptions are left out, so `held_out` may be empty.
    """
    chosen = np.flatnonzero(labelled.examples & (moments.counts[labelled.targets] > 1))
    means = unit(moments.sums)
    held_out = np.empty(len(chosen), np.float32)
    for start in range(0, len(chosen), _CHUNK_ROWS):
        rows = chosen[start : start + _CHUNK_ROWS]
        wide, own = labelled.features[rows].astype(np.float64), labelled.targets[rows]
        near = unit(wide) @ means.T
        others = moments.sums[own] - labelled.rows(rows).means()
        near[np.arange(len(rows)), own] = np.einsum("ij,ij->i", unit(wide), unit(others))
        held_out[start : start + len(rows)] = near.max(axis=1)
    return Scope(means.astype(np.float32), np.sort(held_out))


def share_closer(held_out: NDArray[np.float32], near: NDArray[np.float32]) -> NDArray[np.float32]:
    """How unlike the examples inputs are.

    Args:
        held_out: see `Scope`.
        near: float32 of shape (n,), the highest cosine of each input to a mean.

    Returns:
        float32 of shape (n,), from 0 to 1: the share of held-out examples that were more like the others. 0 where none
        was held out.
    """
    closer = len(held_out) - held_out.searchsorted(near, "right")
    return (closer / max(1, len(held_out))).astype(np.float32)
