"""Predicts with a trained head, in the serving process."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.server.encoders.session import Session
from frostline.server.heads import artifact, graph
from frostline.server.heads.abstention import share_closer
from frostline.server.heads.fitted import Task

_VALUES_AT_ONCE = 1 << 22
"""Bounds the memory of many inputs and many classes: some sixteen bytes for each."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What n embeddings are predicted to be, as columns. Classes are places in `Predictor.classes`.

    Attributes:
        labels: int32 of shape (n, limit), the likeliest first.
        probabilities: float32 of shape (n, limit), of `labels`.
        abstained: bool of shape (n,).
        out_of_scope: float32 of shape (n,): the share of held-out examples that were more like the others than each is.
        set_sizes: int32 of shape (n,), how many labels each label set has; see `Fitted.set_quantile`.
        set_labels: int32, the label sets one after the other, likeliest first.
    """

    labels: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    abstained: NDArray[np.bool_]
    out_of_scope: NDArray[np.float32]
    set_sizes: NDArray[np.int32]
    set_labels: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """The numbers that n embeddings are predicted to have, as columns.

    Attributes:
        values: float64 of shape (n,).
        out_of_scope: float32 of shape (n,), as of `Predictions`.
    """

    values: NDArray[np.float64]
    out_of_scope: NDArray[np.float32]


class Predictor:
    """A head ready to predict, from several threads at once. It needs its files no more once it is made.

    Args:
        folder: of the artifact.

    Attributes:
        task: what it answers.
        classes: labels, ascending.
        margin: see `Fitted`.
        dimensions: of the embeddings it takes.
        values_per_row: how many values are computed for each embedding, about.

    Raises:
        DataDamaged: a file is not what was written; says which.
    """

    def __init__(self, folder: Path) -> None:
        fitted = artifact.read(folder)
        self.task, self.classes, self.margin = fitted.task, fitted.classes, fitted.margin
        self.dimensions = fitted.scope.means.shape[1]
        answer = graph.VALUES if fitted.task is Task.VALUE else graph.PROBABILITIES
        self._session = Session(folder / artifact.GRAPH, [answer, graph.SCOPE], "cpu", threads=1)
        self._abstain_threshold, self._set_quantile = fitted.abstain_threshold, fitted.set_quantile
        self._thresholds = None if fitted.thresholds is None else fitted.thresholds.astype(np.float32)
        self._held_out = fitted.scope.held_out.copy()  # of its own, or it would keep all that was read
        self.values_per_row = graph.values_per_row(fitted)
        self._rows_at_once = max(1, _VALUES_AT_ONCE // self.values_per_row)

    def predict(self, features: NDArray[np.float32], limit: int = 1) -> Predictions:
        """Predicts classes or labels. The label set of an embedding is, with several labels, those that it has.

        Args:
            features: float32 of shape (n, d).
            limit: how many classes of each are wanted, at least 1; all where there are fewer.
        """
        limit = min(limit, len(self.classes))
        if len(features) <= self._rows_at_once:
            return self._predict(features, limit)
        starts = range(0, len(features), self._rows_at_once)
        parts = [self._predict(features[start : start + self._rows_at_once], limit) for start in starts]
        return Predictions(*(np.concatenate(columns) for columns in zip(*map(_columns, parts), strict=True)))

    def estimate(self, features: NDArray[np.float32]) -> Estimates:
        """Predicts numbers, of embeddings that are float32 of shape (n, d)."""
        values, scope = self._session.run({graph.INPUT: features})
        return Estimates(values, share_closer(self._held_out, scope))

    def _predict(self, features: NDArray[np.float32], limit: int) -> Predictions:
        probabilities, scope = self._session.run({graph.INPUT: features})
        order = (-probabilities).argsort(axis=1, kind="stable")
        ordered: NDArray[np.float32] = probabilities[np.arange(len(order))[:, np.newaxis], order]
        in_set = ordered >= (self._set_quantile if self._thresholds is None else self._thresholds[order])
        return Predictions(
            labels=order[:, :limit].astype(np.int32),
            probabilities=ordered[:, :limit],
            abstained=ordered[:, 0] < self._abstain_threshold,
            out_of_scope=share_closer(self._held_out, scope),
            set_sizes=in_set.sum(axis=1, dtype=np.int32),
            set_labels=order[in_set].astype(np.int32),
        )


def _columns(each: Predictions) -> tuple[NDArray[np.generic], ...]:
    return each.labels, each.probabilities, each.abstained, each.out_of_scope, each.set_sizes, each.set_labels
