"""What operations do to interactions, item by item."""

import contextlib
import json
import sqlite3
from collections.abc import Generator, Iterator, Sequence, Set

from frostline.server.collections.rows.checksums import interaction_crc
from frostline.server.collections.rows.database import SECURE_DELETE, placeholders
from frostline.server.collections.rows.interactions import KEYS_PER_COMMIT, Interaction
from frostline.server.collections.rows.operations import DeleteInteractions
from frostline.server.errors import FrostlineError, NotFound

# Not INSERT OR REPLACE: inside a savepoint SQLite keeps a copy of each page for every row of it, which is far slower.
_REMOVE = "DELETE FROM interactions WHERE record = ? AND user = ? AND kind = ?"
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

    def record(self, interactions: Sequence[Interaction]) -> tuple[int, dict[int, FrostlineError]]:
        """Writes interactions, replacing those of the same user, record and kind; of equal ones the last stays.

        Args:
            interactions: checked; at most `KEYS_PER_COMMIT`.

        Returns:
            How many were written, and which were refused, by position: those whose records do not exist.
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
        self._write(sorted(accepted.values()))
        return len(accepted), errors

    def delete(self, conditions: DeleteInteractions) -> int:
        """Deletes the interactions that meet all conditions, and users who have no other; how many interactions."""
        with self._overwriting():
            return sum(self._delete(where, values) for where, values in _pieces(conditions))

    def delete_of_records(self, internal_ids: Sequence[int]) -> None:
        """Deletes the interactions with records that are about to be deleted, and users who have no other."""
        listed = (json.dumps(list(internal_ids)),)
        ids = "SELECT id FROM records WHERE internal_id IN (SELECT value FROM json_each(?))"
        with self._overwriting():
            self._delete(f"record IN ({ids})", listed)

    def _write(self, rows: Sequence[tuple[int, Interaction]]) -> None:
        numbers = self._numbers(rows)
        self._connection.executemany(_REMOVE, ((each.record, numbers[each.user], each.kind) for _, each in rows))
        self._connection.executemany(
            _INSERT,
            (
                (key, numbers[each.user], each.record, each.kind, each.weight, each.time, _crc(key, each))
                for key, each in rows
            ),
        )

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

    def _delete(self, where: str, values: Sequence[object]) -> int:
        users = self._connection.execute(f"SELECT DISTINCT user FROM interactions WHERE {where}", values).fetchall()
        if not users:
            return 0
        count = self._connection.execute(f"DELETE FROM interactions WHERE {where}", values).rowcount
        gone = "DELETE FROM users WHERE number = ?1 AND NOT EXISTS (SELECT 1 FROM interactions WHERE user = ?1)"
        self._connection.executemany(gone, users)
        self._connection.execute("UPDATE meta SET interactions_removed = ?", (self._sequence,))
        return count

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
