"""Who waits for a commit: a future each, and no thread."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from frostline.server.errors import ShuttingDown


class Waiters:
    """Those who wait for commits of one collection.

    Args:
        sequence: tells the number of the last commit.
    """

    def __init__(self, sequence: Callable[[], int]) -> None:
        self._sequence = sequence
        self._lock = threading.Lock()
        self._waiting: dict[Future[None], int] = {}
        self._closed = False

    def reached(self, sequence: int) -> "Future[None]":
        """A future that is done when a commit is there; cancel it to wait no more.

        It fails with ShuttingDown where the collection is closed before.
        """
        future: Future[None] = Future()
        with self._lock:  # so that no commit comes in between
            if self._sequence() >= sequence:
                future.set_result(None)
            elif self._closed:
                future.set_exception(_closing())
            else:
                self._waiting[future] = sequence
        future.add_done_callback(self._forget)
        return future

    def wake(self) -> None:
        """Lets those go on whose commit is there."""
        with self._lock:
            if not self._waiting:
                return
            last = self._sequence()
            ready = [future for future, sequence in self._waiting.items() if sequence <= last]
            for future in ready:  # each is told once: the next commit may come before its callbacks
                del self._waiting[future]
        for future in ready:
            if future.set_running_or_notify_cancel():
                future.set_result(None)

    def close(self) -> None:
        """Lets all go: no commit comes any more."""
        with self._lock:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
        for future in left:
            if future.set_running_or_notify_cancel():
                future.set_exception(_closing())

    def _forget(self, future: "Future[None]") -> None:
        with self._lock:
            self._waiting.pop(future, None)


def _closing() -> ShuttingDown:
    return ShuttingDown("the collection is being closed, and the commit waited for has not come")
