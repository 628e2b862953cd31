"""Interactions added up for each record."""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.server.errors import InvalidInput


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """What there is of interactions with each record, as of one commit.

    Attributes:
        sequence: the commit.
        reference: the time that weights are counted at, seconds since the epoch; no interaction is newer.
        records: ids of the n records that have interactions.
        counts: int64 of shape (n,), interactions.
        positives: int64 of shape (n,), those of them with a weight above 0.
        sums: float64 of shape (n, half-lives). Each interaction with a weight above 0 adds its weight, halved once for
            each half-life between its time and the reference; where that is less than floats hold, 0.
    """

    sequence: int
    reference: float
    records: Sequence[str]
    counts: NDArray[np.int64]
    positives: NDArray[np.int64]
    sums: NDArray[np.float64]


def read(connection: sqlite3.Connection, half_lives: Sequence[float], reference: float = -math.inf) -> Totals:
    """Adds up all interactions by record.

    Checksums are not read, which would take several times as long: a damaged interaction counts as it stands there.

    Args:
        connection: in a transaction.
        half_lives: in seconds, above 0; infinity for a plain sum.
        reference: seconds since the epoch; where an interaction is newer, the newest one's time is taken.

    Raises:
        InvalidInput: a half-life is not above 0.
    """
    for each in half_lives:
        if not each > 0:
            raise InvalidInput(f"half-life {each} is not above 0; give seconds, or infinity for a plain sum")
    _give_pow(connection)
    (sequence,) = connection.execute("SELECT sequence FROM meta").fetchone()
    finite = "time > -9e999 AND time < 9e999"  # and a number, where it is damaged
    (newest,) = connection.execute(f"SELECT max(time) FROM interactions WHERE {finite}").fetchone()
    reference = max(reference, 0.0 if newest is None else newest)
    rows = connection.execute("SELECT record, count(*) FROM interactions GROUP BY record").fetchall()
    places = {record: place for place, (record, _) in enumerate(rows)}
    table = np.zeros((len(rows), 1 + len(half_lives)))  # how many are positive, and the sums
    for record, *numbers in _of_positives(connection, half_lives, reference):
        if record in places:  # else its row is damaged: the counts come from the index
            table[places[record]] = numbers
    return Totals(
        sequence,
        reference,
        [record.decode(errors="replace") for record, _ in rows],
        np.array([count for _, count in rows], np.int64),
        table[:, 0].astype(np.int64),
        table[:, 1:],
    )


def _of_positives(
    connection: sqlite3.Connection, half_lives: Sequence[float], reference: float
) -> Iterator[Sequence[Any]]:
    columns, values = ["record", "count(*)"], list[float]()
    for each in half_lives:
        if math.isinf(each):
            columns.append("total(weight)")
        else:
            columns.append("total(weight * pow(2.0, (time - ?) / ?))")
            values += reference, each
    # By its index SQLite would look each row up, which takes three times as long as sorting.
    yield from connection.execute(
        f"SELECT {', '.join(columns)} FROM interactions NOT INDEXED WHERE weight > 0 GROUP BY record", values
    )


def _give_pow(connection: sqlite3.Connection) -> None:
    """Some builds of SQLite have no mathematics."""
    if not connection.execute("SELECT sqlite_compileoption_used('ENABLE_MATH_FUNCTIONS')").fetchone()[0]:
        connection.create_function("pow", 2, math.pow, deterministic=True)
