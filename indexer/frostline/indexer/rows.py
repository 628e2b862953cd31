"""What sources give: rows that became records, and rows that could not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from frostline.client import Record


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two rows, from which a source can go on.

    Attributes:
        row: number of the row before it, from 1; 0 at the beginning.
        offset: bytes of a file of lines before it; 0 in other sources.
        sequence: the last commit of a collection of which every record comes before it; 0 in other sources.
    """

    row: int = 0
    offset: int = 0
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a row became no record.

    Attributes:
        row: its number, from 1.
        id: its id, where it was read.
        reason: in UPPER_SNAKE case: one of the server's, or
            INVALID_JSON, INVALID_ROW, NOT_UTF8, MISSING_FIELD, WRONG_TYPE, TOO_LARGE, UNREADABLE_FILE, NO_CONTENT.
        message: what is wrong, which value, and what to do.
    """

    row: int
    id: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a source.

    Attributes:
        number: from 1; a line's number in a file of lines.
        end: the place after it.
        record: what it became.
        size_bytes: of the record on its way to the server, about.
    """

    number: int
    end: Position
    record: Record | Rejection
    size_bytes: int = 0


class Source(Protocol):
    """Rows in an order that does not change while `identity` does not."""

    @property
    def identity(self) -> dict[str, str | int]:
        """What must be the same for a job to go on: names and values, for a message that says what differs."""
        ...

    @property
    def total(self) -> int | None:
        """How many rows there are; None in a file of lines."""
        ...

    @property
    def size_bytes(self) -> int:
        """Size of a file of lines, the offset at its end; 0 where `total` is known."""
        ...

    def rows(self, start: Position) -> Iterator[Row]:
        """Reads rows from a place on, holding one or a few in memory.

        Args:
            start: the beginning, or the end of a row given before.
        """
        ...
