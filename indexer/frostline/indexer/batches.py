"""Cuts rows into batches: by count and by bytes, the rejected ones among them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from frostline.client import Record
from frostline.indexer.rows import Position, Rejection, Row


@dataclass(slots=True)
class Batch:
    """Rows that are written, acknowledged and remembered together.

    Attributes:
        records: what goes to the server.
        numbers: for each record the number of its row.
        rejections: rows that became no record.
        end: the place after the last row.
        size_bytes: of the records, about.
    """

    records: list[Record] = field(default_factory=list[Record])
    numbers: list[int] = field(default_factory=list[int])
    rejections: list[Rejection] = field(default_factory=list[Rejection])
    end: Position = field(default_factory=Position)
    size_bytes: int = 0

    def __len__(self) -> int:
        return len(self.records) + len(self.rejections)

    def add(self, row: Row) -> None:
        """Takes one more row."""
        if isinstance(row.record, Rejection):
            self.rejections.append(row.record)
        else:
            self.records.append(row.record)
            self.numbers.append(row.number)
        self.size_bytes += row.size_bytes
        self.end = row.end


def cut(rows: Iterable[Row], max_rows: int, max_bytes: int) -> Iterator[Batch]:
    """Cuts rows into batches, holding one at a time.

    Args:
        rows: in order.
        max_rows: the most rows of a batch, rejected ones counted.
        max_bytes: the most bytes of a batch; a larger record goes alone.

    Yields:
        Batches that are not empty.
    """
    batch = Batch()
    for row in rows:
        if len(batch) and (len(batch) == max_rows or batch.size_bytes + row.size_bytes > max_bytes):
            yield batch
            batch = Batch()
        batch.add(row)
    if len(batch):
        yield batch
