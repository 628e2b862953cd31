"""Labelled examples with what they are made of, for those who learn from texts and images as they are."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import convert
from frostline.server.api.head_examples import MOST_EXAMPLES, Read
from frostline.server.api.head_places import Place, Places
from frostline.server.api.inputs import kind_of, wrong_kind
from frostline.server.api.labelled_records import labelled_records, records_by_id
from frostline.server.collections.collection import Collection
from frostline.server.collections.rows.records import Record
from frostline.server.encoders.encoder import Content
from frostline.server.errors import FrostlineError, InvalidInput, NotFound
from frostline.server.heads.fitted import Task
from frostline.v1 import head_service_pb2 as pb

MOST_CONTENT_BYTES = 256 << 20
"""Of all texts or images of one question; they wait for their turn in memory."""


@dataclass(slots=True)
class ContentExamples:
    """Labelled examples, checked.

    Attributes:
        read: their vectors, or what these are to be made of, and their labels.
        contents: their texts or image files, all of one kind, in the same order.
    """

    read: Read = field(default_factory=Read)
    contents: list[Content] = field(default_factory=list[Content])


class ContentReader:
    """Reads the examples of requests with their contents.

    Args:
        places: where they may live.
    """

    def __init__(self, places: Places) -> None:
        self._places = places

    async def read(self, parts: Mapping[str, pb.Examples], place: Place) -> tuple[ContentExamples, list[int]]:
        """Reads examples, and checks all that can be checked without embedding.

        Args:
            parts: of a request, by what one of their examples is called in messages.
            place: where their vectors must live; a record whose vector lives elsewhere is to be embedded anew.

        Returns:
            The examples of all parts one after the other, and how many each part has.

        Raises:
            InvalidInput: an example is not right, or has no content; says which.
            NotFound: a record, field or collection is missing.
        """
        return await asyncio.to_thread(self._read, parts, place)

    def _read(self, parts: Mapping[str, pb.Examples], place: Place) -> tuple[ContentExamples, list[int]]:
        found = _Growing()
        counts: list[int] = []
        for called, part in parts.items():
            if part.HasField("vectors") or part.labels or part.label_sets or part.values:
                raise InvalidInput(
                    "the examples hold bare vectors, and learning from scratch takes texts or images; give those, or "
                    "records whose collection keeps contents"
                )
            self._read_single(called, part, place, found)
            if part.HasField("records"):
                self._read_records(part, place, found)
            counts.append(len(found.examples.contents) - sum(counts))
        return found.examples, counts

    def _read_single(self, called: str, part: pb.Examples, place: Place, found: "_Growing") -> None:
        stored = self._stored(part, place)
        for index, each in enumerate(part.examples):
            try:
                label = _class_of(each)
                match each.WhichOneof("kind"):
                    case "text":
                        found.add_content(self._content(each.text, place), label)
                    case "image":
                        found.add_content(self._content(each.image, place), label)
                    case "record_id":
                        if each.record_id not in stored:
                            raise NotFound(f"the collection has no record {each.record_id[:80]!r} with this vector")
                        found.add(*stored[each.record_id], label)
                    case _:
                        raise InvalidInput("it holds neither text, image nor record id; a vector alone will not do")
            except FrostlineError as error:
                raise type(error)(f"{called} {index}: {error}") from error

    def _stored(self, part: pb.Examples, place: Place) -> Mapping[str, "_Row"]:
        ids = [each.record_id for each in part.examples if each.HasField("record_id")]
        if not ids:
            return {}
        collection, slot = self._places.source(part)
        name = collection.config.vectors[slot].name
        records = records_by_id(collection, ids, content=True)
        return {
            record.id: self._of_record(record, collection, slot, place) for record in records if name in record.vectors
        }

    def _read_records(self, part: pb.Examples, place: Place, found: "_Growing") -> None:
        collection, slot = self._places.source(part)
        for record, label in labelled_records(collection, slot, part.records, Task.CLASS, content=True):
            found.add(*self._of_record(record, collection, slot, place), label)

    def _of_record(self, record: Record, collection: Collection, slot: int, place: Place) -> "_Row":
        content = record.image if record.text is None else record.text
        if content is None:
            raise InvalidInput(
                f"record {record.id[:80]!r} of collection {collection.config.id!r} has no text or image to learn from "
                "scratch with; use a collection that keeps contents, or give the examples themselves"
            )
        vector = collection.config.vectors[slot]
        if vector.space == place.space:
            return record.vectors[vector.name], content
        return self._content(content, place), content

    def _content(self, content: Content, place: Place) -> Content:
        if error := wrong_kind(self._places.encoder(place).manifest, content):
            raise error
        return content


def _class_of(example: pb.Example) -> str:
    if example.labels or example.HasField("value"):
        given = "a number" if example.HasField("value") else f"{len(example.labels)} labels in a list"
        raise InvalidInput(f"it has {given}, and here each example is of one class; give its label alone")
    return example.label


_Row = tuple[NDArray[np.float32] | Content, Content]
"""A vector, or what it is to be made of; and the content."""


class _Growing:
    """Examples that become more, within limits."""

    def __init__(self) -> None:
        self.examples = ContentExamples()
        self._size_bytes = 0

    def add_content(self, content: Content, label: str) -> None:
        self.add(content, content, label)

    def add(self, row: NDArray[np.float32] | Content, content: Content, label: str) -> None:
        contents = self.examples.contents
        if contents and kind_of(contents[0]) != kind_of(content):
            raise InvalidInput("there are texts and images among the examples; what is learned from scratch takes one")
        self._size_bytes += len(content) if isinstance(content, bytes) else len(content.encode())
        if self._size_bytes > MOST_CONTENT_BYTES:
            raise InvalidInput(
                f"the texts or images of the first {len(contents) + 1} examples have more than {MOST_CONTENT_BYTES} "
                "bytes; give fewer examples, or smaller images"
            )
        contents.append(content)
        self.examples.read.rows.append(row)
        self.examples.read.labels.append(label)
        convert.at_most(len(contents), MOST_EXAMPLES, "examples")
