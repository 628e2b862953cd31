"""The interactions of a collection: what users did with its records, durable once acknowledged."""

import contextlib
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from frostline.server.collections import validation
from frostline.server.collections.rows import interaction_totals
from frostline.server.collections.rows.database import Readers
from frostline.server.collections.rows.interaction_totals import Totals
from frostline.server.collections.rows.interactions import Interaction, InteractionRows, Place
from frostline.server.collections.rows.operations import DeleteInteractions, DeleteUser, RecordInteractions, Written
from frostline.server.collections.rows.writer import Writer
from frostline.server.errors import InvalidInput

MAX_WEIGHT = 1e9
"""The largest weight, so that sums of products stay finite."""
MAX_AHEAD_SECONDS = 300.0
"""How far clocks may be ahead of the server's."""


def check(interaction: Interaction, now: float) -> None:
    """Checks an interaction, all but whether its record exists.

    Args:
        interaction: as it came.
        now: seconds since the epoch.

    Raises:
        InvalidInput: an id or the kind is empty or too long, the weight is not finite or too large, or the time is in
            the future.
    """
    validation.check_id(interaction.user, "user id")
    validation.check_id(interaction.record)
    validation.check_kind(interaction.kind)
    if not math.isfinite(interaction.weight):
        raise InvalidInput(f"weight is {interaction.weight}; give a finite number, below 0 for dislike")
    if abs(interaction.weight) > MAX_WEIGHT:
        raise InvalidInput(f"weight {interaction.weight:g} is out of range; scale it to at most {MAX_WEIGHT:g}")
    ahead = interaction.time - now
    if not ahead <= MAX_AHEAD_SECONDS:  # nor NaN
        raise InvalidInput(
            f"time {interaction.time:.0f} is {ahead:.0f} seconds in the future, {MAX_AHEAD_SECONDS:.0f} are let "
            "through; give seconds since 1970, not milliseconds, or no time for now"
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """Interactions as of one commit, for whatever is derived from them.

    Attributes:
        sequence: the commit.
        anew: whether all interactions come, since some were removed since the commit that was asked for; what was
            derived before holds no more.
        chunks: the interactions, in the order they were last written; to be read before the transaction ends. One of
            the same user, record and kind as an earlier one replaces it.
    """

    sequence: int
    anew: bool
    chunks: Iterator[list[Interaction]]


class Interactions:
    """What users did with the records of one collection. All methods but those with futures block.

    An interaction has a user, a record and a kind, and replaces the earlier one of the same three. It lives as long as
    its record: written again, a record keeps its interactions; deleted, it takes them with it in the same commit.

    Args:
        readers: of the collection.
        writer: likewise.
        name: says what the collection is called now, for the log.
    """

    def __init__(self, readers: Readers, writer: Writer, name: Callable[[], str]) -> None:
        self._readers = readers
        self._writer = writer
        self._name = name

    def record(
        self, interactions: Sequence[Interaction], request_id: str = "", digest: bytes = b""
    ) -> "Future[Written]":
        """Writes interactions; of the same user, record and kind the last stays.

        Args:
            interactions: checked by the caller as `check` does, once, where each can be refused alone.
            request_id: as in `Collection.upsert`.
            digest: of the request as it was sent, likewise.

        Returns:
            The answer, once they are as durable as the collection says. Those whose records do not exist are errors of
            their items.

        Raises:
            InvalidInput: the request id is too long.
            ShuttingDown: the collection is closed.
        """
        validation.check_request_id(request_id)
        return self._writer.submit(RecordInteractions(tuple(interactions), request_id, digest))

    def delete(self, conditions: DeleteInteractions) -> "Future[Written]":
        """Deletes the interactions that meet all conditions, and users who have no other.

        Raises:
            InvalidInput: neither a user nor a time is named, or something that is named is not right.
            ShuttingDown: the collection is closed.
        """
        validation.check_request_id(conditions.request_id)
        if not conditions.user and conditions.start is None and conditions.end is None:
            raise InvalidInput(
                "neither a user nor a time is named; say whose interactions, or of which time, to delete"
            )
        if conditions.user:
            validation.check_id(conditions.user, "user id")
        for record_id in conditions.records:
            validation.check_id(record_id)
        for kind in conditions.kinds:
            validation.check_kind(kind)
        return self._writer.submit(conditions)

    def delete_user(self, user: str, request_id: str = "") -> "Future[Written]":
        """Deletes everything of a user; how it is overwritten on disk stands in `rows.scrubbing`.

        Raises:
            InvalidInput: the id of the user or of the request is not right.
            ShuttingDown: the collection is closed.
        """
        validation.check_request_id(request_id)
        validation.check_id(user, "user id")
        return self._writer.submit(DeleteUser(user, request_id))

    def of_user(self, user: str, limit: int, after: Place | None = None) -> tuple[list[Interaction], Place | None]:
        """Reads interactions of one user, newest first; see `InteractionRows.of_user`."""
        with self._rows() as rows:
            return rows.of_user(user, limit, after)

    def page(self, after: int, limit: int) -> tuple[list[Interaction], int | None]:
        """Reads interactions in the order they were last written; see `InteractionRows.after`."""
        with self._rows() as rows:
            return rows.after(after, limit)

    def count(self, user: str = "") -> int:
        """Interactions there are; those of one user where one is named."""
        with self._rows() as rows:
            return rows.count(user)

    def user_count(self) -> int:
        """Users that have interactions."""
        with self._rows() as rows:
            return rows.user_count()

    def totals(self, half_lives: Sequence[float], reference: float = -math.inf) -> Totals:
        """Adds up all interactions by record, in one transaction; see `interaction_totals.read`.

        What commits tell after its sequence can be counted in: `Commit.recorded` added, `Commit.erased` taken off.
        """
        with self._readers.connection() as connection:
            connection.execute("BEGIN")
            return interaction_totals.read(connection, half_lives, reference)

    @contextlib.contextmanager
    def since(self, sequence: int) -> Generator[Recorded]:
        """Reads what was recorded after a commit; everything where something was removed after it.

        Args:
            sequence: of the commit that was derived at; 0 for none.
        """
        with self._rows() as rows:
            last, removed = rows.commits()
            anew = removed > sequence
            yield Recorded(last, anew, rows.since(0 if anew else sequence))

    @contextlib.contextmanager
    def _rows(self) -> Generator[InteractionRows]:
        with self._readers.connection() as connection:
            connection.execute("BEGIN")
            yield InteractionRows(connection, self._name())
