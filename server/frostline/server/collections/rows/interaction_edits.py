"""What operations do to interactions, item by item."""

import contextlib
import json
import sqlite3
from collections.abc import Generator, Iterator, Sequence, Set
from typing import Any

from frostline.server.collections.rows.checksums import interaction_crc
from frostline.server.collections.rows.commit import Erased
from frostline.server.collections.rows.database import SECURE_DELETE, placeholders
from frostline.server.collections.rows.interactions import KEYS_PER_COMMIT, Interaction
from frostline.server.collections.rows.operations import DeleteInteractions
from frostline.server.errors import FrostlineError, NotFound

# Not INSERT OR REPLACE: inside a savepoint SQLite keeps a copy of each page for every row of it, which is far slower.
_ASKED_AT_ONCE = 64
_FIND = (
    f"WITH asked (record, user, kind) AS (VALUES {', '.join(['(?, ?, ?)'] * _ASKED_AT_ONCE)}) "
    "SELECT key, interactions.record, interactions.kind, weight, time FROM asked CROSS JOIN interactions "
    "ON interactions.record = asked.record AND interactions.user = asked.user AND interactions.kind = asked.kind"
)
_INSERT = "INSERT INTO interactions VALUES (?, ?, ?, ?, ?, ?, ?)"


class InteractionEdit:
    """One operation on the interactions.

    Args:
        connection: in a transaction.
        sequence: of the operation.
    """

    def __init__(self, connection: sqlite3.Connection, sequence: int) -> None:
        self._connection = connection
        self._sequence = sequence

    def record(
        self, interactions: Sequence[Interaction]
    ) -> tuple[list[Interaction], Erased, dict[int, FrostlineError]]:
        """Writes interactions, replacing those of the same user, record and kind; of equal ones the last stays.

        Args:
            interactions: checked; at most `KEYS_PER_COMMIT`.

        Returns:
            Those that were written, those they replaced, and which were refused, by position: those whose records do
            not exist.
        """
        known = self._known({each.record for each in interactions})
        accepted: dict[tuple[str, str, str], tuple[int, Interaction]] = {}
        errors: dict[int, FrostlineError] = {}
        for position, each in enumerate(interactions):
            if each.record in known:
                accepted[each[:3]] = self._sequence * KEYS_PER_COMMIT + position, each
            else:
                name = repr(each.record[:80])
                errors[position] = NotFound(f"record {name} does not exist; write it before interactions with it")
        rows = sorted(accepted.values())
        return [each for _, each in rows], self._write(rows), errors

    def delete(self, conditions: DeleteInteractions) -> tuple[int, list[Erased]]:
        """Deletes the interactions that meet all conditions, and users who have no other.

        Returns:
            How many interactions, and what they were.
        """
        with self._overwriting():
            pieces = [self._delete(where, values) for where, values in _pieces(conditions)]
        return sum(count for count, _ in pieces), [erased for count, erased in pieces if count]

    def delete_of_records(self, internal_ids: Sequence[int]) -> tuple[int, list[Erased]]:
        """Deletes the interactions with records that are about to be deleted, and users who have no other.

        Returns:
            As of `delete`.
        """
        listed = (json.dumps(list(internal_ids)),)
        ids = "SELECT id FROM records WHERE internal_id IN (SELECT value FROM json_each(?))"
        with self._overwriting():
            count, erased = self._delete(f"record IN ({ids})", listed)
        return count, [erased] if count else []

    def _write(self, rows: Sequence[tuple[int, Interaction]]) -> Erased:
        """Writes interactions under their keys; what they replaced."""
        numbers = self._numbers(rows)
        replaced = self._replaced([(each.record, numbers[each.user], each.kind) for _, each in rows])
        self._connection.executemany("DELETE FROM interactions WHERE key = ?", ((key,) for key, *_ in replaced))
        self._connection.executemany(
            _INSERT,
            (
                (key, numbers[each.user], each.record, each.kind, each.weight, each.time, _crc(key, each))
                for key, each in rows
            ),
        )
        return Erased.of((record, kind, weight, time) for _, record, kind, weight, time in replaced)

    def _replaced(self, asked: Sequence[tuple[str, int, str]]) -> list[tuple[Any, ...]]:
        """Key, record, kind, weight and time of the interactions with these records, users and kinds."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            values = [value for each in asked[start : start + _ASKED_AT_ONCE] for value in each]
            found += self._connection.execute(_FIND, values + [None] * (3 * _ASKED_AT_ONCE - len(values)))
        return found

    def _numbers(self, rows: Sequence[tuple[int, Interaction]]) -> dict[str, int]:
        """Numbers of users by id; those who have none yet get one."""
        numbers: dict[str, int] = {}
        for marks, chunk in placeholders(list({each.user for _, each in rows})):
            found = self._connection.execute(f"SELECT id, number FROM users WHERE id IN ({marks})", chunk)
            numbers.update((label.decode(), number) for label, number in found)
        new: dict[str, int] = {}
        for key, each in rows:
            if each.user not in numbers:
                new.setdefault(each.user, key)
        self._connection.executemany("INSERT INTO users (id, number) VALUES (?, ?)", new.items())
        return numbers | new

    def _known(self, ids: Set[str]) -> set[str]:
        """Those of the ids that records have."""
        return {
            label.decode()
            for marks, chunk in placeholders(list(ids))
            for (label,) in self._connection.execute(f"SELECT id FROM records WHERE id IN ({marks})", chunk)
        }

    def _delete(self, where: str, values: Sequence[object]) -> tuple[int, Erased]:
        users = set[tuple[int]]()

        def seen() -> Iterator[tuple[Any, ...]]:
            query = f"SELECT user, record, kind, weight, time FROM interactions WHERE {where}"
            for user, *row in self._connection.execute(query, values):
                users.add((user,))
                yield tuple(row)

        erased = Erased.of(seen())
        if not users:
            return 0, erased
        count = self._connection.execute(f"DELETE FROM interactions WHERE {where}", values).rowcount
        gone = "DELETE FROM users WHERE number = ?1 AND NOT EXISTS (SELECT 1 FROM interactions WHERE user = ?1)"
        self._connection.executemany(gone, users)
        self._connection.execute("UPDATE meta SET interactions_removed = ?", (self._sequence,))
        return count, erased

    @contextlib.contextmanager
    def _overwriting(self) -> Generator[None]:
        """Pages that are freed are filled with zeros meanwhile."""
        self._connection.execute("PRAGMA secure_delete = ON")
        try:
            yield
        finally:
            self._connection.execute(SECURE_DELETE)


def _crc(key: int, each: Interaction) -> int:
    texts = each.user.encode(), each.record.encode(), each.kind.encode()
    return interaction_crc(key, *texts, each.weight, each.time)


def _pieces(conditions: DeleteInteractions) -> Iterator[tuple[str, list[object]]]:
    """Conditions as SQL has them, in as many pieces as there are chunks of records."""
    where, values = ["TRUE"], list[object]()
    if conditions.user:
        where.append("user = (SELECT number FROM users WHERE id = ?)")
        values.append(conditions.user)
    if conditions.kinds:
        where.append(f"kind IN ({', '.join('?' * len(conditions.kinds))})")
        values += conditions.kinds
    for compared, time in ((">=", conditions.start), ("<", conditions.end)):
        if time is not None:
            where.append(f"time {compared} ?")
            values.append(time)
    if not conditions.records:
        yield " AND ".join(where), values
    for marks, chunk in placeholders(conditions.records):
        yield " AND ".join([*where, f"record IN ({marks})"]), [*values, *chunk]
