"""What a process that trains or judges heads is asked for; see `training`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from frostline.server.heads.fitted import TrainingOptions
from frostline.server.heads.suggestion import MOST_SUGGESTED, Strategy


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
        examples: folder of the examples there are now; the added ones come last, with their copies.
        added: how many rows were added.
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
        groups: file of their groups; None where they have none.
    """

    task: Literal["evaluate"] = "evaluate"
    artifact: Path
    examples: Path
    groups: Path | None = None


class MeasureDrift(_Frozen):
    """Compares inputs with what a head was trained on.

    Attributes:
        examples: folder of the head's examples.
        inputs: file of vectors, as numpy saves them: float32 of shape (n, d).
        limit: how many shifted inputs are wanted.
    """

    task: Literal["drift"] = "drift"
    examples: Path
    inputs: Path
    limit: int = Field(ge=0)


class AuditLabels(_Frozen):
    """Looks for what is wrong with labelled examples.

    Attributes:
        examples: folder of the examples.
        artifact: folder of a head whose recipe judges the labels; None for the usual one.
        limit: the most that is listed of each kind.
    """

    task: Literal["audit"] = "audit"
    examples: Path
    artifact: Path | None
    limit: int = Field(ge=0)


class SuggestLabels(_Frozen):
    """Chooses inputs to be labelled next.

    Attributes:
        inputs: file of vectors, as numpy saves them: float32 of shape (n, d).
        known: file of vectors of what has a label already, of shape (m, d); there may be none.
        examples: folder of the head's examples, which have one too; None where there are none.
        artifact: folder of the head; None for COVERAGE only.
        strategy: what makes an input worth a label.
        count: how many are wanted.
    """

    task: Literal["suggest"] = "suggest"
    inputs: Path
    known: Path
    examples: Path | None
    artifact: Path | None
    strategy: Strategy
    count: int = Field(ge=1, le=MOST_SUGGESTED)


class MeasureTransfer(_Frozen):
    """Measures what an encoder is worth for some examples; the answer is a `transfer.report.TransferReport`.

    Attributes:
        encoder: its name, for the report.
        examples: folder of the examples, as `examples.save` writes it, embedded by the encoder; without descriptions.
        contents: folder of the texts or images themselves, as `transfer.contents` writes it, in the same order.
        held_out: so many examples, the last ones, are to be judged by; 0 sets half of each class aside.
        draws: how often examples are drawn anew.
        options: how heads are trained.
        embedding_seconds: what embedding all the examples took; None where they were embedded before.
    """

    task: Literal["measure_transfer"] = "measure_transfer"
    encoder: str
    examples: Path
    contents: Path
    held_out: int = Field(default=0, ge=0)
    draws: int = Field(default=10, ge=10, le=100)
    options: TrainingOptions = TrainingOptions()
    embedding_seconds: float | None = Field(default=None, ge=0)


class Candidate(_Frozen):
    """What one encoder, at one depth, makes of examples.

    Attributes:
        examples: folder of the examples.
        seen: file of what it makes of inputs that it has seen, as `numpy.save` writes it; None where there are none.
    """

    examples: Path
    seen: Path | None


class CompareEncoders(_Frozen):
    """Ranks candidates; the answer is a `comparison.report.Comparison`.

    Attributes:
        candidates: with the same examples in the same order.
    """

    task: Literal["compare_encoders"] = "compare_encoders"
    candidates: tuple[Candidate, ...] = Field(min_length=1)


Making = Train | Update | Merge
"""Makes a head."""
Question = Evaluate | MeasureTransfer | CompareEncoders | MeasureDrift | AuditLabels | SuggestLabels
"""Is answered."""


class Order(RootModel[Annotated[Making | Question, Field(discriminator="task")]]):
    """One of these."""
