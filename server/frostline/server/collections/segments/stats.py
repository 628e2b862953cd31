"""What a collection is made of."""

from dataclasses import dataclass

from frostline.server.collections.config import IndexKind


@dataclass(frozen=True, slots=True)
class MeasuredRecall:
    """Recall at 10, measured against exact search at build, and again when rows have changed.

    Attributes:
        selectivity: the share of rows that a filter lets through; 1 for no filter.
        correlated: whether these lay close together.
        recall: of the 10 nearest.
    """

    selectivity: float
    correlated: bool
    recall: float


@dataclass(frozen=True, slots=True)
class IndexStats:
    """The index of one vector name in one segment.

    Attributes:
        vector_name: of the vector.
        kind: of the index; flat where it is exact.
        factory: what it is made of, in FAISS's words.
        recalls: by selectivity; none where the index is exact.
        size_bytes: without the vectors themselves.
    """

    vector_name: str
    kind: IndexKind
    factory: str
    recalls: tuple[MeasuredRecall, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SegmentStats:
    """Rows that are indexed together.

    Attributes:
        row_count: rows in it, dead ones too.
        dead_count: rows deleted or replaced since.
        verified: whether its files have been compared with their hashes.
        quarantined: whether it was damaged: its rows are in memory until it is built anew.
        indexes: one for each vector name.
        size_bytes: of all files.
        sequence: the commit it was derived at.
    """

    row_count: int
    dead_count: int
    verified: bool
    quarantined: bool
    indexes: tuple[IndexStats, ...]
    size_bytes: int
    sequence: int


@dataclass(frozen=True, slots=True)
class CollectionStats:
    """What a collection is made of; see `CollectionStats` in the contract."""

    record_count: int
    tail_count: int
    segments: tuple[SegmentStats, ...]
    building: bool
    records_bytes: int
    vectors_bytes: int
    indexes_bytes: int
    memory_bytes: int
    sequence: int
