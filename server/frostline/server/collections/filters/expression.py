"""What a filter says, as a tree. `matching.py` says what it means.

    Expression
     +-- And, Or, Not      of expressions; And() of nothing is true, Or() of nothing is false
     +-- Has               a field has a value
     +-- Comparison        a field compared with one value
     +-- In                a field equals one of several values
     +-- Prefix            a string begins so
     +-- GeoRadius         a point lies in a circle

`encode` and `decode` carry a tree as JSON text to SQLite and to other processes.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Keys from the payload down."""


@dataclass(frozen=True, order=True)
class Instant:
    """A point in time.

    Attributes:
        microseconds: since 1970-01-01T00:00:00Z.
    """

    microseconds: int


Scalar: TypeAlias = str | int | float | bool | Instant


class Operator(StrEnum):
    """How a field is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


@dataclass(frozen=True)
class And:
    """All of them match."""

    operands: "tuple[Expression, ...]"


@dataclass(frozen=True)
class Or:
    """At least one of them matches."""

    operands: "tuple[Expression, ...]"


@dataclass(frozen=True)
class Not:
    """It does not match."""

    operand: "Expression"


@dataclass(frozen=True)
class Has:
    """The field has a value other than null."""

    path: Path


@dataclass(frozen=True)
class Comparison:
    """The field compared with a value; numbers are finite, booleans are only equal or not."""

    path: Path
    operator: Operator
    value: Scalar


@dataclass(frozen=True)
class In:
    """The field equals one of the values."""

    path: Path
    values: tuple[Scalar, ...]

    @cached_property
    def booleans(self) -> frozenset[bool]:
        """The booleans among the values: to Python, True is 1."""
        return frozenset(value for value in self.values if isinstance(value, bool))

    @cached_property
    def others(self) -> frozenset[str | int | float]:
        """The strings and numbers among the values."""
        return frozenset(value for value in self.values if not isinstance(value, (bool, Instant)))

    @cached_property
    def instants(self) -> frozenset[Instant]:
        """The instants among the values."""
        return frozenset(value for value in self.values if isinstance(value, Instant))


@dataclass(frozen=True)
class Prefix:
    """The field is a string that begins so; every string begins with an empty prefix."""

    path: Path
    prefix: str


@dataclass(frozen=True)
class GeoRadius:
    """The field is a point at most so far from a centre, in degrees and metres."""

    path: Path
    latitude: float
    longitude: float
    radius_meters: float


Expression: TypeAlias = And | Or | Not | Has | Comparison | In | Prefix | GeoRadius


def paths(expression: Expression) -> set[Path]:
    """The fields that an expression speaks of."""
    match expression:
        case And(operands) | Or(operands):
            return {path for operand in operands for path in paths(operand)}
        case Not(operand):
            return paths(operand)
        case _:
            return {expression.path}


def encode(expression: Expression) -> str:
    """Writes an expression as JSON text in ASCII; equal expressions give equal texts."""
    return json.dumps(_plain(expression), separators=(",", ":"))


def decode(text: str | bytes) -> Expression:
    """Reads what `encode` wrote."""
    return _expression(json.loads(text))


def _plain(expression: Expression) -> list[Any]:
    match expression:
        case And(operands) | Or(operands):
            return [type(expression).__name__, *map(_plain, operands)]
        case Not(operand):
            return ["Not", _plain(operand)]
        case Has(path):
            return ["Has", path]
        case Comparison(path, operator, value):
            return ["Comparison", path, operator, _plain_value(value)]
        case In(path, values):
            return ["In", path, [_plain_value(value) for value in values]]
        case Prefix(path, prefix):
            return ["Prefix", path, prefix]
        case GeoRadius(path, latitude, longitude, radius):
            return ["GeoRadius", path, latitude, longitude, radius]


def _expression(plain: list[Any]) -> Expression:
    match plain:
        case ["And", *operands]:
            return And(tuple(map(_expression, operands)))
        case ["Or", *operands]:
            return Or(tuple(map(_expression, operands)))
        case ["Not", operand]:
            return Not(_expression(operand))
        case ["Has", path]:
            return Has(tuple(path))
        case ["Comparison", path, operator, value]:
            return Comparison(tuple(path), Operator(operator), _value(value))
        case ["In", path, values]:
            return In(tuple(path), tuple(map(_value, values)))
        case ["Prefix", path, prefix]:
            return Prefix(tuple(path), prefix)
        case ["GeoRadius", path, latitude, longitude, radius]:
            return GeoRadius(tuple(path), latitude, longitude, radius)
        case _:
            raise ValueError(f"no encoded filter begins with {plain[:1]!r}")


def _plain_value(value: Scalar) -> Any:  # noqa: ANN401 (JSON)
    return [value.microseconds] if isinstance(value, Instant) else value


def _value(plain: Any) -> Scalar:  # noqa: ANN401 (JSON)
    value: Scalar = Instant(plain[0]) if isinstance(plain, list) else plain  # pyright: ignore[reportUnknownArgumentType]
    return value
