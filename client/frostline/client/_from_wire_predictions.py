"""Predictions from columns. What does not fit together is the server's fault: Internal."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.client._from_wire import errors_of, timings_of
from frostline.client.errors import Internal
from frostline.client.predictions import Predictions
from frostline.client.types import ItemError, Timings
from frostline.v1 import embedding_pb2
from frostline.v1 import head_service_pb2 as v1
from frostline.wire import tensors

Columns = tuple[NDArray[Any], ...]


class GatheredPredictions:
    """Answers of several requests become the answer of one call.

    Attributes:
        version: the version that predicted; 0 before the first answer.
    """

    def __init__(self) -> None:
        self.version = 0
        self._classes: list[str] = []
        self._columns: list[Columns] = []
        self._errors: dict[int, ItemError] = {}
        self._timings = Timings()
        self._count = 0
        self._margin: float | None = None

    def add(self, answer: v1.PredictResponse, count: int) -> None:
        """Takes the answer to so many inputs.

        Raises:
            Internal: its columns do not fit each other or the inputs, or another head answered.
        """
        classes = list(answer.classes)
        if self._columns and (classes, answer.version) != (self._classes, self.version):
            raise Internal("the head was replaced while it predicted; predict again")
        self._columns.append(_value_columns(answer, count) if answer.values else _columns(answer, count))
        self._margin = answer.margin if answer.HasField("margin") else None
        if answer.errors:
            self._errors.update(errors_of(answer.errors, offset=self._count))
        self._classes, self.version = classes, answer.version
        self._timings += timings_of(answer.timings)
        self._count += count

    def predictions(self) -> Predictions:
        """The predictions of all inputs."""
        columns = map(np.concatenate, zip(*self._columns, strict=True))
        return Predictions(
            self._classes,
            *columns,
            margin=self._margin,
            errors=self._errors,
            version=self.version,
            timings=self._timings,
        )


def _columns(answer: v1.PredictResponse, count: int) -> Columns:
    """Places, probabilities, abstained, out of scope, sizes of sets, their places and values; see `Predictions`."""
    probabilities = _floats(answer.probabilities, (count, -1))
    places = np.array(list(answer.labels), np.int32)
    abstained = np.array(list(answer.abstained), np.bool_)
    out_of_scope = _floats(answer.out_of_scope, (count,))
    set_sizes = np.array(list(answer.set_sizes), np.int32)
    set_places = np.array(list(answer.set_labels), np.int32)
    fits = (
        places.size == probabilities.size
        and len(abstained) == len(set_sizes) == count
        and set_sizes.sum() == len(set_places)
        and _within(places, -1, len(answer.classes))
        and _within(set_places, 0, len(answer.classes))
    )
    if not fits:
        raise Internal(f"the server's columns of predictions do not fit {count} inputs and each other")
    values = np.full(count, np.nan)
    return places.reshape(probabilities.shape), probabilities, abstained, out_of_scope, set_sizes, set_places, values


def _value_columns(answer: v1.PredictResponse, count: int) -> Columns:
    """The same of a head that answers numbers."""
    values = np.array(answer.values, np.float64)
    if len(values) != count:
        raise Internal(f"the server answered {len(values)} numbers to {count} inputs")
    nowhere, unlikely = np.full((count, 1), -1, np.int32), np.zeros((count, 1), np.float32)
    no_sets = np.zeros(count, np.int32), np.empty(0, np.int32)
    return nowhere, unlikely, np.isnan(values), _floats(answer.out_of_scope, (count,)), *no_sets, values


def _floats(tensor: embedding_pb2.Tensor, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if not shape[0]:
        return np.zeros((0,) if len(shape) == 1 else (0, 1), np.float32)  # an answer to no inputs may be empty
    try:
        found = tensors.decode(tensor)
    except ValueError as error:
        raise Internal(f"the server's answer cannot be read: {error}") from error
    if found.ndim != len(shape) or len(found) != shape[0] or not found.size:
        raise Internal(f"the server answered figures of shape {found.shape} to {shape[0]} inputs")
    return found


def _within(places: NDArray[np.int32], low: int, high: int) -> bool:
    return not places.size or bool(low <= places.min() and places.max() < high)
