"""How values of a declared kind are stored in its index, and which stored values a comparison asks for.

KEYWORD     uint32, a number for each distinct string
INTEGER     int64
FLOAT       float64
BOOLEAN     uint8, 0 or 1
TIMESTAMP   int64, microseconds since 1970
GEO         float64 of shape (n, 2): latitude and longitude
"""

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.fields import FieldKind
from frostline.server.collections.filters.expression import Instant, Operator, Scalar
from frostline.server.collections.filters.geography import Point, read_point
from frostline.server.collections.filters.instants import read_instant

Stored = str | int | float | Point

INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1

DTYPES: Final[dict[FieldKind, str]] = {
    FieldKind.KEYWORD: "<u4",
    FieldKind.INTEGER: "<i8",
    FieldKind.FLOAT: "<f8",
    FieldKind.BOOLEAN: "|u1",
    FieldKind.TIMESTAMP: "<i8",
    FieldKind.GEO: "<f8",
}


class Misfit(Enum):
    """Why a value is not stored."""

    NEAR = 1
    """A number, but none that this kind of number holds: a comparison with a number may yet match it."""
    ODD = 2
    """Of another type: no comparison that the index answers can match it."""


class Interval(NamedTuple):
    """Stored values from low to high, both included; none where low is above high."""

    low: int | float
    high: int | float


def stored(kind: FieldKind, value: Any) -> Stored | Misfit:  # noqa: ANN401 (any JSON)
    """What is stored for a value of a payload; for KEYWORD the string itself."""
    if isinstance(value, str):
        return _stored_text(kind, value)
    if isinstance(value, bool):
        return int(value) if kind is FieldKind.BOOLEAN else Misfit.ODD
    if isinstance(value, (int, float)):
        return _stored_number(kind, value)
    return (read_point(value) or Misfit.ODD) if kind is FieldKind.GEO else Misfit.ODD


def _stored_text(kind: FieldKind, text: str) -> Stored | Misfit:
    if kind is FieldKind.KEYWORD:
        return text
    instant = read_instant(text) if kind is FieldKind.TIMESTAMP else None
    return Misfit.ODD if instant is None else instant.microseconds


def _stored_number(kind: FieldKind, number: float) -> int | float | Misfit:
    if kind is FieldKind.INTEGER:
        whole = isinstance(number, int) or number.is_integer()
        return int(number) if whole and INT64_MIN <= number <= INT64_MAX else Misfit.NEAR
    if kind is FieldKind.FLOAT:
        exact = not math.isnan(number) if isinstance(number, float) else _floor(number) == number
        return float(number) if exact else Misfit.NEAR
    return Misfit.ODD


def answers(kind: FieldKind, value: Scalar) -> bool:
    """Whether an index of this kind stores every value, but for misfits that are near, that compares with this one."""
    match value:
        case bool():
            return kind is FieldKind.BOOLEAN
        case str():
            return kind is FieldKind.KEYWORD
        case Instant():
            return kind is FieldKind.TIMESTAMP
        case _:
            return kind in (FieldKind.INTEGER, FieldKind.FLOAT)


def may_hide(kind: FieldKind, value: Scalar | None) -> bool:
    """Whether stored values may match a comparison that the index does not answer.

    Args:
        kind: of the index; it does not answer the value.
        value: compared with; None for a prefix.
    """
    if kind is FieldKind.KEYWORD:
        return isinstance(value, Instant)
    return kind is FieldKind.TIMESTAMP and (value is None or isinstance(value, str))


def intersection(kind: FieldKind, tests: Sequence[tuple[Operator, Scalar]]) -> Interval:
    """The stored values that pass several tests.

    Args:
        kind: any but KEYWORD and GEO.
        tests: operators other than `!=`, with values that the kind answers; at least one.
    """
    lows, highs = zip(*(_interval(kind, operator, value) for operator, value in tests), strict=True)
    return Interval(max(lows), min(highs))


def _interval(kind: FieldKind, operator: Operator, value: Scalar) -> Interval:
    if kind is FieldKind.FLOAT:
        assert isinstance(value, (int, float))
        return _float_interval(operator, value)
    number = value.microseconds if isinstance(value, Instant) else value
    assert isinstance(number, (int, float))
    low, high = INT64_MIN, INT64_MAX
    if operator in (Operator.EQUAL, Operator.GREATER_OR_EQUAL):
        low = math.ceil(number)
    if operator in (Operator.EQUAL, Operator.LESS_OR_EQUAL):
        high = math.floor(number)
    if operator is Operator.GREATER:
        low = math.floor(number) + 1
    if operator is Operator.LESS:
        high = math.ceil(number) - 1
    return Interval(low, high)


def points(kind: FieldKind, values: tuple[Scalar, ...]) -> NDArray[Any]:
    """The stored values among some that the kind answers: of shape (m,), ascending, none twice."""
    numbers = [value.microseconds if isinstance(value, Instant) else value for value in values]
    as_kind = FieldKind.FLOAT if kind is FieldKind.FLOAT else FieldKind.INTEGER
    found = [_stored_number(as_kind, number) for number in numbers if isinstance(number, (int, float))]
    wanted = {number for number in found if not isinstance(number, Misfit)}
    return np.array(sorted(wanted), np.float64 if kind is FieldKind.FLOAT else np.int64)


def _float_interval(operator: Operator, value: float) -> Interval:
    low, high = -math.inf, math.inf
    if operator in (Operator.EQUAL, Operator.GREATER_OR_EQUAL):
        low = _ceiling(value)
    if operator in (Operator.EQUAL, Operator.LESS_OR_EQUAL):
        high = _floor(value)
    if operator is Operator.GREATER:
        low = math.nextafter(_floor(value), math.inf)
    if operator is Operator.LESS:
        high = math.nextafter(_ceiling(value), -math.inf)
    return Interval(low, high)


def _floor(value: float) -> float:
    """The largest double that is not above a number; whole numbers may be of any size."""
    try:
        nearest = float(value)
    except OverflowError:
        return math.nextafter(math.inf, 0.0) if value > 0 else -math.inf
    return nearest if nearest <= value else math.nextafter(nearest, -math.inf)


def _ceiling(value: float) -> float:
    """The smallest double that is not below a number."""
    return -_floor(-value)
