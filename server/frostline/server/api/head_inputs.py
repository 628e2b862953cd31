"""Inputs whose labels are not known: what a head is asked about, and what might be labelled next."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import convert, filters
from frostline.server.api.head_examples import MOST_EXAMPLES, ExampleReader, Read
from frostline.server.api.head_places import Place, Places
from frostline.server.collections.collection import Collection
from frostline.server.collections.filters.matching import values_at
from frostline.server.collections.rows.records import Record
from frostline.server.errors import InvalidInput, NotFound
from frostline.v1 import head_service_pb2 as pb
from frostline.v1.embedding_pb2 import Input

_PAGE = 1_000


@dataclass(slots=True)
class Inputs:
    """Inputs, checked.

    Attributes:
        read: the inputs; their labels are empty.
        labelled: vectors of the records that were passed over since they have labels.
    """

    read: Read
    labelled: list[NDArray[np.float32]] = field(default_factory=list[NDArray[np.float32]])

    def labelled_matrix(self, dimensions: int) -> NDArray[np.float32]:
        """These vectors, float32 of shape (n, dimensions)."""
        return np.stack(self.labelled) if self.labelled else np.empty((0, dimensions), np.float32)


class InputReader:
    """Reads the inputs of requests.

    Args:
        places: where they may live.
        reader: reads what is given like examples.
    """

    def __init__(self, places: Places, reader: ExampleReader) -> None:
        self._places = places
        self._reader = reader

    def place(self, inputs: pb.Unlabelled, encoder: str) -> Place:
        """Finds out where inputs live that are about no head; see `Places.of`."""
        return self._places.of(_as_examples(inputs), encoder)

    async def read(self, inputs: pb.Unlabelled, place: Place) -> Inputs:
        """Reads inputs, and checks all that can be checked without embedding.

        Raises:
            InvalidInput: there are none, or they are given in several ways, or one is not right; says which.
            NotFound: the collection has none, or there is no such collection.
            SpaceMismatch: they live elsewhere.
        """
        if len(given := _ways(inputs)) > 1:
            raise InvalidInput(f"inputs are given as {' and as '.join(given)}; choose one of these ways")
        if inputs.HasField("records"):
            return await asyncio.to_thread(self._records, inputs.records, place)
        read = await self._reader.read(_as_examples(inputs), place)
        if not read.rows:
            raise InvalidInput("there are no inputs; give at least one")
        return Inputs(read)

    def _records(self, asked: pb.UnlabelledRecords, place: Place) -> Inputs:
        collection, slot = self._places.source(_source(asked))
        vector = collection.config.vectors[slot]
        place.space.expect(vector.space, "the head")
        path = filters.path(asked.field, "field of the label") if asked.field else None
        read, labelled = Read(), list[NDArray[np.float32]]()
        for record in _found(collection, asked):
            if vector.name not in record.vectors:
                continue
            row = place.space.fit(record.vectors[vector.name][np.newaxis])[0]
            if path is not None and _says_something(record, path):
                labelled.append(row)
            else:
                read.record_ids[len(read.rows)] = record.id
                read.rows.append(row)
            convert.at_most(len(read.rows) + len(labelled), MOST_EXAMPLES, "records")
        if not read.rows:
            lacking = f" and no {asked.field!r}" if asked.field else ""
            raise NotFound(
                f"no record of collection {collection.config.id!r} has a vector {vector.name!r}{lacking}; "
                "loosen the filter"
            )
        return Inputs(read, labelled)


def _found(collection: Collection, asked: pb.UnlabelledRecords) -> Iterator[Record]:
    expression = filters.expression(asked.filter) if asked.HasField("filter") else None
    after: int | None = 0
    while after is not None:
        records, after = collection.page(after, _PAGE, vectors=True, expression=expression)
        yield from records


def _says_something(record: Record, path: tuple[str, ...]) -> bool:
    return any(value is not None for value in values_at(json.loads(record.payload or b"{}"), path))


def _ways(inputs: pb.Unlabelled) -> list[str]:
    """In which ways inputs are given."""
    given = {
        "inputs": bool(inputs.inputs),
        "vectors": inputs.HasField("vectors"),
        "records": inputs.HasField("records"),
    }
    return [name for name, there in given.items() if there]


def _source(asked: pb.UnlabelledRecords) -> pb.Examples:
    return pb.Examples(records=pb.LabelledRecords(collection=asked.collection, vector_name=asked.vector_name))


def _as_examples(inputs: pb.Unlabelled) -> pb.Examples:
    """The same inputs as examples whose labels are empty."""
    if inputs.HasField("records"):
        return _source(inputs.records)
    examples = pb.Examples(examples=map(_example, inputs.inputs))
    if inputs.HasField("vectors"):
        examples.vectors.CopyFrom(inputs.vectors)
        examples.labels.extend([""] * (inputs.vectors.shape[0] if inputs.vectors.shape else 0))
    if inputs.HasField("space"):
        examples.space.CopyFrom(inputs.space)
    return examples


def _example(given: Input) -> pb.Example:
    match given.WhichOneof("kind"):
        case "text":
            return pb.Example(text=given.text)
        case "image":
            return pb.Example(image=given.image)
        case "vector":
            return pb.Example(vector=given.vector)
        case _:
            return pb.Example()
