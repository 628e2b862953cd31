"""Payloads of rows, read a few at a time so that memory stays small whatever is asked for."""

import logging
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.search.search_port import View

FIRST_ROWS = 32
MAX_ROWS = 256
CHUNK_BYTES = 1 << 20
"""About how many bytes are read at once."""

_log = logging.getLogger(__name__)


def read_payloads(view: View, internal_ids: NDArray[np.int64]) -> Iterator[dict[int, bytes]]:
    """Reads payloads in chunks; damaged rows are logged and left out.

    Args:
        view: where from.
        internal_ids: int64 of shape (n,), without repetitions.

    Yields:
        Payloads by internal id, in the order of the rows.
    """
    begin, rows, size = 0, FIRST_ROWS, 0
    while begin < len(internal_ids):
        chunk = internal_ids[begin : begin + rows]
        payloads = _undamaged(view, chunk)
        yield payloads
        begin += len(chunk)
        size += sum(map(len, payloads.values()))
        rows = max(1, min(MAX_ROWS, CHUNK_BYTES * begin // max(size, 1)))


def _undamaged(view: View, internal_ids: NDArray[np.int64]) -> dict[int, bytes]:
    found = view.payloads(internal_ids)
    payloads: dict[int, bytes] = {}
    for internal_id in internal_ids.tolist():
        payload = found.get(internal_id)
        if isinstance(payload, bytes):
            payloads[internal_id] = payload
        else:
            why = payload or f"the row of internal id {internal_id} is missing"
            _log.error("collection %r: %s", view.config.id, why)
    return payloads
