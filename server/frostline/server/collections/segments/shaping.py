"""The shape of a collection while it is in use: what is due is built, measured and told."""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from frostline.server.collections.rows.writer import Writer
from frostline.server.collections.segments import merging
from frostline.server.collections.segments.builder import Builder, BuildFailed
from frostline.server.collections.segments.compaction import Compactor
from frostline.server.collections.segments.exchange import Place, Segments
from frostline.server.collections.segments.merging import Merge
from frostline.server.collections.segments.segment import Segment
from frostline.server.collections.segments.state import State, States
from frostline.server.collections.segments.stats import CollectionStats, IndexStats, MeasuredRecall, SegmentStats
from frostline.server.collections.vectors.device import CPU, Device
from frostline.server.collections.vectors.tuning import Tuning
from frostline.server.errors import ShuttingDown
from frostline.server.report import Report

IDLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Who keeps the segments of collections as they should be.

    Attributes:
        builder: builds them.
        compactor: sees what is due; None leaves that to whoever calls `Shaping.compact` or `Shaping.optimize`.
        tail_rows: of a full tail.
        idle_seconds: without writes, after which segments are joined.
        index_device: where searches of all rows of a segment run.
    """

    builder: Builder = field(default_factory=Builder)
    compactor: Compactor | None = None
    tail_rows: int = merging.TAIL_ROWS
    idle_seconds: float = IDLE_SECONDS
    index_device: Device = CPU


class Shaping:
    """Shapes one collection. Satisfies `compaction.Compactable`.

    Args:
        place: where its rows and segments are.
        states: of the collection.
        writer: of the collection.
        upkeep: who keeps segments.
    """

    def __init__(self, place: Place, states: States, writer: Writer, upkeep: Upkeep) -> None:
        self._place = place
        self._states = states
        self._upkeep = upkeep
        self._segments = Segments(place, states, writer, upkeep.builder, upkeep.tail_rows)
        self._turn = threading.Lock()
        self._building = False
        self._closed = False
        self._seen_sequence, self._seen_at = -1, 0.0
        if upkeep.compactor:
            upkeep.compactor.add(self)

    def compact(self) -> bool:
        """Does one thing that is due, building before verifying before measuring; False where nothing was."""
        with self._turn:
            if self._closed:
                return False
            try:
                if merge := self._segments.due(idle=self._idle()):
                    self._carry_out(merge, lambda step, done: None)
                    return True
                return self._segments.verify() or self._segments.measure()
            except BuildFailed:
                if not self._closed:
                    raise
                return True

    def optimize(self) -> Iterator[tuple[str, float]]:
        """Makes one segment of everything; yields what is being done and how much of it is done, of 1.

        Raises:
            ShuttingDown: the collection was closed meanwhile.
            BuildFailed: no record and no segment has changed.
            StorageFull: the disk has no room; no record and no segment has changed.
            Overloaded: no more files may be opened; no record and no segment has changed.
        """
        said: queue.SimpleQueue[tuple[str, float] | Exception | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                with self._turn:
                    if self._closed:
                        raise ShuttingDown("the collection is being closed; its records are safe")
                    if merge := self._segments.whole():
                        self._carry_out(merge, lambda step, done: said.put((step, done)))
                said.put(None)
            except Exception as error:
                said.put(error)

        threading.Thread(target=work, name="optimize", daemon=True).start()
        while (each := said.get()) is not None:
            if isinstance(each, BuildFailed) and self._closed:
                raise ShuttingDown("the collection is being closed; its records are safe") from each
            if isinstance(each, Exception):
                raise each
            yield each
        yield "done", 1.0

    def stats(self) -> CollectionStats:
        """What the collection is made of."""
        state = self._states.state
        segments = [part.source for part in state.parts if isinstance(part.source, Segment)]
        vectors_bytes = sum(each.vectors_bytes for each in segments)
        return CollectionStats(
            record_count=state.count,
            tail_count=state.parts[-1].live,
            segments=_segment_stats(state),
            building=self._building,
            records_bytes=self._place.database.stat().st_size,
            vectors_bytes=vectors_bytes,
            indexes_bytes=sum(each.size_bytes for each in segments) - vectors_bytes,
            memory_bytes=sum(part.source.memory_bytes() + part.alive.bits.nbytes for part in state.parts),
            sequence=state.sequence,
        )

    def close(self) -> None:
        """Ends what is being built, and builds no more."""
        self._closed = True
        if self._upkeep.compactor:
            self._upkeep.compactor.remove(self)
        self._upkeep.builder.cancel(self._place.database)
        with self._turn:
            pass  # whoever was building has seen it

    def _carry_out(self, merge: Merge, report: Report) -> None:
        self._building = True
        try:
            self._segments.carry_out(merge, report)
        finally:
            self._building = False

    def _idle(self) -> bool:
        sequence, now = self._states.state.sequence, time.monotonic()
        if sequence != self._seen_sequence:
            self._seen_sequence, self._seen_at = sequence, now
        return now - self._seen_at >= self._upkeep.idle_seconds


def _segment_stats(state: State) -> tuple[SegmentStats, ...]:
    stats: list[SegmentStats] = []
    for part in state.parts[:-1]:
        source, dead = part.source, part.total - part.live
        if isinstance(source, Segment):
            indexes = tuple(
                _index_stats(field.name, source.slot(slot).tuning) for slot, field in enumerate(state.config.vectors)
            )
            sequence = source.manifest.sequence
            stats.append(SegmentStats(part.total, dead, source.verified, False, indexes, source.size_bytes, sequence))
        else:
            stats.append(SegmentStats(part.total, dead, False, True, (), 0, state.sequence))
    return tuple(stats)


def _index_stats(vector_name: str, tuning: Tuning) -> IndexStats:
    recalls = tuple(MeasuredRecall(each.selectivity, each.correlated, each.recall) for each in tuning.measured)
    return IndexStats(vector_name, tuning.kind, tuning.factory, recalls, tuning.index_bytes)
