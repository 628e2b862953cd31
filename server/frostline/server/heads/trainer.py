"""Runs the processes that train and judge heads."""

import threading
from pathlib import Path
from typing import Any

from frostline.server.child import Child, ChildFailed
from frostline.server.errors import InvalidInput, ShuttingDown
from frostline.server.heads.orders import Making, Order, Question
from frostline.server.report import Report

PROGRAM = "frostline.server.heads.training"
_THREADS_OF: tuple[str, ...] = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class TrainingFailed(Exception):
    """A process that trains or judges did not do its work, or was not wanted any more; the message says why."""


class Work:
    """Something that a process does, and how to end it. All methods may be called from several threads at once.

    Args:
        about: folder of the head that is made or judged; None where it is about none.
    """

    def __init__(self, about: Path | None = None) -> None:
        self.about = about
        self.stopped: Exception | None = None
        self._child: Child | None = None
        self._changing = threading.Lock()

    def begin(self, child: Child) -> None:
        """A process does it from now on."""
        with self._changing:
            self._child = child
            if self.stopped:
                child.kill()

    def stop(self, reason: Exception) -> None:
        """Ends it at once, begun or not; whoever waits for it gets the reason."""
        with self._changing:
            self.stopped = self.stopped or reason
            if self._child:
                self._child.kill()


class Trainer:
    """Starts a process for each order. All methods may be called from several threads at once.

    Args:
        threads: of one process.
    """

    def __init__(self, threads: int = 1) -> None:
        self._environment: dict[str, str] = dict.fromkeys(_THREADS_OF, str(threads))
        self._changing = threading.Lock()
        self._running: set[Work] = set()
        self._closed = False

    def carry_out(self, order: Making | Question, report: Report, work: Work) -> dict[str, Any]:
        """Has an order carried out, and waits for it.

        Args:
            order: what to do.
            report: told how far it is.
            work: can be stopped.

        Returns:
            The answer; see `training`.

        Raises:
            TrainingFailed: the process ended without an answer, or the head was deleted or its training cancelled.
            InvalidInput: that cannot be done; says why.
            StorageFull: the disk has no room.
            Overloaded: no more files may be opened.
            ShuttingDown: closed.
        """
        with self._changing:
            if self._closed:
                raise ShuttingDown("the server is stopping and trains no heads")
            self._running.add(work)
        try:
            with Child(PROGRAM, "a head", self._environment) as child:
                work.begin(child)
                return child.answer(Order(order), report)
        except ChildFailed as error:
            if work.stopped:
                raise work.stopped from error
            if error.refusal:
                raise InvalidInput(error.refusal) from error
            raise TrainingFailed(str(error)) from error
        finally:
            with self._changing:
                self._running.discard(work)

    def cancel(self, about: Path) -> None:
        """Ends all that is done for the head in a folder."""
        self._stop([work for work in self._now() if work.about == about], TrainingFailed("it is not wanted any more"))

    def close(self) -> None:
        """Ends all processes and starts no more."""
        with self._changing:
            self._closed = True
        self._stop(self._now(), ShuttingDown("the server is stopping and trains no heads"))

    def _now(self) -> list[Work]:
        with self._changing:
            return list(self._running)

    def _stop(self, running: list[Work], reason: Exception) -> None:
        for work in running:
            work.stop(reason)
