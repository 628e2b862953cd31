"""Short ways to write messages and to read errors, for tests that speak to the server without the client."""

import io
import json

import grpc
import numpy as np
import pytest
from PIL import Image

from frostline.v1 import collection_pb2, record_service_pb2, search_service_pb2
from frostline.v1 import collection_service_pb2 as c
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import encoder_service_pb2 as e
from frostline.v1.error_pb2 import ErrorDetail
from frostline.wire import tensors
from frostline.wire.reasons import TRAILER


def embed_request(*inputs, encoder="tiny", **options) -> e.EmbedRequest:
    """Inputs are texts, bytes of images, or vectors."""
    return e.EmbedRequest(
        encoder=f"encoders/{encoder}", inputs=map(content, inputs), options=pb.EmbedOptions(**options)
    )


def content(value, kind=pb.Input):
    if isinstance(value, str):
        return kind(text=value)
    if isinstance(value, bytes):
        return kind(image=value)
    if isinstance(value, kind):
        return value
    return kind(vector=vector(value))


def vector(values, space=None) -> pb.Vector:
    return pb.Vector(data=np.asarray(values, "<f4").tobytes(), space=space)


def record(record_id, text=None, *, image=None, vector=None, **more) -> record_service_pb2.Record:
    """`vector` holds numbers; `vectors` may, by name."""
    if vector is not None:
        more["vector"] = vector_message(vector)
    if "vectors" in more:
        more["vectors"] = {name: vector_message(each) for name, each in more["vectors"].items()}
    return record_service_pb2.Record(id=record_id, text=text, image=image, **more)


def vector_message(values) -> pb.Vector:
    return values if isinstance(values, pb.Vector) else vector(values)


def upsert_request(*records, collection="notes", **more) -> record_service_pb2.UpsertRecordsRequest:
    return record_service_pb2.UpsertRecordsRequest(collection=f"collections/{collection}", records=records, **more)


def search_request(*queries, collection="notes", **more) -> search_service_pb2.SearchRecordsRequest:
    return search_service_pb2.SearchRecordsRequest(
        collection=f"collections/{collection}",
        queries=[content(each, search_service_pb2.Query) for each in queries],
        **more,
    )


def create_request(collection_id="notes", **fields) -> c.CreateCollectionRequest:
    """Fields of the collection; those of a vector make the only one, where `vectors` are not given."""
    names = collection_pb2.VectorField.DESCRIPTOR.fields_by_name.keys()
    vector = {name: fields.pop(name) for name in list(fields) if name in names}
    fields.setdefault("vectors", [collection_pb2.VectorField(**vector)])
    return c.CreateCollectionRequest(collection_id=collection_id, collection=collection_pb2.Collection(**fields))


def filtered(expression, **parameters) -> record_service_pb2.Filter:
    """A filter; parameters are Python values."""
    encoded = {name: json.dumps(value).encode() for name, value in parameters.items()}
    return record_service_pb2.Filter(expression=expression, parameters=encoded)


def rows(response: e.EmbedResponse):
    return tensors.decode(response.embeddings)


def hits(response: search_service_pb2.SearchRecordsResponse) -> list[list[str]]:
    ids = iter(response.ids)
    return [[next(ids) for _ in range(count)] for count in response.hit_counts]


def detail(error) -> ErrorDetail:
    return ErrorDetail.FromString(dict(error.trailing_metadata())[TRAILER])


def item_errors(response) -> dict[int, str]:
    return {error.index: error.reason for error in response.errors}


async def refused(call) -> grpc.aio.AioRpcError:
    """The error a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value


def picture(seed: int = 0) -> bytes:
    """A PNG file of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


async def until_error(stream, kind=grpc.aio.AioRpcError):
    """What a stream answers, and the error it ends with."""
    answers = []
    try:
        async for answer in stream:
            answers.append(answer)
    except kind as error:
        return answers, error
    raise AssertionError(f"the stream ended well, with {len(answers)} answers")
