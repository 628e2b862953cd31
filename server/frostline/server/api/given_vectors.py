"""Vectors that come ready, in records and queries."""

import numpy as np
from numpy.typing import NDArray

from frostline.server.api import convert
from frostline.server.collections.collection import Collection
from frostline.server.errors import FrostlineError
from frostline.v1 import embedding_pb2 as pb

_SMALLEST, _LARGEST = 1e-30, 1e30  # squared lengths that float32 holds without loss; others are looked at one by one


def where(collection: Collection, slot: int) -> str:
    """Which vectors are meant, for messages."""
    config = collection.config
    if len(config.vectors) == 1:
        return f"collection {config.id!r}"
    return f"vector {config.vectors[slot].name!r} of collection {config.id!r}"


def one(message: pb.Vector, collection: Collection, slot: int) -> NDArray[np.float32]:
    """Reads a vector.

    Returns:
        float32 of shape (d,), as the collection takes it.

    Raises:
        InvalidInput: the collection does not take it; says why.
        SpaceMismatch: it says itself that it lives elsewhere.
    """
    space = collection.config.vectors[slot].space
    vector = convert.vector(message, space, where(collection, slot))
    if error := collection.check_vector(slot, vector):
        raise error
    return space.fit(vector[np.newaxis])[0] if space.normalize else vector


def many(
    message: pb.Tensor, rows: int | None, collection: Collection, slot: int
) -> tuple[NDArray[np.float32], dict[int, FrostlineError]]:
    """Reads vectors that came as one array.

    Args:
        message: FLOAT32 of shape (rows, dimensions).
        rows: how many there must be; None for any number.
        collection: what they are for.
        slot: of their vector name.

    Returns:
        float32 of shape (rows, d), as the collection takes them, and what is wrong with rows, by position.

    Raises:
        InvalidInput: another dtype or shape.
    """
    space = collection.config.vectors[slot].space
    vectors = convert.matrix(message, rows, space, where(collection, slot))
    errors: dict[int, FrostlineError] = {}
    squares = np.einsum("ij,ij->i", vectors, vectors)
    fine = (squares > _SMALLEST) & (squares < _LARGEST)  # nan is not
    for index in np.flatnonzero(~fine).tolist():
        if error := collection.check_vector(slot, vectors[index]):
            errors[index] = error
    return space.fit(vectors) if space.normalize else vectors, errors
