"""What a process that trains or judges heads is asked for; see `training`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from frostline.server.heads.fitted import TrainingOptions


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Train(_Frozen):
    """Trains a head.

    Attributes:
        examples: folder of the examples.
        options: how.
        target: folder of unlabelled inputs that it is adapted to; None where there are none.
        artifact: folder to write the head to; must not exist.
    """

    task: Literal["train"] = "train"
    examples: Path
    options: TrainingOptions
    target: Path | None = None
    artifact: Path


class Update(_Frozen):
    """Brings a head up to date.

    Attributes:
        before: folder of the head's artifact.
        examples_before: folder of its examples; None where it has none.
        removed: the rows of these that are gone.
        examples: folder of the examples there are now; the added ones come last.
        added: how many were added.
        artifact: folder to write the head to; must not exist.
    """

    task: Literal["update"] = "update"
    before: Path
    examples_before: Path | None
    removed: tuple[int, ...]
    examples: Path
    added: int
    artifact: Path


class Merge(_Frozen):
    """Merges heads.

    Attributes:
        parts: folders of their artifacts.
        artifact: folder to write the head to; must not exist.
    """

    task: Literal["merge"] = "merge"
    parts: tuple[Path, ...] = Field(min_length=2)
    artifact: Path


class Evaluate(_Frozen):
    """Judges a head.

    Attributes:
        artifact: folder of the head.
        examples: folder of examples that it has not seen.
    """

    task: Literal["evaluate"] = "evaluate"
    artifact: Path
    examples: Path


Making = Train | Update | Merge
"""Makes a head."""
Question = Evaluate
"""Is answered."""


class Order(RootModel[Annotated[Making | Question, Field(discriminator="task")]]):
    """One of these."""
