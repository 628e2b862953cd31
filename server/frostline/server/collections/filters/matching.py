"""What a filter means: the reference that SQL and the field index agree with.

The values of a field are found by following its keys; arrays on the way and at the end stand for each of their
elements, arrays of arrays likewise. `items.price` of `{"items": [{"price": 1}, {"price": 2}]}` has the values 1 and 2.
A field has a value if one of them is not null: `{}`, `""` and `false` are values, a missing field, null, `[]` and
`[null]` are none.

    filter                      matches a payload in which
    f:*   f != null             f has a value
    f = null                    f has none: it is missing, null or empty (so the complement of f:*)
    f = v                       some value of f equals v
    f != v                      f has a value, and none equals v; so a missing field does not match, and ["a", "b"]
                                does not match != "a"
    f < v  f <= v  f > v  f >= v   some value of f is of v's type and so ordered
    f IN (v, w)                 some value equals one of them; IN () never matches
    f = "abc*"                  some value is a string that begins with abc; startsWith(f, "abc") is the same
    f:v                         f = v, or, for a string v, f is an object with a value under the key v (f.v:*)
    geo(f, lat, lon, radius)    some value is {"lat": ..., "lon": ...} at most so many metres away
    NOT x                       x does not match, so NOT f = v matches a missing field
    x AND y, x y, x OR y        as expected; each condition on an array may be met by another element

    v is                        it is compared with
    a string                    strings, by code points; no case folding, no normal forms
    a number                    numbers, by value and exactly: 1 = 1.0, but 9007199254740993 is not 9007199254740992.0
    true or false               booleans; 1 is not true
    timestamp("...")            strings that are RFC 3339, by the instant, to the microsecond

Values of another type never equal v and are never ordered: "5" is not 5, and the payload {"f": "5"} matches f != 5.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from frostline.server.collections.filters.expression import (
    And,
    Comparison,
    Expression,
    GeoRadius,
    Has,
    In,
    Instant,
    Not,
    Operator,
    Or,
    Path,
    Prefix,
    Scalar,
)
from frostline.server.collections.filters.geography import Point, distance_meters, read_point
from frostline.server.collections.filters.instants import read_instant

ORDER: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQUAL: operator.eq,
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
}


def matches(expression: Expression, payload: Mapping[str, Any]) -> bool:
    """Whether a payload matches.

    Args:
        expression: the filter.
        payload: a JSON object, as `json.loads` reads it.
    """
    match expression:
        case And(operands):
            for operand in operands:  # no generators: deep filters need each frame
                if not matches(operand, payload):
                    return False
            return True
        case Or(operands):
            for operand in operands:
                if matches(operand, payload):
                    return True
            return False
        case Not(operand):
            return not matches(operand, payload)
        case _:
            return _leaf_matches(expression, values_at(payload, expression.path))


def values_at(payload: Mapping[str, Any], path: Path) -> list[Any]:
    """Follows a path.

    Args:
        payload: a JSON object.
        path: keys from there down.

    Returns:
        What is found, without arrays: their elements instead; nulls included.
    """
    found: Any = payload
    for key in path:
        if isinstance(found, list):
            return _values_through_arrays(payload, path)
        if not isinstance(found, dict) or key not in found:
            return []
        found = cast("dict[str, Any]", found)[key]
    return _without_arrays([found]) if isinstance(found, list) else [found]


def _values_through_arrays(payload: Mapping[str, Any], path: Path) -> list[Any]:
    level: list[Any] = [payload]
    for key in path:
        level = _without_arrays([each[key] for each in level if isinstance(each, dict) and key in each])
    return level


def _without_arrays(values: list[Any]) -> list[Any]:
    while any(isinstance(value, list) for value in values):
        flatter: list[Any] = []
        for value in values:
            if isinstance(value, list):
                flatter += value
            else:
                flatter.append(value)
        values = flatter
    return values


def _leaf_matches(leaf: Has | Comparison | In | Prefix | GeoRadius, values: list[Any]) -> bool:
    match leaf:
        case Has():
            return _has(values)
        case Comparison(_, Operator.NOT_EQUAL, wanted):
            return _has(values) and not _compares(values, operator.eq, wanted)
        case Comparison(_, order, wanted):
            return _compares(values, ORDER[order], wanted)
        case In():
            return any(_is_one_of(value, leaf) for value in values)
        case Prefix(_, prefix):
            return any(isinstance(value, str) and value.startswith(prefix) for value in values)
        case GeoRadius(_, latitude, longitude, radius):
            center = Point(latitude, longitude)
            points = [point for value in values if (point := read_point(value))]
            return any(distance_meters(center, point) <= radius for point in points)


def _has(values: list[Any]) -> bool:
    return any(value is not None for value in values)


def _compares(values: list[Any], order: Callable[[Any, Any], bool], wanted: Scalar) -> bool:
    return any(found is not None and order(found, wanted) for found in (_as(wanted, value) for value in values))


def _as(wanted: Scalar, value: Any) -> Any:  # noqa: ANN401 (any JSON)
    """The value in a form that compares with what is wanted; None where it is of another type."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value if isinstance(value, bool) and isinstance(wanted, bool) else None
    if isinstance(wanted, Instant):
        return read_instant(value) if isinstance(value, str) else None
    if isinstance(wanted, str):
        return value if isinstance(value, str) else None
    return value if isinstance(value, (int, float)) else None


def _is_one_of(value: Any, among: In) -> bool:  # noqa: ANN401 (any JSON)
    if isinstance(value, bool):
        return value in among.booleans
    if isinstance(value, str) and among.instants and read_instant(value) in among.instants:
        return True
    return isinstance(value, (str, int, float)) and value in among.others
