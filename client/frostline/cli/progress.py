"""Progress of long work: a bar in a terminal, a line now and then in a log."""

import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from frostline.cli.output import duration, plain

_RATE_WINDOW_SECONDS = 15.0
_LOG_EVERY_SECONDS = 10.0
_MOST_BAR_COLUMNS = 36
_LEAST_BAR_COLUMNS = 8
_FIGURES_COLUMNS = 56  # what is usual after the bar


class Meter:
    """Measures a rate over the last seconds, so that it follows what the work does now.

    Args:
        clock: seconds that only grow.
        window_seconds: how many; more for what is told seldom, whose estimates would jump else.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, window_seconds: float = _RATE_WINDOW_SECONDS
    ) -> None:
        self._clock = clock
        self._window_seconds = window_seconds
        self._marks: deque[tuple[float, int]] = deque()

    def mark(self, done: int) -> None:
        """Notes how much is done. What the first note says was done before, and counts for no rate."""
        now = self._clock()
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] >= self._window_seconds:
            self._marks.popleft()

    @property
    def per_second(self) -> float:
        """The rate; 0 until it is known."""
        if not self._marks:
            return 0.0
        (first, before), (last, after) = self._marks[0], self._marks[-1]
        return (after - before) / (last - first) if last > first else 0.0

    def figures(self, total: int | None, unit: str, amount: Callable[[int], str], about: bool = False) -> str:
        """How far the work is, for people: `1,200 of 5,552 documents, 118/s, 36.9 s left`.

        Args:
            total: how much there is to do; None where nobody knows.
            unit: what is counted.
            amount: writes a count.
            about: whether the total is an estimate.
        """
        done = self._marks[-1][1] if self._marks else 0
        of = f" of {'about ' * about}{amount(total)}" if total is not None else ""
        parts = [f"{amount(done)}{of} {unit}".strip()]
        if (rate := self.per_second) > 0:
            if (told := amount(round(rate))) != amount(0):
                parts.append(f"{told}/s")
            if total is not None and total > done:
                parts.append(f"{duration((total - done) / rate)} left")
        return ", ".join(parts)


class Display(Protocol):
    """Shows how far work is."""

    def step(self, text: str) -> None:
        """Says what is done now, of which nobody knows how far it is."""
        ...

    def update(self, done: int, total: int | None, about: bool = False) -> None:
        """Says how much is done, and of how much, where that is known or (`about`) estimated."""
        ...


@contextmanager
def progress(
    to: Console | None,
    text: str,
    unit: str = "",
    amount: Callable[[int], str] = "{:,}".format,
    window_seconds: float = _RATE_WINDOW_SECONDS,
) -> Generator[Display]:
    """Shows progress while its block runs; each step is measured by itself.

    Args:
        to: where; nowhere if none.
        text: what is done.
        unit: what is counted.
        amount: writes a count.
        window_seconds: see `Meter`.
    """
    meter = partial(Meter, window_seconds=window_seconds)
    if to is None:
        yield _Nowhere()
    elif not to.is_terminal:
        yield _Log(to, text, unit, amount, meter)
    else:
        room = to.width - cell_len(text) - _FIGURES_COLUMNS
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(min(max(room, _LEAST_BAR_COLUMNS), _MOST_BAR_COLUMNS)),
            TextColumn("{task.fields[figures]}", markup=False),
        )
        with Progress(*columns, console=to, transient=True) as bars:
            task = bars.add_task(text, total=None, figures="")
            yield _Bar(bars, task, unit, amount, meter)


class _Nowhere:
    def step(self, text: str) -> None: ...

    def update(self, done: int, total: int | None, about: bool = False) -> None: ...


class _Log:
    def __init__(
        self, to: Console, text: str, unit: str, amount: Callable[[int], str], meter: Callable[[], Meter]
    ) -> None:
        self._to = to
        self._text = text
        self._unit = unit
        self._amount = amount
        self._new_meter = meter
        self._meter = meter()
        self._next = time.monotonic() + _LOG_EVERY_SECONDS

    def step(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self._meter = self._new_meter()
            self._to.print(plain(text), soft_wrap=True)

    def update(self, done: int, total: int | None, about: bool = False) -> None:
        self._meter.mark(done)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LOG_EVERY_SECONDS
            self._to.print(
                f"{self._text}: {self._meter.figures(total, self._unit, self._amount, about)}", soft_wrap=True
            )


class _Bar:
    def __init__(
        self, bars: Progress, task: TaskID, unit: str, amount: Callable[[int], str], meter: Callable[[], Meter]
    ) -> None:
        self._bars = bars
        self._task = task
        self._unit = unit
        self._amount = amount
        self._new_meter = meter
        self._meter = meter()

    def step(self, text: str) -> None:
        self._meter = self._new_meter()
        self._bars.reset(self._task, total=None, description=plain(text), figures="")

    def update(self, done: int, total: int | None, about: bool = False) -> None:
        self._meter.mark(done)
        figures = self._meter.figures(total, self._unit, self._amount, about)
        self._bars.update(self._task, completed=done, total=total, figures=figures)
