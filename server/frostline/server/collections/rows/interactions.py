"""Reading interactions: who did what with which record, how much it weighs, and when. Each is checked as it is read."""

import logging
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from frostline.server.collections.rows.checksums import interaction_crc
from frostline.server.errors import DataDamaged

KEYS_PER_COMMIT = 1 << 16
"""Interactions that one commit may hold: a key is the commit's sequence times this, and a place among them."""
_ROWS_AT_ONCE = 5_000

_DAMAGE = (TypeError, ValueError, AttributeError, struct.error)
_SELECT = (
    "SELECT interactions.key, users.id, record, kind, weight, time, crc "
    "FROM interactions LEFT JOIN users ON users.number = interactions.user"
)

_log = logging.getLogger(__name__)


class Interaction(NamedTuple):
    """A user's interaction with a record. No dataclass: those take three times as long to make.

    Attributes:
        user: the user's id.
        record: the record's id.
        kind: tells interactions of the same user and record apart; often empty.
        weight: finite; below 0 for dislike.
        time: seconds since the epoch.
        sequence: the commit that wrote it; 0 before it is written.
    """

    user: str
    record: str
    kind: str
    weight: float
    time: float
    sequence: int = 0


class Place(NamedTuple):
    """A place in a user's interactions, newest first.

    Attributes:
        time: of the interaction before it.
        key: likewise.
    """

    time: float
    key: int


class InteractionRows:
    """The interactions of one collection, seen through one connection. Damaged ones are logged and passed over.

    Args:
        connection: in a transaction where several calls must see the same.
        collection: its name, for the log.
    """

    def __init__(self, connection: sqlite3.Connection, collection: str) -> None:
        self._connection = connection
        self._collection = collection

    def of_user(self, user: str, limit: int, after: Place | None = None) -> tuple[list[Interaction], Place | None]:
        """Reads interactions of one user, newest first.

        Args:
            user: the user's id.
            limit: the most rows to read, at least 1.
            after: begins behind this place.

        Returns:
            The interactions, and where the next ones begin; None after the last.
        """
        where = "interactions.user = (SELECT number FROM users WHERE id = ?)"
        values: list[object] = [user]
        if after:
            where += " AND (time, key) < (?, ?)"
            values += after
        query = f"{_SELECT} WHERE {where} ORDER BY time DESC, key DESC LIMIT ?"
        rows = self._connection.execute(query, (*values, limit + 1)).fetchall()
        more = len(rows) > limit
        return self._sound(rows[:limit]), Place(rows[limit - 1][5], rows[limit - 1][0]) if more else None

    def after(self, key: int, limit: int) -> tuple[list[Interaction], int | None]:
        """Reads interactions of all users in the order they were last written.

        Args:
            key: begins behind this one; 0 for the first.
            limit: the most rows to read, at least 1.

        Returns:
            The interactions, and the key behind which the next ones begin; None after the last.
        """
        query = f"{_SELECT} WHERE interactions.key > ? ORDER BY interactions.key LIMIT ?"
        rows = self._connection.execute(query, (key, limit + 1)).fetchall()
        return self._sound(rows[:limit]), rows[limit - 1][0] if len(rows) > limit else None

    def since(self, sequence: int) -> Iterator[list[Interaction]]:
        """Reads interactions that were written after a commit, in the order they were last written.

        Yields:
            Some thousand at once. One that replaced another comes; that the other is gone is not told.
        """
        key: int | None = (sequence + 1) * KEYS_PER_COMMIT - 1
        while key is not None:
            interactions, key = self.after(key, _ROWS_AT_ONCE)
            if interactions:
                yield interactions

    def count(self, user: str = "") -> int:
        """Interactions there are; those of one user where one is named."""
        where = " WHERE user = (SELECT number FROM users WHERE id = ?)" if user else ""
        values = (user,) if user else ()
        return int(self._connection.execute(f"SELECT count(*) FROM interactions{where}", values).fetchone()[0])

    def user_count(self) -> int:
        """Users that have interactions."""
        return int(self._connection.execute("SELECT count(*) FROM users").fetchone()[0])

    def commits(self) -> tuple[int, int]:
        """The number of the last commit, and of the last that removed interactions; 0 where none did."""
        last, removed = self._connection.execute("SELECT sequence, interactions_removed FROM meta").fetchone()
        return last, removed

    def _sound(self, rows: Sequence[Sequence[Any]]) -> list[Interaction]:
        sound: list[Interaction] = []
        for row in rows:
            try:
                sound.append(_interaction(row))
            except DataDamaged as error:
                _log.error("collection %r: %s", self._collection, error)
        return sound


def _interaction(row: Sequence[Any]) -> Interaction:
    key, user, record, kind, weight, time, crc = row
    try:
        if crc == interaction_crc(key, user, record, kind, weight, time):
            return Interaction(user.decode(), record.decode(), kind.decode(), weight, time, key // KEYS_PER_COMMIT)
    except _DAMAGE:
        pass  # bits that flip in a row change the types of its columns
    named = repr(record.decode(errors="replace")[:80]) if isinstance(record, bytes) else "?"
    raise DataDamaged(
        f"interaction {key} with record {named} is damaged: it is not what was written; "  # users are not for logs
        "record it again, or delete those of its user; the others are served"
    )
