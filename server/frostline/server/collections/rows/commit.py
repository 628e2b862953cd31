"""What a transaction did, as whatever is derived from the rows needs to know it."""

import contextlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.rows.interactions import Interaction
from frostline.server.collections.rows.records import Row

SlotVectors = NDArray[np.float32] | Sequence[NDArray[np.float32] | None]


@dataclass(slots=True, eq=False)
class Added:
    """Rows that were written together, column by column.

    Attributes:
        internal_ids: ascending, above all before them.
        record_ids: ids of their records.
        payloads: JSON objects in UTF-8; empty stands for `{}`.
        vectors: by slot, as they were sent: for each row float32 of shape (d,), None where it has none; one array of
            shape (rows, d) where they came as one. Slots in which no row has one may be missing.
    """

    internal_ids: Sequence[int]
    record_ids: Sequence[str]
    payloads: Sequence[bytes]
    vectors: Mapping[int, SlotVectors]

    @classmethod
    def of(
        cls,
        internal_ids: Sequence[int],
        record_ids: Sequence[str],
        payloads: Sequence[bytes],
        vectors: Sequence[Mapping[int, NDArray[np.float32]]],
    ) -> "Added":
        """Rows whose vectors come row by row."""
        slots = {slot for each in vectors for slot in each}
        return cls(internal_ids, record_ids, payloads, {slot: [each.get(slot) for each in vectors] for slot in slots})

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> "Added":
        """Rows as they were read, at least one."""
        ids, labels, payloads = zip(*((row.internal_id, row.id, row.payload) for row in rows), strict=True)
        return cls.of(ids, labels, payloads, [row.vectors for row in rows])

    def __len__(self) -> int:
        return len(self.record_ids)


@dataclass(slots=True, eq=False)
class Erased:
    """Interactions that are gone, column by column, as they were read: nothing is checked.

    Attributes:
        records: ids of their records.
        kinds: likewise.
        weights: float64 of shape (n,).
        times: float64 of shape (n,), seconds since the epoch.
    """

    records: Sequence[str]
    kinds: Sequence[str]
    weights: NDArray[np.float64]
    times: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Iterable[tuple[Any, Any, Any, Any]]) -> "Erased":
        """Record, kind, weight and time as SQLite gives them; those whose types are damaged are left out."""
        names: dict[bytes, str] = {}  # each kept once: a record is in many
        records, kinds, numbers = list[str](), list[str](), array("d")
        for record, kind, weight, time in rows:
            with contextlib.suppress(TypeError, ValueError, AttributeError):
                pair = names.get(record) or names.setdefault(record, record.decode()), kind.decode()
                numbers.extend((float(weight), float(time)))
                records.append(pair[0])
                kinds.append(pair[1])
        both = np.array(numbers, np.float64).reshape(-1, 2)
        return cls(records, kinds, both[:, 0], both[:, 1])

    def __len__(self) -> int:
        return len(self.records)


@dataclass(slots=True)
class Commit:
    """All that one transaction did.

    Attributes:
        sequence: the last number it takes.
        config: the configuration after it.
        added: rows by ascending internal id, none of them empty; some may be removed again in the same transaction.
        removed: internal ids of rows that are gone.
        recorded: interactions that were written, as they were sent; their `sequence` is 0.
        erased: interactions that are gone: replaced, deleted, or with their user or record. Some may be of those that
            were recorded in the same transaction, so count `recorded` in and `erased` out, in any order.
        forgotten: whether some of them were deleted and not replaced.
    """

    sequence: int
    config: CollectionConfig
    added: list[Added] = field(default_factory=list[Added])
    removed: list[int] = field(default_factory=list[int])
    recorded: list[Interaction] = field(default_factory=list[Interaction])
    erased: list[Erased] = field(default_factory=list[Erased])
    forgotten: bool = False


class Follower(Protocol):
    """Keeps what is derived from the rows up to date; called by the writer's thread alone."""

    def prepare(self, commit: Commit) -> None:
        """Makes ready what holds after the commit. Readers find it as soon as they see the commit's sequence."""
        ...

    def publish(self) -> None:
        """The commit is durable: what was prepared is what holds now."""
        ...

    def discard(self) -> None:
        """The commit has failed: what was prepared is forgotten."""
        ...
