"""Learns how to blend, from interactions that are held out."""

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from frostline.server.recommendations.blending import LENGTHS, Blend, Component, standardised, with_content
from frostline.server.recommendations.collaborative import Collaborative, Limits, fit_ease
from frostline.server.recommendations.histories import Liked
from frostline.server.recommendations.metrics import ideal, ndcg
from frostline.server.recommendations.strategies import kriging
from frostline.server.recommendations.strategies.content import ContentHeads
from frostline.server.report import Report

FEWEST_USERS = 20
FEWEST_ITEMS = 100
MOST_USERS = 300
HELD_OUT = 0.2
"""Of users for the weights, of items for what is carried to new ones."""
REGULARIZATIONS = (100.0, 300.0, 1_000.0)
WIDTHS = (0.25, 0.35, 0.5, 0.7)
CONTENT = (0.0, 0.25, 0.5, 1.0)
_WEIGHTS = np.array(
    [each for each in itertools.product((0, 0.25, 0.5, 1, 2, 4), (0, 0.5, 1, 2), (0, 1), (0, 0.5, 1)) if any(each)],
    np.float32,
)
_CANDIDATES = 100
_NEXT_LENGTH = 0.5
"""How much a neighboring length counts where weights are chosen, so that they do not follow noise."""


@dataclass(frozen=True, slots=True, eq=False)
class _History:
    """One user's items and weights, earliest first."""

    items: NDArray[np.int64]
    liked: NDArray[np.float32]


def fitted(liked: Liked, features: NDArray[np.float32], limits: Limits, report: Report) -> Blend:
    """Finds the blend that ranks best what was held out.

    Args:
        liked: interactions with w items, those with most first.
        features: float32 of shape (w, d), of the items.
        limits: of what is learned.
        report: told how far it is.

    Returns:
        The blend; the prior one where there are too few users.
    """
    rng = np.random.default_rng(limits.seed)
    held = _held_out_users(liked, rng)
    if held is None:
        return Blend()
    report("weights, on users held out", 0)
    gains = _gains(liked, held, limits)
    best = int(np.argmax([_smoothed(each).max(axis=1).mean() for each in gains]))
    chosen = _WEIGHTS[_smoothed(gains[best]).argmax(axis=1)]
    blend = Blend(weights=tuple(map(tuple, chosen.tolist())), regularization=REGULARIZATIONS[best])
    report("weights, on items held out", 0.6)
    return _carrying(liked, features, blend, limits, rng)


def _held_out_users(liked: Liked, rng: np.random.Generator) -> NDArray[np.int64] | None:
    lengths = np.bincount(liked.users, minlength=liked.user_count)
    users = rng.permutation(np.flatnonzero(lengths > LENGTHS[1]))
    count = min(MOST_USERS, int(HELD_OUT * len(users)))
    return users[:count] if count >= FEWEST_USERS else None


def _gains(liked: Liked, held: NDArray[np.int64], limits: Limits) -> NDArray[np.float64]:
    """What each choice gains, float64 of shape (regularizations, lengths, weights)."""
    rest = liked.of_users(np.setdiff1d(np.arange(liked.user_count), held))
    learned = [Collaborative.learned(rest, REGULARIZATIONS[0], limits)]
    matrix: csr_array = rest.matrix()
    learned += [dataclasses.replace(learned[0], ease=fit_ease(matrix, each, limits)) for each in REGULARIZATIONS[1:]]
    popularity = np.bincount(rest.items, rest.weights, rest.item_count).astype(np.float32)
    gains, users = np.zeros((len(learned), len(LENGTHS), len(_WEIGHTS))), np.zeros(len(LENGTHS))
    for _, history in _histories(liked.of_users(held)):
        for place, length in enumerate(LENGTHS):
            if len(history.items) <= length:
                break
            users[place] += 1
            given = _History(history.items[:length], history.liked[:length])
            table = _components(learned[0], popularity, given)
            for row, each in enumerate(learned):
                ease = each.scores(Component.EASE, given.items, given.liked)
                table[Component.EASE, : len(ease)] = standardised(ease)
                gains[row, place] += _gain(table, given.items, history.items[length:])
    return gains / np.maximum(users, 1)[:, np.newaxis]


def _gain(table: NDArray[np.float32], given: NDArray[np.int64], later: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each choice of weights gains, among the items that some component ranks high."""
    table = table.copy()
    table[:, given] = -np.inf
    depth = min(_CANDIDATES, table.shape[1] - 1)
    candidates = np.setdiff1d(np.argpartition(-table, depth, axis=1)[:, :depth], given)
    relevant = np.isin(candidates, later)
    if not relevant.any():
        return np.zeros(len(_WEIGHTS))
    gained = ndcg(_WEIGHTS @ table[:, candidates], relevant)
    return gained * ideal(int(relevant.sum())) / ideal(len(later))


def _carrying(
    liked: Liked, features: NDArray[np.float32], blend: Blend, limits: Limits, rng: np.random.Generator
) -> Blend:
    """Which weights and kernel rank new items best: items that are held out, from all users."""
    if liked.item_count < FEWEST_ITEMS:
        return blend
    items = rng.permutation(liked.item_count)
    new = np.sort(items[: int(HELD_OUT * len(items))])
    old = np.setdiff1d(np.arange(liked.item_count), new)
    before = liked.of_items(old)
    learned = Collaborative.learned(before, blend.regularization, limits)
    anchors = features[old[: limits.ease_items]]
    unit = kriging.median_square(anchors)
    operators = [
        kriging.operator(*kriging.weights(anchors, features[new], unit, width), len(anchors)) for width in WIDTHS
    ]
    mean = features.mean(axis=0)
    heads = ContentHeads(features.shape[1])
    heads.add(features[old] - mean)
    popularity = np.bincount(before.items, before.weights, before.item_count).astype(np.float32)
    wanted = {user: history.items for user, history in _histories(liked.of_items(new))}
    given = [(user, history) for user, history in _histories(before) if user in wanted]
    gains = np.zeros((len(WIDTHS), len(CONTENT), len(_WEIGHTS)))
    for place in rng.permutation(len(given))[:MOST_USERS].tolist():
        user, history = given[place]
        known = _components(learned, popularity, history)[:, : len(anchors)]
        content = features[new] @ heads.head(features[old[history.items]] - mean, history.liked)
        relevant = np.isin(np.arange(len(new)), wanted[user])
        for row, operator in enumerate(operators):
            carried = _WEIGHTS @ np.array([kriging.carried(operator, each) for each in known])
            for column, weight in enumerate(CONTENT):
                gains[row, column] += ndcg(with_content(carried, content, weight), relevant)
    row, column, choice = np.unravel_index(gains.argmax(), gains.shape)
    weights = tuple(_WEIGHTS[int(choice)].tolist())
    return blend.model_copy(update={"width": WIDTHS[row], "content": CONTENT[column], "carried": weights})


def _components(learned: Collaborative, popularity: NDArray[np.float32], history: _History) -> NDArray[np.float32]:
    """Standardised scores, float32 of shape (components, w)."""
    table = np.zeros((len(Component), len(popularity)), np.float32)
    table[Component.POPULARITY] = standardised(popularity)
    for each in (Component.NEIGHBORS, Component.EASE, Component.FACTORS):
        scores = learned.scores(each, history.items, history.liked)
        table[each, : len(scores)] = standardised(scores)
    return table


def _histories(liked: Liked) -> Iterator[tuple[int, _History]]:
    return ((user, _History(items, weights)) for user, items, weights in liked.histories())


def _smoothed(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains of shape (lengths, choices), mixed with those of neighboring lengths."""
    padded = np.pad(gains, ((1, 1), (0, 0)))
    near = np.pad(np.ones(len(gains)), 1)
    weight = near[1:-1] + _NEXT_LENGTH * (near[:-2] + near[2:])
    mixed: NDArray[np.float64] = (gains + _NEXT_LENGTH * (padded[:-2] + padded[2:])) / weight[:, np.newaxis]
    return mixed
