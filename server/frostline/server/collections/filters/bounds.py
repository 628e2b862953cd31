"""Which rows match a filter, as far as an index of the declared fields can say.

Each condition gives two sets: rows that match for certain, and rows that may match. NOT swaps the two complements, so a
filter over undeclared fields never loses a row. Where both are equal, the answer is exact.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pyroaring import BitMap

from frostline.server.collections.fields import FieldKind
from frostline.server.collections.filters.bitmaps import all_rows
from frostline.server.collections.filters.expression import (
    And,
    Comparison,
    Expression,
    GeoRadius,
    Has,
    In,
    Not,
    Operator,
    Or,
    Path,
    Prefix,
    Scalar,
)
from frostline.server.collections.filters.geography import Point
from frostline.server.collections.filters.stored import answers, may_hide


@dataclass(frozen=True, eq=False)
class Selection:
    """The answer of an index.

    Attributes:
        rows: all that match, and perhaps others; the caller's to change.
        exact: whether there are no others; else each is to be verified with `sql.where` or `matching.matches`.
    """

    rows: BitMap
    exact: bool


class IndexedRows(Protocol):
    """The index of one field as of some number of rows. Sets may be shared; nobody changes them."""

    @property
    def kind(self) -> FieldKind:
        """Which values are indexed."""
        ...

    def present(self) -> BitMap:
        """Rows in which the field has a value."""
        ...

    def near(self) -> BitMap:
        """Rows with a number that is not indexed."""
        ...

    def odd(self) -> BitMap:
        """Rows with a value of another type."""
        ...

    def single(self) -> bool:
        """Whether no row has two values."""
        ...

    def compared(self, *tests: tuple[Operator, Scalar]) -> BitMap:
        """Rows with an indexed value that compares so in each test; no `!=`, and only values that the kind answers."""
        ...

    def among(self, values: tuple[Scalar, ...]) -> BitMap:
        """Rows with one of the values; only values that the kind answers."""
        ...

    def beginning(self, prefix: str) -> BitMap:
        """Rows with a string that begins so; KEYWORD only."""
        ...

    def around(self, center: Point, radius_meters: float) -> BitMap:
        """Rows with a point in the circle; GEO only."""
        ...


_ORDERS = {Operator.LESS, Operator.LESS_OR_EQUAL, Operator.GREATER, Operator.GREATER_OR_EQUAL}


class _Bounds(NamedTuple):
    lower: BitMap
    upper: BitMap


def select(expression: Expression, fields: Mapping[Path, IndexedRows], rows: int) -> Selection:
    """Finds the rows that may match.

    Args:
        expression: the filter.
        fields: the declared fields by path, as of so many rows at least.
        rows: how many there are, from 0.
    """
    everything = all_rows(rows)
    lower, upper = _bounds(expression, fields, everything)
    inside = upper & everything
    return Selection(inside, upper is lower or len(inside) == lower.intersection_cardinality(everything))


def _bounds(expression: Expression, fields: Mapping[Path, IndexedRows], everything: BitMap) -> _Bounds:
    match expression:
        case And(operands):
            parts, others = _ranges(operands, fields)
            parts += [_bounds(each, fields, everything) for each in others]
            return _joined(parts, BitMap.__and__, everything)
        case Or(operands):
            return _joined([_bounds(each, fields, everything) for each in operands], BitMap.__or__, BitMap())
        case Not(operand):
            lower, upper = _bounds(operand, fields, everything)
            outside = everything - upper
            return _Bounds(outside, outside if lower is upper else everything - lower)
        case _:
            field = fields.get(expression.path)
            return _leaf(expression, field) if field else _Bounds(BitMap(), everything)


def _ranges(
    operands: tuple[Expression, ...], fields: Mapping[Path, IndexedRows]
) -> tuple[list[_Bounds], list[Expression]]:
    """Answers comparisons that bound one field from both sides together: each alone may match far more rows.

    Returns:
        Their bounds, and the other operands.
    """
    tests: dict[Path, list[Comparison]] = {}
    others: list[Expression] = []
    for each in operands:
        if isinstance(each, Comparison) and each.operator in _ORDERS and each.path in fields:
            tests.setdefault(each.path, []).append(each)
        else:
            others.append(each)
    parts: list[_Bounds] = []
    for path, comparisons in tests.items():
        field = fields[path]
        # Of several values in one row, one may be above the low end and another below the high one.
        if len(comparisons) > 1 and all(answers(field.kind, each.value) for each in comparisons) and field.single():
            parts.append(_widened(field, field.compared(*((each.operator, each.value) for each in comparisons))))
        else:
            others += comparisons
    return parts, others


def _joined(parts: list[_Bounds], join: Callable[[BitMap, BitMap], BitMap], empty: BitMap) -> _Bounds:
    lower = upper = empty
    for place, part in enumerate(parts):
        if place == 0:
            lower, upper = part
        elif lower is upper and part.lower is part.upper:
            lower = upper = join(lower, part.lower)
        else:
            lower, upper = join(lower, part.lower), join(upper, part.upper)
    return _Bounds(lower, upper)


def _leaf(leaf: Has | Comparison | In | Prefix | GeoRadius, field: IndexedRows) -> _Bounds:
    match leaf:
        case Has():
            present = field.present()
            return _Bounds(present, present)
        case Comparison(_, Operator.NOT_EQUAL, value):
            lower, upper = _compared(field, Operator.EQUAL, value)
            present = field.present()
            without = present - upper
            return _Bounds(without, without if lower is upper else present - lower)
        case Comparison(_, operator, value):
            return _compared(field, operator, value)
        case In(_, values):
            answered = tuple(value for value in values if answers(field.kind, value))
            found = _widened(field, field.among(answered)) if answered else _Bounds(BitMap(), BitMap())
            others = tuple(value for value in values if not answers(field.kind, value))
            return _joined([found, _unanswered(field, *others)], BitMap.__or__, BitMap()) if others else found
        case Prefix(_, prefix):
            if field.kind is not FieldKind.KEYWORD:
                return _unanswered(field, None)
            begins = field.beginning(prefix)
            return _Bounds(begins, begins)
        case GeoRadius(_, latitude, longitude, radius):
            if field.kind is not FieldKind.GEO:
                return _Bounds(BitMap(), field.odd())
            around = field.around(Point(latitude, longitude), radius)
            return _Bounds(around, around)


def _compared(field: IndexedRows, operator: Operator, value: Scalar) -> _Bounds:
    if answers(field.kind, value):
        return _widened(field, field.compared((operator, value)))
    return _unanswered(field, value)


def _widened(field: IndexedRows, found: BitMap) -> _Bounds:
    near = field.near()
    return _Bounds(found, found | near if near else found)


def _unanswered(field: IndexedRows, *values: Scalar | None) -> _Bounds:
    hidden = any(may_hide(field.kind, value) for value in values)
    return _Bounds(BitMap(), field.present() if hidden else field.odd() | field.near())
