"""Processes that work for the server beside it: the order, and what they say while and after they carry it out.

The order comes as JSON in the first line of standard input. What they say are lines of JSON on standard output. Those
before the last say how far it is, {"step": "...", "progress": 0.3}; the last is the answer, or {"error": "...",
"refusal": what is wrong with the order, "full": whether the disk has no room}. When standard input closes, the server
is gone and the process ends.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel

from frostline.server.durable_files import explained, is_full
from frostline.server.errors import InvalidInput, StorageFull
from frostline.server.report import Report

NICENESS = 10

T = TypeVar("T", bound=BaseModel)


class ChildFailed(Exception):
    """A process did not do its work; the message says how it ended.

    Args:
        message: how.
        refusal: what the caller must change; empty where that would not help.
    """

    def __init__(self, message: str, refusal: str = "") -> None:
        super().__init__(message)
        self.refusal = refusal


class Child:
    """A process that carries out one order, as the server sees it; it has ended when the context is left.

    Args:
        module: what it runs; calls `carry_out`.
        purpose: what room or files are needed for, for messages.
        environment: variables that differ from the server's.

    Raises:
        Overloaded: no more files may be opened.
    """

    def __init__(self, module: str, purpose: str, environment: Mapping[str, str] | None = None) -> None:
        self._purpose = purpose
        with explained(purpose):  # its log lines go where the server's go
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | (environment or {}),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error:
            self.kill()
        with contextlib.suppress(BrokenPipeError):  # it ended before it had read its order
            self._process.__exit__(kind, error, trace)

    def kill(self) -> None:
        """Ends it at once; may be called from another thread."""
        self._process.kill()

    def answer(self, order: BaseModel, report: Report) -> dict[str, Any]:
        """Gives the order, and waits until it is carried out.

        Args:
            order: what to do.
            report: told how far it is.

        Raises:
            ChildFailed: it ended without an answer.
            StorageFull: the disk has no room.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{order.model_dump_json()}\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            raise ChildFailed(f"the process ended at once, with {process.wait()}") from error
        for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "step" in said:
                report(said["step"], said["progress"])
            elif "error" in said:
                self._raise(said)
            else:
                return said
        raise ChildFailed(f"the process was ended, with {process.wait()}")

    def _raise(self, said: Mapping[str, Any]) -> None:
        failed = ChildFailed(said["error"], said["refusal"])
        if said["full"]:
            raise StorageFull(f"the disk has no room for {self._purpose}; free some space, then try again") from failed
        raise failed


def carry_out(kind: type[T], work: Callable[[T], Mapping[str, object]]) -> None:
    """Reads an order from standard input, carries it out, says what became of it.

    Args:
        kind: of order.
        work: does what is asked for, and gives the answer.
    """
    order = kind.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    try:
        answer = work(order)
    except Exception as error:
        refusal = str(error) if isinstance(error, InvalidInput) else ""
        say(error=f"{type(error).__name__}: {error}", refusal=refusal, full=is_full(error))
        raise
    say(**answer)


def say(**fields: object) -> None:
    """Says something to the server."""
    print(json.dumps(fields), flush=True)  # noqa: T201 - its way to talk to the server


def _end_with_the_server() -> None:
    sys.stdin.read()
    os._exit(1)
