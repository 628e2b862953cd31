"""A lane: one device, the inputs that wait for it, and the one thread that runs batches on it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frostline.server.batching.jobs import Waiting
from frostline.server.batching.policy import Budget, decide
from frostline.server.errors import DeadlineExceeded

_FIRST_GUESS_TOKENS_PER_SECOND = 5_000.0
_MEMORY = 0.8  # weight of the past in the measured rate: ten batches make up nine tenths of it


class _Ran(NamedTuple):
    rows: NDArray[np.float32]
    started: float
    seconds: float


class Lane:
    """Runs one batch at a time. All methods belong to the event loop.

    The next batch is formed when the running one ends; or before, so that the device never idles, once enough waits
    to fill it.

    Args:
        device: its name, for the thread.
        budget: what a batch may cost.

    Attributes:
        in_preparation: inputs that are being tokenized or decoded for this lane.
        waiting_tokens: tokens of the inputs that are not yet in a batch.
        left: set whenever inputs leave.
    """

    def __init__(self, device: str, budget: Budget) -> None:
        self.in_preparation = 0
        self.waiting_tokens = 0
        self.left = asyncio.Event()
        self._budget = budget
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"frostline-{device}")
        self._waiting: list[Waiting] = []
        self._under_way = 0
        self._tokens_per_second = _FIRST_GUESS_TOKENS_PER_SECOND

    @property
    def inputs(self) -> int:
        """Inputs that are not yet in a batch."""
        return len(self._waiting) + self.in_preparation

    @property
    def backlog_seconds(self) -> float:
        """How long the waiting inputs will take at the measured rate."""
        return self.waiting_tokens / self._tokens_per_second

    def add(self, items: Sequence[Waiting]) -> None:
        """Lets inputs wait for a batch."""
        self._waiting.extend(items)
        self.waiting_tokens += sum(item.length for item in items)
        self._dispatch()

    def close(self) -> None:
        """Waits for the batches under way and ends the thread. Blocks."""
        self._thread.shutdown()

    def _dispatch(self) -> None:
        while self._waiting and (self._under_way == 0 or (self._under_way == 1 and self._fills_a_batch())):
            decision = decide(self._waiting, self._budget, asyncio.get_running_loop().time())
            self._waiting = decision.waiting
            self.waiting_tokens = sum(item.length for item in decision.waiting)
            for item in decision.dropped:
                item.job.fail(DeadlineExceeded("the deadline passed while inputs waited for a batch"))
            if decision.batch:
                self._start(decision.batch)
            self.left.set()

    def _fills_a_batch(self) -> bool:
        return self.waiting_tokens >= self._budget.max_tokens or len(self._waiting) >= self._budget.max_items

    def _start(self, batch: list[Waiting]) -> None:
        self._under_way += 1
        running = asyncio.get_running_loop().run_in_executor(self._thread, _run, batch)
        running.add_done_callback(partial(self._finish, batch))

    def _finish(self, batch: list[Waiting], running: "asyncio.Future[_Ran]") -> None:
        self._under_way -= 1
        filled = Counter(item.job for item in batch)
        try:
            ran = running.result()
            for item, row in zip(batch, ran.rows, strict=True):
                item.job.rows[item.row] = row
            for job, count in filled.items():
                job.ran(count, ran.started, ran.seconds)
            self._measure(sum(item.length for item in batch), ran.seconds)
        except Exception as error:  # whatever an encoder does wrong belongs to those who asked, not to the lane
            for job in filled:
                job.fail(error)
        self._dispatch()

    def _measure(self, tokens: int, seconds: float) -> None:
        self._tokens_per_second *= _MEMORY
        self._tokens_per_second += (1 - _MEMORY) * tokens / max(seconds, 1e-6)


def _run(batch: list[Waiting]) -> _Ran:
    started = perf_counter()
    order = batch[0].job.order
    rows = order.encoder.run([item.prepared for item in batch], order.layer, order.normalize)
    return _Ran(rows, started, perf_counter() - started)
