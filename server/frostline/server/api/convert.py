"""What `embedding.proto` says, to domain types and back."""

import re
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from frostline.server.collections.config import Metric
from frostline.server.encoders.bundle import Name
from frostline.server.encoders.encoder import Truncate
from frostline.server.encoders.space import EmbeddingSpace, Pooling
from frostline.server.errors import InvalidInput, NotFound
from frostline.v1 import embedding_pb2 as pb
from frostline.wire import tensors

T = TypeVar("T")

_NAME = TypeAdapter[str](Name)

WELL_KNOWN_PROMPTS = {"query": "", "document": ""}
"""Prompts every encoder knows, and what they are where it declares none."""

_POOLINGS: dict[int, Pooling] = {
    pb.POOLING_UNSPECIFIED: Pooling.NONE,
    pb.POOLING_MEAN: Pooling.MEAN,
    pb.POOLING_CLS: Pooling.CLS,
    pb.POOLING_LAST_TOKEN: Pooling.LAST_TOKEN,
}
_POOLING_NUMBERS = {
    Pooling.NONE: pb.POOLING_UNSPECIFIED,
    Pooling.MEAN: pb.POOLING_MEAN,
    Pooling.CLS: pb.POOLING_CLS,
    Pooling.LAST_TOKEN: pb.POOLING_LAST_TOKEN,
}
_TRUNCATES: dict[int, Truncate] = {
    pb.TRUNCATE_UNSPECIFIED: Truncate.RIGHT,
    pb.TRUNCATE_RIGHT: Truncate.RIGHT,
    pb.TRUNCATE_LEFT: Truncate.LEFT,
    pb.TRUNCATE_ERROR: Truncate.ERROR,
}
_METRICS: dict[int, Metric] = {
    pb.METRIC_UNSPECIFIED: Metric.COSINE,
    pb.METRIC_COSINE: Metric.COSINE,
    pb.METRIC_DOT: Metric.DOT,
    pb.METRIC_EUCLIDEAN: Metric.EUCLIDEAN,
}
_METRIC_NUMBERS = {
    Metric.COSINE: pb.METRIC_COSINE,
    Metric.DOT: pb.METRIC_DOT,
    Metric.EUCLIDEAN: pb.METRIC_EUCLIDEAN,
}


def resource_id(name: str, kind: str) -> str:
    """Takes the id out of a resource name, `encoders/{id}` or `collections/{id}`.

    Raises:
        InvalidInput: it is not one of this kind.
    """
    found = re.fullmatch(rf"{kind}/([^/]+)", name)
    if not found:
        raise InvalidInput(f"{name!r} is not the name of one of the {kind}; it looks like {kind}/my-name")
    return found[1]


def encoder_name(name: str) -> str:
    """Checks the name of an encoder to be.

    Raises:
        InvalidInput: it is not one; says what is.
    """
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        raise InvalidInput(
            f"encoder_id {name!r} is not a name: use lower-case letters, digits, dots and hyphens, at most 63, "
            "a letter or digit first"
        ) from error


def at_most(count: int, limit: int, what: str) -> None:
    """Refuses a request with too many items.

    Raises:
        InvalidInput: says how many there are, and how many may be.
    """
    if count > limit:
        raise InvalidInput(f"{count} {what} are too many for one request; send at most {limit} at once")


def truncate(number: int) -> Truncate:
    """Reads which side of a text is cut away."""
    return known(_TRUNCATES, number, "truncate")


def metric(number: int) -> Metric:
    """Reads how close two vectors are."""
    return known(_METRICS, number, "metric")


def metric_number(value: Metric) -> pb.Metric.ValueType:
    """Writes how close two vectors are."""
    return _METRIC_NUMBERS[value]


def dtype(number: pb.Dtype.ValueType) -> pb.Dtype.ValueType:
    """Checks how an answer's numbers are to be stored."""
    if number not in pb.Dtype.values():
        raise InvalidInput(f"dtype {number} is unknown to this server")
    return number


def prompt(asked: pb.Prompt, prompts: Mapping[str, str], default: str = "") -> str:
    """Resolves a prompt to the prefix it stands for.

    Args:
        asked: the prompt of a request.
        prompts: the encoder's own, by name.
        default: the prefix where none is asked for.

    Raises:
        NotFound: the encoder has no prompt of that name; says which it has.
    """
    match asked.WhichOneof("kind"):
        case "literal":
            return asked.literal
        case "name":
            known = WELL_KNOWN_PROMPTS | dict(prompts)
            if asked.name not in known:
                names = ", ".join(sorted(known))
                raise NotFound(f"the encoder has no prompt {asked.name!r}; it knows {names}; or send a literal prefix")
            return known[asked.name]
        case _:
            return default


def space(message: pb.EmbeddingSpace) -> EmbeddingSpace:
    """Reads a space."""
    return EmbeddingSpace(
        fingerprint=message.fingerprint,
        layer=message.layer,
        pooling=known(_POOLINGS, message.pooling, "pooling"),
        dimensions=message.dimensions,
        normalize=message.normalize,
    )


def space_message(value: EmbeddingSpace) -> pb.EmbeddingSpace:
    """Writes a space."""
    return pb.EmbeddingSpace(
        fingerprint=value.fingerprint,
        layer=value.layer,
        pooling=_POOLING_NUMBERS[value.pooling],
        dimensions=value.dimensions,
        normalize=value.normalize,
    )


def vector(message: pb.Vector, expected: EmbeddingSpace, where: str) -> NDArray[np.float32]:
    """Reads a vector that should live in a space.

    Args:
        message: the vector.
        expected: the space it should live in.
        where: what it is for, for messages.

    Returns:
        float32 of shape (d,); values may be anything.

    Raises:
        InvalidInput: it has another length.
        SpaceMismatch: it says itself that it lives elsewhere.
    """
    if message.HasField("space"):
        expected.expect(space(message.space), where)
    if len(message.data) != 4 * expected.dimensions:
        raise InvalidInput(
            f"vector has {len(message.data) / 4:g} values of 4 bytes; {where} takes {expected.dimensions} dimensions"
        )
    return np.frombuffer(message.data, "<f4")


def matrix(message: pb.Tensor, rows: int | None, expected: EmbeddingSpace, where: str) -> NDArray[np.float32]:
    """Reads vectors that came as one array.

    Args:
        message: FLOAT32 of shape (rows, dimensions).
        rows: how many there must be; None for any number.
        expected: the space they should live in.
        where: what they are for, for messages.

    Returns:
        float32 of shape (rows, d); values may be anything.

    Raises:
        InvalidInput: another dtype or shape.
    """
    shape = tuple(message.shape)
    if message.dtype not in (pb.DTYPE_UNSPECIFIED, pb.DTYPE_FLOAT32):
        raise InvalidInput(f"vectors must be FLOAT32 (1), not dtype {message.dtype}")
    if len(shape) != 2 or shape[1] != expected.dimensions or rows not in (None, shape[0]):
        raise InvalidInput(
            f"vectors have shape {shape}; {where} takes ({'n' if rows is None else rows}, {expected.dimensions})"
        )
    try:
        return tensors.decode(message)
    except ValueError as error:
        raise InvalidInput(f"vectors cannot be read: {error}") from error


def known(table: Mapping[int, T], number: int, what: str) -> T:
    """Reads an enum's number.

    Raises:
        InvalidInput: it is not in the table.
    """
    if number not in table:
        raise InvalidInput(f"{what} {number} is unknown to this server; it may be older than the client")
    return table[number]
