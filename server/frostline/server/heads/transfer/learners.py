"""What is compared: ways to learn from some examples and to say of which class the held-out ones are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads import fitting
from frostline.server.heads.feature_scaling import scaled, scaled_examples
from frostline.server.heads.fitted import TrainingOptions
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.lesson import Lesson

Learn = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""Learns from rows, and gives the predicted class of each held-out row: int64 of shape (m,)."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A way to learn whose settings are chosen.

    Attributes:
        learn: learns with these settings.
        accuracy: cross-validated, with these settings; None where nothing could be held out, or where it is not asked.
    """

    learn: Learn
    accuracy: float | None


class Learner(Protocol):
    """A way to learn."""

    def settle(self, rows: NDArray[np.int64]) -> Settled:
        """Chooses settings by these training rows, and by nothing else."""
        ...


class HeadLearner:
    """Learns as heads do, on embeddings. Satisfies `Learner`.

    Args:
        labelled: all examples.
        held_out: int64 of shape (m,), rows to be judged.
        options: of the heads; what they leave open is chosen.
    """

    def __init__(self, labelled: Labelled, held_out: NDArray[np.int64], options: TrainingOptions) -> None:
        self._labelled = labelled
        self._judged = labelled.features[held_out]
        self._options = options

    def settle(self, rows: NDArray[np.int64]) -> Settled:
        """See `Learner.settle`."""
        pinned, _ = fitting.pinned(self._labelled.rows(rows), self._options, lambda _step, _done: None)
        judged = scaled(self._judged, pinned.scaling)

        def learn(rows: NDArray[np.int64]) -> NDArray[np.int64]:
            lesson = Lesson.of(scaled_examples(self._labelled.rows(rows), pinned.scaling))
            predicted: NDArray[np.int64] = fitting.decision(lesson, pinned).logits(judged).argmax(axis=1)
            return predicted

        return Settled(learn, None)
