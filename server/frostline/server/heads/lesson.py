"""What a decision is learned from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.labelled import Labelled
from frostline.server.heads.moments import Moments


@dataclass(frozen=True, eq=False)
class Lesson:
    """Examples and sums over them. Recipes look at the ones or at the others.

    Attributes:
        labelled: the examples at hand.
        add_up: gives the sums, which may be over more examples than are at hand. The classes are the same.
    """

    labelled: Labelled
    add_up: Callable[[], Moments]

    @classmethod
    def of(cls, labelled: Labelled) -> "Lesson":
        """Examples that are all at hand."""
        return cls(labelled, lambda: Moments.of(labelled))

    @cached_property
    def moments(self) -> Moments:
        """The sums."""
        return self.add_up()

    def without(self, rows: NDArray[np.int64]) -> "Lesson":
        """The lesson less some of the examples at hand and all their copies; it must leave some of each class."""
        left = np.delete(np.arange(len(self.labelled.targets)), rows)
        return Lesson(self.labelled.rows(left), lambda: self.moments.minus(Moments.of(self.labelled.rows(rows))))
