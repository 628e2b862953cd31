"""What a transaction did, as whatever is derived from the rows needs to know it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from frostline.server.collections.config import CollectionConfig


@dataclass(slots=True, eq=False)
class Added:
    """A row that was written. Nobody changes one; only, frozen ones take three times as long to make.

    Attributes:
        internal_id: above all before it.
        record_id: id of its record.
        payload: JSON object in UTF-8.
        vectors: by slot, float32 of shape (d,), as they were sent.
    """

    internal_id: int
    record_id: str
    payload: bytes
    vectors: Mapping[int, NDArray[np.float32]]


@dataclass(slots=True)
class Commit:
    """All that one transaction did.

    Attributes:
        sequence: the last number it takes.
        config: the configuration after it.
        added: rows by ascending internal id; some may be removed again in the same transaction.
        removed: internal ids of rows that are gone.
    """

    sequence: int
    config: CollectionConfig
    added: list[Added] = field(default_factory=list[Added])
    removed: list[int] = field(default_factory=list[int])


class Follower(Protocol):
    """Keeps what is derived from the rows up to date; called by the writer's thread alone."""

    def prepare(self, commit: Commit) -> None:
        """Makes ready what holds after the commit. Readers find it as soon as they see the commit's sequence."""
        ...

    def publish(self) -> None:
        """The commit is durable: what was prepared is what holds now."""
        ...

    def discard(self) -> None:
        """The commit has failed: what was prepared is forgotten."""
        ...
