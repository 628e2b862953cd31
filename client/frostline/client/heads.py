"""Heads: what they learn from, and what a server keeps of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from frostline.client.types import EmbeddingSpace, Floats

Recipe = Literal["auto", "logistic", "ridge", "lda", "nearest_mean", "linear_svm", "nearest_neighbors", "perceptron"]
HeadTask = Literal["class", "labels", "value"]
FeatureScaling = Literal["auto", "none", "unit_length", "square_root"]
HeadState = Literal["training", "ready", "failed"]
ExportFormat = Literal["archive", "head-onnx", "onnx"]


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled input: exactly one of the first four, and one of the last three, the same of all examples.

    Attributes:
        text: a text.
        image: an image file, its bytes or a `pathlib.Path`; a str is a text everywhere, and refused here.
        vector: of shape (d,), in the head's space. No part of equality.
        record_id: id of a record of the collection that the call names; its stored vector is taken.
        label: its class.
        labels: its labels, any number of them: for heads that answer several labels.
        value: its number: for heads that answer numbers.
        group: the group it is judged in by `evaluate_head`; training does not look at it.
    """

    text: str | None = None
    image: bytes | Path | None = None
    vector: Floats | None = field(default=None, compare=False)
    record_id: str | None = None
    label: str = ""
    labels: Sequence[str] | None = None
    value: float | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class LabelledRecords:
    """Records of a collection that say their label in a payload field.

    Attributes:
        collection: its name.
        field: path of the field, with dots between: a string, a number or a boolean; with the task `labels` also an
            array of them, with the task `value` a number. Records without it are passed over.
        filter: which records, see `Client.search`; all when empty.
        vector_name: the vector that is taken; the first when empty.
        parameters: values of the filter's parameters, see `Client.search`.
        group_field: path of the field with the group, see `Example`. Records without it are passed over.
    """

    collection: str
    field: str
    filter: str = ""
    vector_name: str = ""
    parameters: Mapping[str, Any] | None = None
    group_field: str = ""


@dataclass(frozen=True, slots=True)
class UnlabelledRecords:
    """Records of a collection whose stored vectors are taken.

    Attributes:
        collection: its name.
        field: path of the payload field that holds the label: records that have one are passed over, and what is
            suggested is unlike them. All are taken when empty.
        filter: which records, see `Client.search`; all when empty.
        vector_name: the vector that is taken; the first when empty.
        parameters: values of the filter's parameters, see `Client.search`.
    """

    collection: str
    field: str = ""
    filter: str = ""
    vector_name: str = ""
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class HeadClass:
    """A class of a head.

    Attributes:
        label: its label.
        example_count: how many examples it was trained from; 0 where it is only described.
        threshold: of several labels, the probability from which on an input is given this one; else None.
    """

    label: str
    example_count: int
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A recipe that was tried.

    Attributes:
        recipe: its name.
        strength: its penalty, shrinkage, C or number of neighbors.
        log_loss: cross-validated, in nats, with the temperature fitted; lower is better. Of several labels the mean
            over them; of numbers that of a normal distribution about the prediction.
        scaling: what was done to the values of each embedding first.
    """

    recipe: str
    strength: float
    log_loss: float
    scaling: str = "none"


@dataclass(frozen=True, slots=True)
class HeadVersion:
    """A version of a head.

    Attributes:
        version: its number, from 1.
        state: `training`, `ready` or `failed`.
        failure: why training failed; empty otherwise.
        create_time: when it was asked for, in UTC.
        recipe: what it was trained from; the chosen one where `auto` was asked for.
        strength: what that was trained with.
        example_count: how many examples it was trained from.
        classes: its classes, by label; none where it answers numbers.
        trials: what was tried.
        held_out_accuracy: cross-validated on the training examples, from 0 to 1; None where none could be held out,
            and of numbers. Of several labels, the share of examples whose labels are all right.
        temperature: what logits are divided by, so that probabilities can be believed.
        abstain_threshold: the lowest probability of an answer; below it the head abstains. 0 where it never does.
        train_seconds: how long training took, without embedding.
        exact_updates: whether updates and merges give what training on everything would.
        margin: of numbers, how far the true one is off at most, as often as `coverage` says; None where there were too
            few examples to say, and of other tasks.
        scaling: what is done to the values of each embedding first; the chosen one where `auto` was asked for.
        target_count: how many unlabelled inputs it is adapted to.
        step: what is being done while it is trained, see `HeadProgress`; empty otherwise.
        progress: how much of its training is done, from 0 to 1; 0 once it is over.
    """

    version: int
    state: str
    failure: str
    create_time: datetime
    recipe: str
    strength: float
    example_count: int
    classes: tuple[HeadClass, ...]
    trials: tuple[Trial, ...]
    held_out_accuracy: float | None
    temperature: float
    abstain_threshold: float
    train_seconds: float
    exact_updates: bool
    margin: float | None = None
    scaling: str = "none"
    target_count: int = 0
    step: str = ""
    progress: float = 0.0


@dataclass(frozen=True, slots=True)
class Head:
    """A light classifier over frozen embeddings, in one version or several.

    Attributes:
        name: its name.
        description: what it is for.
        encoder: name of the encoder of its texts or images; empty where it takes vectors only.
        space: the space of the vectors it takes.
        recipe: what it was asked to be trained from.
        strength: what that was asked to be trained with; None to choose by cross-validation.
        balance_classes: whether classes count alike, however many examples they have.
        descriptions: what classes are about, by label.
        abstain_error: the error that answers shall stay below; it never abstains when 0.
        coverage: how often label sets shall hold the true label, and intervals the true number.
        scaling: what was asked to be done to the values of each embedding first.
        whiten: whether embeddings are whitened before the recipe sees them.
        augment: how many altered copies of each text and image are learned from.
        serving_version: number of the version that predicts; 0 while there is none.
        versions: all versions, the newest first.
        task: what it answers: one `class`, any number of `labels`, or a `value`, which is a number.
    """

    name: str
    description: str
    encoder: str
    space: EmbeddingSpace
    recipe: str
    strength: float | None
    balance_classes: bool
    descriptions: dict[str, str]
    abstain_error: float
    coverage: float
    scaling: str
    whiten: bool
    augment: int
    serving_version: int
    versions: tuple[HeadVersion, ...]
    task: str = "class"

    @property
    def serving(self) -> HeadVersion | None:
        """The version that predicts; None while there is none."""
        return self.version(self.serving_version)

    def version(self, number: int) -> HeadVersion | None:
        """The version of a number; None where there is none."""
        return next((version for version in self.versions if version.version == number), None)
