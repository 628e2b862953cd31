"""Filters as conditions of SQLite.

JSON1 cannot say what `matching.py` says: it reads integers beyond 64 bits as doubles, rounds some doubles differently,
cuts texts at NUL, and finds keys by how they were escaped. So SQLite calls `matches` itself, for rows that it cannot
rule out alone: a string that a filter asks for must stand in the payload as it is, unless something is escaped there.
"""

import json
import sqlite3
from collections import OrderedDict
from hashlib import blake2b
from typing import Any, cast

from frostline.server.collections.filters.expression import (
    And,
    Comparison,
    Expression,
    In,
    Operator,
    Or,
    Prefix,
    Scalar,
    decode,
    encode,
)
from frostline.server.collections.filters.matching import matches

KEPT_FILTERS = 64
"""How many filters a connection remembers: more than statements are ever stepped through at once on one."""
MAX_TEXTS = 32
"""Looking for more texts in a payload costs more than reading it."""


def where(expression: Expression) -> tuple[str, list[Any]]:
    """Writes a filter as a condition on `r.payload`, for a connection that went through `register`.

    Args:
        expression: the filter.

    Returns:
        The condition, and the values of its `?`. A row whose payload is no JSON object, so a damaged one, matches
        neither a filter nor its negation.
    """
    conditions: list[str] = []
    values: list[Any] = []
    for texts in _necessary(expression):
        found = " OR ".join("instr(r.payload, ?) > 0" for _ in texts)
        conditions.append(f"({found} OR instr(r.payload, '\\u') > 0)")
        values += texts
    # SQLite calls a deterministic function of constants once a statement, so the filter is not read for each row.
    conditions.append("frostline_matches(CAST(r.payload AS BLOB), frostline_filter(?))")
    values.append(encode(expression))
    return " AND ".join(conditions), values


def register(connection: sqlite3.Connection) -> None:
    """Gives a connection the functions that conditions call."""
    filters: OrderedDict[bytes, Expression] = OrderedDict()

    def frostline_filter(text: str) -> bytes:
        handle = blake2b(text.encode(), digest_size=16).digest()
        filters[handle] = filters.pop(handle) if handle in filters else decode(text)
        if len(filters) > KEPT_FILTERS:
            filters.popitem(last=False)
        return handle

    def frostline_matches(payload: bytes, handle: bytes) -> bool:
        try:
            value: object = json.loads(payload.decode() or "{}")
        except (ValueError, RecursionError):
            return False
        return isinstance(value, dict) and matches(filters[handle], cast("dict[str, Any]", value))

    connection.create_function("frostline_filter", 1, frostline_filter, deterministic=True)
    connection.create_function("frostline_matches", 2, frostline_matches, deterministic=True)


def _necessary(expression: Expression) -> list[list[str]]:
    r"""Texts without which a payload cannot match: one of each list, if the payload escapes nothing by `\u`."""
    match expression:
        case And(operands):
            return [texts for operand in operands for texts in _necessary(operand)][:MAX_TEXTS]
        case Or(operands):
            shortest = [min(needed, key=len) for operand in operands if (needed := _necessary(operand))]
            together = [text for texts in shortest for text in texts]
            return [together] if 0 < len(shortest) == len(operands) and len(together) <= MAX_TEXTS else []
        case Comparison(_, Operator.EQUAL, value):
            return _searchable([value])
        case In(_, values):
            return _searchable(list(values))
        case Prefix(_, prefix):
            return _searchable([prefix])
        case _:
            return []


def _searchable(values: list[Scalar]) -> list[list[str]]:
    texts = [value for value in values if isinstance(value, str) and _is_verbatim(value)]
    return [texts] if 0 < len(texts) == len(values) <= MAX_TEXTS else []


def _is_verbatim(text: str) -> bool:
    r"""Whether JSON writes a text as it is, or else with `\u`; quotes, backslashes, slashes and controls it may not."""
    return text != "" and text.isprintable() and not any(character in '"\\/' for character in text)
