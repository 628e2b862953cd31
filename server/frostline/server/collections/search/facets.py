"""How many records have each value of a payload field."""

import json
from collections import Counter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from frostline.server.collections.filters.expression import Expression
from frostline.server.collections.filters.matching import values_at
from frostline.server.collections.search.view import StateView
from frostline.server.errors import InvalidInput

Value: TypeAlias = str | int | float | bool
READ_ROWS = 2048

_Counts = Counter[tuple[str, Value]]  # with the type's name: to Python, True is 1


def count(
    view: StateView, path: str, limit: int, expression: Expression | None, max_bytes: int
) -> list[tuple[Value, int]]:
    """Counts the values of a field.

    A record counts once for each different value it has: an array's elements are values of their own. Fields declared
    as keyword, integer or boolean are counted in their index, which holds values of that kind only; for others the
    payloads are read, and strings, numbers and booleans count.

    Args:
        view: what is counted.
        path: of the field, with dots between.
        limit: the most values to return.
        expression: which records; None for all.
        max_bytes: the most bytes of the values returned, as JSON.

    Returns:
        Values and counts, most frequent first, equal counts by value.

    Raises:
        InvalidInput: there are more bytes.
    """
    counts: _Counts = Counter()
    for part, selection in view.selected(view.matching(expression) if expression else None):
        rows = selection.positions()
        counted = part.source.facets(path, BitMap(rows.astype(np.uint32)))
        if counted is None:
            counts.update(_read(view, tuple(path.split(".")), part.internal_ids[rows]))
        else:
            counts.update({(type(value).__name__, value): times for value, times in counted})
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
    size = 0
    for place, ((_, value), _) in enumerate(ranked):
        size += len(json.dumps(value))
        if size > max_bytes:
            raise InvalidInput(
                f"the {place + 1} most frequent values of field {path[:80]!r} have more than {max_bytes} bytes; ask "
                "for fewer values (limit), or for a field with shorter ones"
            )
    return [(value, times) for (_, value), times in ranked]


def _read(view: StateView, path: tuple[str, ...], internal_ids: NDArray[np.int64]) -> _Counts:
    counts: _Counts = Counter()
    for start in range(0, len(internal_ids), READ_ROWS):
        for payload in view.payloads(internal_ids[start : start + READ_ROWS]).values():
            if isinstance(payload, bytes):
                values = values_at(json.loads(payload or b"{}"), path)
                counts.update({(type(value).__name__, value) for value in values if isinstance(value, Value)})
    return counts
