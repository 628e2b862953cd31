"""The segments of one collection: opened, built, exchanged, verified, and thrown away when they are damaged.

They are derived. Whatever is wrong with one, its rows are read from the file of records instead: into memory, where
they are searched exactly until a new segment is there.
"""

import errno
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.rows.commit import Added
from frostline.server.collections.rows.database import OPEN_FILES_RETRY_SECONDS, Readers
from frostline.server.collections.rows.operations import Forget
from frostline.server.collections.rows.records import Rows
from frostline.server.collections.rows.writer import Writer
from frostline.server.collections.segments import drift, merging, segment_files
from frostline.server.collections.segments.builder import Builder
from frostline.server.collections.segments.merging import Merge, PartInfo
from frostline.server.collections.segments.parts import Part
from frostline.server.collections.segments.segment import Segment, fingerprint
from frostline.server.collections.segments.state import State, States
from frostline.server.collections.segments.tail import BEYOND_ALL, Tail
from frostline.server.collections.vectors.device import CPU, Device
from frostline.server.durable_files import sync
from frostline.server.errors import DataDamaged, Overloaded
from frostline.server.report import Report

FOLDER = "segments"
LOADED_ROWS = 2048

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a collection's rows and segments are.

    Attributes:
        database: the file of records.
        folder: of the segments.
        readers: connections to the file.
        device: where searches of all rows of a segment run.
    """

    database: Path
    folder: Path
    readers: Readers
    device: Device = CPU


def load(place: Place, config: CollectionConfig) -> State:
    """Opens the segments and reads what is in none of them.

    Raises:
        DataDamaged: the file of records cannot be read.
    """
    with place.readers.connection() as connection:
        connection.execute("BEGIN")
        rows = Rows(connection, config)
        sequence = rows.sequence()
        gone = rows.tombstones()
        parts: list[Part] = []
        beyond = 1
        for segment in _opened(place, config, sequence):
            if lost := _read(rows, config, beyond, segment.first - 1):
                parts.append(lost)
            part = _whole(segment)
            parts.append(part.without(part.rows(gone)))
            beyond = segment.last + 1
        parts.append(_in_memory(rows, config, beyond, BEYOND_ALL))
    return State(sequence, config, tuple(parts))


class Segments:
    """Changes the segments of an open collection; called by one thread at a time.

    Args:
        place: where they are.
        states: of the collection.
        writer: of the collection.
        builder: builds them.
        tail_rows: of a full tail.
    """

    def __init__(self, place: Place, states: States, writer: Writer, builder: Builder, tail_rows: int) -> None:
        self._place = place
        self._states = states
        self._writer = writer
        self._builder = builder
        self._tail_rows = tail_rows

    def due(self, *, idle: bool) -> Merge | None:
        """What should be built next."""
        return merging.next_merge(self._infos(), tail_rows=self._tail_rows, idle=idle)

    def whole(self) -> Merge | None:
        """What must be built to have one segment; None for collections that need none."""
        state = self._states.state
        few = state.count < self._tail_rows and not any(isinstance(part.source, Segment) for part in state.parts)
        return None if few else merging.whole(self._infos())

    def carry_out(self, merge: Merge, report: Report) -> None:
        """Builds a segment of some parts, and puts it into their place while searches and writes go on.

        Raises:
            BuildFailed: no record and no segment has changed.
            StorageFull: the disk has no room; no record and no segment has changed.
            Overloaded: no more files may be opened; no record and no segment has changed.
        """
        state, end = self._states.state, merge.end
        if end == len(state.parts):
            state = self._states.change(State.rotated)  # new rows go to a new tail, and the old one stays as it is
            end = len(state.parts) - 1
        old = state.parts[merge.start : end]
        first, last = old[0].source.first, old[-1].source.last
        newer = None if merge.newer is None else state.parts[merge.newer].source.first
        built = self._builder.build(self._place.database, self._place.folder, state.config, first, last, report, newer)
        try:
            new = [_whole(Segment(built, state.config, self._place.device))] if built else []
            self._exchange(old, new)
        except BaseException:
            if built:
                shutil.rmtree(built, ignore_errors=True)  # else each attempt would leave another
            raise
        self._dispose(old)
        self._forget(first, last, new)

    def verify(self) -> bool:
        """Compares the files of one segment with their hashes; one that is damaged is set aside.

        Returns:
            Whether there may be more to do.
        """
        for part in self._states.state.parts:
            segment = part.source
            if isinstance(segment, Segment) and not segment.verified:
                if name := segment_files.damaged(segment.folder, segment.manifest):
                    self._set_aside(part, name)
                else:
                    segment.verified = True
                return True
        return False

    def measure(self) -> bool:
        """Measures one segment again, where rows have come and gone; what falls short is built anew next.

        Returns:
            Whether there may be more to do.

        Raises:
            BuildFailed: nothing was measured.
            Overloaded: no more files may be opened; nothing was measured.
        """
        state = self._states.state
        behind = 0
        for part in reversed(state.parts):
            segment, changed = part.source, behind + part.total - part.live
            behind += part.live
            if not (isinstance(segment, Segment) and segment.is_indexed):
                continue
            if drift.is_due(part.live, changed, segment.changed):
                answer = self._builder.measure(self._place.database, segment.folder, state.config)
                segment.publish(segment_files.Measured(changed=changed, recalls=answer.recalls))
                if not segment.suffices:
                    _log.info("%s no longer finds what is asked for; it is built anew", segment.folder)
                return True
        return False

    def _infos(self) -> list[PartInfo]:
        state = self._states.state
        return [
            PartInfo(
                part.live,
                part.total - part.live,
                part.source.in_memory,
                isinstance(part.source, Segment) and part.source.outdated(state.config),
                isinstance(part.source, Segment) and not part.source.suffices,
            )
            for part in state.parts
        ]

    def _exchange(self, old: Sequence[Part], new: Sequence[Part]) -> None:
        sources = [part.source for part in old]

        def exchanged(state: State) -> State:
            start = [part.source for part in state.parts].index(sources[0])
            # Nothing is committed meanwhile. What died is read from the file: the old parts may be damaged.
            with self._place.readers.connection() as connection:
                gone = Rows(connection, state.config).tombstones()
            return state.exchanged(start, start + len(sources), [part.without(part.rows(gone)) for part in new])

        self._states.change(exchanged)

    def _dispose(self, old: Sequence[Part]) -> None:
        """Removes the folders of segments that are no part any more; who searches one has it mapped."""
        for part in old:
            if isinstance(part.source, Segment):
                shutil.rmtree(part.source.folder)
        sync(self._place.folder)  # before tombstones are forgotten that only these folders needed

    def _forget(self, first: int, last: int, new: Sequence[Part]) -> None:
        """Tombstones of rows that the new segment does not hold are of no use any more."""
        with self._place.readers.connection() as connection:
            gone = Rows(connection, self._states.state.config).tombstones()
        gone = gone[(gone >= first) & (gone <= last)]
        kept = new[0].internal_ids if new else np.empty(0, np.int64)
        useless = gone[~np.isin(gone, kept)]
        if len(useless):
            self._writer.submit(Forget(useless.tolist())).result()

    def _set_aside(self, part: Part, name: str) -> None:
        segment = part.source
        assert isinstance(segment, Segment)
        _log.error(
            "%s: %s is not what was written; its rows are searched one by one until the segment is built anew",
            segment.folder,
            name,
        )
        with self._place.readers.connection() as connection:
            config = self._states.state.config
            memory = _in_memory(Rows(connection, config), config, segment.first, segment.last)
        self._exchange([part], [memory])
        self._dispose([part])


def _opened(place: Place, config: CollectionConfig, sequence: int) -> list[Segment]:
    """The segments that can be used, by their rows; what cannot is removed."""
    segments: list[Segment] = []
    for path in place.folder.glob(f"{segment_files.UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in sorted(place.folder.iterdir()) if place.folder.is_dir() else ():
        try:
            segment = Segment(path, config, place.device)
            if wrong := _wrong(segment, config, sequence):
                raise DataDamaged(wrong)
        except DataDamaged as error:
            _refuse_without_files(error)
            _log.error("%s is built anew: %s", path, error)
            shutil.rmtree(path, ignore_errors=True)
        else:
            segments.append(segment)
    # After a crash the segments that were joined may still lie beside the one they became.
    segments.sort(key=lambda each: (each.manifest.sequence, each.last - each.first), reverse=True)
    kept: list[Segment] = []
    for segment in segments:
        if any(segment.first <= other.last and other.first <= segment.last for other in kept):
            shutil.rmtree(segment.folder, ignore_errors=True)
        else:
            kept.append(segment)
    return sorted(kept, key=lambda each: each.first)


def _refuse_without_files(error: DataDamaged) -> None:
    """A segment that cannot be opened for want of files or memory is not damaged: the operator must act."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES):
            raise Overloaded(
                f"a segment cannot be opened ({cause.strerror}); raise the limit of open files (ulimit -n), free "
                "memory, or mend the permissions, and start again",
                OPEN_FILES_RETRY_SECONDS,
            ) from error
        cause = cause.__cause__


def _wrong(segment: Segment, config: CollectionConfig, sequence: int) -> str | None:
    if segment.manifest.sequence > sequence:
        return f"it was derived at commit {segment.manifest.sequence}, the records end at {sequence}"
    if segment.manifest.fingerprints != tuple(map(fingerprint, config.vectors)):
        return "it holds vectors of another space"
    return None


def _whole(source: Segment | Tail) -> Part:
    return Part.of(source, np.empty(0, np.int64))


def _read(rows: Rows, config: CollectionConfig, first: int, last: int) -> Part | None:
    """Rows between two segments, where there are any."""
    part = _in_memory(rows, config, first, last) if first <= last else None
    return part if part is not None and part.total else None


def _in_memory(rows: Rows, config: CollectionConfig, first: int, last: int) -> Part:
    tail = Tail(config, first, last)
    for chunk in rows.rows_between(first, last, LOADED_ROWS):
        tail.append(Added.of_rows(chunk))
    return _whole(tail)
