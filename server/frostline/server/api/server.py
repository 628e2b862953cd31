"""The gRPC server around the services: ports, limits, health, reflection."""

import asyncio
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from frostline.server.api.additions import Additions
from frostline.server.api.addresses import listening_address
from frostline.server.api.calls import CallInterceptor
from frostline.server.api.collection_requests import CollectionRequests
from frostline.server.api.collection_service import CollectionService
from frostline.server.api.comparison_questions import ComparisonQuestions
from frostline.server.api.comparisons import Comparisons
from frostline.server.api.content_vectors import ContentVectors
from frostline.server.api.encoder_service import EncoderService
from frostline.server.api.head_changes import HeadChanges
from frostline.server.api.head_examples import ExampleReader
from frostline.server.api.head_places import Places
from frostline.server.api.head_predictions import HeadPredictions
from frostline.server.api.head_questions import HeadQuestions
from frostline.server.api.head_service import HeadService
from frostline.server.api.judging import Judging
from frostline.server.api.recommendation_service import RecommendationService
from frostline.server.api.record_predictions import RecordPredictions
from frostline.server.api.record_service import RecordService
from frostline.server.api.request_bytes import RequestBytes
from frostline.server.api.search_lane import SearchLane
from frostline.server.api.search_service import SearchService
from frostline.server.api.searches import Searches
from frostline.server.api.snapshot_service import SnapshotService
from frostline.server.api.trainings import Trainings
from frostline.server.api.transfer import Transfer
from frostline.server.api.upserts import RecordWriter
from frostline.server.batching.batcher import Batcher
from frostline.server.collections.catalogue import Catalogue
from frostline.server.encoders.registry import Registry
from frostline.server.heads.store import Heads
from frostline.server.heads.workshop import Workshop
from frostline.server.recommendations.recommenders import Recommenders
from frostline.server.security.administrators import Administrators
from frostline.server.security.certificates import Certificate
from frostline.v1.collection_service_pb2_grpc import add_CollectionServiceServicer_to_server
from frostline.v1.encoder_service_pb2_grpc import add_EncoderServiceServicer_to_server
from frostline.v1.head_service_pb2_grpc import add_HeadServiceServicer_to_server
from frostline.v1.recommendation_service_pb2_grpc import add_RecommendationServiceServicer_to_server
from frostline.v1.record_service_pb2_grpc import add_RecordServiceServicer_to_server
from frostline.v1.search_service_pb2_grpc import add_SearchServiceServicer_to_server
from frostline.v1.snapshot_service_pb2_grpc import add_SnapshotServiceServicer_to_server

SERVICES = (
    "frostline.v1.EncoderService",
    "frostline.v1.CollectionService",
    "frostline.v1.RecordService",
    "frostline.v1.SearchService",
    "frostline.v1.SnapshotService",
    "frostline.v1.HeadService",
    "frostline.v1.RecommendationService",
)

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the services speak to.

    Attributes:
        registry: the encoders.
        catalogue: the collections.
        batcher: runs encoders.
        additions: adds encoders.
        heads: the heads.
        workshop: makes them.
        recommenders: recommend.
        administrators: who may add, verify and delete encoders.
    """

    registry: Registry
    catalogue: Catalogue
    batcher: Batcher
    additions: Additions
    heads: Heads
    workshop: Workshop
    recommenders: Recommenders
    administrators: Administrators


class GrpcServer:
    """Serves over gRPC. Belongs to the event loop it is made in.

    Args:
        rooms: what the services speak to.
        max_message_bytes: largest request and answer.
        max_request_bytes: of requests in work at once.
    """

    def __init__(self, rooms: Rooms, max_message_bytes: int, max_request_bytes: int) -> None:
        self._calls = CallInterceptor(max_message_bytes, RequestBytes(max_request_bytes))
        self._closing = asyncio.Event()
        self._health = health.HealthServicer()
        self._lane = SearchLane()
        self._trainings = Trainings(self._closing)
        self._workshop = rooms.workshop
        self._recommenders = rooms.recommenders
        # Messages up to twice the limit are still read, so that the answer can say which setting they are above.
        self._server = grpc.aio.server(
            interceptors=(self._calls,),
            options=(
                ("grpc.max_receive_message_length", 2 * max_message_bytes - 1),
                ("grpc.max_send_message_length", -1),  # answers are checked before they are sent
                ("grpc.so_reuseport", 0),  # else a second server would take half of the first one's calls
            ),
        )
        self._add_services(rooms)

    async def start(self, host: str, port: int, certificate: Certificate | None = None) -> int:
        """Listens; the services are not healthy before `ready`.

        Args:
            host: address to listen on, or `unix:` and the path of a socket.
            port: port to listen on; 0 takes a free one.
            certificate: for TLS; None for none.

        Returns:
            The port.

        Raises:
            InvalidInput: the address cannot be listened on.
        """
        for service in ("", *SERVICES):
            await self._health.set(service, _NOT_SERVING)
        address = listening_address(host, port)
        if certificate:
            credentials = grpc.ssl_server_credentials([(certificate.key, certificate.chain)])
            taken = self._server.add_secure_port(address, credentials)
        else:
            taken = self._server.add_insecure_port(address)
        await self._server.start()
        return taken

    async def ready(self) -> None:
        """Says that the services are healthy."""
        for service in ("", *SERVICES):
            await self._health.set(service, _SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Takes no more calls and finishes those under way.

        Args:
            grace_seconds: how long it waits for them; what is not done then is broken off.
        """
        await self._health.enter_graceful_shutdown()
        self._closing.set()
        stopping = asyncio.ensure_future(self._server.stop(grace_seconds))
        idle = asyncio.ensure_future(self._calls.idle())
        await asyncio.wait((stopping, idle), return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._server.stop(None)  # health watches and the like never end by themselves
        await stopping
        self._workshop.close()
        await asyncio.to_thread(self._recommenders.close)
        await self._trainings.close()
        await asyncio.to_thread(self._lane.close)

    def _add_services(self, rooms: Rooms) -> None:
        encoders_in_use = asyncio.Lock()
        catalogue, contents = rooms.catalogue, ContentVectors(rooms.registry, rooms.batcher)
        encoder_service = EncoderService(
            rooms.registry,
            catalogue,
            rooms.heads,
            rooms.batcher,
            rooms.additions,
            rooms.administrators,
            encoders_in_use,
            self._closing,
        )
        collection_service = CollectionService(catalogue, CollectionRequests(rooms.registry), encoders_in_use)
        add_EncoderServiceServicer_to_server(encoder_service, self._server)
        add_CollectionServiceServicer_to_server(collection_service, self._server)
        add_RecordServiceServicer_to_server(
            RecordService(catalogue, RecordWriter(contents), self._closing), self._server
        )
        searches = Searches(contents, self._lane)
        add_SearchServiceServicer_to_server(SearchService(catalogue, searches, self._closing), self._server)
        add_SnapshotServiceServicer_to_server(SnapshotService(catalogue, encoders_in_use), self._server)
        add_RecommendationServiceServicer_to_server(
            RecommendationService(catalogue, rooms.recommenders, contents, self._closing), self._server
        )
        places = Places(rooms.registry, catalogue)
        reader = ExampleReader(places, rooms.batcher)
        changes = HeadChanges(rooms.heads, rooms.workshop, places, reader, self._trainings, encoders_in_use)
        judging = Judging(rooms.workshop, self._closing)
        head_service = HeadService(
            rooms.heads,
            rooms.workshop,
            rooms.registry,
            self._trainings,
            changes,
            HeadPredictions(rooms.heads, judging, reader),
            HeadQuestions(rooms.heads, judging, places, reader),
            Transfer(judging, places, reader),
            Comparisons(ComparisonQuestions(rooms.registry, places), rooms.batcher, judging),
            RecordPredictions(rooms.heads, catalogue, self._closing),
        )
        add_HeadServiceServicer_to_server(head_service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
