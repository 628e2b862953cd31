"""Runs the processes that build and measure segments, one at a time for a whole server."""

import contextlib
import shutil
import threading
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

from frostline.server.child import Child, ChildFailed
from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.segments import segment_files
from frostline.server.collections.segments.building import Order
from frostline.server.collections.segments.drift import Answer, Question
from frostline.server.durable_files import explained, sync
from frostline.server.report import Report

TURN_SECONDS = 0.1
"""How often who waits for his turn looks whether it is still wanted."""
_PURPOSE = "a segment of the collection, whose records are safe and found without it"


class BuildFailed(Exception):
    """A process that builds or measures did not do its work; the message says how it ended."""


class Builder:
    """Builds segments of collections.

    Args:
        threads: of a building process.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._turn = threading.Lock()
        self._running: tuple[Path, Child] | None = None
        self._cancelled: set[Path] = set()

    def build(
        self,
        database: Path,
        folder: Path,
        config: CollectionConfig,
        first: int,
        last: int,
        report: Report,
        newer: int | None = None,
    ) -> Path | None:
        """Builds a segment of a range of internal ids.

        Args:
            database: the collection's file.
            folder: where the collection's segments lie.
            config: of the collection.
            first: the first internal id.
            last: the last one.
            report: told how far it is.
            newer: the first internal id of rows that stand for the queries to expect; None where all do.

        Returns:
            The segment's folder, on disk under its name; None where there are no rows.

        Raises:
            BuildFailed: the process ended without a segment, or the builder was stopped.
            StorageFull: the disk has no room.
            Overloaded: no more files may be opened.
        """
        with explained(_PURPOSE):
            folder.mkdir(exist_ok=True)
        unfinished = folder / f"{segment_files.UNFINISHED}{uuid.uuid4().hex}"
        order = Order(
            database=database,
            folder=unfinished,
            config=config,
            first=first,
            last=last,
            threads=self._threads,
            newer=newer,
        )
        with self._one_at_a_time(database):
            rows = self._run(order, report)
        if not rows:
            return None
        finished = folder / f"{first:012d}-{last:012d}-{uuid.uuid4().hex[:8]}"
        try:
            with explained(_PURPOSE):
                unfinished.rename(finished)
                sync(folder)
        except BaseException:
            for each in (unfinished, finished):  # else each attempt would leave another
                shutil.rmtree(each, ignore_errors=True)
            raise
        return finished

    def cancel(self, database: Path) -> None:
        """Ends the process that builds for this file, and starts no more for it."""
        self._cancelled.add(database)
        running = self._running
        if running and running[0] == database:
            running[1].kill()

    def _refuse_cancelled(self, database: Path) -> None:
        if database in self._cancelled:
            raise BuildFailed("the collection is being closed")

    def measure(self, database: Path, folder: Path, config: CollectionConfig) -> Answer:
        """Measures the recall of a segment again.

        Args:
            database: the collection's file.
            folder: of the segment.
            config: of the collection.

        Raises:
            BuildFailed: the process ended without an answer, or the builder was stopped.
            Overloaded: no more files may be opened.
        """
        with self._one_at_a_time(database):
            return self._measure(Question(database=database, folder=folder, config=config))

    @contextlib.contextmanager
    def _one_at_a_time(self, database: Path) -> Generator[None]:
        while not self._turn.acquire(timeout=TURN_SECONDS):
            self._refuse_cancelled(database)
        try:
            yield
        finally:
            self._turn.release()

    def _run(self, order: Order, report: Report) -> int:
        try:
            return int(self._carried_out("building", order, report)["rows"])
        except BaseException:
            shutil.rmtree(order.folder, ignore_errors=True)
            raise

    def _measure(self, question: Question) -> Answer:
        return Answer.model_validate(self._carried_out("drift", question, lambda step, done: None))

    def _carried_out(self, module: str, order: Order | Question, report: Report) -> dict[str, Any]:
        """What a process of its own answers."""
        self._refuse_cancelled(order.database)
        try:
            with Child(f"frostline.server.collections.segments.{module}", _PURPOSE) as child:
                self._running = order.database, child
                if order.database in self._cancelled:
                    child.kill()
                return child.answer(order, report)
        except ChildFailed as error:
            raise BuildFailed(str(error)) from error
        finally:
            self._running = None
