"""Groups of examples that a head is judged on apart: kept beside the examples, in a file of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.server.durable_files import read_json, write_json
from frostline.server.errors import InvalidInput
from frostline.server.heads.examples import MAX_LABEL_BYTES

MOST_GROUPS = 100
MOST_NAMES = 1_000
"""Groups of any size."""
LEAST_MEMBERS = 10
"""A group of fewer says nothing, and is not judged."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Which group each of n examples is in.

    Attributes:
        names: of those that are judged, ascending.
        members: int64 of shape (n,), places in `names`; -1 for members of groups that are too small.
        small: how many members each of those has, by name.
    """

    names: tuple[str, ...]
    members: NDArray[np.int64]
    small: dict[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def of(cls, given: Sequence[str]) -> "Groups":
        """Reads the group of each example.

        Raises:
            InvalidInput: one is empty or too long, there are too many, or too few that are large enough.
        """
        if "" in given:
            raise InvalidInput(f"example {given.index('')} has no group, and others have; give each one, or none")
        names, members, counts = np.unique(np.array(given, dtype=object), return_inverse=True, return_counts=True)
        if len(names) > MOST_NAMES:
            raise InvalidInput(f"the examples are in {len(names)} groups; give at most {MOST_NAMES}")
        if too_long := [name for name in names if len(name.encode()) > MAX_LABEL_BYTES]:
            raise InvalidInput(f"group {too_long[0][:80]!r}... is longer than {MAX_LABEL_BYTES} bytes; name it shorter")
        judged = counts >= LEAST_MEMBERS
        if not 2 <= judged.sum() <= MOST_GROUPS:
            raise InvalidInput(
                f"of {len(names)} groups of examples {judged.sum()} have {LEAST_MEMBERS} examples or more; a head is "
                f"judged by 2 to {MOST_GROUPS} such groups: give more examples, or put small groups together"
            )
        places = np.where(judged, np.cumsum(judged) - 1, -1)
        small = dict(zip(names[~judged].tolist(), counts[~judged].tolist(), strict=True))
        return cls(tuple(names[judged].tolist()), places[members.ravel()].astype(np.int64), small)

    def save(self, path: Path) -> None:
        """Writes them to a new file."""
        write_json(path, {"names": list(self.names), "members": self.members.tolist(), "small": self.small})

    @classmethod
    def load(cls, path: Path) -> "Groups":
        """Reads what `save` wrote."""
        content = read_json(path)
        return cls(tuple(content["names"]), np.array(content["members"], np.int64), content["small"])
