"""What operations do to records, item by item: conditions, what is kept, what is refused."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.rows.commit import Added, Erased
from frostline.server.collections.rows.interaction_edits import InteractionEdit
from frostline.server.collections.rows.interactions import Interaction
from frostline.server.collections.rows.merge_patch import patched_payload
from frostline.server.collections.rows.operations import DeleteInteractions, PayloadPatch, UpsertVectors, Write
from frostline.server.collections.rows.records import Record, Rows
from frostline.server.collections.rows.row_changes import NewRow, RowChanges
from frostline.server.errors import Conflict, DataDamaged, FrostlineError, NotFound

Vectors = dict[int, NDArray[np.float32]]


@dataclass(slots=True)
class Effect:
    """What one operation did; nothing of it counts before the operation is through.

    Attributes:
        added: rows by ascending internal id; none of them empty.
        removed: internal ids of rows that are gone.
        errors: the items that were refused, by position.
        recorded: interactions that were written.
        erased: interactions that are gone.
        forgotten: whether some of them were deleted and not replaced.
        interactions: of an operation on interactions, how many were written or deleted.
    """

    added: list[Added] = field(default_factory=list[Added])
    removed: list[int] = field(default_factory=list[int])
    errors: dict[int, FrostlineError] = field(default_factory=dict[int, FrostlineError])
    recorded: list[Interaction] = field(default_factory=list[Interaction])
    erased: list[Erased] = field(default_factory=list[Erased])
    forgotten: bool = False
    interactions: int = 0

    @property
    def count(self) -> int:
        """Records, or interactions, written, changed or deleted."""
        return sum(map(len, self.added)) or len(self.removed) or self.interactions


class Edit:
    """One operation on the rows.

    Args:
        connection: in a transaction.
        config: as of the operation.
        sequence: of the operation.
        last_internal_id: the highest internal id given before it.
    """

    def __init__(
        self, connection: sqlite3.Connection, config: CollectionConfig, sequence: int, last_internal_id: int
    ) -> None:
        self._rows = Rows(connection, config)
        self._changes = RowChanges(connection)
        self._interactions = InteractionEdit(connection, sequence)
        self._config = config
        self._sequence = sequence
        self._next = last_internal_id + 1
        self._slots = {vector.name: slot for slot, vector in enumerate(config.vectors)}
        self._effect = Effect()

    def upsert(self, writes: Sequence[Write]) -> Effect:
        """Writes records; of equal ids the last that is not refused stays."""
        heads = self._changes.heads([write.record.id for write in writes])
        accepted: dict[str, tuple[Write, Vectors]] = {}
        for position, write in enumerate(writes):
            record_id = write.record.id
            try:
                if write.expected_sequence is not None:
                    stored = self._sequence if record_id in accepted else heads.get(record_id, (0, 0))[1]
                    _check_sequence(record_id, write.expected_sequence, stored)
                vectors = self._kept(record_id, heads) if write.keeps_vectors else self._by_slot(write.record)
                accepted[record_id] = write, vectors
            except FrostlineError as error:
                self._effect.errors[position] = error
        self._replace(accepted, heads)
        return self._effect

    def upsert_vectors(self, columns: UpsertVectors) -> Effect:
        """Writes records; of equal ids the last stays."""
        ids, payloads, vectors = columns.ids, columns.payloads, columns.vectors
        if len(last := {record_id: position for position, record_id in enumerate(ids)}) < len(ids):
            kept = list(last.values())
            ids, payloads, vectors = list(last), [payloads[position] for position in kept], vectors[kept]
        internal_ids = range(self._next, self._next + len(ids))
        self._remove([internal_id for internal_id, _ in self._changes.heads(ids).values()])
        self._changes.insert_vectors(internal_ids, self._sequence, columns.slot, ids, payloads, vectors)
        if ids:
            self._effect.added.append(Added(internal_ids, ids, payloads, {columns.slot: vectors}))
        return self._effect

    def patch(self, patches: Sequence[PayloadPatch]) -> Effect:
        """Changes payloads, one after the other."""
        for position, patch in enumerate(patches):
            try:
                self._patch(patch)
            except FrostlineError as error:
                self._effect.errors[position] = error
        return self._effect

    def delete(self, ids: Sequence[str]) -> Effect:
        """Deletes records by id, passing over those that do not exist."""
        return self._delete([internal_id for internal_id, _ in self._changes.heads(ids).values()])

    def delete_rows(self, internal_ids: Sequence[int]) -> Effect:
        """Deletes those of the rows that are still there."""
        return self._delete(self._changes.living(internal_ids))

    def record_interactions(self, interactions: Sequence[Interaction]) -> Effect:
        """Writes interactions; of the same user, record and kind the last that is not refused stays."""
        recorded, replaced, errors = self._interactions.record(interactions)
        self._effect.recorded, self._effect.interactions = recorded, len(recorded)
        self._effect.errors.update(errors)
        if replaced:
            self._effect.erased.append(replaced)
        return self._effect

    def delete_interactions(self, conditions: DeleteInteractions) -> Effect:
        """Deletes interactions, and users who have no other."""
        self._effect.interactions, self._effect.erased = self._interactions.delete(conditions)
        self._effect.forgotten = self._effect.interactions > 0
        return self._effect

    def _delete(self, internal_ids: Sequence[int]) -> Effect:
        count, self._effect.erased = self._interactions.delete_of_records(internal_ids)
        self._effect.forgotten = count > 0
        return self._remove(internal_ids)

    def _remove(self, internal_ids: Sequence[int]) -> Effect:
        self._effect.removed = sorted(internal_ids)
        self._changes.remove(self._effect.removed)
        return self._effect

    def _replace(self, accepted: dict[str, tuple[Write, Vectors]], heads: dict[str, tuple[int, int]]) -> None:
        rows: list[NewRow] = []
        kept: set[int] = set()
        written: list[tuple[int, str, bytes, Vectors]] = []
        for write, vectors in accepted.values():
            row = NewRow.of(self._next, write.record, vectors, keeps_content=self._config.keep_content)
            self._next += 1
            written.append((row.internal_id, row.record.id, row.record.payload or b"{}", vectors))
            rows.append(row)
            if write.keeps_vectors:
                self._changes.move_vectors(heads[row.record.id][0], row)
                kept.add(row.internal_id)
        if written:
            self._effect.added.append(Added.of(*zip(*written, strict=True)))
        self._effect.removed = sorted(heads[record_id][0] for record_id in accepted if record_id in heads)
        self._changes.remove(self._effect.removed)
        self._changes.insert(rows, self._sequence, kept)

    def _kept(self, record_id: str, heads: dict[str, tuple[int, int]]) -> Vectors:
        if record_id not in heads:
            raise NotFound(f"record {record_id[:80]!r} does not exist, so it has no vectors to keep; send them")
        return self._rows.vectors_of(heads[record_id][0], record_id.encode())

    def _by_slot(self, record: Record) -> Vectors:
        try:
            return {self._slots[name]: vector for name, vector in record.vectors.items()}
        except KeyError:
            unknown = next(name for name in record.vectors if name not in self._slots)
            raise NotFound(
                f"collection {self._config.id!r} has no vector {unknown[:80]!r}; it has {', '.join(self._slots)}"
            ) from None

    def _patch(self, patch: PayloadPatch) -> None:
        found = self._rows.find(patch.id)
        if found is None:
            raise NotFound(f"record {patch.id[:80]!r} does not exist; write it before changing its payload")
        old_internal_id, stored = found
        if isinstance(stored, DataDamaged):
            raise stored
        _check_sequence(patch.id, patch.expected_sequence, stored.sequence)
        record = replace(stored, payload=patched_payload(stored.payload, patch.patch))
        row = NewRow(self._next, record, self._by_slot(record), record.content_hash or None)
        self._changes.renew(old_internal_id, row, self._sequence)
        self._next += 1
        self._effect.added.append(Added.of([row.internal_id], [record.id], [record.payload], [row.vectors]))
        self._effect.removed.append(old_internal_id)


def _check_sequence(record_id: str, expected: int | None, stored: int) -> None:
    """Refuses a conditional write whose condition does not hold; `stored` is 0 where there is no record."""
    if expected is None or expected == stored:
        return
    name = repr(record_id[:80])
    if not expected:
        raise Conflict(
            f"record {name} exists, written by commit {stored}; write it without the condition to replace it"
        )
    there = f"was written by commit {stored}" if stored else "does not exist"
    raise Conflict(
        f"record {name} {there}, commit {expected} was expected; read it again and repeat the change on what is stored"
    )
