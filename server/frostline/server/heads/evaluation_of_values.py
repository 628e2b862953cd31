"""Judges a head that answers numbers on examples it has not seen."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from frostline.server.heads.bootstrap import intervals
from frostline.server.heads.fitted import Fitted
from frostline.server.heads.interval import Interval
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.truths import Measured


class ValueEvaluation(BaseModel):
    """How a head that answers numbers fared on n examples.

    Attributes:
        example_count: n.
        mean_absolute_error: in the unit of the numbers.
        root_mean_squared_error: in the unit of the numbers.
        explained: R squared, the share of the variance here that the head explains; below 0 where the mean of these
            examples would do better. None where all numbers are the same.
        coverage: the share of examples whose number lies in its interval; None where the head gives none.
        margin: the half width of intervals; None where the head gives none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    example_count: int
    mean_absolute_error: Interval
    root_mean_squared_error: Interval
    explained: Interval | None
    coverage: float | None
    margin: float | None


def evaluate(fitted: Fitted, labelled: Labelled) -> ValueEvaluation:
    """Judges a head.

    Args:
        fitted: the head.
        labelled: at least one example with a written number, in the head's space.
    """
    measured = Measured.of(labelled)
    errors = measured.values - fitted.decision.logits(measured.features)[:, 0]
    absolute, squared, explained = intervals(
        lambda counts: _scores(counts, errors, measured.values), len(errors), width=0
    )
    within = None if fitted.margin is None else float((np.abs(errors) <= fitted.margin).mean())
    return ValueEvaluation(
        example_count=len(errors),
        mean_absolute_error=absolute,
        root_mean_squared_error=squared,
        explained=explained if np.ptp(measured.values) else None,
        coverage=within,
        margin=fitted.margin,
    )


def _scores(
    counts: NDArray[np.float64], errors: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean absolute and root mean squared error and R squared, for r ways to count the examples; see `intervals`.

    Args:
        counts: float64 of shape (r, n).
        errors: float64 of shape (n,).
        values: float64 of shape (n,), the true numbers.

    Returns:
        float64 of shape (r, 3); R squared is 0 where all numbers that count are the same.
    """
    weights = counts / len(errors)
    centred = values - values.mean()  # so that squares do not drown in a common height
    variance = weights @ centred**2 - (weights @ centred) ** 2
    squared = weights @ errors**2
    lost = np.divide(squared, variance, out=np.ones(len(counts)), where=variance > 0)
    return np.stack([weights @ np.abs(errors), np.sqrt(squared), 1 - lost], axis=1)
