"""What items are, as numbers: their vectors, and the payload fields that the collection declares.

Which columns there are is learned from the items there are at one time (`FeatureMap.learned`), and holds for later
ones. It depends on items alone, never on users.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.collections.filters.instants import read_instant

KEYWORD_WEIGHT = 0.3
NUMBER_WEIGHT = 0.5
"""Both beside vectors of unit length; found on training data of MovieLens, with genres and years."""
MOST_KEYWORDS = 256
"""Of a field: the most frequent."""
_CENTERS = 17
_OUTER = (0.01, 0.99)
_KEYWORDS = (FieldKind.KEYWORD, FieldKind.BOOLEAN)
_NUMBERS = (FieldKind.INTEGER, FieldKind.FLOAT, FieldKind.TIMESTAMP)

Payload = Mapping[str, Any]


class KeywordColumns(BaseModel):
    """A column for each frequent value of a field.

    Attributes:
        path: keys from the payload down.
        values: in the order of the columns, the most frequent first.
    """

    model_config = ConfigDict(frozen=True)

    path: tuple[str, ...]
    values: tuple[str | bool, ...]


class NumberColumns(BaseModel):
    """Bumps along the range of a field: near numbers have near features, far ones none in common.

    Attributes:
        path: keys from the payload down.
        first: center of the first bump.
        step: from center to center, and the bumps' standard deviation; above 0.
    """

    model_config = ConfigDict(frozen=True)

    path: tuple[str, ...]
    first: float
    step: float


class FeatureMap(BaseModel):
    """Makes features of items.

    Attributes:
        dimensions: of the vectors, by slot.
        keywords: fields of strings and booleans.
        numbers: fields of numbers and times.
    """

    model_config = ConfigDict(frozen=True)

    dimensions: tuple[int, ...]
    keywords: tuple[KeywordColumns, ...] = ()
    numbers: tuple[NumberColumns, ...] = ()

    @classmethod
    def learned(
        cls, dimensions: Sequence[int], fields: Sequence[IndexedField], payloads: Sequence[bytes]
    ) -> "FeatureMap":
        """Finds out which values declared fields have. Fields with one value, or none, give no columns."""
        read = [_object(payload) for payload in payloads]
        keywords = [_keyword_columns(field, read) for field in fields if field.kind in _KEYWORDS]
        numbers = [_number_columns(field, read) for field in fields if field.kind in _NUMBERS]
        return cls(
            dimensions=tuple(dimensions),
            keywords=tuple(each for each in keywords if each),
            numbers=tuple(each for each in numbers if each),
        )

    @property
    def vector_width(self) -> int:
        """Columns of vectors; they come first."""
        return sum(self.dimensions)

    @property
    def width(self) -> int:
        """d, all columns."""
        return self.vector_width + sum(len(each.values) for each in self.keywords) + _CENTERS * len(self.numbers)

    def vectors(self, by_slot: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Puts the vectors of items side by side.

        Args:
            by_slot: float32 of shape (n, d) for each slot; nan where an item has none.

        Returns:
            float32 of shape (n, vector_width): each vector of unit length divided by the root of how many slots there
            are, so that products are mean cosines; 0 where an item has none.
        """
        blocks = [_unit(vectors) / np.float32(np.sqrt(len(by_slot))) for vectors in by_slot]
        return np.hstack(blocks).astype(np.float32, copy=False)

    def fields(self, payloads: Sequence[bytes]) -> NDArray[np.float32]:
        """The columns of declared fields, float32 of shape (n, width - vector_width)."""
        features = np.zeros((len(payloads), self.width - self.vector_width), np.float32)
        if not features.shape[1]:
            return features
        read = [_object(payload) for payload in payloads]
        begin = 0
        for keyword in self.keywords:
            places = {value: begin + place for place, value in enumerate(keyword.values)}
            for row, payload in enumerate(read):
                for value in _values(payload, keyword.path):
                    if isinstance(value, str | bool) and value in places:
                        features[row, places[value]] = KEYWORD_WEIGHT
            begin += len(places)
        for number in self.numbers:
            centers = number.first + number.step * np.arange(_CENTERS)
            for row, payload in enumerate(read):
                if (found := _number(payload, number.path)) is not None:
                    at = min(max(found, centers[0]), centers[-1])
                    bumps = np.exp(-(((at - centers) / number.step) ** 2) / 2)
                    features[row, begin : begin + _CENTERS] = NUMBER_WEIGHT * bumps
            begin += _CENTERS
        return features


def _keyword_columns(field: IndexedField, payloads: Sequence[Payload]) -> KeywordColumns | None:
    counts: Counter[str | bool] = Counter()
    for payload in payloads:
        counts.update({value for value in _values(payload, field.parts) if isinstance(value, str | bool)})
    telling = [value for value, count in counts.items() if 1 < count < len(payloads)]
    # Not by `most_common`: which of equally frequent ones come first differs from process to process.
    frequent = sorted(telling, key=lambda value: (-counts[value], str(value), isinstance(value, str)))[:MOST_KEYWORDS]
    return KeywordColumns(path=field.parts, values=tuple(frequent)) if frequent else None


def _number_columns(field: IndexedField, payloads: Sequence[Payload]) -> NumberColumns | None:
    found = [value for payload in payloads if (value := _number(payload, field.parts)) is not None]
    if not found:
        return None
    low, high = np.quantile(np.array(found) / 4, _OUTER).tolist()  # a quarter, that no difference overflows on the way
    step = (high - low) * 4 / (_CENTERS - 1)
    if not 0 < step < math.inf:
        return None
    return NumberColumns(path=field.parts, first=low * 4, step=step)


def _object(payload: bytes) -> Payload:
    read: Payload = json.loads(payload or b"{}")
    return read


def _values(value: object, path: Sequence[str]) -> Iterator[object]:
    if isinstance(value, list):
        for each in cast(list[object], value):
            yield from _values(each, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        yield from _values(cast(Payload, value).get(path[0]), path[1:])


def _number(payload: Payload, path: Sequence[str]) -> float | None:
    """The first number, or time in seconds, at a path."""
    for value in _values(payload, path):
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                continue
        if isinstance(value, str) and (instant := read_instant(value)) is not None:
            return instant.microseconds / 1e6
    return None


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.nan_to_num(vectors, nan=0.0)
    lengths = np.sqrt(np.einsum("nd,nd->n", known, known, dtype=np.float64))[:, np.newaxis]
    unit: NDArray[np.float32] = np.divide(known, lengths, out=np.zeros_like(known), where=lengths > 0)
    return unit
