"""Labelled examples that are records of a collection."""

import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import filters
from frostline.server.collections.collection import Collection
from frostline.server.collections.filters.matching import values_at
from frostline.server.collections.rows.records import Record
from frostline.server.errors import InvalidInput, NotFound
from frostline.v1 import head_service_pb2 as pb

_PAGE = 1_000


def labelled_records(
    collection: Collection, slot: int, asked: pb.LabelledRecords
) -> Iterator[tuple[str, NDArray[np.float32], str]]:
    """Reads ids, vectors and labels; records that lack one of them are passed over.

    Args:
        collection: where they are.
        slot: of the vector name.
        asked: which records, and which of their fields is the label.

    Raises:
        InvalidInput: the path is none, or a field holds what is no label.
        NotFound: no record has both.
    """
    name = collection.config.vectors[slot].name
    path = filters.path(asked.field, "field of the label")
    expression = filters.expression(asked.filter) if asked.HasField("filter") else None
    after: int | None = 0
    found = False
    while after is not None:
        records, after = collection.page(after, _PAGE, vectors=True, expression=expression)
        for record in records:
            label = label_of(record, path, asked.field)
            if label is not None and name in record.vectors:
                found = True
                yield record.id, record.vectors[name], label
    if not found:
        raise NotFound(
            f"no record of collection {collection.config.id!r} has a field {asked.field!r} and a vector {name!r}; name "
            "another field, or loosen the filter"
        )


def label_of(record: Record, path: tuple[str, ...], field: str) -> str | None:
    """The label that a payload field stands for; None where it holds nothing.

    Args:
        record: with its payload.
        path: of the field.
        field: the path as it was asked for.

    Raises:
        InvalidInput: the field holds what is no label.
    """
    values = values_at(json.loads(record.payload or b"{}"), path)
    kept = [value for value in values if value is not None]
    if not kept:
        return None
    if len(kept) > 1 or isinstance(kept[0], dict):
        held = "an object" if len(kept) == 1 else "several values"
        raise InvalidInput(
            f"field {field!r} of record {record.id[:80]!r} holds {held}; a label is one string, number or boolean"
        )
    value = kept[0]
    return str(value).lower() if isinstance(value, bool) else str(value)
