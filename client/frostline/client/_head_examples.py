"""Labelled examples, put together for one request; texts and images too large for it are embedded before."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.client._batches import each
from frostline.client._channel import REQUEST_BYTES
from frostline.client._encoders import EncoderCalls
from frostline.client._from_wire_heads import head_of
from frostline.client._to_wire import (
    collection_path,
    head_path,
    image_file,
    matrix,
    not_alone,
    space_message,
    unicode,
    vector_bytes,
)
from frostline.client._to_wire_heads import content_bytes, example_message, records_message
from frostline.client._truths import Truth, say, truth_of, truths_of
from frostline.client.errors import InvalidInput, SpaceMismatch, from_status
from frostline.client.heads import Example, LabelledRecords
from frostline.client.types import Embeddings, EmbeddingSpace, Input
from frostline.v1 import head_service_pb2 as v1
from frostline.wire import tensors

HeadProgress = Callable[[str, float], None]
"""Called with the step (`starting`, `waiting` for others in line before it, `embedding`, `choosing`, `fitting`,
`calibrating`, `writing`) and how much of it all is done, from 0 to 1. While the client embeds what is too large for one
request, that is a share of this alone."""

Embedder = Callable[[], Awaitable[tuple[str, EmbeddingSpace | None]]]
"""Finds out a head's encoder and, where it has one already, its space; no encoder where contents must travel whole."""

Numbered = tuple[int, Example]
"""An example and its place among those that were given."""

_AT_ONCE = 512  # contents that are embedded between two reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Labelled examples as a caller gives them; see `Client.train_head`."""

    examples: Iterable[Example] | AsyncIterable[Example] = ()
    vectors: ArrayLike | Embeddings | None = None
    labels: Sequence[str] | Sequence[Sequence[str]] | None = None
    values: ArrayLike | None = None
    groups: Sequence[str] | None = None
    records: LabelledRecords | None = None
    collection: str = ""
    layer: str = ""


class ExampleCalls(EncoderCalls):
    """Puts labelled examples together."""

    async def _examples(self, given: Given, embedder: Embedder, progress: HeadProgress | None = None) -> v1.Examples:
        kinds = await _sorted(given.examples)
        vectors = _Vectors()
        vectors.add_given(given.vectors, truths_of(given.labels, given.values), given.groups)
        vectors.add_examples(kinds.vectors)
        contents = kinds.contents
        encoder, space = await embedder() if kinds.size_bytes > REQUEST_BYTES else ("", None)
        if encoder:
            async for part, embedded in self._embedded(contents, encoder, space, given.layer, progress):
                truths, groups = [truth_of(example) for example in part], [example.group for example in part]
                vectors.add(embedded.vectors, truths, groups, embedded.space)
            contents = []
        message = vectors.message()
        message.examples.extend(example_message(example) for _, example in (*contents, *kinds.records))
        if given.records is not None:
            message.records.CopyFrom(records_message(given.records))
        if kinds.records:
            message.collection = collection_path(_collection(given, kinds.records[0]))
        return message

    async def _embedder(
        self, name: str, timeout_seconds: float | None, *, learned_from: bool = False
    ) -> tuple[str, EmbeddingSpace | None]:
        request = v1.GetHeadRequest(name=head_path(name))
        head = head_of(await self._call(self._transport.heads.GetHead, request, timeout_seconds))
        if learned_from and head.augment:
            return "", None  # what is altered must arrive as it is
        return head.encoder, head.space if head.space.dimensions else None

    async def _embedded(
        self,
        contents: Sequence[Numbered],
        encoder: str,
        space: EmbeddingSpace | None,
        default_layer: str,
        progress: HeadProgress | None,
    ) -> AsyncIterator[tuple[list[Example], Embeddings]]:
        layer, dimensions, normalize = (
            (space.layer, space.dimensions, space.normalize) if space else (default_layer, 0, None)
        )
        for start in range(0, len(contents), _AT_ONCE):
            if progress:
                progress("embedding", start / len(contents))
            part = contents[start : start + _AT_ONCE]
            inputs = [cast(Input, example.image if example.text is None else example.text) for _, example in part]
            embedded = await self.embed(inputs, encoder, layer=layer, dimensions=dimensions, normalize=normalize)
            for place, error in embedded.errors.items():
                raise from_status(f"example {part[place][0]}: {error.message}", error.code, error.reason)
            yield [example for _, example in part], embedded


@dataclass(slots=True)
class _Kinds:
    """Examples by how they travel.

    Attributes:
        contents: texts and images.
        vectors: ready vectors.
        records: ids of records.
        size_bytes: of the contents.
    """

    contents: list[Numbered]
    vectors: list[Numbered]
    records: list[Numbered]
    size_bytes: int = 0


async def _sorted(examples: Iterable[Example] | AsyncIterable[Example]) -> _Kinds:
    not_alone(examples)
    if isinstance(examples, LabelledRecords):
        raise InvalidInput("one LabelledRecords was passed where several examples are expected; pass it as records")
    kinds, place = _Kinds([], [], []), 0
    async for example in each(examples):
        _check(place, example)
        if example.vector is not None:
            kinds.vectors.append((place, example))
        elif example.record_id is not None:
            kinds.records.append((place, example))
        else:
            kinds.contents.append((place, example))
            kinds.size_bytes += content_bytes(example)
        place += 1
    return kinds


def _check(place: int, example: Example) -> None:
    if not isinstance(cast(object, example), Example):
        raise InvalidInput(f"examples must be Example objects, not {type(example).__name__}: {str(example)[:80]!r}")
    if [example.text, example.image, example.record_id].count(None) + (example.vector is None) != 3:
        raise InvalidInput(f"example {place} needs one of text, image, vector and record_id")
    if example.image is not None:
        try:
            image_file(example.image)
        except InvalidInput as error:
            raise InvalidInput(f"example {place}: {error}") from error
    try:
        truth_of(example)
    except InvalidInput as error:
        raise InvalidInput(f"label of example {place}: {error}") from error
    try:
        unicode(example.group)
    except InvalidInput as error:
        raise InvalidInput(f"group of example {place}: {error}") from error


def _collection(given: Given, record: Numbered) -> str:
    if given.collection:
        return given.collection
    if given.records is not None:
        return given.records.collection
    place, example = record
    raise InvalidInput(f"example {place} is record {example.record_id!r}, but of which collection? Give collection")


class _Vectors:
    """Ready vectors of one space, and what they say."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.float32]] = []
        self._truths: list[Truth] = []
        self._groups: list[str] = []
        self._space: EmbeddingSpace | None = None

    def add(
        self,
        rows: NDArray[np.float32],
        truths: Sequence[Truth],
        groups: Sequence[str],
        space: EmbeddingSpace | None = None,
    ) -> None:
        for given, what in ((truths, "labels"), (groups, "groups")):
            if len(rows) != len(given):
                raise InvalidInput(f"{len(rows)} vectors and {len(given)} {what} do not fit; give one of each")
        if self._rows and rows.shape[1] != self._rows[0].shape[1]:
            before = self._rows[0].shape[1]
            raise InvalidInput(
                f"vectors of {before} and of {rows.shape[1]} dimensions were given; a head takes one kind"
            )
        if space and self._space and space != self._space:
            raise SpaceMismatch("vectors of two embedding spaces were given; embed all with one encoder, the same way")
        self._rows.append(rows)
        self._truths += truths
        self._groups += map(unicode, groups)
        self._space = self._space or space

    def add_given(
        self, vectors: ArrayLike | Embeddings | None, truths: Sequence[Truth] | None, groups: Sequence[str] | None
    ) -> None:
        not_alone(groups)
        if (vectors is None) != (truths is None):
            missing = "labels" if truths is None else "vectors"
            raise InvalidInput(f"vectors and labels belong together; {missing} are missing")
        if vectors is not None and truths is not None:
            rows, space = matrix(vectors)
            self.add(rows, truths, [""] * len(truths) if groups is None else groups, space)
        elif groups is not None:
            raise InvalidInput("groups belong to vectors, which are missing; give each Example its group instead")

    def add_examples(self, examples: Sequence[Numbered]) -> None:
        for place, example in examples:
            try:
                row = np.frombuffer(vector_bytes(cast("NDArray[np.float32]", example.vector)), "<f4")
                self.add(row[np.newaxis], [truth_of(example)], [example.group])
            except InvalidInput as error:
                raise InvalidInput(f"example {place}: {error}") from error

    def message(self) -> v1.Examples:
        if not self._rows:
            return v1.Examples()
        space = space_message(self._space) if self._space else None
        message = v1.Examples(vectors=tensors.encode(np.concatenate(self._rows)), space=space)
        message.groups.extend(self._groups if any(self._groups) else ())
        say(self._truths, message)
        return message
