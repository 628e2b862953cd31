"""Which parts of a collection become a segment next. Pure: no I/O, no clock.

A collection is a row of parts, oldest first: segments, which are immutable files, and parts in memory, of which the
last is the tail that new rows go to. The rules, the first that applies:

Rule 1. A part in memory that is not the tail (what a damaged segment left) and a segment whose fields or index are not
        those of the configuration are built anew, alone.
Rule 2. A full tail becomes a segment, together with the segments before it that are not larger than what has been
        gathered so far: each row is written again at most log2(rows / tail) times.
Rule 3. A segment of which at least 15 % is dead is built anew.
Rule 4. A segment that no longer finds what is asked for is joined with all that comes behind it: what has changed is
        there, and the parameters are chosen for it and for what was before.
Rule 5. When nothing is written, segments at the end are joined that are not over 4 times as large as what follows
        them: one large segment is searched faster than several.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

TAIL_ROWS = 50_000
"""A tail of so many rows is full; below, exact search is fast enough and an index would not pay."""
DEAD_SHARE = 0.15
IDLE_RATIO = 4


@dataclass(frozen=True, slots=True)
class PartInfo:
    """What the rules need to know of a part.

    Attributes:
        live: rows that can be found.
        dead: rows that were deleted or replaced.
        in_memory: whether it is no segment.
        outdated: whether its fields or index are not those of the configuration.
        drifted: whether its recall was measured again and is less than asked for.
    """

    live: int
    dead: int = 0
    in_memory: bool = False
    outdated: bool = False
    drifted: bool = False


class Merge(NamedTuple):
    """Parts that become one segment.

    Attributes:
        start: position of the first.
        end: position behind the last; the tail itself is the last part of all.
        why: for the log.
        newer: position of the first that stands for the queries to expect; None where all do.
    """

    start: int
    end: int
    why: str
    newer: int | None = None


def next_merge(parts: Sequence[PartInfo], *, tail_rows: int = TAIL_ROWS, idle: bool = False) -> Merge | None:
    """Decides what to do next.

    Args:
        parts: oldest first, the tail last.
        tail_rows: of a full tail.
        idle: whether nothing has been written for a while.

    Returns:
        What to build, or None where all is well.
    """
    for place, part in enumerate(parts[:-1]):
        if part.in_memory:
            return Merge(place, place + 1, "a segment is missing")
        if part.outdated:
            return Merge(place, place + 1, "the configuration has changed")
    tail = parts[-1]
    if tail.live + tail.dead >= tail_rows:
        return Merge(_start(parts, len(parts), 1), len(parts), "the tail is full")
    for place, part in enumerate(parts[:-1]):
        if part.dead and part.dead >= DEAD_SHARE * (part.live + part.dead):
            return Merge(place, place + 1, f"{part.dead} of {part.live + part.dead} rows are dead")
    for place, part in enumerate(parts[:-1]):
        if part.drifted:
            return Merge(place, len(parts), "rows have changed, and recall with them", place + 1)
    end = len(parts) - 1
    start = _start(parts, end, IDLE_RATIO)
    if idle and end - start > 1:
        return Merge(start, end, f"{end - start} segments can be one")
    return None


def whole(parts: Sequence[PartInfo]) -> Merge | None:
    """The merge that leaves one segment without dead rows that finds what is asked for; None where that is so already.

    As by rule 4, what comes behind the first segment that does not stands for the queries to expect.
    """
    newer = next((place + 1 for place, part in enumerate(parts[:-1]) if part.drifted), None)
    if len(parts) == 2 and not parts[1].live + parts[1].dead and not parts[0].dead:
        settled = not parts[0].in_memory and not parts[0].outdated and not parts[0].drifted
        return None if settled else Merge(0, 1, "asked for", newer)
    return Merge(0, len(parts), "asked for", newer) if any(part.live + part.dead for part in parts) else None


def _start(parts: Sequence[PartInfo], end: int, ratio: int) -> int:
    """Goes back from the last part before `end` while parts are not over `ratio` times what follows them."""
    start = max(end - 1, 0)
    gathered = parts[start].live
    while start and parts[start - 1].live <= ratio * gathered:
        start -= 1
        gathered += parts[start].live
    return start
