"""Records that bring an id, a payload, a row of the request's `vectors` and nothing else: read column by column.

Bulk loads are made of them, and what is done for each single record is most of what those cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.validation import check_id, check_payload
from frostline.server.errors import FrostlineError
from frostline.v1 import record_service_pb2 as pb


@dataclass(slots=True, eq=False)
class Columns:
    """Records, column by column.

    Attributes:
        positions: in the request, ascending.
        ids: of the records.
        payloads: as they came.
        slot: of the vector name.
        vectors: float32 of shape (records, d).
    """

    positions: list[int]
    ids: list[str]
    payloads: list[bytes]
    slot: int = 0
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def take(self, slot: int, vectors: NDArray[np.float32], refused: Mapping[int, FrostlineError]) -> None:
        """Adds the column of vectors, and leaves out the records that are refused, by their positions."""
        self.slot, self.vectors = slot, vectors
        if refused:
            self.positions = kept = [position for position in self.positions if position not in refused]
            self.ids = [self.ids[position] for position in kept]
            self.payloads = [self.payloads[position] for position in kept]
            self.vectors = vectors[kept]


def columns(request: pb.UpsertRecordsRequest) -> Columns | None:
    """Takes records apart, their vectors still to come; None where one brings more than an id and a payload."""
    if not request.HasField("vectors"):
        return None
    ids: list[str] = []
    payloads: list[bytes] = []
    for message in request.records:
        if message.HasField("vector") or message.HasField("text") or message.HasField("image"):
            return None
        if message.HasField("expected_sequence") or message.vectors:
            return None
        ids.append(message.id)
        payloads.append(message.payload)
    return Columns(list(range(len(ids))), ids, payloads)


def check(columns: Columns) -> dict[int, FrostlineError]:
    """Says why records are refused for their ids or payloads, by position."""
    errors: dict[int, FrostlineError] = {}
    for position, record_id, payload in zip(columns.positions, columns.ids, columns.payloads, strict=True):
        try:
            check_id(record_id)
            check_payload(payload)
        except FrostlineError as error:
            errors[position] = error
    return errors
