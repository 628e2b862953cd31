"""`frostline collections stats` and `optimize`: what a collection is made of."""

import time
from typing import TYPE_CHECKING

from frostline.cli.arguments import CollectionName
from frostline.cli.output import Column, console, duration, say, show_fields, show_json, show_table, size
from frostline.cli.progress import progress
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frostline.client import CollectionStats, VectorIndex

_STEP_SECONDS = 600.0
_PERCENT = 100
_DONE = "done"  # the server's last step, also where nothing was to be done


@client_command
def show_stats(session: Session, name: CollectionName) -> None:
    """Show what a collection is made of: segments, indexes and their measured recall, bytes."""
    with session.connect() as client:
        stats = client.collection_stats(name)
    if session.as_json:
        show_json(stats)
        return
    show_fields(
        {
            "Records": f"{stats.record_count:,}",
            "In the tail": f"{stats.tail_count:,}" + (" (a segment is being built)" if stats.building else ""),
            "Records on disk": size(stats.records_bytes),
            "Vectors on disk": size(stats.vectors_bytes),
            "Indexes on disk": size(stats.indexes_bytes),
            "Memory": size(stats.memory_bytes),
            "Last commit": stats.sequence,
        }
    )
    if not stats.segments:
        return
    say("")
    columns = (
        Column("SEGMENT", "right"),
        Column("ROWS", "right"),
        Column("DEAD", "right"),
        Column("STATE"),
        Column("SIZE", "right"),
        Column("VECTOR"),
        Column("INDEX"),
        Column("RECALL", "right"),
    )
    show_table(columns, _rows(stats))


@client_command
def optimize_collection(session: Session, name: CollectionName) -> None:
    """Index all that waits and join segments, while searches and writes go on.

    A step may take ten minutes, or --timeout where that is longer.
    """
    started = time.perf_counter()
    to = None if session.as_json else console(stderr=True)
    with session.connect() as client, progress(to, "Optimizing", "%") as shown:
        before, last = client.collection_stats(name), ""
        for step, done in client.optimize(name, timeout_seconds=max(_STEP_SECONDS, session.timeout_seconds)):
            if step not in (last, _DONE):
                shown.step(step)
                last = step
            shown.update(round(done * _PERCENT), _PERCENT)
        after, recall = client.collection_stats(name), client.get_collection(name).recall
    seconds = time.perf_counter() - started
    if session.as_json:
        made_of = {"before": _made_of(before), "after": _made_of(after)}
        show_json({"optimized": name, "changed": bool(last), **made_of, "recall": recall, "wall_seconds": seconds})
    else:
        did = f"Optimized collection {name} in {duration(seconds)}" if last else f"Nothing to optimize in {name}"
        was = f" (before: {_in_words(before)})" if last else ""
        say(f"{did}: {_in_words(after)}{was}; recall {recall:.3f}.")


def _made_of(stats: "CollectionStats") -> dict[str, int]:
    rows = sum(segment.row_count for segment in stats.segments)
    return {"segment_count": len(stats.segments), "segment_rows": rows, "tail_count": stats.tail_count}


def _in_words(stats: "CollectionStats") -> str:
    rows, tail = sum(segment.row_count for segment in stats.segments), f"{stats.tail_count:,}"
    if not stats.segments:
        return f"{tail} records without an index, compared one by one"
    segments = "1 segment" if len(stats.segments) == 1 else f"{len(stats.segments):,} segments"
    return f"{rows:,} rows in {segments}" + (f" and {tail} in the tail" if stats.tail_count else "")


def _rows(stats: "CollectionStats") -> "Iterator[tuple[object, ...]]":
    for number, segment in enumerate(stats.segments):
        told: tuple[object, ...] = (
            number,
            f"{segment.row_count:,}",
            f"{segment.dead_count:,}",
            segment.state,
            size(segment.size_bytes),
        )
        for index in segment.indexes:
            yield *told, index.vector_name, index.kind, _lowest(index)
            told = ("",) * len(told)
        if not segment.indexes:
            yield *told, "", "", ""


def _lowest(index: "VectorIndex") -> str:
    return f"{min(measured.recall for measured in index.recalls):.3f}" if index.recalls else "exact"
