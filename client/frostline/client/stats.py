"""What a collection is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeasuredRecall:
    """Recall of an index, measured against exact search on a sample of its own vectors.

    Attributes:
        selectivity: the share of records that a filter lets through; 1 for no filter.
        correlated: whether the records let through lay close together.
        recall: recall at 10.
    """

    selectivity: float
    correlated: bool
    recall: float


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """The index of one vector name in one segment.

    Attributes:
        vector_name: name of the vector.
        kind: kind of index; `flat` where it is exact.
        factory: what it is made of, in FAISS's words.
        recalls: recall by selectivity; empty where the index is exact.
        size_bytes: size in bytes, without the vectors themselves.
    """

    vector_name: str
    kind: str
    factory: str
    recalls: tuple[MeasuredRecall, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Records that are indexed together.

    Attributes:
        row_count: rows in it, dead ones too.
        dead_count: rows that were deleted or replaced since.
        state: `unverified` while its files are compared with their hashes, then `verified`; `quarantined` where they
            are damaged: searched exactly from the records until it is built anew.
        indexes: its vector indexes.
        size_bytes: size of all files in bytes.
        sequence: the commit it was derived at.
    """

    row_count: int
    dead_count: int
    state: str
    indexes: tuple[VectorIndex, ...]
    size_bytes: int
    sequence: int


@dataclass(frozen=True, slots=True)
class CollectionStats:
    """What a collection is made of.

    Attributes:
        record_count: records in it.
        tail_count: rows not in a segment yet; they are searched exactly.
        segments: the segments, oldest first.
        building: whether a segment is being built.
        records_bytes: bytes of the file of records.
        vectors_bytes: bytes of the segments' float vectors.
        indexes_bytes: bytes of everything else in segments.
        memory_bytes: bytes of memory taken beside mapped files.
        sequence: the commit this was counted at.
    """

    record_count: int
    tail_count: int
    segments: tuple[Segment, ...]
    building: bool
    records_bytes: int
    vectors_bytes: int
    indexes_bytes: int
    memory_bytes: int
    sequence: int
