"""Interactions added up for each record, in one pass of SQLite."""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

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
    columns, values = ["record", "count(*)", "total(weight > 0)"], list[float]()
    for each in half_lives:
        if math.isinf(each):
            columns.append("total(iif(weight > 0, weight, 0))")
        else:
            columns.append("total(iif(weight > 0, weight * pow(2.0, (time - ?) / ?), 0))")
            values += reference, each
    # By its index SQLite would look each row up, which takes three times as long as sorting.
    query = f"SELECT {', '.join(columns)} FROM interactions NOT INDEXED GROUP BY record"
    records, numbers = list[str](), list[float]()
    for record, *row in connection.execute(query, values):
        records.append(record.decode(errors="replace"))
        numbers += row
    table = np.array(numbers, np.float64).reshape(len(records), 2 + len(half_lives))
    counts = table[:, :2].astype(np.int64)
    return Totals(sequence, reference, records, counts[:, 0], counts[:, 1], table[:, 2:])


def _give_pow(connection: sqlite3.Connection) -> None:
    """Some builds of SQLite have no mathematics."""
    if not connection.execute("SELECT sqlite_compileoption_used('ENABLE_MATH_FUNCTIONS')").fetchone()[0]:
        connection.create_function("pow", 2, math.pow, deterministic=True)
