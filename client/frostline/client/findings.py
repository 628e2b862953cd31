"""What is found out about the data around a head: whether it has drifted, where it is wrong, what to label next."""

from dataclasses import dataclass
from typing import Literal

LabelStrategy = Literal["uncertainty", "margin", "coverage"]


@dataclass(frozen=True, slots=True)
class ShiftedInput:
    """An input that is unlike the examples.

    Attributes:
        position: among the inputs.
        record_id: its id, where it is a record; empty otherwise.
        score: of the nearest examples and other inputs, at most 10, the share that are inputs.
    """

    position: int
    record_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How far inputs are from the examples that a head was trained from.

    Attributes:
        version: of the head.
        example_count: examples there are.
        input_count: inputs there are.
        p_value: how often chance alone would tell inputs from examples as well, from 0.001 to 1. Where it is low,
            something has changed.
        separability: how well inputs can be told from examples, as area under the ROC: 0.5 where nothing has changed, 1
            where they have nothing in common. Says whether a change matters.
        expected_score: the mean score of inputs where nothing has changed.
        shifted: the inputs that are most unlike the examples, the worst first.
    """

    version: int
    example_count: int
    input_count: int
    p_value: float
    separability: float
    expected_score: float
    shifted: tuple[ShiftedInput, ...]


@dataclass(frozen=True, slots=True)
class AuditedExample:
    """An example, as an audit names it.

    Attributes:
        position: among the examples.
        record_id: its id, where it is a record; empty otherwise.
        label: that it has.
    """

    position: int
    record_id: str
    label: str


@dataclass(frozen=True, slots=True)
class SuspectLabel:
    """An example whose label is probably wrong.

    Attributes:
        example: which.
        suggested_label: what a head that has not seen it takes it for.
        quality: how likely that head finds the label it has, from 0 to 1.
    """

    example: AuditedExample
    suggested_label: str
    quality: float


@dataclass(frozen=True, slots=True)
class DuplicateExamples:
    """Examples that are nearly the same.

    Attributes:
        examples: two or more.
        contradictory: whether they have different labels.
    """

    examples: tuple[AuditedExample, ...]
    contradictory: bool


@dataclass(frozen=True, slots=True)
class OutlyingExample:
    """An example that is unlike all others.

    Attributes:
        example: which.
        distance: how far the nearest others are, in units of what is still usual; above 1.
    """

    example: AuditedExample
    distance: float


@dataclass(frozen=True, slots=True)
class LabelAudit:
    """What was found among labelled examples.

    Attributes:
        example_count: how many examples were looked at.
        suspect_count: how many labels are probably wrong; as all counts here, also of what is not listed.
        duplicates_count: how many groups of examples are nearly the same.
        outlier_count: how many examples are unlike all others.
        suspects: the examples whose labels are probably wrong, the worst first.
        duplicates: groups of examples that are nearly the same, those first that contradict each other.
        outliers: the examples that are unlike all others, the furthest first.
    """

    example_count: int
    suspect_count: int
    duplicates_count: int
    outlier_count: int
    suspects: tuple[SuspectLabel, ...]
    duplicates: tuple[DuplicateExamples, ...]
    outliers: tuple[OutlyingExample, ...]


@dataclass(frozen=True, slots=True)
class LabelSuggestion:
    """An input that is worth a label.

    Attributes:
        position: among the inputs.
        record_id: its id, where it is a record; empty otherwise.
        score: how unsure the head is, from 0 to 1; with `coverage`, by how much the inputs come closer to what is
            labelled when it is, as a mean of cosines.
        label: what the head takes it for; empty without a head.
        probability: how likely that is; 0 without a head.
    """

    position: int
    record_id: str
    score: float
    label: str
    probability: float
