"""What heads learn from and are judged by: labelled inputs of all kinds become embeddings of one space.

Whatever can be found wrong is found wrong before anything is embedded: first all is read and checked, then embedded.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import convert
from frostline.server.api.head_places import Place, Places
from frostline.server.api.head_truths import of_example, of_vectors
from frostline.server.api.inputs import Source, Vectors, Waiting, embed, source_of, wrong_kind
from frostline.server.api.labelled_records import group_of, labelled_records, records_by_id
from frostline.server.api.off_loop import off_loop
from frostline.server.batching.batcher import Batcher
from frostline.server.encoders.encoder import Content
from frostline.server.errors import FrostlineError, InvalidInput, NotFound
from frostline.server.heads.alignment import unlabelled
from frostline.server.heads.examples import MAX_VALUE, check_vectors
from frostline.server.heads.fitted import Task
from frostline.server.heads.labelled import Labelled
from frostline.server.report import Report
from frostline.v1 import head_service_pb2 as pb
from frostline.v1.embedding_pb2 import Input, Vector

MOST_EXAMPLES = 1_000_000
MAX_DESCRIPTION = 1_000
"""Characters of what a class, or a head, is said to be about."""
_TOGETHER = 256
"""So many inputs are embedded at once; in between, progress is told."""
_FEWEST_TARGETS = 2
_EMBEDDING_SHARE = 0.5


@dataclass(slots=True)
class Read:
    """Labelled inputs, checked.

    Attributes:
        rows: float32 vectors of shape (d,), or what they are to be made of.
        labels: of the same length, as `truths` writes them.
        groups: likewise; empty for none. Descriptions have none.
        described: how many of them, the last ones, are descriptions of classes.
        record_ids: of those that are records of a collection, by row.
    """

    rows: list[NDArray[np.float32] | Content] = field(default_factory=list[NDArray[np.float32] | Content])
    labels: list[str] = field(default_factory=list[str])
    groups: list[str] = field(default_factory=list[str])
    described: int = 0
    record_ids: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def has_contents(self) -> bool:
        """Whether something is to be embedded."""
        return not all(isinstance(row, np.ndarray) for row in self.rows)

    @property
    def embedding_share(self) -> float:
        """How much of what is done with them is embedding them, roughly."""
        return _EMBEDDING_SHARE if self.has_contents else 0.0


class ExampleReader:
    """Reads the examples of requests.

    Args:
        places: where examples may live.
        batcher: runs encoders.
    """

    def __init__(self, places: Places, batcher: Batcher) -> None:
        self._places = places
        self._batcher = batcher

    async def read(self, examples: pb.Examples, place: Place, task: Task = Task.CLASS) -> Read:
        """Reads examples, and checks all that can be checked without embedding.

        Args:
            examples: of a request.
            place: where they must live.
            task: what they must say.

        Raises:
            InvalidInput: an example is not right; says which.
            NotFound: a record, field or collection is missing.
            SpaceMismatch: a vector lives elsewhere.
        """
        return await asyncio.to_thread(self._read, examples, place, task)

    def describe(self, read: Read, descriptions: Mapping[str, str], place: Place) -> None:
        """Adds descriptions of classes, by label.

        Raises:
            InvalidInput: one is empty, or no text can be embedded.
        """
        for label, text in sorted(descriptions.items()):
            if not 0 < len(text.strip()) <= MAX_DESCRIPTION:
                raise InvalidInput(
                    f"the description of class {label[:80]!r} has {len(text)} characters; use 1 to {MAX_DESCRIPTION}"
                )
            try:
                read.rows.append(self._content(text, place))
            except FrostlineError as error:
                raise type(error)(f"the description of class {label[:80]!r}: {error}") from error
            read.labels.append(label)
        read.described = len(descriptions)

    def target(self, request: pb.CreateHeadRequest, place: Place) -> Labelled | None:
        """Reads the unlabelled inputs that a head shall be adapted to; None where there are none.

        Raises:
            InvalidInput: they are too few, or cannot be computed with; says which.
            SpaceMismatch: they live elsewhere.
        """
        if not request.HasField("target"):
            return None
        if request.HasField("target_space"):
            place.space.expect(convert.space(request.target_space), "the head")
        matrix = convert.matrix(request.target, None, place.space, "the head")
        if len(matrix) < _FEWEST_TARGETS:
            raise InvalidInput(
                f"target holds {len(matrix)} inputs, which say nothing of how inputs spread; give {_FEWEST_TARGETS} or "
                "more, better as many as there are dimensions"
            )
        convert.at_most(len(matrix), MOST_EXAMPLES, "inputs in target")
        check_vectors(matrix, "input {} of target")
        return unlabelled(place.space.fit(matrix))

    async def embed(self, read: Read, place: Place, report: Report, waiting: Waiting) -> NDArray[np.float32]:
        """Embeds what is not a vector yet.

        Args:
            read: n checked examples.
            place: where they live.
            report: told how far it is.
            waiting: how long the caller waits.

        Returns:
            float32 of shape (n, d).

        Raises:
            InvalidInput: an input cannot be read; says which.
            Overloaded, DeadlineExceeded, ShuttingDown: see `Batcher.embed`.
        """
        features = np.empty((len(read.rows), place.space.dimensions), np.float32)
        missing = [index for index, row in enumerate(read.rows) if not isinstance(row, np.ndarray)]
        for index, row in enumerate(read.rows):
            if isinstance(row, np.ndarray):
                features[index] = row
        for start in range(0, len(missing), _TOGETHER):
            report("embedding", start / len(missing))
            part = missing[start : start + _TOGETHER]
            encoder = self._places.encoder(place)
            sources = [row for index in part if not isinstance(row := read.rows[index], np.ndarray)]
            made = await embed(self._batcher, encoder, sources, place.space, waiting=waiting)
            if made.errors:
                position, error = min(made.errors.items())
                raise type(error)(f"example {part[position]}: {error}")
            features[part] = made.rows
        return features

    async def vectors(self, request: pb.PredictRequest, place: Place, waiting: Waiting) -> Vectors:
        """Makes vectors of inputs, each of which fails alone.

        Args:
            request: with n texts, images or vectors.
            place: where the vectors shall live.
            waiting: how long the caller waits.

        Raises:
            NotFound: the encoder is gone.
            SpaceMismatch: it is another one now.
            Overloaded, DeadlineExceeded, ShuttingDown: see `Batcher.embed`.
        """
        inputs = request.inputs
        sources = await off_loop(request, len(inputs), lambda: [_source(each, place) for each in inputs])
        encoder = self._places.encoder(place) if place.encoder else None
        return await embed(self._batcher, encoder, sources, place.space, waiting=waiting)

    def _read(self, examples: pb.Examples, place: Place, task: Task) -> Read:
        read = Read()
        self._read_single(examples, place, task, read)
        labels = of_vectors(examples, task)
        if examples.HasField("vectors"):
            if examples.HasField("space"):
                place.space.expect(convert.space(examples.space), "the head")
            matrix = convert.matrix(examples.vectors, len(labels), place.space, "the head")
            check_vectors(matrix)
            read.rows += list(place.space.fit(matrix))
            read.labels += labels
            read.groups += _groups(examples, len(labels))
        elif labels:
            raise InvalidInput(f"there are {len(labels)} labels and no vectors; send the vectors they are of")
        if examples.HasField("records"):
            self._read_records(examples, place, task, read)
        convert.at_most(len(read.rows), MOST_EXAMPLES, "examples")
        return read

    def _read_single(self, examples: pb.Examples, place: Place, task: Task, read: Read) -> None:
        stored = self._stored(examples, place)
        for index, each in enumerate(examples.examples):
            try:
                read.labels.append(of_example(each, task))
                read.groups.append(each.group)
                read.rows.append(self._row(each, place, stored))
                if each.record_id:
                    read.record_ids[index] = each.record_id
            except FrostlineError as error:
                raise type(error)(f"example {index}: {error}") from error

    def _row(
        self, example: pb.Example, place: Place, stored: Mapping[str, NDArray[np.float32]]
    ) -> NDArray[np.float32] | Content:
        match example.WhichOneof("kind"):
            case "text":
                return self._content(example.text, place)
            case "image":
                return self._content(example.image, place)
            case "vector":
                return _vector(example.vector, place)
            case "record_id":
                if example.record_id not in stored:
                    raise NotFound(f"the collection has no record {example.record_id[:80]!r} with this vector")
                return stored[example.record_id]
            case _:
                raise InvalidInput("it holds neither text, image, vector nor record id")

    def _content(self, content: Content, place: Place) -> Content:
        if error := wrong_kind(self._places.encoder(place).manifest, content):
            raise error
        return content

    def _stored(self, examples: pb.Examples, place: Place) -> dict[str, NDArray[np.float32]]:
        ids = [each.record_id for each in examples.examples if each.HasField("record_id")]
        if not ids:
            return {}
        collection, slot = self._places.source(examples)
        place.space.expect(collection.config.vectors[slot].space, "the head")
        name = collection.config.vectors[slot].name
        records = records_by_id(collection, ids)
        return {record.id: record.vectors[name] for record in records if name in record.vectors}

    def _read_records(self, examples: pb.Examples, place: Place, task: Task, read: Read) -> None:
        collection, slot = self._places.source(examples)
        place.space.expect(collection.config.vectors[slot].space, "the head")
        name = collection.config.vectors[slot].name
        for record, label in labelled_records(collection, slot, examples.records, task):
            if (group := group_of(record, examples.records)) is None:
                continue
            read.record_ids[len(read.rows)] = record.id
            read.rows.append(place.space.fit(record.vectors[name][np.newaxis])[0])
            read.labels.append(label)
            read.groups.append(group)
            convert.at_most(len(read.rows), MOST_EXAMPLES, "examples")


def _groups(examples: pb.Examples, count: int) -> list[str]:
    """Of the vectors of a request."""
    if examples.groups and len(examples.groups) != count:
        raise InvalidInput(f"there are {len(examples.groups)} groups of {count} vectors; give the group of each")
    return list(examples.groups) or [""] * count


def _vector(message: Vector, place: Place) -> NDArray[np.float32]:
    vector = convert.vector(message, place.space, "the head")
    if not (np.abs(vector) <= MAX_VALUE).all():
        raise InvalidInput(f"the vector holds a value that is not finite, or above {MAX_VALUE:g}")
    row: NDArray[np.float32] = place.space.fit(vector[np.newaxis])[0]
    return row


def _source(each: Input, place: Place) -> Source:
    return source_of(each, lambda vector: _vector(vector, place))
