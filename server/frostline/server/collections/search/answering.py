"""Rows that were found become hits: their ids and payloads are read, no more than an answer may hold."""

from collections.abc import Sequence
from time import perf_counter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.search.payload_paths import selected, tree_of
from frostline.server.collections.search.payload_reading import read_payloads
from frostline.server.collections.search.query import Explanation, Hits, SearchOptions
from frostline.server.collections.search.search_port import View
from frostline.server.collections.validation import MAX_ID_BYTES
from frostline.server.errors import InvalidInput

_Item = TypeVar("_Item")


def answer(
    view: View,
    internal_ids: Sequence[NDArray[np.int64]],
    scores: Sequence[NDArray[np.float32]],
    groups: Sequence[list[bytes]] | None,
    options: SearchOptions,
    explanation: Explanation,
    max_bytes: int,
) -> Hits:
    """Reads what hits are made of, once for all queries.

    Args:
        view: where from.
        internal_ids: of the hits of q queries, at least one; int64 of shape (k,) each.
        scores: float32 of the same shapes.
        groups: of the same lengths, with grouping only.
        options: of the call.
        explanation: gets the seconds of reading.
        max_bytes: the most bytes of ids and payloads, each as often as it was found.

    Raises:
        InvalidInput: there are more bytes.
    """
    started = perf_counter()
    flat = internal_ids[0] if len(internal_ids) == 1 else np.concatenate(internal_ids)
    names, size = _names(view, flat, options.payloads, max_bytes)
    ids = [names] if len(internal_ids) == 1 else _split(names, internal_ids)
    payloads: list[list[bytes]] | None = None
    if options.payloads:
        found = _payloads(view, flat, options, size, max_bytes)
        places = [[place for place, each in enumerate(rows.tolist()) if each in found] for rows in internal_ids]
        payloads = [
            [found[each] for each in rows[kept].tolist()] for rows, kept in zip(internal_ids, places, strict=True)
        ]
        if sum(map(len, places)) < len(flat):  # damaged rows are left out
            ids = _kept(ids, places)
            scores = [each[kept] for each, kept in zip(scores, places, strict=True)]
            groups = groups and _kept(groups, places)
    explanation.read_seconds += perf_counter() - started
    recall = min((step.recall for step in explanation.steps), default=1.0)
    return Hits(ids, scores, payloads, groups, view.sequence, recall, explanation)


def _names(view: View, internal_ids: NDArray[np.int64], counted: bool, max_bytes: int) -> tuple[list[str], int]:
    """Record ids, and their bytes if they are to be counted or might be too many."""
    if len(internal_ids) * MAX_ID_BYTES <= max_bytes:
        all_names = view.record_ids(internal_ids)
        return all_names, len("".join(all_names).encode()) if counted else 0
    names: list[str] = []
    size = 0
    rows = max(1, max_bytes // MAX_ID_BYTES)
    for begin in range(0, len(internal_ids), rows):
        more = view.record_ids(internal_ids[begin : begin + rows])
        size += len("".join(more).encode())
        _check_size(size, max_bytes)
        names += more
    return names, size


def _payloads(
    view: View, internal_ids: NDArray[np.int64], options: SearchOptions, size: int, max_bytes: int
) -> dict[int, bytes]:
    """What is asked for of the payloads of rows, without those of damaged rows."""
    tree = tree_of(options.payload_fields)
    rows, repetitions = np.unique(internal_ids, return_counts=True)
    counts = dict(zip(rows.tolist(), repetitions.tolist(), strict=True))
    found: dict[int, bytes] = {}
    for payloads in read_payloads(view, rows):
        for internal_id, payload in payloads.items():
            found[internal_id] = selected(payload, tree) if tree else payload
            size += counts[internal_id] * len(found[internal_id])
        _check_size(size, max_bytes)
    return found


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise InvalidInput(
            f"the ids and payloads that were found have more than {max_bytes} bytes; send fewer queries, ask for fewer "
            "hits, or leave payloads out"
        )


def _split(names: list[str], internal_ids: Sequence[NDArray[np.int64]]) -> list[list[str]]:
    ends = np.cumsum([len(rows) for rows in internal_ids]).tolist()
    return [names[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _kept(columns: Sequence[list[_Item]], places: Sequence[Sequence[int]]) -> list[list[_Item]]:
    return [[column[place] for place in kept] for column, kept in zip(columns, places, strict=True)]
