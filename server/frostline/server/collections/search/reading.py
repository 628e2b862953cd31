"""Records read by id, page by page, and all at once."""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from frostline.server.collections.filters.expression import Expression
from frostline.server.collections.rows.database import explained
from frostline.server.collections.rows.records import Record, Rows
from frostline.server.collections.search.view import StateView
from frostline.server.durable_files import sync
from frostline.server.errors import DataDamaged, InvalidInput

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which parts of records are read.

    Attributes:
        payloads: payloads; empty where not.
        vectors: vectors, as they were written.
        content: texts and images.
    """

    payloads: bool = True
    vectors: bool = False
    content: bool = False


def by_id(view: StateView, ids: Sequence[str], wanted: Wanted, max_bytes: int) -> dict[str, Record | DataDamaged]:
    """Reads records by id.

    Args:
        view: of the collection.
        ids: ids in any order; each is read once.
        wanted: which parts to read.
        max_bytes: the most that is read; one record always is.

    Returns:
        By id those that exist, or how one is damaged, in the order they were first asked for.

    Raises:
        InvalidInput: together they are larger.
    """
    rows = Rows(view.connection, view.config)
    found: dict[str, Record | DataDamaged] = {}
    size = 0
    for record_id in dict.fromkeys(ids):
        record = rows.get(record_id, payloads=wanted.payloads, vectors=wanted.vectors, content=wanted.content)
        size += record.size_bytes() if isinstance(record, Record) else 0
        if found and size > max_bytes:
            raise InvalidInput(
                f"the first {len(found) + 1} of these records have more than {max_bytes} bytes; "
                "ask for fewer ids at once"
            )
        if record is not None:
            found[record_id] = record
    return found


def page(
    view: StateView, after: int, limit: int, wanted: Wanted, max_bytes: int, expression: Expression | None
) -> tuple[list[Record], int | None]:
    """Reads records in the order they were last written; damaged ones are logged and left out.

    A record that is not written meanwhile comes exactly once, whatever else is written or deleted.

    Args:
        view: what is read.
        after: 0, or what an earlier page gave.
        limit: the most records, at least 1.
        wanted: which parts to read.
        max_bytes: where the page ends, unless with its first record.
        expression: which records; None for all.

    Returns:
        The records, and where the next page begins; None after the last.
    """
    records: list[Record] = []
    size = 0
    for seen, (internal_id, record) in enumerate(_behind(view, after, limit + 1, wanted, expression)):
        size += record.size_bytes() if isinstance(record, Record) else 0
        if seen == limit or (records and size > max_bytes):
            return records, after
        after = internal_id
        if isinstance(record, DataDamaged):
            _log.error("collection %r: %s", view.config.id, record)
        else:
            records.append(record)
    return records, None


def copy(connection: sqlite3.Connection, path: Path) -> None:
    """Copies the file of a collection as of one commit; the copy is on disk when this returns.

    Raises:
        StorageFull: the disk has no room.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as target:
            connection.backup(target)  # in one step, and so of one commit; those who write are not kept waiting
    except sqlite3.Error as error:
        path.unlink(missing_ok=True)
        raise explained(error, path.parent) from error
    sync(path)


def _behind(
    view: StateView, after: int, most: int, wanted: Wanted, expression: Expression | None
) -> Iterator[tuple[int, Record | DataDamaged]]:
    rows = Rows(view.connection, view.config)
    if expression is None:
        yield from rows.after(after, most, vectors=wanted.vectors, content=wanted.content)
        return
    ids = view.rows_of(view.matching(expression))
    for internal_id in ids[np.searchsorted(ids, after, "right") :][:most].tolist():
        yield from rows.after(internal_id - 1, 1, vectors=wanted.vectors, content=wanted.content)
