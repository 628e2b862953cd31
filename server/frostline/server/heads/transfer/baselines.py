"""Learning from scratch: logistic regression on features that no encoder made."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any  # scikit-learn ships no types

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.folds import folds
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.transfer import pictures
from frostline.server.heads.transfer.learners import Settled

Matrix = Any
"""Features of n examples, sparse or not, of shape (n, d)."""
Represent = Callable[[NDArray[np.int64], NDArray[np.int64]], tuple[Matrix, Matrix]]
"""Features of rows to learn from, and of others; what it must know for that, it learns from the former alone."""

_STRENGTHS = (10.0, 1.0, 100.0)
"""C of scikit-learn, for features of about unit length; the first is usual, and taken where none is better."""
_STEPS = 100
_PARTS = 3
_CHOOSING_ROWS = 1_000
"""More examples would not choose better, but cost more: the first ones of an order are as many of each class."""


class Scratch:
    """Logistic regression on some features. Satisfies `Learner`.

    Args:
        name: of the features and the regression.
        represent: computes the features.
        targets: int64 of shape (n,), the class of each row.
        held_out: int64 of shape (m,), rows to be judged.
    """

    def __init__(
        self, name: str, represent: Represent, targets: NDArray[np.int64], held_out: NDArray[np.int64]
    ) -> None:
        self.name = name
        self._represent = represent
        self._targets = targets
        self._judged = held_out

    def settle(self, rows: NDArray[np.int64]) -> Settled:
        """See `Learner.settle`: the strength with the best cross-validated accuracy."""
        rows = rows[:_CHOOSING_ROWS]
        accuracies = self._accuracies(rows)
        strength = _STRENGTHS[int(np.argmax(accuracies))] if len(accuracies) else _STRENGTHS[0]

        def learn(rows: NDArray[np.int64]) -> NDArray[np.int64]:
            predicted: NDArray[np.int64] = self._predicted(rows, self._judged, [strength])[0]
            return predicted

        return Settled(learn, float(accuracies.max()) if len(accuracies) else None)

    def _accuracies(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each strength, cross-validated: float64 of shape (3,), or (0,) where no row can be held out."""
        classes, targets = np.unique(self._targets[rows], return_inverse=True)
        nothing = np.empty((len(rows), 0), np.float32)
        labels = Labelled.plain(nothing, targets, tuple(map(str, classes)))
        parts = [rows[part] for part in folds(labels, _PARTS)]
        if not parts:
            return np.empty(0)
        right = [self._predicted(np.setdiff1d(rows, part), part, _STRENGTHS) == self._targets[part] for part in parts]
        means: NDArray[np.float64] = np.concatenate(right, axis=1).mean(axis=1)
        return means

    def _predicted(
        self, rows: NDArray[np.int64], judged: NDArray[np.int64], strengths: Sequence[float]
    ) -> NDArray[np.int64]:
        """What is predicted for some rows with each strength: int64 of shape (strengths, judged)."""
        from sklearn.linear_model import LogisticRegression

        seen, unseen = self._represent(rows, judged)
        predicted: list[NDArray[np.int64]] = []
        for strength in strengths:
            model: Any = LogisticRegression(C=strength, max_iter=_STEPS)
            with warnings.catch_warnings():
                # More steps would change next to nothing, and as many classes as examples are no regression.
                warnings.simplefilter("ignore", UserWarning)
                predicted.append(model.fit(seen, self._targets[rows]).predict(unseen))
        return np.stack(predicted)


def of_texts(texts: Sequence[str], targets: NDArray[np.int64], held_out: NDArray[np.int64]) -> list[Scratch]:
    """What there is for texts."""

    def weighted(rows: NDArray[np.int64], others: NDArray[np.int64]) -> tuple[Matrix, Matrix]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        # Words of one letter count too, so that a vocabulary is empty for texts without a letter only.
        vectors: Any = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\w+|\S")
        seen = vectors.fit_transform([texts[row] for row in rows])
        return seen, vectors.transform([texts[row] for row in others])

    return [Scratch("TF-IDF and logistic regression", weighted, targets, held_out)]


def of_images(paths: Sequence[Path], targets: NDArray[np.int64], held_out: NDArray[np.int64]) -> list[Scratch]:
    """What there is for image files.

    Raises:
        InvalidInput: a file is no image.
    """
    gradients, colours = pictures.features(paths)
    return [
        Scratch("HOG and logistic regression", _taken_from(gradients), targets, held_out),
        Scratch("pixels and logistic regression", _taken_from(colours), targets, held_out),
    ]


def _taken_from(features: NDArray[np.float32]) -> Represent:
    """Centred, made one long on average, and turned where there are fewer examples than dimensions.

    Turned so that all examples to learn from lie in as many axes as there are of them. What logistic regression with a
    quadratic penalty learns has no part outside these axes, so that nothing changes but the time it takes.
    """

    def taken(rows: NDArray[np.int64], others: NDArray[np.int64]) -> tuple[Matrix, Matrix]:
        mean = features[rows].mean(axis=0)
        seen, unseen = features[rows] - mean, features[others] - mean
        length = np.maximum(np.float32(np.linalg.norm(seen) / np.sqrt(len(rows))), np.finfo(np.float32).tiny)
        if len(rows) < features.shape[1]:
            axes, _ = np.linalg.qr(seen.T)
            seen, unseen = seen @ axes, unseen @ axes
        return seen / length, unseen / length

    return taken
