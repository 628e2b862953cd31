"""Groups of examples that a head is judged on apart: kept beside the examples, in a file of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.server.durable_files import read_json, write_json
from frostline.server.errors import InvalidInput
from frostline.server.heads.examples import MAX_LABEL_BYTES

MOST_GROUPS = 100
LEAST_MEMBERS = 10
"""A group of fewer says nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Which group each of n examples is in.

    Attributes:
        names: ascending; each has at least one member.
        members: int64 of shape (n,), places in `names`.
    """

    names: tuple[str, ...]
    members: NDArray[np.int64]

    @classmethod
    def of(cls, given: Sequence[str]) -> "Groups":
        """Reads the group of each example.

        Raises:
            InvalidInput: one is empty or too long, there are too few or too many, or one has too few members.
        """
        if "" in given:
            raise InvalidInput(f"example {given.index('')} has no group, and others have; give each one, or none")
        names, members, counts = np.unique(np.array(given, dtype=object), return_inverse=True, return_counts=True)
        if not 2 <= len(names) <= MOST_GROUPS:
            raise InvalidInput(f"the examples are in {len(names)} groups; a head is judged by 2 to {MOST_GROUPS}")
        if too_long := [name for name in names if len(name.encode()) > MAX_LABEL_BYTES]:
            raise InvalidInput(f"group {too_long[0][:80]!r}... is longer than {MAX_LABEL_BYTES} bytes; name it shorter")
        fewest = int(counts.argmin())
        if counts[fewest] < LEAST_MEMBERS:
            raise InvalidInput(
                f"group {names[fewest][:80]!r} has {counts[fewest]} examples; give at least {LEAST_MEMBERS} of each, "
                "or put small groups together"
            )
        return cls(tuple(names.tolist()), members.astype(np.int64).ravel())

    def save(self, path: Path) -> None:
        """Writes them to a new file."""
        write_json(path, {"names": list(self.names), "members": self.members.tolist()})

    @classmethod
    def load(cls, path: Path) -> "Groups":
        """Reads what `save` wrote."""
        content = read_json(path)
        return cls(tuple(content["names"]), np.array(content["members"], np.int64))
