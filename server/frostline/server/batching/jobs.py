"""Inputs on their way through a batcher, and what becomes of them."""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from frostline.server.encoders.encoder import Encoder, Prepared, Truncate
from frostline.server.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Order:
    """How the inputs of a call are embedded.

    Attributes:
        encoder: runs them.
        layer: one of its layers.
        normalize: whether rows get unit length.
        prefix: the prompt put before each text.
        truncate: what happens to a text that is too long.
        deadline: event-loop time after which the result is no use; infinite where there is none.
    """

    encoder: Encoder
    layer: str
    normalize: bool
    prefix: str
    truncate: Truncate
    deadline: float

    @property
    def group(self) -> Hashable:
        """What inputs must share to run together; their prompts are already in their tokens."""
        return id(self.encoder), self.layer, self.normalize


@dataclass(slots=True)
class Embedded:
    """Embeddings of n inputs.

    Attributes:
        vectors: float32 of shape (n, d); rows of failed inputs are zero.
        errors: what is wrong with an input, by its position.
        token_counts: tokens read of each input; 0 for images and failed inputs.
        truncated: for each input, whether text was cut away.
        queue_seconds: the longest wait for a first batch.
        prepare_seconds: time in tokenizing or decoding.
        inference_seconds: time on the device of the batches that held these inputs.
    """

    vectors: NDArray[np.float32]
    errors: dict[int, InvalidInput]
    token_counts: list[int]
    truncated: list[bool]
    queue_seconds: float = 0.0
    prepare_seconds: float = 0.0
    inference_seconds: float = 0.0


class Job:
    """A piece of a call: prepared inputs whose rows are filled batch by batch. Belongs to the event loop.

    Args:
        order: how they are embedded.
        prepared: what became of each input's preparation.
        prepare_seconds: how long that took.

    Attributes:
        done: set when all rows are there, or with the error of a batch that failed.
        rows: float32 of shape (n, d).
    """

    def __init__(self, order: Order, prepared: Sequence[Prepared | InvalidInput], prepare_seconds: float) -> None:
        self.order = order
        self.prepared = prepared
        self.prepare_seconds = prepare_seconds
        self.queue_seconds = 0.0
        self.inference_seconds = 0.0
        self.rows = np.zeros((len(prepared), order.encoder.manifest.layer(order.layer).dimensions), np.float32)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived = perf_counter()
        self._ran_batches = 0
        self._pending = len(self.items())
        if not self._pending:
            self.done.set_result(None)

    def items(self) -> "list[Waiting]":
        """The inputs that can run."""
        return [Waiting(self, row, p) for row, p in enumerate(self.prepared) if isinstance(p, Prepared)]

    def ran(self, filled: int, started: float, seconds: float) -> None:
        """Takes note of a batch that has filled some rows.

        Args:
            filled: how many.
            started: when the batch began, in `perf_counter` seconds.
            seconds: how long it took.
        """
        if not self._ran_batches:
            self.queue_seconds = max(0.0, started - self._arrived)
        self._ran_batches += 1
        self.inference_seconds += seconds
        self._pending -= filled
        if not self._pending and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Ends the job, if it has not ended."""
        if not self.done.done():
            self.done.set_exception(error)


@dataclass(eq=False, slots=True)
class Waiting:
    """One input of a job; what the policy calls an item."""

    job: Job
    row: int
    prepared: Prepared

    @property
    def group(self) -> Hashable:
        """What inputs must share to run together."""
        return self.job.order.group

    @property
    def length(self) -> int:
        """Its cost in tokens."""
        return max(1, self.prepared.length)

    @property
    def deadline(self) -> float:
        """When its result is no use any more, in event-loop time."""
        return self.job.order.deadline

    @property
    def cancelled(self) -> bool:
        """Whether its caller has gone, or another batch of the job has failed."""
        return self.job.done.done()


def join(dimensions: int, jobs: Sequence[Job]) -> Embedded:
    """Puts the pieces of a call together again.

    Args:
        dimensions: length of a row, for a call without inputs.
        jobs: the pieces in order, all done.
    """
    prepared = [each for job in jobs for each in job.prepared]
    return Embedded(
        vectors=np.concatenate([job.rows for job in jobs]) if jobs else np.zeros((0, dimensions), np.float32),
        errors={index: each for index, each in enumerate(prepared) if isinstance(each, InvalidInput)},
        token_counts=[each.tokens if isinstance(each, Prepared) else 0 for each in prepared],
        truncated=[isinstance(each, Prepared) and each.truncated for each in prepared],
        queue_seconds=max((job.queue_seconds for job in jobs), default=0.0),
        prepare_seconds=sum(job.prepare_seconds for job in jobs),
        inference_seconds=sum(job.inference_seconds for job in jobs),
    )
