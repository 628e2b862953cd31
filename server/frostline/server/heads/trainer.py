"""Runs the processes that train and judge heads, one of each at a time for a whole server."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frostline.server.child import Child, ChildFailed, Report
from frostline.server.errors import InvalidInput, ShuttingDown
from frostline.server.heads.orders import Evaluate, Merge, Order, Train, Update

PROGRAM = "frostline.server.heads.training"
_THREADS_OF: tuple[str, ...] = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class TrainingFailed(Exception):
    """A process that trains or judges did not do its work, or was not wanted any more; the message says why."""


class Trainer:
    """Trains and judges heads. All methods may be called from several threads at once.

    Args:
        threads: of one process.
    """

    def __init__(self, threads: int = 1) -> None:
        self._environment: dict[str, str] = dict.fromkeys(_THREADS_OF, str(threads))
        self._changed = threading.Condition()
        self._trainings: list[_Work] = []  # the first is done, the others wait
        self._evaluations: list[_Work] = []
        self._closed = False

    def train(self, order: Train | Update | Merge, report: Report) -> float:
        """Trains, after all that was asked for before.

        Args:
            order: what to do.
            report: told how far it is: `waiting` first, where another is trained.

        Returns:
            How many seconds it took, without waiting. The artifact is on disk.

        Raises:
            TrainingFailed: the process ended without a head, or was cancelled.
            InvalidInput: a head cannot be trained from that; says why.
            StorageFull: the disk has no room.
            Overloaded: no more files may be opened.
            ShuttingDown: closed.
        """
        return float(self._carried_out(self._trainings, order, report)["seconds"])

    def evaluate(self, order: Evaluate) -> dict[str, Any]:
        """Judges, beside a training; raises what `train` does.

        Returns:
            The fields of `evaluation.Evaluation`.
        """
        return self._carried_out(self._evaluations, order, lambda step, done: None)

    def cancel(self, artifact: Path) -> None:
        """Ends all that is done or waits for the head in a folder."""
        self._stop(TrainingFailed("the head was deleted"), artifact)

    def close(self) -> None:
        """Ends all processes and starts no more."""
        self._closed = True
        self._stop(ShuttingDown("the server is stopping and trains no heads"))

    def _stop(self, reason: Exception, artifact: Path | None = None) -> None:
        with self._changed:
            for work in (*self._trainings, *self._evaluations):
                if artifact in (None, work.artifact):
                    work.stop(reason)
            self._changed.notify_all()

    def _carried_out(
        self, line: "list[_Work]", order: Train | Update | Merge | Evaluate, report: Report
    ) -> dict[str, Any]:
        with self._turn(line, order.artifact, report) as work:
            try:
                with Child(PROGRAM, "a head", self._environment) as child:
                    with self._changed:
                        work.begin(child)
                    return child.answer(Order(order), report)
            except ChildFailed as error:
                if work.stopped:
                    raise work.stopped from error
                if error.refusal:
                    raise InvalidInput(error.refusal) from error
                raise TrainingFailed(str(error)) from error

    @contextmanager
    def _turn(self, line: "list[_Work]", artifact: Path, report: Report) -> "Generator[_Work]":
        work = _Work(artifact)
        with self._changed:
            line.append(work)
        try:
            if line[0] is not work:
                report("waiting", 0.0)
            with self._changed:
                self._changed.wait_for(lambda: line[0] is work or work.stopped or self._closed)
            if self._closed:
                raise ShuttingDown("the server is stopping and trains no heads")
            if work.stopped:
                raise work.stopped
            yield work
        finally:
            with self._changed:
                line.remove(work)
                self._changed.notify_all()


class _Work:
    """What was asked for and is not done yet.

    Attributes:
        artifact: folder of the head.
        stopped: why it is not wanted any more.
    """

    def __init__(self, artifact: Path) -> None:
        self.artifact = artifact
        self.stopped: Exception | None = None
        self._child: Child | None = None

    def begin(self, child: Child) -> None:
        """A process works on it."""
        self._child = child
        if self.stopped:
            child.kill()

    def stop(self, reason: Exception) -> None:
        """Ends it."""
        self.stopped = self.stopped or reason
        if self._child:
            self._child.kill()
