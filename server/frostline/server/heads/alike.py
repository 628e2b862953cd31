"""What heads must have in common to be merged."""

from collections.abc import Sequence
from typing import Protocol

from frostline.server.errors import InvalidInput
from frostline.server.heads.fitted import EXACT, Recipe

_ALIKE = ("task", "recipe", "strength", "balance_classes", "abstain_error", "coverage", "scaling", "whiten")


class Part(Protocol):
    """A head as it is, or as its manifest says; its own attributes are those of `_ALIKE`."""

    @property
    def recipe(self) -> Recipe:
        """What it was trained from."""
        ...

    @property
    def dimensions(self) -> int:
        """Of the embeddings it takes."""
        ...

    @property
    def keeps_moments(self) -> bool:
        """Whether it keeps sums."""
        ...


def check_alike(parts: Sequence[Part], names: Sequence[str] = ()) -> None:
    """Refuses heads that cannot be merged.

    Args:
        parts: the heads.
        names: what each is called in messages; by its place when empty.

    Raises:
        InvalidInput: there are too few, they were trained unlike, or one keeps no sums; says which.
    """
    if len(parts) < 2:
        raise InvalidInput(f"it takes at least two heads to merge, and there is {len(parts)}: name another")
    for name in _ALIKE:
        _expect_one(name, [getattr(part, name) for part in parts], names)
    if not all(part.keeps_moments for part in parts):
        exact = ", ".join(sorted(EXACT))
        raise InvalidInput(f"heads of {parts[0].recipe} cannot be merged, they keep no sums: train one of {exact}")
    dimensions = sorted({part.dimensions for part in parts})
    if len(dimensions) > 1:
        raise InvalidInput(f"heads over {' and '.join(map(str, dimensions))} dimensions cannot be merged")


def check_copies(augment: Sequence[int], names: Sequence[str]) -> None:
    """Refuses heads that learned from different numbers of altered copies of their examples; see `check_alike`.

    Raises:
        InvalidInput: they are not all the same.
    """
    _expect_one("augment", augment, names)


def _expect_one(name: str, found: Sequence[object], names: Sequence[str]) -> None:
    odd = next((place for place, value in enumerate(found) if value != found[0]), 0)
    if odd:
        first, other = (f"{found[place]} of {names[place] if names else f'part {place}'}" for place in (0, odd))
        raise InvalidInput(f"heads with different {name} ({first}, {other}) cannot be merged: train them alike")
