"""Plain types to messages. What a message cannot hold is refused here, by name."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frostline.client import types
from frostline.client._names import DTYPES, POOLINGS, TRUNCATES, number_of
from frostline.client.errors import InvalidInput
from frostline.client.heads import Example
from frostline.client.recommendations import Weighted
from frostline.v1 import embedding_pb2 as v1
from frostline.v1 import record_service_pb2 as records_v1

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_LARGEST = 2**31 - 1  # an int32 of the wire

LARGEST_SEQUENCE = 2**63 - 1
"""What the wire can hold as the number of a commit."""


def not_alone(items: object) -> None:
    """Refuses a single input where a list is expected; a str would otherwise be read letter by letter.

    Raises:
        InvalidInput: `items` is a single input.
    """
    if isinstance(items, (str, bytes, Path, types.Record, types.Interaction, Example, Weighted)):
        raise InvalidInput(f"one {type(items).__name__} was passed where several inputs are expected; pass a list")


def embed_options(
    prompt: str | None,
    prefix: str | None,
    dimensions: int,
    normalize: bool | None,
    dtype: str,
    truncate: str,
    layer: str,
) -> v1.EmbedOptions:
    """Options of an embedding, as `Client.embed` takes them.

    Raises:
        InvalidInput: an unknown name, a prompt and a prefix, or what the wire cannot hold.
    """
    if prompt is not None and prefix is not None:
        raise InvalidInput(f"prompt {prompt!r} and prefix {prefix!r} exclude each other; give one of them")
    named = v1.Prompt(name=unicode(prompt)) if prompt is not None else None
    return v1.EmbedOptions(
        prompt=literal(prefix) or named,
        dimensions=whole(dimensions, "dimensions"),
        normalize=normalize,
        dtype=number_of(DTYPES, dtype, "dtype"),
        truncate=number_of(TRUNCATES, truncate, "truncate"),
        layer=unicode(layer),
    )


def literal(prefix: str | None) -> v1.Prompt | None:
    """A prompt given word for word; none where it is None."""
    return None if prefix is None else v1.Prompt(literal=unicode(prefix))


def vector_bytes(vector: types.Floats) -> bytes:
    """Little-endian float32 bytes of one vector.

    Raises:
        InvalidInput: it is no vector of numbers.
    """
    if not isinstance(cast(object, vector), np.ndarray):
        kind = type(vector).__name__
        raise InvalidInput(f"a vector must be a numpy array, not a {kind}; np.array(..., np.float32) makes one")
    if vector.ndim != 1 or not np.issubdtype(vector.dtype, np.number):
        raise InvalidInput(f"a vector of shape (d,) is needed, not {vector.dtype} of shape {vector.shape}")
    return vector.astype("<f4").tobytes()


def matrix(vectors: ArrayLike | types.Embeddings) -> tuple[NDArray[np.float32], types.EmbeddingSpace | None]:
    """The rows of what numpy reads as an array, or of embeddings, and their space where it is known.

    Raises:
        InvalidInput: they are no rows of numbers, or some embeddings failed.
    """
    if isinstance(vectors, types.Embeddings):
        if vectors.errors:
            raise InvalidInput(f"embeddings {sorted(vectors.errors)[:10]} failed; leave them out")
        return vectors.vectors, vectors.space
    try:
        rows = np.asarray(vectors)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"vectors of shape (n, d) are needed: {error}") from error
    if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.number):
        raise InvalidInput(f"vectors of shape (n, d) are needed, not {rows.dtype} of shape {rows.shape}")
    return rows.astype(np.float32, copy=False), None


def are_vectors(inputs: object) -> bool:
    """Whether inputs are ready vectors: an array, embeddings, or a list of nothing but arrays."""
    if isinstance(inputs, (np.ndarray, types.Embeddings)):
        return True
    listed = cast("Sequence[object]", inputs) if isinstance(inputs, (list, tuple)) else ()
    return bool(listed) and all(isinstance(each, np.ndarray) for each in listed)


def image_file(image: bytes | Path) -> bytes | Path:
    """An image, where it is its bytes or a path; a str is a text everywhere, so it is none.

    Raises:
        InvalidInput: it is neither.
    """
    if not isinstance(cast(object, image), (bytes, Path)):
        kind = type(image).__name__
        raise InvalidInput(f"image {str(image)[:80]!r} is a {kind}; pass its file as pathlib.Path, or its bytes")
    return image


def image_bytes(image: bytes | Path) -> bytes:
    """The bytes of an image file.

    Raises:
        InvalidInput: it is no image, or cannot be read.
    """
    image = image_file(image)
    if isinstance(image, bytes):
        return image
    try:
        return image.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot read image {image}: {error.strerror}") from error


def input_message(content: types.Input) -> v1.Input:
    """One input of an embedding.

    Raises:
        InvalidInput: it is of no known kind, cannot be read, or is no Unicode.
    """
    if isinstance(content, str):
        return v1.Input(text=unicode(content))
    if isinstance(content, (bytes, Path)):
        return v1.Input(image=image_bytes(content))
    if isinstance(cast(object, content), np.ndarray):
        return v1.Input(vector=v1.Vector(data=vector_bytes(content)))
    kind = type(content).__name__
    raise InvalidInput(f"cannot embed a {kind}; pass a list of str, bytes or pathlib.Path of images, or float arrays")


def record_message(record: types.Record) -> records_v1.Record:
    """A record as it is written.

    Raises:
        InvalidInput: names the record and what is wrong with it.
    """
    if not isinstance(cast(object, record), types.Record):
        raise InvalidInput(f"records must be Record objects, not {type(record).__name__}: {str(record)[:80]!r}")
    try:
        message = records_v1.Record(
            id=unicode(record.id),
            text=None if record.text is None else unicode(record.text),
            image=None if record.image is None else image_bytes(record.image),
            payload=payload_bytes(record.payload),
            expected_sequence=_sequence(record.expected_sequence),
        )
        if record.vector is not None:
            message.vector.data = vector_bytes(record.vector)
            if record.space is not None:
                message.vector.space.CopyFrom(space_message(record.space))
        for name, vector in record.vectors.items():
            message.vectors[unicode(name)].data = vector_bytes(vector)
    except InvalidInput as error:
        raise InvalidInput(f"record {record.id!r}: {error}") from error
    return message


def plain_record_message(id: str, payload: Mapping[str, Any]) -> records_v1.Record:
    """A record with nothing but an id and a payload: as `record_message`, at a third of the cost."""
    try:
        return records_v1.Record(id=unicode(id), payload=payload_bytes(payload))
    except InvalidInput as error:
        raise InvalidInput(f"record {id!r}: {error}") from error


def patch_message(patch: types.PayloadPatch) -> records_v1.PayloadPatch:
    """A change of a payload.

    Raises:
        InvalidInput: names the record and what is wrong with its patch.
    """
    try:
        return records_v1.PayloadPatch(
            id=unicode(patch.id),
            patch=payload_bytes(patch.patch),
            expected_sequence=_sequence(patch.expected_sequence),
        )
    except InvalidInput as error:
        raise InvalidInput(f"record {patch.id!r}: {error}") from error


def payload_bytes(payload: Mapping[str, Any]) -> bytes:
    """A payload as JSON.

    Raises:
        InvalidInput: JSON cannot hold it.
    """
    if not isinstance(cast(object, payload), Mapping):
        raise InvalidInput(f"payload is no JSON object but a {type(payload).__name__}; give a dict")
    try:
        return _JSON.encode(payload if type(payload) is dict else dict(payload)).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"payload is no JSON object: {error}") from error


def _sequence(expected: int | None) -> int | None:
    return None if expected is None else whole(expected, "expected_sequence", most=LARGEST_SEQUENCE)


def space_message(space: types.EmbeddingSpace) -> v1.EmbeddingSpace:
    """A space on the wire."""
    return v1.EmbeddingSpace(
        fingerprint=space.fingerprint,
        layer=space.layer,
        pooling=number_of(POOLINGS, space.pooling, "pooling"),
        dimensions=space.dimensions,
        normalize=space.normalize,
    )


def unicode(text: str) -> str:
    """A text, where the wire can hold it.

    Raises:
        InvalidInput: it is no str, or no Unicode.
    """
    if not isinstance(cast(object, text), str):
        raise InvalidInput(f"{text!r} is no str")
    # Text from files may hold lone surrogates, which UTF-8 cannot; protobuf's own error does not say which text.
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"text {text[:40]!r} is no Unicode: {error.reason} at {error.start}") from error
    return text


def whole(number: int, what: str, least: int = 0, most: int = _LARGEST) -> int:
    """A whole number, where the wire can hold it.

    Raises:
        InvalidInput: it is none, or out of range; names `what`.
    """
    if not isinstance(cast(object, number), (int, np.integer)) or not least <= number <= most:
        raise InvalidInput(f"{what} {number!r} is no whole number from {least} to {most}")
    return number


def number(value: float, what: str) -> float:
    """A number, where the wire can hold it.

    Raises:
        InvalidInput: it is none, or not finite; names `what`.
    """
    if not isinstance(cast(object, value), (int, float, np.integer, np.floating)) or not isfinite(value):
        raise InvalidInput(f"{what} {value!r} is no finite number")
    return value


def id_bytes(id: str) -> int:
    """Bytes of an id on the wire, with its tag and length."""
    return len(id.encode()) + 4


def encoder_path(name: str) -> str:
    """The wire's name of an encoder."""
    return f"encoders/{unicode(name)}"


def collection_path(name: str) -> str:
    """The wire's name of a collection."""
    return f"collections/{unicode(name)}"


def snapshot_path(name: str) -> str:
    """The wire's name of a snapshot."""
    return f"snapshots/{unicode(name)}"


def head_path(name: str) -> str:
    """The wire's name of a head."""
    return f"heads/{unicode(name)}"
