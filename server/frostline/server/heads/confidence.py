"""How far a head is to be trusted, as its held-out examples say."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.abstention import abstain_threshold
from frostline.server.heads.calibration import log_loss, softmax, temperature, untested_temperature
from frostline.server.heads.conformal import set_quantile
from frostline.server.heads.decision import Decision
from frostline.server.heads.fitted import Fitted
from frostline.server.heads.held_out import HeldOut
from frostline.server.heads.labelled import Labelled

_CHUNK_ROWS = 2_048


@dataclass(frozen=True, slots=True)
class Confidence:
    """What held-out examples say; attributes as of `Fitted`.

    Attributes:
        temperature: see there.
        abstain_threshold: see there.
        set_quantile: see there.
        accuracy: of held-out examples; None where there were none.
        log_loss: of held-out examples, in nats.
    """

    temperature: float
    abstain_threshold: float
    set_quantile: float
    accuracy: float | None
    log_loss: float | None


def tested(outcome: HeldOut, abstain_error: float, coverage: float) -> Confidence:
    """The confidence that examples allow which the head had not seen."""
    warmth = temperature(outcome.logits, outcome.targets, outcome.weights)
    divided = outcome.logits / warmth
    probabilities = softmax(divided)
    return Confidence(
        warmth,
        abstain_threshold(probabilities, outcome.targets, abstain_error),
        set_quantile(probabilities, outcome.targets, coverage),
        float((outcome.logits.argmax(axis=1) == outcome.targets).mean()),
        log_loss(divided, outcome.targets, outcome.weights),
    )


def untested(decision: Decision, labelled: Labelled, abstain_error: float, coverage: float) -> Confidence:
    """The confidence where no example could be held out: it answers always or never, and sets hold every label."""
    originals = labelled.originals
    nothing = np.empty((0, len(labelled.classes))), np.empty(0, np.int64)
    return Confidence(
        untested_temperature(decision.logits(labelled.features[originals]), labelled.targets[originals]),
        abstain_threshold(*nothing, abstain_error),
        set_quantile(*nothing, coverage),
        None,
        None,
    )


def inherited(before: Fitted) -> Confidence:
    """The confidence of the head before, where no examples are at hand."""
    return Confidence(before.temperature, before.abstain_threshold, before.set_quantile, before.held_out_accuracy, None)


def train_accuracy(decision: Decision, labelled: Labelled) -> float | None:
    """The share of its own examples that a decision gets right, without copies and descriptions; None without any."""
    rows = np.flatnonzero(labelled.examples)
    if not len(rows):
        return None
    right = sum(_right(decision, labelled, rows[at : at + _CHUNK_ROWS]) for at in range(0, len(rows), _CHUNK_ROWS))
    return right / len(rows)


def _right(decision: Decision, labelled: Labelled, rows: NDArray[np.int64]) -> int:
    return int((decision.logits(labelled.features[rows]).argmax(axis=1) == labelled.targets[rows]).sum())
