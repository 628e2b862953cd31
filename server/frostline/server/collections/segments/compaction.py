"""Keeps the segments of all collections as they should be: one thread that looks, and has built what is due."""

import logging
import threading
import time
from typing import Protocol

POLL_SECONDS = 0.25
FAILED_SECONDS = 60.0
"""How long a collection is left alone after something that failed."""

_log = logging.getLogger(__name__)


class Compactable(Protocol):
    """A collection, as the compactor knows it."""

    def compact(self) -> bool:
        """Does one thing that is due; False where nothing was."""
        ...


class Compactor:
    """Looks after collections until it is closed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._collections: list[Compactable] = []
        self._resting: dict[int, float] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="compactor", daemon=True)
        self._thread.start()

    def add(self, collection: Compactable) -> None:
        """Begins to look after a collection."""
        with self._changed:
            self._collections.append(collection)

    def remove(self, collection: Compactable) -> None:
        """Looks after it no more; what is under way for it goes on until the collection ends it."""
        with self._changed:
            if collection in self._collections:
                self._collections.remove(collection)

    def close(self) -> None:
        """Ends the thread, after what is under way."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            if not any([self._step(each) for each in self._collections.copy()]):
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, POLL_SECONDS)

    def _step(self, collection: Compactable) -> bool:
        if self._closed or self._resting.get(id(collection), 0.0) > time.monotonic():
            return False
        try:
            return collection.compact()
        except Exception:
            # The records are safe and searches go on as before; whatever it was, it is tried again.
            _log.exception("a segment could not be built or looked after; tried again in %d s", FAILED_SECONDS)
            self._resting[id(collection)] = time.monotonic() + FAILED_SECONDS
            return False
