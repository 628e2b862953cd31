"""A real server inside the test's own event loop, for tests that look into it or need no process."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import grpc

from frostline.server.app import App
from frostline.server.settings import Settings
from frostline.v1.collection_service_pb2_grpc import CollectionServiceStub
from frostline.v1.encoder_service_pb2_grpc import EncoderServiceStub
from frostline.v1.head_service_pb2_grpc import HeadServiceStub
from frostline.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from frostline.v1.record_service_pb2_grpc import RecordServiceStub
from frostline.v1.search_service_pb2_grpc import SearchServiceStub
from frostline.v1.snapshot_service_pb2_grpc import SnapshotServiceStub

_STUBS = (
    EncoderServiceStub,
    CollectionServiceStub,
    RecordServiceStub,
    SearchServiceStub,
    SnapshotServiceStub,
    HeadServiceStub,
    RecommendationServiceStub,
)


def all_calls(channel):
    """The methods of all services in one place: their names are all different."""
    calls = SimpleNamespace()
    for stub in _STUBS:
        vars(calls).update(vars(stub(channel)))
    return calls


@asynccontextmanager
async def open_server(data_dir, **settings):
    """Yields `calls` (the methods of all services), `channel`, `app` and `data_dir`."""
    async with App(Settings(**{"port": 0, "data_dir": data_dir, "encoders": (), "threads": 1, **settings})) as app:
        async with grpc.aio.insecure_channel(app.target, options=[("grpc.max_receive_message_length", -1)]) as channel:
            yield SimpleNamespace(app=app, channel=channel, calls=all_calls(channel), data_dir=data_dir)
