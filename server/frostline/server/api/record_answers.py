"""What heads say of records, as payloads hold it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.fitted import Task
from frostline.server.heads.predictor import Predictor

_PLACES = 4
_DIGITS = 9
"""Of numbers; vectors are of float32 and carry fewer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a head says of a record.

    Attributes:
        written: the label, several of them with the likeliest first, or the number; None where the head abstains.
        probability: of the likeliest label, also where the head abstains; of each of several; None of numbers.
        labels: those among `written`.
    """

    written: str | list[str] | float | None
    probability: float | list[float] | None
    labels: Sequence[str]

    @property
    def has_no_label(self) -> bool:
        """Whether it could have labels and has none."""
        return self.written is None or self.written == []


def answers(predictor: Predictor, rows: NDArray[np.float32]) -> Iterator[Answer]:
    """Asks a head.

    Args:
        predictor: of the head.
        rows: float32 of shape (n, d), at least one.

    Returns:
        An answer for each row.
    """
    match predictor.task:
        case Task.CLASS:
            return _classes(predictor, rows)
        case Task.LABELS:
            return _label_sets(predictor, rows)
        case Task.VALUE:
            return _values(predictor, rows)


def _classes(predictor: Predictor, rows: NDArray[np.float32]) -> Iterator[Answer]:
    found = predictor.predict(rows)
    places: list[int] = found.labels[:, 0].tolist()
    columns = zip(places, found.probabilities[:, 0].tolist(), found.abstained.tolist(), strict=True)
    for place, probability, abstained in columns:
        label = predictor.classes[place]
        yield Answer(None if abstained else label, round(probability, _PLACES), () if abstained else (label,))


def _label_sets(predictor: Predictor, rows: NDArray[np.float32]) -> Iterator[Answer]:
    found = predictor.predict(rows, len(predictor.classes))
    by_class = np.empty_like(found.probabilities)
    np.put_along_axis(by_class, found.labels, found.probabilities, axis=1)
    of_row = np.repeat(np.arange(len(rows)), found.set_sizes)
    places: list[int] = found.set_labels.tolist()
    labels = [predictor.classes[place] for place in places]
    probabilities: list[float] = by_class[of_row, found.set_labels].tolist()
    sizes: list[int] = found.set_sizes.tolist()
    end = 0
    for size in sizes:
        start, end = end, end + size
        held = labels[start:end]
        yield Answer(held, [round(each, _PLACES) for each in probabilities[start:end]], held)


def _values(predictor: Predictor, rows: NDArray[np.float32]) -> Iterator[Answer]:
    values: list[float] = predictor.estimate(rows).values.tolist()
    for value in values:
        yield Answer(float(f"{value:.{_DIGITS}g}"), None, ())
