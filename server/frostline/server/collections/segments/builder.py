"""Runs the processes that build and measure segments, one at a time for a whole server."""

import contextlib
import json
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.durable_files import explained, sync
from frostline.server.collections.segments import segment_files
from frostline.server.collections.segments.building import Order
from frostline.server.collections.segments.drift import Answer, Question
from frostline.server.errors import StorageFull

Report = Callable[[str, float], None]
"""Told what is being done, and how much of it is done, of 1."""


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
        self._running: tuple[Path, subprocess.Popen[str]] | None = None
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
        command = [sys.executable, "-m", f"frostline.server.collections.segments.{module}"]
        with explained(_PURPOSE):  # its log lines go where the server's go
            started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with started as process:
            self._running = order.database, process
            try:
                if order.database in self._cancelled:
                    process.kill()
                return _answer(process, order, report)
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                self._running = None


def _answer(process: "subprocess.Popen[str]", order: Order | Question, report: Report) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{order.model_dump_json()}\n")
        process.stdin.flush()
    except BrokenPipeError as error:
        raise BuildFailed(f"the process for a segment ended at once, with {process.wait()}") from error
    for line in process.stdout:
        said: dict[str, Any] = json.loads(line)
        if "step" in said:
            report(said["step"], said["progress"])
        elif "error" in said:
            failed = BuildFailed(said["error"])
            if said["full"]:
                raise StorageFull(f"the disk has no room for {_PURPOSE}; free some space, then try again") from failed
            raise failed
        else:
            return said
    raise BuildFailed(f"the process for a segment was ended, with {process.wait()}")
