"""The recommenders of all collections, and when they learn."""

import asyncio
import contextlib
import threading
import time
from concurrent.futures import Future

from frostline.server.collections.collection import Collection
from frostline.server.errors import ShuttingDown
from frostline.server.recommendations import learner as learning
from frostline.server.recommendations.asking import Answer, Ask
from frostline.server.recommendations.learner import Learner
from frostline.server.recommendations.recommender import Recommender

CHANGED_SHARE = 0.05
FEWEST_CHANGES = 20
REST_SHARE = 5.0
"""It is learned again once so many interactions have changed, and so many times as long as it took has passed."""


class _Course:
    """How far a collection's recommender has learned.

    Args:
        recommender: of the collection.
    """

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender
        self.rests_until = 0.0
        self.pending: Future[int] | None = None
        self._restoring = threading.Lock()
        self._restored = False

    def restore(self) -> None:
        """Takes what was learned before the server started, once."""
        with self._restoring:
            if not self._restored:
                if learned := learning.kept(self.recommender.collection):
                    self.recommender.put(learned)
                self._restored = True

    def is_due(self) -> bool:
        """Whether enough has changed."""
        if self.pending or time.monotonic() < self.rests_until:
            return False
        changed, total = self.recommender.changed()
        if not self.recommender.has_learned:
            return total > 0
        return changed > max(FEWEST_CHANGES, CHANGED_SHARE * total)


class Recommenders:
    """Recommends in all collections. All methods may be called from several threads at once.

    A collection is learned from when something is recommended there, and then again as it changes.

    Args:
        learner: learns in the background.
    """

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._changing = threading.Lock()
        self._courses: dict[object, _Course] = {}

    def close(self) -> None:
        """Ends learning."""
        self._learner.close()
        with self._changing:
            courses, self._courses = self._courses, {}
        for each in courses.values():
            each.recommender.close()

    def recommend(self, collection: Collection, ask: Ask) -> Answer:
        """Recommends; see `Recommender.recommend`. Blocks."""
        course = self._course(collection)
        answer = course.recommender.recommend(ask)
        if course.is_due():
            self._learn(course)
        return answer

    async def learned(self, collection: Collection, sequence: int) -> None:
        """Waits until it has learned from a commit, which is there; begins to learn at once where it has not.

        Raises:
            ShuttingDown: the server stops.
        """
        course = await asyncio.to_thread(self._course, collection)
        while await asyncio.to_thread(course.recommender.learned_sequence) < sequence:
            await asyncio.shield(asyncio.wrap_future(self._learn(course)))

    def _course(self, collection: Collection) -> _Course:
        with self._changing:
            course = self._courses.get(collection.token)
            if course is None:
                for token, each in list(self._courses.items()):
                    if not each.recommender.collection.folder.is_dir():  # deleted
                        self._courses.pop(token).recommender.close()
                recommender = Recommender(collection, lambda: self.forget(collection))
                course = self._courses[collection.token] = _Course(recommender)
        course.restore()
        return course

    def _learn(self, course: _Course) -> "Future[int]":
        with self._changing:
            if course.pending:
                return course.pending
            begun = time.monotonic()
            pending = course.pending = self._learner.learn(course.recommender.collection, course.recommender.put)

        def finished(future: "Future[int]") -> None:
            course.rests_until = time.monotonic() + REST_SHARE * (time.monotonic() - begun)
            course.pending = None

        pending.add_done_callback(finished)
        return pending

    def forget(self, collection: Collection) -> None:
        """Removes what was learned, since it may hold interactions that were deleted; it is learned again."""
        course = self._courses.get(collection.token)
        self._learner.forget(collection)
        if course and course.recommender.has_learned:
            with contextlib.suppress(ShuttingDown):
                self._learn(course)
