"""A Frostline server for the client's tests: the real generated servicers, in this process, with scripted faults."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from fake_encoders import FakeEncoders
from fake_recommendations import FakeRecommendations
from fake_transfer import FakeTransfer
from frostline.v1.collection_service_pb2_grpc import add_CollectionServiceServicer_to_server
from frostline.v1.encoder_service_pb2_grpc import add_EncoderServiceServicer_to_server
from frostline.v1.head_service_pb2_grpc import add_HeadServiceServicer_to_server
from frostline.v1.recommendation_service_pb2_grpc import add_RecommendationServiceServicer_to_server
from frostline.v1.record_service_pb2_grpc import add_RecordServiceServicer_to_server
from frostline.v1.search_service_pb2_grpc import add_SearchServiceServicer_to_server
from frostline.v1.snapshot_service_pb2_grpc import add_SnapshotServiceServicer_to_server


class FakeServer(FakeEncoders, FakeTransfer, FakeRecommendations):
    """Answers like a small server, and remembers.

    Attributes:
        target: where it answers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.target = ""


@contextmanager
def fake_server(
    address: str = "localhost:0", credentials: grpc.ServerCredentials | None = None
) -> Iterator[FakeServer]:
    """Runs a fake server on a free port."""
    fake = FakeServer()
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 4 * 1024 * 1024)]
    server = grpc.server(ThreadPoolExecutor(8), options=options)
    add_EncoderServiceServicer_to_server(fake, server)
    add_CollectionServiceServicer_to_server(fake, server)
    add_RecordServiceServicer_to_server(fake, server)
    add_SearchServiceServicer_to_server(fake, server)
    add_SnapshotServiceServicer_to_server(fake, server)
    add_HeadServiceServicer_to_server(fake, server)
    add_RecommendationServiceServicer_to_server(fake, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    fake.target = f"localhost:{port}"
    server.start()
    try:
        yield fake
    finally:
        server.stop(None).wait()
