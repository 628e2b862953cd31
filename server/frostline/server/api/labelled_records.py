"""Labelled examples that are records of a collection."""

import json
from collections.abc import Iterator, Sequence

from frostline.server.api import filters
from frostline.server.api.head_truths import of_field
from frostline.server.collections.collection import Collection
from frostline.server.collections.filters.matching import values_at
from frostline.server.collections.rows.records import Record
from frostline.server.errors import NotFound
from frostline.server.heads.fitted import Task
from frostline.v1 import head_service_pb2 as pb

_PAGE = 1_000
_PAGE_WITH_CONTENT = 10  # images are large


def labelled_records(
    collection: Collection, slot: int, asked: pb.LabelledRecords, task: Task, *, content: bool = False
) -> Iterator[tuple[Record, str]]:
    """Reads records with their vectors, and labels; records that lack one of them are passed over.

    Args:
        collection: where they are.
        slot: of the vector name.
        asked: which records, and which of their fields is the label.
        task: what the head answers; labels are given as `truths` writes them.
        content: whether their texts and images are read too.

    Raises:
        InvalidInput: the path is none, or a field holds what the head does not answer.
        NotFound: no record has both; says whether the filter, the field or the vector is to blame.
    """
    name = collection.config.vectors[slot].name
    path = filters.path(asked.field, "field of the label")
    expression = filters.expression(asked.filter) if asked.HasField("filter") else None
    after: int | None = 0
    seen = labelled = found = False
    while after is not None:
        records, after = collection.page(after, _PAGE, vectors=True, content=content, expression=expression)
        seen = seen or bool(records)
        for record in records:
            values = values_at(json.loads(record.payload or b"{}"), path)
            label = of_field(values, task, f"field {asked.field!r} of record {record.id[:80]!r}")
            labelled = labelled or label is not None
            if label is not None and name in record.vectors:
                found = True
                yield record, label
    if not found:
        raise NotFound(_missing(collection.config.id, name, asked, seen=seen, labelled=labelled))


def _missing(collection: str, vector_name: str, asked: pb.LabelledRecords, *, seen: bool, labelled: bool) -> str:
    """Why there are no labelled records, whichever of filter, field and vector is to blame."""
    expression = asked.filter.expression
    if not seen and not expression:
        return f"collection {collection!r} has no records; add some"
    if not seen:
        return (
            f"the filter {expression[:80]!r} lets no record of collection {collection!r} through; loosen it (a field "
            "that holds texts is matched by texts, not by numbers)"
        )
    which = f"no record of collection {collection!r} {'that the filter lets through ' if expression else ''}has"
    if not labelled:
        return f"{which} a field {asked.field!r}; name another field{', or loosen the filter' if expression else ''}"
    return f"{which} both a field {asked.field!r} and a vector {vector_name!r}; name another field or vector"


def group_of(record: Record, asked: pb.LabelledRecords) -> str | None:
    """The group that a record says; empty where no field of it is named, None where it says none.

    Raises:
        InvalidInput: the path is none, or the field holds what is no group.
    """
    if not asked.group_field:
        return ""
    path = filters.path(asked.group_field, "field of the group")
    what = f"field {asked.group_field!r} of record {record.id[:80]!r}"
    return of_field(values_at(json.loads(record.payload or b"{}"), path), Task.CLASS, what)


def records_by_id(collection: Collection, ids: Sequence[str], *, content: bool = False) -> Iterator[Record]:
    """Reads records with their vectors; damaged ones, and those that are not there, are passed over.

    Args:
        collection: where they are.
        ids: which; each is read once.
        content: whether their texts and images are read too.
    """
    step = _PAGE_WITH_CONTENT if content else _PAGE
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), step):
        found = collection.get(wanted[start : start + step], payloads=False, vectors=True, content=content)
        yield from (record for record in found.values() if isinstance(record, Record))
