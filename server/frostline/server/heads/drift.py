"""Whether what a head is asked about now is still what it was trained on.

A classifier tries to tell the inputs from the examples: each row by those that are nearest to it, itself left out.
Where nothing has changed it can only guess. Since neighbors stay neighbors whichever side the rows are said to be on,
dealing out the sides again and again shows exactly how well it would do by chance.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from frostline.server.errors import InvalidInput

PERMUTATIONS = 999
"""The lowest p-value is 1 in 1,000."""
MOST_COMPARED = 2_000
"""So many of each side are compared, drawn where there are more: what that takes grows with their square."""
FEWEST = 5
"""With fewer on one side chance explains nearly everything."""
NEIGHBORS = 10
"""So many are nearest, or half of the smaller side where that is less."""
_AT_ONCE = 1 << 22


class Shifted(BaseModel):
    """An input that is unlike the examples.

    Attributes:
        position: among the inputs.
        score: of the nearest examples and other inputs, at most 10, the share that are inputs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    position: int
    score: float


class Drift(BaseModel):
    """How far inputs are from examples.

    Attributes:
        example_count: examples there are.
        input_count: inputs there are.
        p_value: how often chance alone would tell the sides apart as well, from 0.001 to 1.
        separability: area under the ROC of the classifier: 0.5 where nothing has changed, 1 where they have nothing in
            common.
        expected_score: the mean score of inputs where nothing has changed.
        shifted: the inputs that are most unlike the examples, the worst first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    example_count: int
    input_count: int
    p_value: float
    separability: float
    expected_score: float
    shifted: tuple[Shifted, ...]


def drift(examples: NDArray[np.float32], inputs: NDArray[np.float32], limit: int) -> Drift:
    """Compares inputs with examples.

    Args:
        examples: float32 of shape (m, d).
        inputs: float32 of shape (n, d).
        limit: how many shifted inputs are wanted.

    Raises:
        InvalidInput: there are fewer than 5 of one of them.

    Source: Schilling 1986 (neighbors of the same sample); Lopez-Paz and Oquab 2017 (a classifier as a test).
    """
    for what, rows in (("examples", examples), ("inputs", inputs)):
        if len(rows) < FEWEST:
            raise InvalidInput(f"there are {len(rows)} {what} to compare; drift takes {FEWEST} or more of each")
    reference, current = _drawn(len(examples)), _drawn(len(inputs))
    sample = np.concatenate([examples[reference], inputs[current]])
    # Which of several that are as near is taken must not depend on the side; so their order tells nothing of it.
    order = np.random.default_rng(0).permutation(len(sample))
    sample, is_input = sample[order], order >= len(reference)
    count = min(NEIGHBORS, len(reference) // 2, len(current) // 2)
    near = _nearest(sample, sample, np.arange(len(sample)), count)
    scores = is_input[near.rows].mean(axis=1)
    others = np.setdiff1d(np.arange(len(inputs)), current)
    further = _nearest(inputs[others], sample, np.full(len(others), -1), count)
    of_inputs = np.empty((len(inputs), 2))
    of_inputs[current[order[is_input] - len(reference)]] = np.stack([scores, near.distances], axis=1)[is_input]
    of_inputs[others] = np.stack([is_input[further.rows].mean(axis=1), further.distances], axis=1)
    return Drift(
        example_count=len(examples),
        input_count=len(inputs),
        p_value=_p_value(near.rows, is_input),
        separability=_area_under_roc(scores[~is_input], scores[is_input]),
        expected_score=(len(current) - 1) / (len(sample) - 1),
        shifted=tuple(
            Shifted(position=position, score=of_inputs[position, 0])
            for position in np.lexsort((-of_inputs[:, 1], -of_inputs[:, 0]))[:limit].tolist()
        ),
    )


class _Nearest(NamedTuple):
    """What is nearest to n rows.

    Attributes:
        rows: int64 of shape (n, k), of the sample.
        distances: float64 of shape (n,), the mean squared distance to them.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]


def _nearest(rows: NDArray[np.float32], sample: NDArray[np.float32], selves: NDArray[np.int64], count: int) -> _Nearest:
    """Finds neighbors.

    Args:
        rows: float32 of shape (n, d).
        sample: float32 of shape (m, d).
        selves: int64 of shape (n,), what each is itself in the sample; -1 for nothing.
        count: how many of each.
    """
    step = max(1, _AT_ONCE // len(sample))
    lengths = (sample.astype(np.float64) ** 2).sum(axis=1)
    found = np.empty((len(rows), count), np.int64)
    distances = np.empty(len(rows))
    for start in range(0, len(rows), step):
        part, own = rows[start : start + step].astype(np.float64), selves[start : start + step]
        squares = (part**2).sum(axis=1)[:, np.newaxis] + lengths - 2 * part @ sample.T
        squares[np.flatnonzero(own >= 0), own[own >= 0]] = np.inf
        nearest = np.argpartition(squares, count - 1, axis=1)[:, :count]
        found[start : start + step] = nearest
        distances[start : start + step] = np.take_along_axis(squares, nearest, axis=1).mean(axis=1)
    return _Nearest(found, distances)


def _p_value(neighbors: NDArray[np.int64], is_input: NDArray[np.bool_]) -> float:
    """The share of ways to deal out the sides that have as many neighbors on the same one, this way among them."""
    rng = np.random.default_rng(0)
    as_many, same = 1, _same_side(neighbors, is_input)
    for _ in range(PERMUTATIONS):
        as_many += _same_side(neighbors, rng.permutation(is_input)) >= same
    return as_many / (PERMUTATIONS + 1)


def _same_side(neighbors: NDArray[np.int64], is_input: NDArray[np.bool_]) -> int:
    return int((is_input[neighbors] == is_input[:, np.newaxis]).sum())


def _area_under_roc(of_examples: NDArray[np.float64], of_inputs: NDArray[np.float64]) -> float:
    """How often an input has a higher score than an example, what is equal counted as half."""
    ordered = np.sort(of_examples)
    below, up_to = (np.searchsorted(ordered, of_inputs, side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(ordered)))


def _drawn(count: int) -> NDArray[np.int64]:
    """Which of so many are compared; always the same."""
    if count <= MOST_COMPARED:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_COMPARED, replace=False))
