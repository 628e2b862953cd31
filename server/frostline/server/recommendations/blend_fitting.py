"""Learns how to blend, from interactions that are held out."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frostline.server.recommendations.blending import LENGTHS, PRIOR, Blend, Component, standardised, with_content
from frostline.server.recommendations.collaborative import Collaborative, Limits, fit_ease
from frostline.server.recommendations.histories import Liked
from frostline.server.recommendations.metrics import ideal, ndcg
from frostline.server.recommendations.strategies import ease, kriging
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


def _directions() -> NDArray[np.float32]:
    """Choices of weights, of shape (choices, components); of those that are multiples of each other, the first."""
    steps = itertools.product((0, 0.25, 0.5, 1, 2, 4), (0, 0.5, 1, 2), (0, 1), (0, 0.5, 1))
    found = {tuple(part / max(each) for part in each): each for each in reversed([*steps]) if any(each)}
    return np.array([*found.values()][::-1], np.float32)


_WEIGHTS = _directions()
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
    learned = Collaborative.learned(rest, REGULARIZATIONS[0], limits)
    matrix = rest.matrix()
    eases = [learned.ease, *(fit_ease(matrix, each, limits) for each in REGULARIZATIONS[1:])]
    popularity = standardised(_popularity(rest))
    gains, users = np.zeros((len(eases), len(LENGTHS), len(_WEIGHTS))), np.zeros(len(LENGTHS))
    for _, history in _histories(liked.of_users(held)):
        for place, length in enumerate(LENGTHS):
            if len(history.items) <= length:
                break
            users[place] += 1
            given = _History(history.items[:length], history.liked[:length])
            tables = _tables(learned, eases, popularity, given)
            gains[:, place] += _gain(tables, given.items, history.items[length:])
    for place in range(1, len(LENGTHS)):
        if not users[place]:  # nobody has so many: as good as the longest there are
            gains[:, place], users[place] = gains[:, place - 1], users[place - 1]
    return gains / np.maximum(users, 1)[:, np.newaxis]


def _tables(
    learned: Collaborative, eases: Sequence[NDArray[np.float32]], popularity: NDArray[np.float32], given: _History
) -> NDArray[np.float32]:
    """Standardised scores with each matrix of EASE, float32 of shape (eases, components, w)."""
    tables = np.repeat(_components(learned, popularity, given)[np.newaxis], len(eases), axis=0)
    known = given.items < len(learned.ease)
    for table, weights in zip(tables[1:], eases[1:], strict=True):
        scores = ease.score(weights, given.items[known], given.liked[known])
        table[Component.EASE, : len(scores)] = standardised(scores)
    return tables


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
        return np.zeros((len(tables), len(_WEIGHTS)))
    gained = ndcg((_WEIGHTS @ tables[:, :, candidates]).reshape(-1, len(candidates)), relevant)
    return gained.reshape(len(tables), -1) * ideal(int(relevant.sum())) / ideal(len(later))


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
    near = [kriging.weights(anchors, features[new], unit, width) for width in WIDTHS]
    operator = kriging.operator(
        np.vstack([found for found, _ in near]), np.vstack([by for _, by in near]), len(anchors)
    )
    mean = features.mean(axis=0)
    heads = ContentHeads(features.shape[1])
    heads.add(features[old] - mean)
    popularity = standardised(_popularity(before))
    wanted = {user: history.items for user, history in _histories(liked.of_items(new))}
    given = [(user, history) for user, history in _histories(before) if user in wanted]
    gains, of_content = (
        np.zeros((len(WIDTHS), len(CONTENT), len(_WEIGHTS))),
        np.array(CONTENT, np.float32).reshape(-1, 1, 1),
    )
    chosen: list[int] = rng.permutation(len(given))[:MOST_USERS].tolist()
    for place in chosen:
        user, history = given[place]
        known = _components(learned, popularity, history)[:, : len(anchors)]
        carried = (
            kriging.carried(operator, known).reshape(len(Component), len(WIDTHS), 1, len(new)).transpose(1, 2, 0, 3)
        )
        content = features[new] @ heads.head(features[old[history.items]] - mean, history.liked)
        blends = with_content(_WEIGHTS @ carried, content, of_content)
        gained = ndcg(blends.reshape(-1, len(new)), np.isin(np.arange(len(new)), wanted[user]))
        gains += gained.reshape(gains.shape)
    if not gains.any():
        return blend
    row, column, choice = (int(place) for place in np.unravel_index(gains.argmax(), gains.shape))
    return blend.model_copy(update={"width": WIDTHS[row], "content": CONTENT[column], "carried": _choice(choice)})


def _choice(number: int) -> tuple[float, float, float, float]:
    popularity, neighbors, linear, factors = _WEIGHTS[number].tolist()
    return popularity, neighbors, linear, factors


def _popularity(liked: Liked) -> NDArray[np.float32]:
    return np.bincount(liked.items, liked.weights, liked.item_count).astype(np.float32)


def _components(learned: Collaborative, popularity: NDArray[np.float32], history: _History) -> NDArray[np.float32]:
    """Standardised scores, float32 of shape (components, w); those of popularity are given."""
    table = np.zeros((len(Component), len(popularity)), np.float32)
    table[Component.POPULARITY] = popularity
    for each in (Component.NEIGHBORS, Component.EASE, Component.FACTORS):
        scores = learned.scores(each, history.items, history.liked)
        table[each, : len(scores)] = standardised(scores)
    return table


def _histories(liked: Liked) -> Iterator[tuple[int, _History]]:
    return ((user, _History(items, weights)) for user, items, weights in liked.histories())


def _smoothed(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains of shape (lengths, choices), mixed with those of neighboring lengths."""
    apart = np.abs(np.subtract.outer(np.arange(len(gains)), np.arange(len(gains))))
    shares = np.select([apart == 0, apart == 1], [1.0, _NEXT_LENGTH], 0.0)
    mixed: NDArray[np.float64] = shares @ gains / shares.sum(axis=1, keepdims=True)
    return mixed
