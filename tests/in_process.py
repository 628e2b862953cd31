"""A real server inside the test's own event loop, for tests that look into it or need no process."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import grpc

from frostline.server.app import App
from frostline.server.settings import Settings
from frostline.v1.collection_service_pb2_grpc import CollectionServiceStub
from frostline.v1.encoder_service_pb2_grpc import EncoderServiceStub


@asynccontextmanager
async def open_server(data_dir, **settings):
    """Yields `encoders` and `collections` (stubs), `channel`, `app` and `data_dir`."""
    async with App(Settings(**{"port": 0, "data_dir": data_dir, "encoders": (), **settings})) as app:
        async with grpc.aio.insecure_channel(app.target, options=[("grpc.max_receive_message_length", -1)]) as channel:
            yield SimpleNamespace(
                app=app,
                channel=channel,
                encoders=EncoderServiceStub(channel),
                collections=CollectionServiceStub(channel),
                data_dir=data_dir,
            )
