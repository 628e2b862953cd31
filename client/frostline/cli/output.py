"""What commands print: tables for people, JSON for programs.

Ids and payloads are other people's data: everything printed for people loses its control characters first, so that no
record can move the cursor, and is never read as markup.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from frostline.client import Timings

_WIDTH_OF_A_LOG = 100
_KILO = 1000
_GAP = 2
_LEAST_ELIDED = 16


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        justify: numbers go to the right.
        style: a style of rich.
        elide: whether a value that does not fit is cut and ends in an ellipsis; else it goes on in the next line.
    """

    name: str
    justify: Literal["left", "right"] = "left"
    style: str = ""
    elide: bool = False


def console(stderr: bool = False) -> Console:
    """A console for people: as wide as the terminal, 100 columns in a log."""
    stream = sys.stderr if stderr else sys.stdout
    made = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _WIDTH_OF_A_LOG
    return made


def show(what: RenderableType, to: Console) -> None:
    """Prints something of rich; in a log without the blanks that fill its lines."""
    if to.is_terminal:
        to.print(what)
        return
    with to.capture() as captured:
        to.print(what)
    to.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    to.file.flush()


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], to: Console | None = None) -> None:
    """Prints a table.

    Args:
        columns: its columns.
        rows: one value for each column.
        to: where; stdout if none.
    """
    to = to or console()
    texts = [[plain(value) for value in row] for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    room = (to.width - _kept_width(columns, texts)) // max(1, sum(column.elide for column in columns))
    for column in columns:
        table.add_column(
            column.name,
            justify=column.justify,
            style=column.style,
            no_wrap=column.elide,
            overflow="ellipsis" if column.elide else "fold",
            max_width=max(room, _LEAST_ELIDED) if column.elide else None,
        )
    for row in texts:
        table.add_row(*map(Text, row))
    show(table, to)


def _kept_width(columns: Sequence[Column], texts: Sequence[Sequence[str]]) -> int:
    widths = (
        max([cell_len(column.name), *(cell_len(row[index]) for row in texts)])
        for index, column in enumerate(columns)
        if not column.elide
    )
    return sum(widths) + _GAP * (len(columns) - 1)


def show_fields(fields: Mapping[str, object]) -> None:
    """Prints names and values below each other."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name, Text(plain(value)))
    show(table, console())


def show_json(value: object) -> None:
    """Prints a value for programs: one JSON document on stdout.

    Args:
        value: anything JSON has, and dataclasses, times, paths and enumerations.

    Raises:
        ValueError: a number in it is not finite.
    """
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, default=_jsonable) + "\n")


def _jsonable(value: object) -> object:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Enum):
        return value.name
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def say(text: str, style: str = "") -> None:
    """Prints a line for people; a terminal that is too narrow gets it in several."""
    to = console()
    to.print(Text(plain(text), style=style), soft_wrap=not to.is_terminal)


def timings_line(timings: "Timings", wall_seconds: float) -> str:
    """Where the time of a call went: `12.3 ms (queue 0.1 ms, inference 8.4 ms, ...)`.

    Args:
        timings: the server's own.
        wall_seconds: what passed here, the network included.
    """
    parts = {
        "queue": timings.queue_seconds,
        "prepare": timings.prepare_seconds,
        "inference": timings.inference_seconds,
        "search": timings.search_seconds,
        "write": timings.write_seconds,
    }
    spent = ", ".join(f"{name} {duration(seconds)}" for name, seconds in parts.items() if seconds)
    return duration(wall_seconds) + (f" ({spent})" if spent else "")


def plain(value: object) -> str:
    """A value as one line of text without control characters (Unicode categories Cc, Cf, Cs, Zl, Zp)."""
    text = str(value)
    if text.isprintable():
        return text
    unsafe = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return " ".join("".join(" " if unicodedata.category(c) in unsafe else c for c in text).split())


def summary(payload: Mapping[str, Any]) -> str:
    """A payload in a few words: its values, with their names where there are several."""
    if len(payload) == 1:
        return plain(next(iter(payload.values())))
    return plain(" · ".join(f"{name}: {value}" for name, value in payload.items()))


def counted(count: int, what: str) -> str:
    """A count and what is counted: `1 hit`, `1,200 hits`."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def listed(names: Sequence[str], limit: int) -> str:
    """The first of some names, and how many more there are: `a, b and 1,200 more`."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def size(count: int) -> str:
    """Bytes as people read them: `90.9 MB` (powers of 1000)."""
    if count < _KILO:
        return f"{count} B"
    value = float(count)
    for unit in ("KB", "MB", "GB"):
        value /= _KILO
        if round(value, 1) < _KILO:
            return f"{value:.1f} {unit}"
    return f"{value / _KILO:.1f} TB"


def duration(seconds: float) -> str:
    """A duration as people read it: `8.2 ms`, `46.1 s`, `12 min 5 s`, `3 h 20 min`."""
    if round(seconds, 4) < 1:
        return f"{seconds * 1000:.1f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
