"""The one thread that writes a collection.

It takes everything that waits, writes it in one transaction, and only then answers: a sync costs the same for one
operation as for 64. While it is on its way the next group gathers, so the busier the collection, the larger the groups.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from frostline.server.collections.rows.operations import (
    Delete,
    DeleteInteractions,
    DeleteRows,
    DeleteUser,
    Forget,
    Operation,
    Written,
)
from frostline.server.errors import ShuttingDown, StorageFull

GROUP_OPERATIONS = 64
AGAIN_SECONDS = 1.0
"""How often it is tried, while nobody writes, to tidy what could not be tidied."""
DELETIONS = (Delete, DeleteRows, DeleteInteractions, DeleteUser, Forget)
"""What goes on working on a full disk."""


class Store(Protocol):
    """Where operations go; called by the writer's thread alone."""

    def apply(self, operations: Sequence[Operation]) -> list[Written | Exception]:
        """Begins a transaction and applies operations in it; one that fails leaves nothing behind.

        Raises:
            Exception: nothing was applied and the transaction is gone.
        """
        ...

    def commit(self) -> None:
        """Makes the transaction durable, and visible to those who read.

        Raises:
            Exception: nothing was applied and the transaction is gone.
        """
        ...

    def tidy(self) -> bool:
        """Does some of what can wait until the callers have their answers; whether there is more of it."""
        ...

    @property
    def waits(self) -> bool:
        """Whether there is something to tidy that could not be done yet."""
        ...

    def make_room(self) -> None:
        """Frees what is kept for deletions on a full disk."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    operation: Operation
    future: "Future[Written]"


class Writer:
    """Writes operations in groups.

    Args:
        store: where they go.
        name: of the collection, for the thread and for messages.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"writer-{name}", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation) -> "Future[Written]":
        """Takes an operation.

        Returns:
            Its answer, once it is durable and a search would see it. Cancelled before its group began, it never runs.

        Raises:
            ShuttingDown: closed.
        """
        waiting = _Waiting(operation, Future())
        with self._lock:
            if self._closed:
                raise ShuttingDown(f"collection {self._name!r} is being closed and takes no more writes")
            self._queue.put(waiting)
        return waiting.future

    def close(self) -> None:
        """Finishes what was accepted, and refuses what comes later."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            group, open_ = self._take()
            group = [each for each in group if each.future.set_running_or_notify_cancel()]
            if group:
                self._write(group)
            while (group or open_) and self._store.tidy() and self._queue.empty():
                pass

    def _take(self) -> tuple[list[_Waiting], bool]:
        """The next group, and whether there may be another."""
        group: list[_Waiting] = []
        try:
            waiting = self._queue.get(timeout=AGAIN_SECONDS if self._store.waits else None)
        except Empty:
            return group, True
        while waiting is not None:
            group.append(waiting)
            if len(group) == GROUP_OPERATIONS:
                return group, True
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _write(self, group: list[_Waiting]) -> None:
        try:
            outcomes = self._commit(group)
        except StorageFull as error:
            deletions = [each for each in group if isinstance(each.operation, DELETIONS)]
            _answer([each for each in group if each not in deletions], error)
            if deletions:
                self._delete(deletions)
        except Exception as error:
            _answer(group, error)
        else:
            _answer(group, outcomes)

    def _delete(self, deletions: list[_Waiting]) -> None:
        """Deletes on a full disk, in the room that is kept for it."""
        self._store.make_room()
        try:
            outcomes = self._commit(deletions)
        except Exception as error:
            _answer(deletions, error)
        else:
            _answer(deletions, outcomes)

    def _commit(self, group: list[_Waiting]) -> Sequence[Written | Exception]:
        outcomes = self._store.apply([each.operation for each in group])
        self._store.commit()
        return outcomes  # only now: what is answered is on disk


def _answer(group: Sequence[_Waiting], outcomes: Sequence[Written | Exception] | Exception) -> None:
    each_outcome = [outcomes] * len(group) if isinstance(outcomes, Exception) else outcomes
    for waiting, outcome in zip(group, each_outcome, strict=True):
        if isinstance(outcome, Exception):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)
