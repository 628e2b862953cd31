"""Vectors of contents: texts and images that collections store or are searched for, embedded together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from frostline.server.api.inputs import Waiting, kind_of, wrong_kind
from frostline.server.batching.batcher import Batcher
from frostline.server.batching.jobs import Embedded
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import VectorField
from frostline.server.encoders.bundle import Manifest
from frostline.server.encoders.encoder import Content, Encoder
from frostline.server.encoders.registry import Registry
from frostline.server.errors import FrostlineError, InvalidInput, SpaceMismatch
from frostline.v1.embedding_pb2 import Timings

Made = NDArray[np.float32] | FrostlineError
"""A vector, float32 of shape (d,), or why there is none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A vector that shall be made.

    Attributes:
        slot: of the vector name it is for.
        content: what it is made of.
        prefix: the prompt put before it, if it is a text.
    """

    slot: int
    content: Content
    prefix: str


@dataclass(slots=True)
class Vectors:
    """What became of n wanted vectors.

    Attributes:
        made: in their order; vectors that the collection takes.
        unavailable: those errors among them that are the encoder's and not the content's.
        timings: where the time went.
    """

    made: list[Made]
    unavailable: list[FrostlineError] = field(default_factory=list[FrostlineError])
    timings: Timings = field(default_factory=Timings)

    def raise_if_all(self, errors: Sequence[FrostlineError | None]) -> None:
        """Fails the call where an unavailable encoder has failed each of its items.

        Args:
            errors: of all items of the call; None where one is right.
        """
        if self.unavailable and all(any(each is error for error in self.unavailable) for each in errors):
            raise self.unavailable[0]


class ContentVectors:
    """Embeds for collections.

    Args:
        registry: the encoders.
        batcher: runs them.
    """

    def __init__(self, registry: Registry, batcher: Batcher) -> None:
        self._registry = registry
        self._batcher = batcher

    def manifest(self, collection: Collection, slot: int) -> Manifest | FrostlineError | None:
        """What makes the vectors of a slot; None for plain vectors, or why it cannot be had."""
        name = collection.config.vectors[slot].encoder
        if not name:
            return None
        try:
            return self._registry.get(name).manifest
        except FrostlineError as error:
            return error

    async def make(self, collection: Collection, wanted: Sequence[Wanted], waiting: Waiting) -> Vectors:
        """Makes vectors: one batch for each encoder, layer and prompt, whatever the number of vector names.

        Args:
            collection: what they are for.
            wanted: n of them.
            waiting: how long the caller waits.

        Raises:
            Overloaded, DeadlineExceeded, ShuttingDown: see `Batcher.embed`.
        """
        vectors = Vectors([_NOT_MADE] * len(wanted))
        batches: dict[tuple[str, str, bool, str], list[int]] = {}
        fields = collection.config.vectors
        encoders: dict[int, Encoder | FrostlineError] = {}
        for position, each in enumerate(wanted):
            vector_field = fields[each.slot]
            if each.slot not in encoders:
                encoders[each.slot] = self._encoder(collection.config.id, vector_field, vectors)
            encoder = encoders[each.slot]
            refusal = encoder if isinstance(encoder, FrostlineError) else wrong_kind(encoder.manifest, each.content)
            if refusal:
                vectors.made[position] = refusal
            else:
                space = vector_field.space
                key = (vector_field.encoder, space.layer, space.normalize, each.prefix)
                batches.setdefault(key, []).append(position)
        for positions in batches.values():
            encoder = encoders[wanted[positions[0]].slot]
            if not isinstance(encoder, FrostlineError):
                await self._run(collection, encoder, {p: wanted[p] for p in positions}, vectors, waiting)
        return vectors

    async def _run(
        self,
        collection: Collection,
        encoder: Encoder,
        wanted: dict[int, Wanted],
        vectors: Vectors,
        waiting: Waiting,
    ) -> None:
        first = next(iter(wanted.values()))
        space = collection.config.vectors[first.slot].space
        places: dict[Content, int] = {}  # the same content is embedded once
        for each in wanted.values():
            places.setdefault(each.content, len(places))
        embedded = await self._batcher.embed(
            encoder,
            list(places),
            layer=space.layer,
            normalize=space.normalize,
            prefix=first.prefix,
            deadline=waiting.deadline,
            patient=waiting.patient,
        )
        _add(vectors.timings, embedded)
        for position, each in wanted.items():
            place = places[each.content]
            if error := embedded.errors.get(place):
                vectors.made[position] = error
                continue
            fitting = collection.config.vectors[each.slot].space
            vector = embedded.vectors[place]
            if len(vector) != fitting.dimensions:
                vector = fitting.fit(vector[np.newaxis])[0]
            vectors.made[position] = collection.check_vector(each.slot, vector) or vector

    def _encoder(self, collection_id: str, vector_field: VectorField, vectors: Vectors) -> Encoder | FrostlineError:
        if not vector_field.encoder:
            return InvalidInput(
                f"vector {vector_field.name!r} of collection {collection_id!r} holds plain vectors and has no encoder; "
                "send a vector instead"
            )
        try:
            encoder = self._registry.get(vector_field.encoder)
            _check_fingerprint(encoder, vector_field, collection_id)
        except FrostlineError as error:
            vectors.unavailable.append(error)
            return error
        return encoder


_NOT_MADE = InvalidInput("not made")


def refusal(content: Content | None, manifests: Sequence[Manifest | FrostlineError | None]) -> FrostlineError:
    """Says why a content makes no vector at all.

    Args:
        content: a text or an image file; None where there is neither.
        manifests: of all slots; see `ContentVectors.manifest`.
    """
    if content is None:
        return InvalidInput("the record has neither text, image nor vector; give one of them")
    kind = kind_of(content)
    encoders = [each for each in manifests if isinstance(each, Manifest)]
    if encoders:
        names = ", ".join(f"{each.name!r} takes {each.modality}" for each in encoders)
        return InvalidInput(f"encoder {names} inputs; the record has only {kind}: give what it takes, or a vector")
    return InvalidInput(f"the collection holds plain vectors and no encoder; send a vector with the {kind}")


def _check_fingerprint(encoder: Encoder, vector_field: VectorField, collection_id: str) -> None:
    expected = vector_field.space.fingerprint
    if encoder.fingerprint != expected:
        raise SpaceMismatch(
            f"collection {collection_id!r} holds vectors of encoder {vector_field.encoder!r} with fingerprint "
            f"{expected[:12]}; that encoder now has {encoder.fingerprint[:12]}; "
            "add the earlier encoder again, or send vectors, or make a new collection"
        )


def _add(timings: Timings, embedded: Embedded) -> None:
    timings.queue_seconds += embedded.queue_seconds
    timings.prepare_seconds += embedded.prepare_seconds
    timings.inference_seconds += embedded.inference_seconds
