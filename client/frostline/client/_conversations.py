"""Conversations: streams that stay open for one request and answer after the other.

An answer in a stream takes half the time of a call of its own. A stream is used by one thread at a time and then kept
for the next. gRPC's own waiting for the next answer of a stream knows no time limit; so a thread looks after those that
wait, and gives up on the late ones.
"""

from __future__ import annotations

import math
import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Generic, Protocol

import grpc

from frostline.client import errors
from frostline.client._transport import A, Deadline, Q, R

MOST_KEPT = 16
"""Streams kept for later, each with a thread of gRPC's."""


class Call(Protocol[R]):
    """A stream of gRPC."""

    def __next__(self) -> R: ...

    def is_active(self) -> bool:
        """Whether it has not ended."""
        ...

    def cancel(self) -> object:
        """Gives it up."""
        ...


class Conversations(Generic[Q, A]):
    """Streams of one method. Safe to use from several threads; lets go of them when it is closed or forgotten.

    Args:
        start: starts a stream, given what is to be sent; raises ValueError where the channel is closed.
        target: the server, for messages.
    """

    def __init__(self, start: Callable[[Iterator[Q]], Call[A]], target: str) -> None:
        self._start = start
        self._target = target
        self._closed = False
        self._idle: deque[_Conversation[Q, A]] = deque()
        self._watch = _Watch()
        weakref.finalize(self, _let_go, self._watch, self._idle).atexit = False

    def ask(self, request: Q, deadline: Deadline) -> A:
        """Sends one request and blocks until its answer is there.

        Raises:
            FrostlineError: the stream broke, or no answer came in time.
        """
        while True:
            kept = self._kept()
            conversation = kept or self._opened()
            self._watch.add(conversation, time.monotonic() + deadline.remaining_seconds())
            try:
                answer = conversation.ask(request)
            except (grpc.RpcError, StopIteration) as end:
                conversation.end()
                failure = self._failure(end, deadline, late=conversation.late)
                if kept and isinstance(failure, errors.Unavailable):
                    continue  # it broke while nobody used it
                raise failure from end
            except BaseException:  # an interrupted wait: the next answer would be the wrong one
                conversation.end()
                raise
            finally:
                self._watch.remove(conversation)
            self._keep(conversation)
            return answer

    def close(self) -> None:
        """Ends the streams that nobody uses, and the thread that looks after them; the others end with their answer."""
        self._closed = True
        _let_go(self._watch, self._idle)

    def _opened(self) -> _Conversation[Q, A]:
        try:
            return _Conversation(self._start)
        except ValueError as error:
            raise errors.Unavailable(f"the connection to {self._target} was closed meanwhile") from error

    def _kept(self) -> _Conversation[Q, A] | None:
        with suppress(IndexError):
            while True:
                conversation = self._idle.pop()
                if conversation.is_open():
                    return conversation
                conversation.end()
        return None

    def _keep(self, conversation: _Conversation[Q, A]) -> None:
        if len(self._idle) < MOST_KEPT:
            self._idle.append(conversation)
        else:
            conversation.end()
        if self._closed:  # perhaps after `close` has gone through the others
            _let_go(self._watch, self._idle)

    def _failure(self, end: grpc.RpcError | StopIteration, deadline: Deadline, *, late: bool) -> errors.FrostlineError:
        if late:
            return errors.late(self._target, deadline.limit_seconds)
        if isinstance(end, StopIteration):
            return errors.Unavailable(f"{self._target} ended a stream without an answer")
        return errors.from_rpc(end, self._target, deadline.limit_seconds)


class _Conversation(Generic[Q, A]):
    def __init__(self, start: Callable[[Iterator[Q]], Call[A]]) -> None:
        self._outbox: queue.SimpleQueue[Q | None] = queue.SimpleQueue()
        self._call = start(iter(self._outbox.get, None))
        self.late = False

    def ask(self, request: Q) -> A:
        self._outbox.put(request)
        return next(self._call)

    def is_open(self) -> bool:
        return self._call.is_active()

    def give_up(self) -> None:
        self.late = True
        self._call.cancel()

    def end(self) -> None:
        self._call.cancel()
        self._outbox.put(None)  # else gRPC's thread would wait for ever


class _Watch:
    """Gives up conversations whose time is over. Its thread sleeps until then, which is mostly for good."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._ends: dict[_Conversation[Any, Any], float] = {}
        self._changed = threading.Condition()
        self._wakes = math.inf
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, conversation: _Conversation[Any, Any], end: float) -> None:
        if self._process != os.getpid():  # a fork has not the thread, but may have the lock that it held
            _Watch.__init__(self)
        with self._changed:
            self._ends[conversation] = end
            if end < self._wakes:
                self._wakes = end
                self._changed.notify()
            if not self._thread:
                self._thread = threading.Thread(target=self._run, name="frostline-deadlines", daemon=True)
                self._thread.start()

    def remove(self, conversation: _Conversation[Any, Any]) -> None:
        with self._changed:
            del self._ends[conversation]

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not (self._closed and not self._ends):
                now = time.monotonic()
                self._give_up_late(now)
                self._wakes = min((end for end in self._ends.values() if end > now), default=math.inf)
                self._changed.wait(min(self._wakes - now, threading.TIMEOUT_MAX))

    def _give_up_late(self, now: float) -> None:
        # Not in the loop above, whose variables would keep the last conversation while it sleeps.
        for conversation, end in self._ends.items():
            if end <= now and not conversation.late:
                conversation.give_up()


def _let_go(watch: _Watch, idle: deque[_Conversation[Any, Any]]) -> None:
    """What becomes of those that nobody will use again; knows nothing of `Conversations`, which may be gone."""
    watch.close()
    with suppress(IndexError):
        while True:
            idle.pop().end()
