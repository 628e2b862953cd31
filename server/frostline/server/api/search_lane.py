"""Runs searches for the event loop: those that wait for the same thing are run together.

One search of a kind is under way at a time. What comes meanwhile gathers, and is the next: so nothing waits where
nothing runs, and the more callers there are, the more queries share a search. A group is run by a thread, which tells
the event loop once for all of its callers. Where searches of a kind have shown to be short, going to a thread and back
would take longer than they do: the event loop runs them itself, at once, or where callers crowd, after it has heard
all who are there already.

    callers --by kind--> groups wait --threads, or the event loop--> one search --event loop--> each caller its part
"""

import asyncio
import math
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from queue import SimpleQueue
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.search.query import Hits

MOST_QUERIES = 64
"""The most queries of a group; one caller may have more."""
THREADS = 2
SHORT_SECONDS = 0.001
"""A group that will be done within this time is run by the event loop, which hears nobody meanwhile."""
CROWDED_SECONDS = 0.0001
"""Who comes so soon after a search that the event loop ran is not alone: others are heard first."""
MOST_REMEMBERED = 1024

Search = Callable[[NDArray[np.float32]], Hits]
"""Finds what is close to vectors, float32 of shape (q, d)."""


@dataclass(slots=True, eq=False)
class _Caller:
    """Who waits.

    Attributes:
        vectors: float32 of shape (q, d).
        future: gets the hits.
        outcome: what it gets.
    """

    vectors: NDArray[np.float32]
    future: "asyncio.Future[Hits]"
    outcome: Hits | Exception | None = None


@dataclass(slots=True, eq=False)
class _Kind:
    """The searches of one kind.

    Attributes:
        key: what makes them one kind.
        search: runs them.
        waiting: those that have not begun.
    """

    key: Hashable
    search: Search
    waiting: deque[_Caller] = field(default_factory=deque[_Caller])


class SearchLane:
    """Runs searches. Belongs to the event loop it is made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._kinds: dict[Hashable, _Kind] = {}
        self._query_seconds: dict[Hashable, float] = {}  # what a query of a kind took when one was last run
        self._ended = 0.0  # when the event loop has last run one
        self._groups: SimpleQueue[tuple[_Kind, list[_Caller]] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"frostline-search-{number}", daemon=True)
            for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    async def search(
        self, key: Hashable, search: Search, vectors: NDArray[np.float32], *, steady: bool = False
    ) -> Hits:
        """Searches, perhaps together with others.

        Args:
            key: searches with equal keys may run as one: they look into the same collection with the same options.
            steady: whether searches of this kind take about as long as the last one did: they read no files. Only such
                are ever run by the event loop.
            search: runs one; that of the first caller of a kind runs those of the others too.
            vectors: float32 of shape (q, d), checked.

        Returns:
            The hits of these vectors. What they say about the search as a whole, like its recall, is said of the group.

        Raises:
            Exception: whatever the search of these vectors raises.
        """
        kind = self._kinds.get(key)
        short = steady and len(vectors) * self._query_seconds.get(key, math.inf) <= SHORT_SECONDS
        if kind is None and short and perf_counter() - self._ended > CROWDED_SECONDS:
            return self._run_now(key, search, vectors)
        caller = _Caller(vectors, self._loop.create_future())
        if kind is None:
            kind = self._kinds[key] = _Kind(key, search)
            if short:
                kind.waiting.append(caller)
                self._loop.call_soon(self._run_here, kind)
            else:
                self._groups.put((kind, [caller]))
        else:
            kind.waiting.append(caller)
        return await caller.future

    def close(self) -> None:
        """Waits for the searches under way and ends the threads; nothing may be asked for any more."""
        for _ in self._threads:
            self._groups.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while group := self._groups.get():
            kind, callers = group
            seconds = _search(kind.search, callers)
            self._loop.call_soon_threadsafe(self._deliver, kind, callers, seconds)

    def _run_now(self, key: Hashable, search: Search, vectors: NDArray[np.float32]) -> Hits:
        started = perf_counter()
        try:
            return search(vectors)
        finally:
            self._ended = perf_counter()
            self._remember(key, (self._ended - started) / max(len(vectors), 1))

    def _run_here(self, kind: _Kind) -> None:
        most = int(SHORT_SECONDS / max(self._query_seconds.get(kind.key, math.inf), SHORT_SECONDS / MOST_QUERIES))
        callers = _next_group(kind.waiting, max(most, 1))
        self._deliver(kind, callers, _search(kind.search, callers))
        self._ended = perf_counter()

    def _deliver(self, kind: _Kind, callers: list[_Caller], seconds: float) -> None:
        if callers:
            self._remember(kind.key, seconds / sum(len(caller.vectors) for caller in callers))
        following = _next_group(kind.waiting)
        if following:  # before the answers: the thread need not wait for them
            self._groups.put((kind, following))
        else:
            del self._kinds[kind.key]
        for caller in callers:
            if caller.future.done():  # cancelled: nobody waits any more
                continue
            if isinstance(caller.outcome, Hits):
                caller.future.set_result(caller.outcome)
            elif caller.outcome is not None:
                caller.future.set_exception(caller.outcome)

    def _remember(self, key: Hashable, query_seconds: float) -> None:
        if len(self._query_seconds) >= MOST_REMEMBERED:
            self._query_seconds.clear()
        self._query_seconds[key] = query_seconds


def _next_group(waiting: deque[_Caller], most: int = MOST_QUERIES) -> list[_Caller]:
    group: list[_Caller] = []
    queries = 0
    while waiting and (not group or queries + len(waiting[0].vectors) <= most):
        caller = waiting.popleft()
        if not caller.future.done():
            group.append(caller)
            queries += len(caller.vectors)
    return group


def _search(search: Search, callers: list[_Caller]) -> float:
    """Runs a group; says how many seconds it took."""
    started = perf_counter()
    _search_all(search, callers)
    return perf_counter() - started


def _search_all(search: Search, callers: list[_Caller]) -> None:
    if len(callers) > 1:
        try:
            hits = search(np.concatenate([caller.vectors for caller in callers]))
        except Exception:  # somebody's: each alone will show whose
            hits = None
        if hits is not None:
            _split(hits, callers)
            return
    for caller in callers:
        try:
            caller.outcome = search(caller.vectors)
        except Exception as error:
            caller.outcome = error


def _split(hits: Hits, callers: list[_Caller]) -> None:
    start = 0
    for caller in callers:
        end = start + len(caller.vectors)
        caller.outcome = Hits(
            hits.ids[start:end],
            hits.scores[start:end],
            None if hits.payloads is None else hits.payloads[start:end],
            None if hits.groups is None else hits.groups[start:end],
            hits.sequence,
            hits.recall,
            hits.explanation,
        )
        start = end
