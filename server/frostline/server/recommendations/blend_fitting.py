"""Learns how to blend, from interactions that are held out."""

import itertools

import numpy as np
from numpy.typing import NDArray

from frostline.server.recommendations import carry_fitting
from frostline.server.recommendations.blending import LENGTHS, PRIOR, Blend, Component
from frostline.server.recommendations.collaborative import Limits
from frostline.server.recommendations.component_tables import Tables
from frostline.server.recommendations.histories import Liked
from frostline.server.recommendations.metrics import ideal, ndcg
from frostline.server.report import Report

FEWEST_USERS = 20
MOST_USERS = 300
HELD_OUT = 0.2
"""Of users."""
REGULARIZATIONS = (60.0, 200.0, 600.0)


def _directions() -> NDArray[np.float32]:
    """Choices of weights, of shape (choices, components); of those that are multiples of each other, the first."""
    steps = itertools.product((0, 0.25, 0.5, 1, 2, 4), (0, 0.5, 1, 2), (0, 1), (0, 0.5, 1))
    found = {tuple(part / max(each) for part in each): each for each in reversed([*steps]) if any(each)}
    return np.array([*found.values()][::-1], np.float32)


WEIGHTS = _directions()
_CANDIDATES = 100
_NEXT_LENGTH = 0.5
"""How much a neighboring length counts where weights are chosen, so that they do not follow noise."""


def fitted(liked: Liked, features: NDArray[np.float32], limits: Limits, report: Report) -> Blend:
    """Finds the blend that ranks best what was held out.

    Args:
        liked: interactions with w items, those with most first.
        features: float32 of shape (w, d), of the items.
        limits: of what is learned.
        report: told how far it is.

    Returns:
        The blend; the prior one where there are too few users, or nothing that is held out can be found.
    """
    rng = np.random.default_rng(limits.seed)
    held = _held_out_users(liked, rng)
    if held is None:
        return Blend()
    report("weights, on users held out", 0)
    gains = _gains(liked, held, limits)
    smoothed = [_smoothed(each) for each in gains]
    best = int(np.argmax([each.max(axis=1).mean() for each in smoothed]))
    chosen = [
        _choice(int(each.argmax())) if each.any() else prior for each, prior in zip(smoothed[best], PRIOR, strict=True)
    ]
    blend = Blend(weights=tuple(chosen), regularization=REGULARIZATIONS[best])
    report("weights, on items held out", 0.4)
    carried = carry_fitting.gains(liked, features, REGULARIZATIONS, WEIGHTS, limits, rng)
    if not carried.any():
        return blend
    row, width, content, weights = (int(each) for each in np.unravel_index(carried.argmax(), carried.shape))
    return blend.model_copy(
        update={
            "carried_regularization": REGULARIZATIONS[row],
            "width": carry_fitting.WIDTHS[width],
            "content": carry_fitting.CONTENT[content],
            "carried": _choice(weights),
        }
    )


def _held_out_users(liked: Liked, rng: np.random.Generator) -> NDArray[np.int64] | None:
    lengths = np.bincount(liked.users, minlength=liked.user_count)
    users = rng.permutation(np.flatnonzero(lengths > LENGTHS[1]))
    count = min(MOST_USERS, int(HELD_OUT * len(users)))
    return users[:count] if count >= FEWEST_USERS else None


def _gains(liked: Liked, held: NDArray[np.int64], limits: Limits) -> NDArray[np.float64]:
    """What each choice gains, float64 of shape (regularizations, lengths, weights)."""
    rest = liked.of_users(np.setdiff1d(np.arange(liked.user_count), held))
    tables = Tables(rest, REGULARIZATIONS, limits)
    gains, users = np.zeros((len(REGULARIZATIONS), len(LENGTHS), len(WEIGHTS))), np.zeros(len(LENGTHS))
    for _, items, weights in liked.of_users(held).histories():
        for place, length in enumerate(LENGTHS):
            if len(items) <= length:
                break
            users[place] += 1
            gains[:, place] += _gain(tables.of(items[:length], weights[:length]), items[:length], items[length:])
    for place in range(1, len(LENGTHS)):
        if not users[place]:  # nobody has so many: as good as the longest there are
            gains[:, place], users[place] = gains[:, place - 1], users[place - 1]
    return gains / np.maximum(users, 1)[:, np.newaxis]


def _gain(tables: NDArray[np.float32], given: NDArray[np.int64], later: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each choice of weights gains among the items that some component ranks high.

    Args:
        tables: float32 of shape (t, components, w), scores of items.
        given: of the history; they are not ranked.
        later: what should be ranked high.

    Returns:
        float64 of shape (t, weights).
    """
    ranked = np.vstack([np.delete(tables[0], Component.EASE, axis=0), tables[:, Component.EASE]])
    ranked[:, given] = -np.inf
    depth = min(_CANDIDATES, ranked.shape[1])
    candidates = np.setdiff1d(np.argpartition(-ranked, depth - 1, axis=1)[:, :depth], given)
    relevant = np.isin(candidates, later)
    if not relevant.any():
        return np.zeros((len(tables), len(WEIGHTS)))
    gained = ndcg((WEIGHTS @ tables[:, :, candidates]).reshape(-1, len(candidates)), relevant)
    return gained.reshape(len(tables), -1) * ideal(int(relevant.sum())) / ideal(len(later))


def _choice(number: int) -> tuple[float, float, float, float]:
    popularity, neighbors, linear, factors = WEIGHTS[number].tolist()
    return popularity, neighbors, linear, factors


def _smoothed(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains of shape (lengths, choices), mixed with those of neighboring lengths."""
    apart = np.abs(np.subtract.outer(np.arange(len(gains)), np.arange(len(gains))))
    shares = np.select([apart == 0, apart == 1], [1.0, _NEXT_LENGTH], 0.0)
    mixed: NDArray[np.float64] = shares @ gains / shares.sum(axis=1, keepdims=True)
    return mixed
