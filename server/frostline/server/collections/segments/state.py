"""A collection as of one commit, and the step from each to the next.

A state never changes; searches keep the one they began with. The state of the next commit is ready before COMMIT and
kept beside that of the last, so that a reader finds the one that belongs to the commit its transaction sees. Segments
are exchanged between commits: the records stay the same, and so does the sequence.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from frostline.server.collections.config import CollectionConfig
from frostline.server.collections.filters.expression import Expression, encode
from frostline.server.collections.rows.commit import Commit
from frostline.server.collections.segments.parts import Part, locate
from frostline.server.collections.segments.tail import Tail
from frostline.server.collections.segments.waiting import Waiters
from frostline.server.collections.vectors.selection import Selection

REMEMBERED_FILTERS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """What a filter lets through in one state.

    Attributes:
        selections: rows of each part.
        count: of all parts.
        indexed: whether declared fields alone said so.
    """

    selections: tuple[Selection, ...]
    count: int
    indexed: bool


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A collection as of one commit.

    Attributes:
        sequence: the commit's number.
        config: the configuration.
        parts: oldest first; the last is the tail.
        filtered: what the filters that were asked last let through, by their digest; shared by threads.
    """

    sequence: int
    config: CollectionConfig
    parts: tuple[Part, ...]
    filtered: dict[bytes, Filtered] = field(default_factory=dict[bytes, Filtered])

    @property
    def count(self) -> int:
        """Records that can be found."""
        return sum(part.live for part in self.parts)

    @property
    def recall(self) -> float:
        """The recall of the 10 nearest without a filter that was last measured; 1 where all rows are compared."""
        return min(part.source.recall for part in self.parts)

    def remembered(self, expression: Expression) -> Filtered | None:
        """What a filter lets through; None where it has to be found out."""
        return self.filtered.get(_digest(expression))

    def remember(self, expression: Expression, filtered: Filtered) -> None:
        """Keeps what a filter lets through for the next search with the same."""
        if len(self.filtered) >= REMEMBERED_FILTERS:
            self.filtered.clear()
        self.filtered[_digest(expression)] = filtered

    def followed_by(self, commit: Commit) -> "State":
        """The state after a commit. Only the newest state may be followed, and by one thread at a time."""
        _tail(self).cut(self.parts[-1].total)
        state = self if commit.config.fields == _tail(self).fields else self.rotated(commit.config)
        if state is self and not commit.added and not commit.removed:  # interactions: the records are as they were
            return replace(self, sequence=commit.sequence, config=commit.config)
        parts = list(state.parts)
        if commit.added:
            parts[-1] = _grown(parts[-1], commit)
        removed = np.array(sorted(commit.removed), np.int64)
        for place, mine in locate(parts, removed) if len(removed) else ():
            parts[place] = parts[place].without(parts[place].rows(removed[mine]))
        return State(commit.sequence, commit.config, tuple(parts))

    def rotated(self, config: CollectionConfig | None = None) -> "State":
        """The state with a new, empty tail behind the one that was."""
        old = _tail(self)
        old.cut(self.parts[-1].total)  # else it would claim ids that are given again after a restart
        tail = Tail(config or self.config, old.end() + 1)
        kept = self.parts if self.parts[-1].total else self.parts[:-1]
        return replace(self, parts=(*kept, Part.of(tail, np.empty(0, np.int64))), filtered={})

    def exchanged(self, start: int, end: int, new: Sequence[Part]) -> "State":
        """The state with parts `start` to `end` in another shape, with the same rows alive."""
        return replace(self, parts=(*self.parts[:start], *new, *self.parts[end:]), filtered={})


class States:
    """Follows the commits of one collection; satisfies `commit.Follower`.

    Args:
        state: as of the last commit.

    Attributes:
        waiters: for the commits to come.
    """

    def __init__(self, state: State) -> None:
        self._state = self._following = state
        # Held from `prepare` to `publish` or `discard`: parts are exchanged between commits only.
        self._changing = threading.Lock()
        self.waiters = Waiters(lambda: self._state.sequence)

    @property
    def state(self) -> State:
        """The collection as of the last commit."""
        return self._state

    def at(self, sequence: int) -> State | None:
        """The collection as of a commit; None when two later ones came in between."""
        return next((each for each in (self._state, self._following) if each.sequence == sequence), None)

    def prepare(self, commit: Commit) -> None:
        """Makes the state of the next commit; see `commit.Follower`."""
        self._changing.acquire()
        try:
            self._following = self._state.followed_by(commit)
        except BaseException:
            self._changing.release()
            raise

    def publish(self) -> None:
        """Makes it the state; see `commit.Follower`."""
        self._state = self._following
        self._changing.release()
        self.waiters.wake()

    def discard(self) -> None:
        """Forgets it; see `commit.Follower`."""
        self._following = self._state
        self._changing.release()

    def change(self, how: Callable[[State], State]) -> State:
        """Changes the shape of the parts between two commits.

        Args:
            how: given the state, makes one with the same records.

        Returns:
            The new state.
        """
        with self._changing:
            self._state = self._following = how(self._state)
            return self._state


def _digest(expression: Expression) -> bytes:
    return hashlib.blake2b(encode(expression).encode(), digest_size=16).digest()


def _tail(state: State) -> Tail:
    tail = state.parts[-1].source
    assert isinstance(tail, Tail)
    return tail


def _grown(part: Part, commit: Commit) -> Part:
    """The tail with new rows."""
    assert isinstance(part.source, Tail)
    for added in commit.added:
        part.source.append(added)
    return part.grown(len(part.source.internal_ids))
