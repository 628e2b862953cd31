"""What a search answers: neighbors become records' ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.records import Record
from frostline.server.collections.search_port import Neighbors
from frostline.server.errors import DataDamaged


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """What was found for q queries, closest first.

    Attributes:
        ids: q lists of record ids.
        scores: q arrays, float32 of shape (k,), of the same lengths; higher is closer.
        payloads: q lists of payloads, if asked for.
        sequence: the last commit the search saw.
    """

    ids: list[list[str]]
    scores: list[NDArray[np.float32]]
    payloads: list[list[bytes]] | None
    sequence: int


def collected(
    neighbors: Neighbors,
    found: Mapping[int, Record | DataDamaged],
    exclude: Sequence[str | None],
    limit: int,
    payloads: bool,
    sequence: int,
) -> Hits:
    """Puts hits together.

    Args:
        neighbors: of q queries.
        found: the record, or its damage, behind each internal id among them.
        exclude: q ids of records to leave out, or None.
        limit: the most hits of a query.
        payloads: whether to return payloads.
        sequence: the last commit the search saw.

    Returns:
        The hits, without damaged records.
    """
    hits = Hits([], [], [] if payloads else None, sequence)
    for internal_ids, scores, left_out in zip(neighbors.ids.tolist(), neighbors.scores, exclude, strict=True):
        places: list[int] = []
        records: list[Record] = []
        for place, internal_id in enumerate(internal_ids):
            record = found[internal_id]
            if isinstance(record, Record) and record.id != left_out and len(places) < limit:
                places.append(place)
                records.append(record)
        hits.ids.append([record.id for record in records])
        hits.scores.append(scores[places])
        if hits.payloads is not None:
            hits.payloads.append([record.payload for record in records])
    return hits
