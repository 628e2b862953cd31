"""What `head.json` says of a head: all that is no array, and what the arrays are."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from frostline.server.durable_files import FileInfo
from frostline.server.heads.arrays import ArrayInfo
from frostline.server.heads.examples import MAX_CLASSES, MAX_LABEL_BYTES
from frostline.server.heads.feature_scaling import FeatureScaling
from frostline.server.heads.fitted import VALUE_CLASS, Recipe, Task, Trial

FORMAT: Final = 1

Kind = Literal["linear", "perceptron", "neighbors"]
"""Of `decision`."""

# By name, dtype and axes: c classes, d dimensions, h hidden units, n examples that vote, m that were held out.
_DECISIONS: dict[Kind, dict[str, tuple[str, str]]] = {
    "linear": {"coef": ("float64", "cd"), "intercept": ("float64", "c")},
    "perceptron": {
        "hidden": ("float64", "hd"),
        "hidden_intercept": ("float64", "h"),
        "output": ("float64", "ch"),
        "output_intercept": ("float64", "c"),
    },
    "neighbors": {"vectors": ("float32", "nd"), "targets": ("int64", "n")},
}
_SCOPE = {"scope_means": ("float32", "cd"), "scope_held_out": ("float32", "m")}
_MOMENTS = {
    "moments_counts": ("float64", "c"),
    "moments_sums": ("float64", "cd"),
    "moments_grams": ("float64", "dd"),
}
_VALUE_MOMENTS = {  # e is d and the number, see `regression.sums`
    "moments_counts": ("float64", "c"),
    "moments_sums": ("float64", "ce"),
    "moments_grams": ("float64", "ee"),
}
_TARGET = {
    "target_counts": ("float64", "o"),  # o is one
    "target_sums": ("float64", "od"),
    "target_grams": ("float64", "dd"),
}

_Label = Annotated[str, Field(min_length=1, max_length=MAX_LABEL_BYTES)]
_Share = Annotated[float, Field(ge=0, le=1)]


class Manifest(BaseModel):
    """What a trained head is; for the fields that `Fitted` has too, see there.

    Attributes:
        format: of the folder.
        dimensions: of the embeddings it takes.
        target_count: how many unlabelled inputs it is adapted to.
        kind: of its decision function.
        neighbors: how many vote; 0 where none do.
        arrays: what is in `arrays.npz`.
        files: size and SHA-256 of each other file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1] = FORMAT
    classes: tuple[_Label, ...] = Field(min_length=1, max_length=MAX_CLASSES)
    counts: tuple[Annotated[int, Field(ge=0)], ...]
    dimensions: int = Field(gt=0)
    recipe: Recipe
    strength: float
    balance_classes: bool
    kind: Kind
    neighbors: int = Field(default=0, ge=0)
    temperature: float = Field(gt=0)
    abstain_error: _Share
    abstain_threshold: float = Field(ge=0)
    coverage: _Share
    set_quantile: float
    trials: tuple[Trial, ...]
    held_out_accuracy: _Share | None
    train_accuracy: _Share | None
    task: Task = Task.CLASS
    margin: float | None = Field(default=None, ge=0)
    thresholds: tuple[_Share, ...] | None = None
    scaling: FeatureScaling = FeatureScaling.NONE
    whiten: bool = False
    target_count: int = Field(default=0, ge=0)
    arrays: dict[str, ArrayInfo]
    files: dict[str, FileInfo]

    @property
    def example_count(self) -> int:
        """How many examples there were. With several labels one counts in many classes, or in none."""
        return self.arrays["scope_held_out"].shape[0] if self.task is Task.LABELS else sum(self.counts)

    @property
    def keeps_moments(self) -> bool:
        """Whether updates and merges are exact."""
        return not _MOMENTS.keys().isdisjoint(self.arrays)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if list(self.classes) != sorted(set(self.classes)):
            raise ValueError("classes are not in order, or named twice")
        if len(self.counts) != len(self.classes):
            raise ValueError("counts are not those of the classes")
        if self.task is not Task.CLASS and self.kind != "linear":
            raise ValueError(f"a head of task {self.task} is linear")
        if self.task is Task.VALUE and self.classes != (VALUE_CLASS,):
            raise ValueError("a head that answers numbers has no classes")
        if (None if self.thresholds is None else len(self.thresholds)) != (
            len(self.classes) if self.task is Task.LABELS else None
        ):
            raise ValueError("thresholds are not those of the labels")
        axes = {"c": len(self.classes), "d": self.dimensions, "e": self.dimensions + 1, "o": 1}
        expected = self._expected()
        if self.arrays.keys() != expected.keys():
            raise ValueError("arrays are not those of its kind")
        for name, (dtype, names) in expected.items():
            info = self.arrays[name]
            lengths = [axes.setdefault(axis, length) for axis, length in zip(names, info.shape, strict=False)]
            if info.dtype != dtype or info.shape != tuple(lengths) or len(lengths) != len(names):
                raise ValueError(f"array {name} has another shape or dtype than the others say")
        if self.kind == "neighbors" and not 0 < self.neighbors <= axes["n"]:
            raise ValueError(f"{self.neighbors} neighbors cannot vote")
        return self

    def _expected(self) -> dict[str, tuple[str, str]]:
        """Its arrays, by name, dtype and axes."""
        expected = _DECISIONS[self.kind] | _SCOPE
        if self.keeps_moments:
            expected |= _VALUE_MOMENTS if self.task is Task.VALUE else _MOMENTS
        if self.target_count:
            expected |= _TARGET
        return expected
