"""What encoders are to be compared on: read and checked before any of them runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import convert
from frostline.server.api.candidates import Candidate, candidates
from frostline.server.api.content_examples import ContentReader
from frostline.server.api.head_places import Place, Places
from frostline.server.api.inputs import kind_of
from frostline.server.encoders.encoder import Content
from frostline.server.encoders.registry import Registry
from frostline.server.errors import InvalidInput, NotFound
from frostline.server.heads import examples
from frostline.server.heads.folds import sampled
from frostline.v1 import embedding_pb2
from frostline.v1 import head_service_pb2 as pb

USUAL_EXAMPLES, MOST_EXAMPLES = 2_000, 10_000
MOST_SEEN = 500


@dataclass(frozen=True, slots=True)
class ComparisonQuestion:
    """What is compared, and on what.

    Attributes:
        candidates: at least one.
        contents: texts or images of n examples.
        labels: of the same length.
        rows: int64 of shape (n,), their places among the examples of the request.
        seen: inputs such as the encoders have seen; empty where nothing is known.
    """

    candidates: Sequence[Candidate]
    contents: Sequence[Content]
    labels: Sequence[str]
    rows: NDArray[np.int64]
    seen: Sequence[Content]


class ComparisonQuestions:
    """Reads questions.

    Args:
        registry: the encoders.
        places: where records are.
    """

    def __init__(self, registry: Registry, places: Places) -> None:
        self._registry = registry
        self._places = places
        self._contents = ContentReader(places)

    async def read(self, request: pb.CompareEncodersRequest) -> ComparisonQuestion:
        """Reads a question, and draws the examples that it is answered on.

        Raises:
            InvalidInput: the request or an example is not right; says which.
            NotFound: an encoder, a layer, a collection or a record is missing.
        """
        most = request.max_examples or USUAL_EXAMPLES
        if not 0 < most <= MOST_EXAMPLES:
            raise InvalidInput(
                f"max_examples {most} is out of range; take 1 to {MOST_EXAMPLES}, or 0 for {USUAL_EXAMPLES}"
            )
        if request.examples.HasField("vectors") or any(each.HasField("vector") for each in request.examples.examples):
            raise InvalidInput("the examples hold vectors, and each encoder makes its own; send texts or images")
        given, _ = await self._contents.read({"example": request.examples}, self._place(request))
        if not given.contents:
            raise InvalidInput("there are no examples; give texts or images of two classes, two of one at least")
        kind = kind_of(given.contents[0])
        found = candidates(self._registry, request, kind)
        labels = given.read.labels
        rows = await asyncio.to_thread(_drawn, labels, most)
        seen = _seen(request.seen, kind)
        contents = given.contents
        taken: list[int] = rows.tolist()
        return ComparisonQuestion(found, [contents[row] for row in taken], [labels[row] for row in taken], rows, seen)

    def _place(self, request: pb.CompareEncodersRequest) -> Place:
        """Where the contents could be embedded, as far as the request says so."""
        if request.encoders:
            return self._places.of(request.examples, request.encoders[0])
        for each in request.examples.examples:
            if each.WhichOneof("kind") in ("text", "image"):
                kind = str(each.WhichOneof("kind"))
                return self._place_of_kind(kind)
        place = self._places.of(request.examples, "")
        if not place.encoder:
            raise InvalidInput("the collection has no encoder that says what its records are; name the encoders")
        return place

    def _place_of_kind(self, kind: str) -> Place:
        for name in self._registry.names():
            manifest = self._registry.get(name).manifest
            if manifest.modality == kind:
                return Place(name, manifest.space())
        raise NotFound(f"this server has no encoder that takes {kind} inputs; add one first")


def _drawn(labels: Sequence[str], most: int) -> NDArray[np.int64]:
    """The examples that are compared on, of each class its share."""
    labelled = examples.check(np.zeros((len(labels), 0), np.float32), labels)
    rows = sampled(labelled, most)
    if np.bincount(labelled.targets[rows]).max() < 2:
        raise InvalidInput(
            f"each class has one example among {len(rows)}, so nothing is left to tell it by when it is left out; give "
            "two of a class at least"
        )
    return rows


def _seen(inputs: Sequence[embedding_pb2.Input], kind: str) -> list[Content]:
    convert.at_most(len(inputs), MOST_SEEN, "inputs that the encoders have seen")
    if len(inputs) == 1:
        raise InvalidInput("there is 1 input that the encoders have seen; give several, or none")
    for index, each in enumerate(inputs):
        if each.WhichOneof("kind") != kind:
            raise InvalidInput(f"seen input {index} is no {kind}, as the examples are; give the same kind")
    return [each.text if kind == "text" else each.image for each in inputs]
