"""What is said of encoders that were compared."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from frostline.server.heads.interval import Interval


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Transfer(StrEnum):
    """How far the examples are from what an encoder has seen."""

    NEAR = "near"
    BETWEEN = "between"
    FAR = "far"


class Standing(_Frozen):
    """How a candidate, an encoder at one depth, fared.

    Attributes:
        candidate: its place in the order, from 0.
        accuracy: the share of examples that ridge has right, each left out of what it learns from.
        behind: the best candidate's accuracy less this one's, of the same resampled examples.
        tied: whether the best may be so by chance: the interval of `behind` reaches 0.
        penalty: of ridge, in mean squared lengths of an example less the mean.
        log_evidence: LogME, in nats an example.
        h_score: the shrunk H-score, from 0 to classes less 1.
        neighbor_accuracy: the share of examples that their 5 nearest others have right.
        separability: how well the examples are told from what the encoder has seen, from 0 to 1; None where nothing
            was given that it has seen.
        transfer: what is said by it.
    """

    candidate: int
    accuracy: Interval
    behind: Interval
    tied: bool
    penalty: float
    log_evidence: float
    h_score: float
    neighbor_accuracy: float
    separability: Interval | None
    transfer: Transfer | None


class Comparison(_Frozen):
    """How candidates fared on the same examples.

    Attributes:
        example_count: how many examples there were.
        class_count: of how many classes.
        standings: the best first, by accuracy; of equals, the one with less error.
    """

    example_count: int
    class_count: int
    standings: tuple[Standing, ...]
