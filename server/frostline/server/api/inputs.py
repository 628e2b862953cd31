"""From what a call brings to vectors of one space: contents are embedded, vectors are checked, bad ones fail alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from frostline.server.batching.batcher import Batcher
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import CollectionConfig
from frostline.server.encoders.encoder import Content, Encoder, Truncate
from frostline.server.encoders.registry import Registry
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import FrostlineError, InvalidInput, SpaceMismatch
from frostline.v1.embedding_pb2 import Timings

Source = str | bytes | NDArray[np.float32] | FrostlineError
"""A text, an image file, a vector of at least the space's dimensions, or why there is none of these."""


@dataclass(slots=True)
class Vectors:
    """Vectors of n sources.

    Attributes:
        rows: float32 of shape (n, d); rows of failed sources are zero.
        errors: why a source failed, by its position.
        token_counts: tokens read of each; 0 for images, vectors and failed sources.
        truncated: for each, whether text was cut away.
        timings: where the time went.
    """

    rows: NDArray[np.float32]
    errors: dict[int, FrostlineError]
    token_counts: list[int]
    truncated: list[bool]
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a caller waits.

    Attributes:
        deadline: event-loop time when it stops waiting; None for never.
        patient: whether it waits for room instead of being refused.
    """

    deadline: float | None = None
    patient: bool = False


async def embed(
    batcher: Batcher,
    encoder: Encoder | None,
    sources: Sequence[Source],
    space: EmbeddingSpace,
    *,
    prefix: str = "",
    truncate: Truncate = Truncate.RIGHT,
    waiting: Waiting = Waiting(),
) -> Vectors:
    """Makes vectors of one space.

    Args:
        batcher: runs the encoder.
        encoder: makes vectors of this space; None where it holds plain vectors.
        sources: n of them.
        space: where the vectors will live.
        prefix: the prompt put before each text.
        truncate: what happens to a text that is too long.
        waiting: how long the caller waits.
    """
    n = len(sources)
    made = Vectors(np.zeros((n, space.dimensions), np.float32), {}, [0] * n, [False] * n)
    contents: dict[int, Content] = {}
    given: dict[int, NDArray[np.float32]] = {}
    for index, source in enumerate(sources):
        if isinstance(source, np.ndarray):
            given[index] = source
        elif isinstance(source, FrostlineError):
            made.errors[index] = source
        elif error := _refusal(encoder, source):
            made.errors[index] = error
        else:
            contents[index] = source
    if given:
        await asyncio.to_thread(_take, given, made, space)
    if encoder and contents:
        await _run(batcher, encoder, contents, made, space, prefix, truncate, waiting)
    return made


class CollectionInputs:
    """Makes what collections store and are searched for.

    Args:
        registry: the encoders.
        batcher: runs them.
    """

    def __init__(self, registry: Registry, batcher: Batcher) -> None:
        self._registry = registry
        self._batcher = batcher

    async def embed(self, collection: Collection, sources: Sequence[Source], prefix: str, waiting: Waiting) -> Vectors:
        """Makes vectors of a collection's space.

        Args:
            collection: what they are for.
            sources: n of them; vectors of the collection's dimensions.
            prefix: the prompt put before each text.
            waiting: how long the caller waits.

        Returns:
            Vectors the collection takes; the others have errors.

        Raises:
            SpaceMismatch: there are only contents, and the encoder has changed since the collection was made; beside
                vectors, contents fail alone.
            NotFound: the same, and the encoder is gone.
        """
        config = collection.config
        needed = config.encoder and any(isinstance(source, str | bytes) for source in sources)
        try:
            encoder = self._encoder(config) if needed else None
        except FrostlineError as error:
            if not any(isinstance(source, np.ndarray) for source in sources):
                raise
            encoder, sources = None, [error if isinstance(each, str | bytes) else each for each in sources]
        made = await embed(self._batcher, encoder, sources, config.space, prefix=prefix, waiting=waiting)
        await asyncio.to_thread(_check, made, collection)
        return made

    def _encoder(self, config: CollectionConfig) -> Encoder:
        encoder = self._registry.get(config.encoder)
        if encoder.fingerprint != config.space.fingerprint:
            raise SpaceMismatch(
                f"collection {config.id!r} holds vectors of encoder {config.encoder!r} with fingerprint "
                f"{config.space.fingerprint[:12]}; that encoder now has {encoder.fingerprint[:12]}; "
                "add the earlier encoder again, or send vectors, or make a new collection"
            )
        return encoder


def _check(made: Vectors, collection: Collection) -> None:
    for index, row in enumerate(made.rows):
        if index not in made.errors and (error := collection.check_vector(row)):
            made.errors[index] = error


def _take(given: dict[int, NDArray[np.float32]], made: Vectors, space: EmbeddingSpace) -> None:
    indices, vectors = np.array(list(given)), np.stack(list(given.values()))
    finite = np.isfinite(vectors).all(axis=1)
    made.rows[indices[finite]] = space.fit(vectors[finite])
    for index, vector in zip(indices[~finite].tolist(), vectors[~finite], strict=True):
        worst = int(np.flatnonzero(~np.isfinite(vector))[0])
        made.errors[index] = InvalidInput(
            f"vector holds {vector[worst]} at position {worst}; all values must be finite"
        )


def _refusal(encoder: Encoder | None, content: Content) -> InvalidInput | None:
    kind = "text" if isinstance(content, str) else "image"
    if encoder is None:
        return InvalidInput(f"the collection holds plain vectors and no encoder; send a vector instead of the {kind}")
    if kind != encoder.manifest.modality:
        wanted = encoder.manifest.modality
        return InvalidInput(f"encoder {encoder.manifest.name!r} takes {wanted} inputs; this one is of kind {kind}")
    return None


async def _run(
    batcher: Batcher,
    encoder: Encoder,
    contents: dict[int, Content],
    made: Vectors,
    space: EmbeddingSpace,
    prefix: str,
    truncate: Truncate,
    waiting: Waiting,
) -> None:
    embedded = await batcher.embed(
        encoder,
        list(contents.values()),
        layer=space.layer,
        normalize=space.normalize,
        prefix=prefix,
        truncate=truncate,
        deadline=waiting.deadline,
        patient=waiting.patient,
    )
    indices = list(contents)
    whole = embedded.vectors.shape[1] == space.dimensions
    made.rows[indices] = embedded.vectors if whole else await asyncio.to_thread(space.fit, embedded.vectors)
    for position, index in enumerate(indices):
        made.token_counts[index] = embedded.token_counts[position]
        made.truncated[index] = embedded.truncated[position]
    made.errors |= {indices[position]: error for position, error in embedded.errors.items()}
    made.timings.queue_seconds = embedded.queue_seconds
    made.timings.prepare_seconds = embedded.prepare_seconds
    made.timings.inference_seconds = embedded.inference_seconds
