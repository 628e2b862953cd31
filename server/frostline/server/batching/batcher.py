"""Embeds the inputs of many callers together.

contents --prepare (threads)--> items wait in a lane --policy--> batches --run (one thread a device)--> rows
"""

import asyncio
import math
import os
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from frostline.server.batching.jobs import Embedded, Job, Order, join
from frostline.server.batching.lane import Lane
from frostline.server.batching.policy import Budget
from frostline.server.encoders.encoder import Content, Encoder, Truncate
from frostline.server.errors import DeadlineExceeded, Overloaded, ShuttingDown

_PIECE = 64
"""Inputs prepared at once: enough to keep the tokenizer busy, few enough that the first batch starts early."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much runs and how much waits.

    Attributes:
        max_batch_tokens: padded tokens of a batch.
        max_batch_inputs: inputs of a batch.
        max_waiting_tokens: tokens that may wait for a device before new calls are refused.
        max_waiting_inputs: inputs that may wait for a device; bounds the memory of decoded images.
    """

    max_batch_tokens: int = 4096
    max_batch_inputs: int = 64
    max_waiting_tokens: int = 262_144
    max_waiting_inputs: int = 2048


class Batcher:
    """Runs inputs of many callers in common batches. Belongs to one event loop.

    Args:
        limits: how much runs and how much waits.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._preparing = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="frostline-prepare")
        self._lanes: dict[str, Lane] = {}
        self._callers = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    async def embed(
        self,
        encoder: Encoder,
        contents: Sequence[Content],
        *,
        layer: str,
        normalize: bool,
        prefix: str = "",
        truncate: Truncate = Truncate.RIGHT,
        deadline: float | None = None,
        patient: bool = False,
    ) -> Embedded:
        """Embeds inputs, together with whatever else waits for the same encoder.

        Args:
            encoder: what runs them.
            contents: n texts, or n image files.
            layer: one of the encoder's layers.
            normalize: whether rows get unit length.
            prefix: the prompt put before each text.
            truncate: what happens to a text that is too long.
            deadline: event-loop time after which the result is no use; None waits for ever.
            patient: waits for room instead of being refused; for streams, which hold back their senders.

        Raises:
            Overloaded: too much waits already; says when to try again.
            DeadlineExceeded: the deadline passed first.
            ShuttingDown: the server takes nothing new.
        """
        order = Order(encoder, layer, normalize, prefix, truncate, math.inf if deadline is None else deadline)
        with self._caller():
            lane = self._lane(encoder.device)
            if not patient:
                self._refuse_overload(lane)
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._run(order, contents, lane)
            except TimeoutError as error:
                raise DeadlineExceeded("the deadline passed before all inputs had run") from error

    async def drain(self) -> None:
        """Takes nothing new, finishes what was accepted and ends the threads."""
        self._draining = True
        await self._idle.wait()
        for lane in self._lanes.values():
            await asyncio.to_thread(lane.close)
        self._preparing.shutdown(wait=False)

    @contextmanager
    def _caller(self) -> Generator[None]:
        if self._draining:
            raise ShuttingDown("the server is shutting down; try again, another server may answer")
        self._callers += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._callers -= 1
            if not self._callers:
                self._idle.set()

    def _lane(self, device: str) -> Lane:
        if device not in self._lanes:
            budget = Budget(self._limits.max_batch_tokens, self._limits.max_batch_inputs)
            self._lanes[device] = Lane(device, budget)
        return self._lanes[device]

    def _is_full(self, lane: Lane) -> bool:
        return lane.inputs >= self._limits.max_waiting_inputs or lane.waiting_tokens >= self._limits.max_waiting_tokens

    def _refuse_overload(self, lane: Lane) -> None:
        if not self._is_full(lane):
            return
        retry_after = min(max(lane.backlog_seconds, 0.1), 30.0)
        raise Overloaded(
            f"{lane.inputs} inputs with {lane.waiting_tokens} tokens wait already; at most "
            f"{self._limits.max_waiting_inputs} (max_waiting_inputs) and {self._limits.max_waiting_tokens} "
            f"(max_waiting_tokens) may; try again in {retry_after:.1f} s",
            retry_after,
        )

    async def _run(self, order: Order, contents: Sequence[Content], lane: Lane) -> Embedded:
        jobs: list[Job] = []
        try:
            for start in range(0, len(contents), _PIECE):
                jobs.append(await self._prepare(order, contents[start : start + _PIECE], lane))
            await asyncio.gather(*(job.done for job in jobs))
        finally:
            for job in jobs:
                job.done.cancel()
        return join(order.encoder.manifest.layer(order.layer).dimensions, jobs)

    async def _prepare(self, order: Order, contents: Sequence[Content], lane: Lane) -> Job:
        while self._is_full(lane):
            lane.left.clear()
            await lane.left.wait()
        lane.in_preparation += len(contents)
        started = perf_counter()
        try:
            prepared = await asyncio.get_running_loop().run_in_executor(
                self._preparing, order.encoder.prepare, contents, order.prefix, order.truncate
            )
        finally:
            lane.in_preparation -= len(contents)
            lane.left.set()
        job = Job(order, prepared, perf_counter() - started)
        lane.add(job.items())
        return job
