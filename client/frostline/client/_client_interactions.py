"""The part of `Client` that records, lists and deletes interactions."""

from collections.abc import Iterable, Iterator

from frostline.client._blocking import iterate, run
from frostline.client._operations import Operations
from frostline.client.types import Deleted, Interaction, Recorded


class InteractionMethods:
    """Records, lists and deletes interactions."""

    _operations: Operations

    def record_interactions(
        self,
        collection: str,
        interactions: Iterable[Interaction],
        *,
        batch_size: int = 1000,
        timeout_seconds: float | None = None,
    ) -> Recorded:
        """Records what users did with records. What is answered is as durable as the collection says.

        An interaction replaces the earlier one of the same user, record and kind, so that recording again what was
        recorded changes nothing.

        Args:
            collection: its name.
            interactions: read as they are sent, so that they need not fit in memory.
            batch_size: the most interactions in one request, at most 10,000; each request is one commit.
            timeout_seconds: see `Client`.

        Returns:
            How many were recorded; an interaction that was refused is in `errors` and does not stop the others.

        Raises:
            InvalidInput: an interaction cannot be sent: names it. Batches before it may be recorded.
            NotFound: there is no such collection.
        """
        return run(
            self._operations.record_interactions(
                collection, interactions, batch_size=batch_size, timeout_seconds=timeout_seconds
            )
        )

    def list_interactions(
        self, collection: str, *, user: str | None = None, timeout_seconds: float | None = None
    ) -> Iterator[Interaction]:
        """Goes through interactions; asks for them as they are iterated over.

        Args:
            collection: its name.
            user: whose, newest first; all users' when None, in the order they were last written.
            timeout_seconds: see `Client`.

        Raises:
            NotFound: there is no such collection.
        """
        return iterate(self._operations.list_interactions(collection, user=user, timeout_seconds=timeout_seconds))

    def count_interactions(
        self, collection: str, *, user: str | None = None, timeout_seconds: float | None = None
    ) -> int:
        """Counts the interactions of a user, or of all when None.

        Raises:
            NotFound: there is no such collection.
        """
        return run(self._operations.count_interactions(collection, user=user, timeout_seconds=timeout_seconds))

    def delete_interactions(
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
        """Deletes the interactions that meet all conditions; a user, a start or an end is required.

        Args:
            collection: its name.
            user: whose; all users' when None.
            records: ids of their records; those with any record when None.
            kinds: their kinds; those of any kind when None.
            start: the earliest time, in seconds since the epoch.
            end: the time before which they happened, in seconds since the epoch.
            timeout_seconds: see `Client`.

        Returns:
            How many were deleted.

        Raises:
            InvalidInput: no user and no time is named.
            NotFound: there is no such collection.
        """
        return run(
            self._operations.delete_interactions(
                collection,
                user=user,
                records=records,
                kinds=kinds,
                start=start,
                end=end,
                timeout_seconds=timeout_seconds,
            )
        )

    def delete_user(self, collection: str, user: str, *, timeout_seconds: float | None = None) -> Deleted:
        """Deletes everything of a user. What is guaranteed of the disk stands in docs/recommendations.md.

        Args:
            collection: its name.
            user: the user's id; where nothing is known of them, nothing is deleted.
            timeout_seconds: see `Client`.

        Returns:
            How many interactions were deleted.

        Raises:
            NotFound: there is no such collection.
        """
        return run(self._operations.delete_user(collection, user, timeout_seconds=timeout_seconds))
