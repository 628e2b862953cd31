"""Has collections learned from in the background, in processes of their own, one at a time for a whole server."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from frostline.server.child import Child, ChildFailed
from frostline.server.collections.collection import Collection
from frostline.server.collections.rows.database import FILE_NAME
from frostline.server.durable_files import NEW, discard
from frostline.server.errors import FrostlineError, ShuttingDown
from frostline.server.recommendations import learned as files
from frostline.server.recommendations.learned import Learned
from frostline.server.recommendations.learning import Order

PROGRAM = "frostline.server.recommendations.learning"
FOLDER = "learned"
"""Beside the rows of a collection."""
_THREADS_OF: tuple[str, ...] = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    collection: Collection
    take: Callable[[Learned], bool]
    done: "Future[int]"


class Learner:
    """Learns from collections.

    Args:
        threads: of the process.
        ease_items: see `collaborative.Limits`.
    """

    def __init__(self, threads: int = 1, ease_items: int = 5_000) -> None:
        self._environment: dict[str, str] = dict.fromkeys(_THREADS_OF, str(threads))
        self._ease_items = ease_items
        self._changed = threading.Condition()
        self._wishes: list[_Wish] = []
        self._child: Child | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def learn(self, collection: Collection, take: Callable[[Learned], bool]) -> "Future[int]":
        """Learns from a collection as it is when its turn comes, or later.

        Args:
            collection: what from.
            take: is given what was learned; False where that is out of date already.

        Returns:
            The commit up to which was learned, or how that failed. Who asks for the same while it waits gets the same.

        Raises:
            ShuttingDown: closed.
        """
        with self._changed:
            if self._closed:
                raise ShuttingDown("the server is stopping and learns no more")
            for each in self._wishes:
                if each.collection is collection:
                    return each.done
            wish = _Wish(collection, take, Future())
            self._wishes.append(wish)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="learner", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return wish.done

    def close(self) -> None:
        """Ends what is done, and starts no more."""
        with self._changed:
            self._closed = True
            if self._child:
                self._child.kill()
            self._changed.notify_all()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while wish := self._next():
            try:
                wish.done.set_result(self._learn(wish))
            except BaseException as error:
                if not isinstance(error, ShuttingDown) and not self._closed:
                    _log.exception("recommendations of collection %r were not learned", wish.collection.config.id)
                wish.done.set_exception(error)

    def _next(self) -> _Wish | None:
        with self._changed:
            self._changed.wait_for(lambda: self._wishes or self._closed)
            if not self._closed:
                return self._wishes.pop(0)
            for each in self._wishes:
                each.done.set_exception(ShuttingDown("the server is stopping and learns no more"))
            return None

    def _learn(self, wish: _Wish) -> int:
        collection, started = wish.collection, time.monotonic()
        root = collection.folder / FOLDER
        root.mkdir(exist_ok=True)
        folder = root / f"{NEW}{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        try:
            sequence = self._carried_out(collection, folder)
            finished = root / f"{sequence:012d}-{uuid.uuid4().hex[:8]}"
            folder.rename(finished)
        except BaseException:
            discard(folder)
            raise
        for other in root.iterdir():
            if other != finished:
                discard(other)
        if not wish.take(files.load(finished)):
            discard(finished)
            return 0
        seconds = time.monotonic() - started
        _log.info("learned recommendations of collection %r in %.1f s", collection.config.id, seconds)
        return sequence

    def _carried_out(self, collection: Collection, folder: Path) -> int:
        order = Order(
            database=collection.folder / FILE_NAME,
            config=collection.config,
            folder=folder,
            ease_items=self._ease_items,
        )
        with Child(PROGRAM, "what is learned for recommendations", self._environment) as child:
            with self._changed:
                self._child = child
                if self._closed:
                    child.kill()
            try:
                return int(child.answer(order, lambda step, done: None)["sequence"])
            except ChildFailed as error:
                if self._closed:
                    raise ShuttingDown("the server is stopping and learns no more") from error
                raise
            finally:
                self._child = None


def kept(collection: Collection) -> Learned | None:
    """What was learned before and still holds; removes what does not."""
    root = collection.folder / FOLDER
    for folder in sorted(root.iterdir(), reverse=True) if root.is_dir() else ():
        try:
            learned = files.load(folder)
            with collection.interactions.since(learned.sequence) as recorded:
                if not recorded.anew:
                    return learned
        except FrostlineError as error:
            _log.warning("%s", error)
        discard(folder)
    return None


def forget(collection: Collection) -> None:
    """Removes what was learned."""
    root = collection.folder / FOLDER
    if root.is_dir():
        discard(root)
