"""From what a call brings to vectors of one space: contents are embedded, vectors are checked, bad ones fail alone."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from frostline.server.batching.batcher import Batcher
from frostline.server.encoders.bundle import Manifest
from frostline.server.encoders.encoder import Content, Encoder, Truncate
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import FrostlineError, InvalidInput
from frostline.v1.embedding_pb2 import Input, Timings, Vector

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
        encoder: makes vectors of this space; None where only vectors can be taken.
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
        elif encoder is None:
            made.errors[index] = InvalidInput("there is no encoder for texts and images here; send a vector")
        elif error := wrong_kind(encoder.manifest, source):
            made.errors[index] = error
        else:
            contents[index] = source
    if given:
        await asyncio.to_thread(_take, given, made, space)
    if contents and encoder is not None:
        await _run(batcher, encoder, contents, made, space, prefix, truncate, waiting)
    return made


def _take(given: dict[int, NDArray[np.float32]], made: Vectors, space: EmbeddingSpace) -> None:
    indices, vectors = np.array(list(given)), np.stack(list(given.values()))
    finite = np.isfinite(vectors).all(axis=1)
    made.rows[indices[finite]] = space.fit(vectors[finite])
    for index, vector in zip(indices[~finite].tolist(), vectors[~finite], strict=True):
        worst = int(np.flatnonzero(~np.isfinite(vector))[0])
        made.errors[index] = InvalidInput(
            f"vector holds {vector[worst]} at position {worst}; all values must be finite"
        )


def source_of(given: Input, vector: Callable[[Vector], NDArray[np.float32]]) -> Source:
    """Reads an input.

    Args:
        given: of a request.
        vector: reads one that is a vector, or raises what is wrong with it.
    """
    match given.WhichOneof("kind"):
        case "text":
            return given.text
        case "image":
            return given.image
        case "vector":
            try:
                return vector(given.vector)
            except FrostlineError as error:
                return error
        case _:
            return InvalidInput("the input holds neither text, image nor vector")


def wrong_kind(manifest: Manifest, content: Content) -> InvalidInput | None:
    """Says that an encoder takes inputs of another kind, where it does."""
    kind = kind_of(content)
    if kind == manifest.modality:
        return None
    return InvalidInput(f"encoder {manifest.name!r} takes {manifest.modality} inputs; this one is of kind {kind}")


def kind_of(content: Content) -> Literal["text", "image"]:
    """Which kind of input a content is."""
    return "text" if isinstance(content, str) else "image"


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
