"""Interactions over the wire."""

# ruff: noqa: D102 - what a method does stands in the proto

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from time import perf_counter

from frostline.server.api import convert, recommend_request
from frostline.server.api.calls import Context, deadline_of
from frostline.server.api.content_vectors import ContentVectors
from frostline.server.api.inputs import Waiting
from frostline.server.api.interaction_message import interaction_messages, interaction_of, seconds_of
from frostline.server.api.off_loop import off_loop
from frostline.server.api.pages import Page
from frostline.server.api.sequences import at_sequence
from frostline.server.api.status import item_error
from frostline.server.api.streams import WRITE_WINDOW, Turn, pipelined
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.interactions import check
from frostline.server.collections.rows.interactions import Interaction, Place
from frostline.server.collections.rows.operations import DeleteInteractions, Written
from frostline.server.errors import FrostlineError, InvalidInput
from frostline.server.recommendations.recommenders import Recommenders
from frostline.v1 import recommendation_service_pb2 as pb
from frostline.v1.recommendation_service_pb2_grpc import RecommendationServiceServicer

MOST_INTERACTIONS = 10_000
MOST_RECORDS = 10_000
MOST_KINDS = 100


class RecommendationService(RecommendationServiceServicer):
    """Keeps interactions and recommends; each method is described in `recommendation_service.proto`.

    Args:
        catalogue: the collections.
        recommenders: of the collections.
        contents: embeds texts and images among examples.
        closing: set when the server stops.
    """

    def __init__(
        self, catalogue: Catalogue, recommenders: Recommenders, contents: ContentVectors, closing: asyncio.Event
    ) -> None:
        self._catalogue = catalogue
        self._recommenders = recommenders
        self._contents = contents
        self._closing = closing

    async def RecordInteractions(
        self, request: pb.RecordInteractionsRequest, context: Context
    ) -> pb.RecordInteractionsResponse:
        return await _record(self._collection(request.collection), request)

    async def StreamRecordInteractions(
        self, request_iterator: AsyncIterator[pb.RecordInteractionsRequest], context: Context
    ) -> AsyncIterator[pb.RecordInteractionsResponse]:
        async def answer(request: pb.RecordInteractionsRequest, turn: Turn) -> pb.RecordInteractionsResponse:
            return await _record(self._collection(request.collection), request, turn)

        async for response in pipelined(request_iterator, answer, self._closing, WRITE_WINDOW):
            yield response

    async def ListInteractions(
        self, request: pb.ListInteractionsRequest, context: Context
    ) -> pb.ListInteractionsResponse:
        collection = self._collection(request.collection)
        read = _page_of_user if request.user else _page_of_all
        return await asyncio.to_thread(read, collection, request)

    async def DeleteInteractions(
        self, request: pb.DeleteInteractionsRequest, context: Context
    ) -> pb.DeleteInteractionsResponse:
        convert.at_most(len(request.records), MOST_RECORDS, "records")
        convert.at_most(len(request.kinds), MOST_KINDS, "kinds")
        conditions = DeleteInteractions(
            user=request.user,
            records=tuple(request.records),
            kinds=tuple(request.kinds),
            start=seconds_of(request.start_time, "start_time") if request.HasField("start_time") else None,
            end=seconds_of(request.end_time, "end_time") if request.HasField("end_time") else None,
            request_id=request.request_id,
        )
        collection = self._collection(request.collection)
        written = await asyncio.wrap_future(collection.interactions.delete(conditions))
        await self._forget(collection, written)
        return pb.DeleteInteractionsResponse(deleted_count=written.count, sequence=written.sequence)

    async def DeleteUser(self, request: pb.DeleteUserRequest, context: Context) -> pb.DeleteUserResponse:
        collection = self._collection(request.collection)
        written = await asyncio.wrap_future(collection.interactions.delete_user(request.user, request.request_id))
        await self._forget(collection, written)
        return pb.DeleteUserResponse(deleted_count=written.count, sequence=written.sequence)

    async def Recommend(self, request: pb.RecommendRequest, context: Context) -> pb.RecommendResponse:
        recommend_request.check(request)
        waiting = Waiting(deadline_of(context))
        sequence = max(request.min_sequence, request.min_learned_sequence)
        collection = await at_sequence(lambda: self._collection(request.collection), sequence, waiting)
        ask, timings = await recommend_request.asked(request, collection, self._contents, waiting)
        if request.min_learned_sequence:
            await self._recommenders.learned(collection, request.min_learned_sequence)
        started = perf_counter()
        answer = await asyncio.to_thread(self._recommenders.recommend, collection, ask)
        timings.search_seconds = perf_counter() - started
        return recommend_request.response(answer, timings)

    async def _forget(self, collection: Collection, deleted: Written) -> None:
        """Where nobody has asked for recommendations since the server started, nobody else removes what was learned."""
        if deleted.count:
            await asyncio.to_thread(self._recommenders.forget, collection)

    def _collection(self, name: str) -> Collection:
        return self._catalogue.get(convert.resource_id(name, "collections"))


async def _record(
    collection: Collection, request: pb.RecordInteractionsRequest, turn: Turn | None = None
) -> pb.RecordInteractionsResponse:
    convert.at_most(len(request.interactions), MOST_INTERACTIONS, "interactions")
    interactions, errors, digest = await off_loop(request, len(request.interactions), lambda: _read(request))
    if turn:
        await turn.come()
    written = Written(0, collection.sequence)
    writing = None
    if interactions:
        writing = collection.interactions.record(list(interactions.values()), request.request_id, digest)
    if turn:
        turn.over()
    if writing:
        written = await asyncio.wrap_future(writing)
    positions = list(interactions)
    # A repeated request is answered as it was, although fewer of its times may be in the future now.
    errors |= {positions[place]: error for place, error in written.errors.items() if place < len(positions)}
    return pb.RecordInteractionsResponse(
        recorded_count=written.count,
        errors=[item_error(index, error) for index, error in sorted(errors.items())],
        sequence=written.sequence,
    )


def _read(
    request: pb.RecordInteractionsRequest,
) -> tuple[dict[int, Interaction], dict[int, FrostlineError], bytes]:
    """By position, the interactions that are right and why the others are not; and the digest of the request."""
    now = time.time()
    interactions: dict[int, Interaction] = {}
    errors: dict[int, FrostlineError] = {}
    for index, message in enumerate(request.interactions):
        try:
            interaction = interaction_of(message, now)
            check(interaction, now)
            interactions[index] = interaction
        except FrostlineError as error:
            errors[index] = error
    digest = b""
    if request.request_id:  # of the request as it was sent: what has no time is given that of the server
        digest = hashlib.sha512(request.SerializeToString(deterministic=True)).digest()[:16]
    return interactions, errors, digest


def _page_of_all(collection: Collection, request: pb.ListInteractionsRequest) -> pb.ListInteractionsResponse:
    page = Page(request, start=0)
    found, following = collection.interactions.page(int(page.start), page.size)
    return pb.ListInteractionsResponse(
        interactions=interaction_messages(found),
        next_page_token="" if following is None else page.token(following),
        total_size=0 if request.page_token else collection.interactions.count(),
    )


def _page_of_user(collection: Collection, request: pb.ListInteractionsRequest) -> pb.ListInteractionsResponse:
    page = Page(request, start="")
    found, following = collection.interactions.of_user(request.user, page.size, _place(str(page.start)))
    return pb.ListInteractionsResponse(
        interactions=interaction_messages(found),
        next_page_token="" if following is None else page.token(f"{following.time.hex()} {following.key}"),
        total_size=0 if request.page_token else collection.interactions.count(request.user),
    )


def _place(position: str) -> Place | None:
    """A place as a page token holds it."""
    if not position:
        return None
    try:
        seconds, key = position.split()
        place = Place(float.fromhex(seconds), int(key))
    except (ValueError, OverflowError) as error:
        raise _nowhere(position) from error
    if not 0 <= place.key < 1 << 63:
        raise _nowhere(position)
    return place


def _nowhere(position: str) -> InvalidInput:
    return InvalidInput(f"page_token names no place in the list, but {position[:40]!r}; start again without it")
