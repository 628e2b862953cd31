"""Labelled examples that are records of a collection."""

import json
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import filters
from frostline.server.collections.collection import Collection
from frostline.server.collections.filters.matching import values_at
from frostline.server.errors import InvalidInput, NotFound
from frostline.v1 import head_service_pb2 as pb

_PAGE = 1_000


def labelled_records(
    collection: Collection, slot: int, asked: pb.LabelledRecords
) -> Iterator[tuple[NDArray[np.float32], str, str]]:
    """Reads vectors, labels and groups, empty where no field of them is named; records that lack one are passed over.

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
    group_path = filters.path(asked.group_field, "field of the group") if asked.group_field else None
    expression = filters.expression(asked.filter) if asked.HasField("filter") else None
    after: int | None = 0
    found = False
    fields = " and ".join(repr(each) for each in (asked.field, asked.group_field) if each)
    while after is not None:
        records, after = collection.page(after, _PAGE, vectors=True, expression=expression)
        for record in records:
            payload = json.loads(record.payload or b"{}")
            label = _word(values_at(payload, path), record.id, asked.field, "label")
            group = _word(values_at(payload, group_path), record.id, asked.group_field, "group") if group_path else ""
            if label is not None and group is not None and name in record.vectors:
                found = True
                yield record.vectors[name], label, group
    if not found:
        raise NotFound(
            f"no record of collection {collection.config.id!r} has a field {fields} and a vector {name!r}; name "
            "another field, or loosen the filter"
        )


def _word(values: Sequence[object], record_id: str, path: str, what: str) -> str | None:
    """The label or group that a payload field stands for; None where it holds nothing."""
    kept = [value for value in values if value is not None]
    if not kept:
        return None
    if len(kept) > 1 or isinstance(kept[0], dict):
        raise InvalidInput(
            f"field {path!r} of record {record_id[:80]!r} holds {'an object' if len(kept) == 1 else 'several values'}; "
            f"a {what} is one string, number or boolean"
        )
    value = kept[0]
    return str(value).lower() if isinstance(value, bool) else str(value)
