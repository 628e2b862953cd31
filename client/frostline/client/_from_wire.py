"""Messages to plain types. What does not fit together is the server's fault: Internal."""

import json
from collections.abc import Iterable
from typing import Any, cast

import grpc
import numpy as np
from numpy.typing import NDArray

from frostline.client import resources, types
from frostline.client._names import MODALITIES, POOLINGS, name_of
from frostline.client.errors import FrostlineError, Internal, from_status
from frostline.v1 import embedding_pb2 as v1
from frostline.v1 import encoder_service_pb2 as encoders_v1
from frostline.v1 import record_service_pb2 as records_v1
from frostline.wire import tensors

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


def short(name: str) -> str:
    """`notes` of `collections/notes`."""
    return name.partition("/")[2]


def space_of(message: v1.EmbeddingSpace) -> types.EmbeddingSpace:
    """A space from the wire."""
    return types.EmbeddingSpace(
        fingerprint=message.fingerprint,
        layer=message.layer,
        pooling=name_of(POOLINGS, message.pooling),
        dimensions=message.dimensions,
        normalize=message.normalize,
    )


def timings_of(message: v1.Timings) -> types.Timings:
    """Timings from the wire."""
    return types.Timings(
        message.queue_seconds,
        message.prepare_seconds,
        message.inference_seconds,
        message.search_seconds,
        message.write_seconds,
    )


def errors_of(messages: Iterable[v1.ItemError], offset: int) -> dict[int, types.ItemError]:
    """Item errors by index, counted from the first item of the whole call."""
    return {
        offset + item.index: types.ItemError(
            offset + item.index, _STATUS_CODES.get(item.code, grpc.StatusCode.UNKNOWN), item.reason, item.message
        )
        for item in messages
    }


def exception_of(item: types.ItemError) -> FrostlineError:
    """The exception of a call whose only item failed."""
    return from_status(item.message, item.code, item.reason)


def rows_of(tensor: v1.Tensor, count: int) -> NDArray[np.float32]:
    """The vectors of an answer.

    Raises:
        Internal: they do not fit the request.
    """
    try:
        rows = tensors.decode(tensor)
    except ValueError as error:
        raise Internal(f"the server's answer cannot be read: {error}") from error
    if rows.ndim != 2 or len(rows) != count:
        raise Internal(f"the server answered vectors of shape {rows.shape} to {count} inputs")
    return rows


def record_of(message: records_v1.Record) -> types.Record:
    """A record from the wire."""
    vector = message.vector if message.HasField("vector") else None
    return types.Record(
        id=message.id,
        text=message.text if message.HasField("text") else None,
        image=message.image if message.HasField("image") else None,
        vector=_vector_of(vector) if vector else None,
        vectors={name: _vector_of(further) for name, further in message.vectors.items()},
        payload=payload_of(message.payload),
        space=space_of(vector.space) if vector and vector.HasField("space") else None,
        sequence=message.sequence,
    )


def encoder_of(message: encoders_v1.Encoder, checks: Iterable[encoders_v1.Check] = ()) -> resources.Encoder:
    """An encoder from the wire."""
    return resources.Encoder(
        name=short(message.name),
        modality=name_of(MODALITIES, message.modality),
        fingerprint=message.fingerprint,
        default_space=space_of(message.default_space),
        layers=tuple(resources.Layer(layer.name, layer.dimensions) for layer in message.layers),
        max_tokens=message.max_tokens,
        prompts=dict(message.prompts),
        license=message.license,
        source=message.source,
        device=message.device,
        size_bytes=message.size_bytes,
        checks=tuple(check_of(check) for check in checks),
    )


def check_of(message: encoders_v1.Check) -> resources.Check:
    """A check from the wire."""
    return resources.Check(message.name, message.passed, message.detail)


def payload_of(data: bytes) -> dict[str, Any]:
    """A payload from the wire."""
    return cast("dict[str, Any]", json.loads(data)) if data else {}


def _vector_of(message: v1.Vector) -> NDArray[np.float32]:
    return np.frombuffer(message.data, "<f4").astype(np.float32)
