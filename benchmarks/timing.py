"""Sides that take turns, and what to say of their figures."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

Row = dict[str, object]


@dataclass(frozen=True)
class Timings:
    """One slice of searches.

    Attributes:
        ids: int64 of shape (n, k); what was found for each query (by the first client if there are several), -1 where
            there was nothing.
        seconds: float64 of shape (calls,); time of each call of each client, as that client saw it.
        elapsed_seconds: from the start of the first call to the end of the last.
        queries: how many queries all clients asked together.
    """

    ids: NDArray[np.int64]
    seconds: NDArray[np.float64]
    elapsed_seconds: float
    queries: int

    @property
    def rate(self) -> float:
        """Queries per second of all clients together."""
        return self.queries / self.elapsed_seconds

    def row(self) -> Row:
        """The figures of this slice, for a line of JSON."""
        half, most = np.percentile(self.seconds, [50, 99])
        figures = {"seconds": self.elapsed_seconds, "p50_seconds": half, "p99_seconds": most}
        return {"queries": self.queries} | {name: round(float(value), 7) for name, value in figures.items()}


def turns(
    sides: Mapping[str, Callable[[NDArray[np.float32]], Timings]], queries: NDArray[np.float32], size: int, rounds: int
) -> Iterator[tuple[int, str, Timings]]:
    """Lets the sides search the same slices in turn (A, B, A, B, ...), so that a noisy machine is noisy for all.

    The first turn of each side warms it up and is not among the results. Every other round goes backwards, so that
    no side always follows the same other one.

    Args:
        sides: a name and a function that searches for queries of shape (size, d).
        queries: float32 of shape (n, d), cut into slices that are used in turn.
        size: queries in a slice.
        rounds: turns of each side.
    """
    slices = [queries[start : start + size] for start in range(0, len(queries) - size + 1, size)]
    for search in sides.values():
        search(slices[0])
    names = list(sides)
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            yield turn, name, sides[name](slices[turn % len(slices)])


def timed(work: Callable[..., object], *arguments: object) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


@dataclass(frozen=True)
class Spread:
    """A median and how far the middle four fifths lie apart."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.4g} ({self.low:.4g} to {self.high:.4g})"


def spread(values: Sequence[float]) -> Spread:
    """Median, 10th and 90th percentile; `values` may not be empty."""
    low, half, high = np.percentile(np.asarray(values, np.float64), [10, 50, 90])
    return Spread(float(half), float(low), float(high))


def ratios(rates: Sequence[float], over: Sequence[float]) -> Spread:
    """Spread of the ratios of turns that stood side by side."""
    return spread([one / other for one, other in zip(rates, over, strict=True)])


class Rows:
    """Raw rows, written as JSON lines while they arrive: an interrupted run leaves what it had."""

    def __init__(self, path: Path, echo: TextIO | None = None) -> None:
        self._path, self._echo = path, echo
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    def add(self, row: Row) -> None:
        """Appends one row."""
        line = json.dumps(row) + "\n"
        with self._path.open("a") as file:
            file.write(line)
        if self._echo:
            self._echo.write(line)
