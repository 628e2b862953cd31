"""Interactions, written once for both clients; documented where they are called, in `Client`."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing

from frostline.client._batches import cut, each
from frostline.client._caller import Caller, pages
from frostline.client._from_wire import errors_of
from frostline.client._interaction_messages import interaction_message, interaction_of, listed_kinds, timestamp
from frostline.client._to_wire import collection_path, id_bytes, not_alone, unicode
from frostline.client.errors import InvalidInput
from frostline.client.types import Deleted, Interaction, ItemError, Recorded
from frostline.v1 import interaction_pb2 as interactions_v1
from frostline.v1 import recommendation_service_pb2 as v1

_MOST = 10_000  # records that a server takes at once
_PAGE = 1_000


class InteractionCalls(Caller):
    """Records, lists and deletes interactions."""

    async def record_interactions(
        self,
        collection: str,
        interactions: Iterable[Interaction] | AsyncIterable[Interaction],
        *,
        batch_size: int = 1000,
        timeout_seconds: float | None = None,
    ) -> Recorded:
        """Records interactions; see `Client.record_interactions`."""
        not_alone(interactions)
        asked = count = sequence = 0
        errors: dict[int, ItemError] = {}
        stubs = self._transport.recommendations
        requests = _requests(collection, interactions, batch_size)
        async with aclosing(
            self._call_or_stream(stubs.RecordInteractions, stubs.StreamRecordInteractions, requests, timeout_seconds)
        ) as answers:
            async for request, answer in answers:
                errors.update(errors_of(answer.errors, offset=asked))
                asked += len(request.interactions)
                count += answer.recorded_count
                sequence = answer.sequence
        return Recorded(count, errors, sequence)

    async def list_interactions(
        self, collection: str, *, user: str | None = None, timeout_seconds: float | None = None
    ) -> AsyncGenerator[Interaction]:
        """Goes through interactions; see `Client.list_interactions`."""
        request = v1.ListInteractionsRequest(collection=collection_path(collection), user=_user(user), page_size=_PAGE)

        async def page_of(token: str) -> v1.ListInteractionsResponse:
            request.page_token = token
            return await self._call(self._transport.recommendations.ListInteractions, request, timeout_seconds)

        async for page in pages(page_of):
            for interaction in page.interactions:
                yield interaction_of(interaction)

    async def count_interactions(
        self, collection: str, *, user: str | None = None, timeout_seconds: float | None = None
    ) -> int:
        """Counts interactions; see `Client.count_interactions`."""
        request = v1.ListInteractionsRequest(collection=collection_path(collection), user=_user(user), page_size=1)
        answer = await self._call(self._transport.recommendations.ListInteractions, request, timeout_seconds)
        return answer.total_size

    async def delete_interactions(
        self,
        collection: str,
        *,
        user: str | None = None,
        records: Iterable[str] | None = None,
        kinds: Iterable[str] | None = None,
        start: float | None = None,
        end: float | None = None,
        timeout_seconds: float | None = None,
    ) -> Deleted:
        """Deletes interactions; see `Client.delete_interactions`."""
        not_alone(records)
        not_alone(kinds)
        if user is None and start is None and end is None:
            raise InvalidInput("name a user, a start or an end; delete_user deletes everything of a user")
        count = sequence = 0
        async for batch in cut(each(map(unicode, records or ())), _MOST, id_bytes):
            if records is not None and not batch:
                break  # none of no records; the server would take them for all
            request = v1.DeleteInteractionsRequest(
                collection=collection_path(collection),
                user=_user(user),
                records=batch,
                kinds=listed_kinds(kinds),
                start_time=None if start is None else timestamp(start, "start"),
                end_time=None if end is None else timestamp(end, "end"),
                request_id=uuid.uuid4().hex,
            )
            answer = await self._call(self._transport.recommendations.DeleteInteractions, request, timeout_seconds)
            count += answer.deleted_count
            sequence = max(sequence, answer.sequence)
        return Deleted(count, sequence)

    async def delete_user(self, collection: str, user: str, *, timeout_seconds: float | None = None) -> Deleted:
        """Deletes everything of a user; see `Client.delete_user`."""
        request = v1.DeleteUserRequest(
            collection=collection_path(collection), user=unicode(user), request_id=uuid.uuid4().hex
        )
        answer = await self._call(self._transport.recommendations.DeleteUser, request, timeout_seconds)
        return Deleted(answer.deleted_count, answer.sequence)


async def _requests(
    collection: str, interactions: Iterable[Interaction] | AsyncIterable[Interaction], batch_size: int
) -> AsyncIterator[v1.RecordInteractionsRequest]:
    messages = (interaction_message(interaction) async for interaction in each(interactions))
    async for batch in cut(messages, batch_size, interactions_v1.Interaction.ByteSize):
        # The request id is chosen here, once, and so outlives retries.
        yield v1.RecordInteractionsRequest(
            collection=collection_path(collection), interactions=batch, request_id=uuid.uuid4().hex
        )


def _user(user: str | None) -> str:
    """A user who may not be named; an empty name, which would mean all users, is a mistake.

    Raises:
        InvalidInput: the name is empty, or no Unicode.
    """
    if user == "":
        raise InvalidInput("user is empty; give the user's id, or None for all users")
    return "" if user is None else unicode(user)
