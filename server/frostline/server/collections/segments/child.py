"""What processes have in common that work for the server beside it.

The order comes as JSON in the first line of standard input. What they say are lines of JSON on standard output; the
last is the answer, or {"error": "...", "full": whether the disk has no room}. When standard input closes, the server is
gone and the process ends.
"""

import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import BaseModel

from frostline.server.collections.durable_files import is_full

NICENESS = 10

T = TypeVar("T", bound=BaseModel)


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
        say(error=f"{type(error).__name__}: {error}", full=is_full(error))
        raise
    say(**answer)


def say(**fields: object) -> None:
    """Says something to the server."""
    print(json.dumps(fields), flush=True)  # noqa: T201 - its way to talk to the server


def _end_with_the_server() -> None:
    sys.stdin.read()
    os._exit(1)
