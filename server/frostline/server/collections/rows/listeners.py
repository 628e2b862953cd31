"""Those who are told of each commit once it is durable, beside the one follower that must be ready before it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from frostline.server.collections.rows.commit import Commit, Follower

Listener = Callable[[Commit], None]
"""Is called by the writer's thread, before the callers of the commit's operations have their answers. Must be quick."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Following:
    """What a listener hears.

    Attributes:
        sequence: of the last commit it is not told of; it is told of all that come after, in their order. Who reads
            rows from now on reads that commit or a later one, and passes over those commits that were read already.
        end: ends it; may be called twice. A call that is under way may still return after it.
    """

    sequence: int
    end: Callable[[], None]


class Listeners:
    """Tells many of each commit; satisfies `commit.Follower`.

    Args:
        follower: is told first.
        sequence: of the last commit.
    """

    def __init__(self, follower: Follower, sequence: int) -> None:
        self._follower = follower
        self._sequence = sequence
        self._lock = threading.Lock()
        self._listeners: dict[object, Listener] = {}
        self._prepared: Commit | None = None

    def follow(self, listener: Listener) -> Following:
        """Tells a listener of the commits to come. Errors that it raises are logged and harm nobody else."""
        token = object()

        def end() -> None:
            with self._lock:
                self._listeners.pop(token, None)

        with self._lock:
            self._listeners[token] = listener
            return Following(self._sequence, end)

    def prepare(self, commit: Commit) -> None:
        """Makes the follower ready; see `commit.Follower`."""
        self._follower.prepare(commit)
        self._prepared = commit

    def publish(self) -> None:
        """Tells the follower and the listeners; see `commit.Follower`."""
        self._follower.publish()
        commit, self._prepared = self._prepared, None
        assert commit is not None
        with self._lock:
            self._sequence = commit.sequence
            listeners = list(self._listeners.values())
        for listener in listeners:  # outside the lock, so that one may end what it hears
            try:
                listener(commit)
            except Exception:
                _log.exception("a listener failed at commit %d of collection %r", commit.sequence, commit.config.id)

    def discard(self) -> None:
        """Lets the follower forget; see `commit.Follower`."""
        self._prepared = None
        self._follower.discard()
