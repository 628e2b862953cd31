"""Scores of all items for a taste, by one strategy or by a blend of several."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from frostline.server.recommendations import blending
from frostline.server.recommendations.asking import Strategy
from frostline.server.recommendations.blending import Component
from frostline.server.recommendations.carrying import Carrying
from frostline.server.recommendations.popularity import nearest
from frostline.server.recommendations.state import State
from frostline.server.recommendations.strategies import examples, kriging
from frostline.server.recommendations.taste import Taste

Scores = NDArray[np.float32]

_LEARNED = {
    Strategy.ITEM_NEIGHBORS: Component.NEIGHBORS,
    Strategy.EASE: Component.EASE,
    Strategy.FACTORS: Component.FACTORS,
}
_CLOSENESS: Mapping[Strategy, Callable[[Scores, Scores, Scores], Scores]] = {
    Strategy.AVERAGE_VECTOR: examples.average,
    Strategy.BEST_SCORE: examples.best_score,
    Strategy.SUM_SCORES: examples.sum_scores,
}
_STRATEGIES = {
    Component.POPULARITY: Strategy.POPULAR,
    Component.NEIGHBORS: Strategy.ITEM_NEIGHBORS,
    Component.EASE: Strategy.EASE,
    Component.FACTORS: Strategy.FACTORS,
}


@dataclass(slots=True)
class Scored:
    """Scores of n items.

    Attributes:
        strategy: the one that scored.
        parts: float32 of shape (n,) by strategy, what each gave; their sum is the score.
        notes: why it was not the one asked for.
    """

    strategy: Strategy
    parts: dict[Strategy, Scores]
    notes: list[str] = field(default_factory=list[str])

    @property
    def scores(self) -> Scores:
        """float32 of shape (n,)."""
        first, *others = self.parts.values()
        return sum(others, first)


@dataclass(frozen=True, slots=True)
class _Since:
    """Items with interactions that they did not have when it was learned: of these, popularity alone is known.

    Attributes:
        items: int64 of shape (m,), their numbers.
        popular: float32 of shape (m,), standardised as that of the warm ones.
        shares: float32 of shape (m,), how much it counts beside what is carried to them.
    """

    items: NDArray[np.int64]
    popular: Scores
    shares: Scores

    @classmethod
    def of(cls, state: State, carrying: Carrying, sums: Scores, warm: Scores, weight: float) -> "_Since":
        """By the popularity of all items and of the warm ones, and its weight in the blend."""
        counts = state.popularity.counts(len(state.items))
        new = counts > 0
        new[: len(carrying.is_warm)] &= ~carrying.is_warm
        items = np.flatnonzero(new)
        popular = (sums[items] - warm.mean()) / (warm.std() or np.float32(1))
        shares = np.float32(weight) * (counts[items] / (counts[items] + blending.TRUST)).astype(np.float32)
        return cls(items, popular, shares)

    def put(self, carried: Scores, *, popular: bool) -> None:
        """Mixes it into scores of all items, float32 of shape (n,); or makes room for it in those of another part."""
        carried[self.items] *= 1 - self.shares
        if popular:
            carried[self.items] += self.shares * self.popular


def score(
    state: State, taste: Taste, strategy: Strategy, half_life_seconds: float, slot: int | None, *, parts: bool
) -> Scored:
    """Scores all items.

    Args:
        state: what is known of items and users.
        taste: what is known of whom is asked for.
        strategy: how to score.
        half_life_seconds: of popularity; 0 for none.
        slot: of the vectors that items are compared by; None for all of them.
        parts: whether AUTO shall say what each strategy gave, which takes longer.
    """
    if strategy is Strategy.FRESH:
        return Scored(strategy, {strategy: state.items.rows.astype(np.float32)})
    if strategy is Strategy.POPULAR:
        return _popular(state, half_life_seconds, [])
    if not taste.count:
        found = _popular(state, half_life_seconds, [])
        if strategy is not Strategy.AUTO:
            found.notes.append(f"{strategy} needs a user with interactions or examples; what is popular is answered")
            return found
        return (
            found if state.carrying is None or found.notes else _blended(state, taste, half_life_seconds, slot, parts)
        )
    if strategy in _CLOSENESS:
        return Scored(strategy, {strategy: _closeness(state, taste, _CLOSENESS[strategy], slot)})
    if strategy is Strategy.AUTO:
        return _blended(state, taste, half_life_seconds, slot, parts)
    return _by_history(state, taste, strategy, slot)


def _by_history(state: State, taste: Taste, strategy: Strategy, slot: int | None) -> Scored:
    if not len(taste.items):
        closeness = _closeness(state, taste, examples.average, slot)
        note = f"{strategy} learns from records, not from texts, images or vectors; closeness to these is answered"
        return Scored(Strategy.AVERAGE_VECTOR, {Strategy.AVERAGE_VECTOR: closeness}, [note])
    if strategy is Strategy.CONTENT:
        return Scored(strategy, {strategy: _content(state, taste)})
    carrying = _learned(state)
    if carrying is None:
        note = f"{strategy} has not learned yet, or must forget somebody first; content is answered"
        return Scored(Strategy.CONTENT, {Strategy.CONTENT: _content(state, taste)}, [note])
    component = _LEARNED[strategy]
    known, liked = _known(carrying, taste)
    learned = carrying.learned.collaborative
    own = learned.scores(component, known, liked)
    anchors = learned.carried(known, liked) if component is Component.EASE else own
    return Scored(strategy, {strategy: _put(state, carrying, own, _carried(state, carrying, anchors))})


def _learned(state: State) -> Carrying | None:
    """What was learned, where it was from any interactions."""
    return state.carrying if state.carrying and len(state.carrying.warm) else None


def _popular(state: State, half_life_seconds: float, notes: list[str]) -> Scored:
    sums = _sums(state, half_life_seconds)
    if sums.any():
        return Scored(Strategy.POPULAR, {Strategy.POPULAR: sums}, notes)
    notes.append("there are no interactions yet to tell what is popular; the records last written are answered")
    return Scored(Strategy.FRESH, {Strategy.FRESH: state.items.rows.astype(np.float32)}, notes)


def _sums(state: State, half_life_seconds: float) -> Scores:
    return state.popularity.sums(len(state.items), nearest(half_life_seconds))


def _content(state: State, taste: Taste) -> Scores:
    matrix = state.items.matrix
    head = state.heads.head(matrix[taste.items] - state.center, taste.weights)
    scores: Scores = matrix @ head
    return scores - np.float32(state.center @ head)


def _closeness(state: State, taste: Taste, by: Callable[[Scores, Scores, Scores], Scores], slot: int | None) -> Scores:
    """Cosines by the vectors of one slot, or the mean of those by all; 0 for items without."""
    dimensions = state.items.features.dimensions
    start, width, scale = 0, sum(dimensions), np.float32(1)
    if slot is not None:
        start, width, scale = sum(dimensions[:slot]), dimensions[slot], np.float32(np.sqrt(len(dimensions)))
    columns = slice(start, start + width)
    vectors = state.items.matrix[:, columns]
    given = np.vstack([scale * vectors[taste.items], taste.vectors[:, columns]])
    return scale * by(vectors, given, np.concatenate([taste.weights, taste.vector_weights]))


def _known(carrying: Carrying, taste: Taste) -> tuple[NDArray[np.int64], Scores]:
    places = carrying.places(taste.items)
    return places[places >= 0], taste.weights[places >= 0]


def _carried(state: State, carrying: Carrying, warm: Scores) -> Scores:
    """What is carried to all items from those warm ones that are anchors."""
    operator = carrying.operator(len(state.items))
    return kriging.carried(operator, warm[: carrying.learned.anchor_count])


def _put(state: State, carrying: Carrying, own: Scores, carried: Scores) -> Scores:
    """Scores of all items: of the warm ones, which have some of their own, and what is carried."""
    there = carrying.warm >= 0
    there[len(own) :] = False
    numbers = carrying.warm[there]
    counts = state.popularity.counts(len(state.items))[numbers]
    scores = carried.copy()
    scores[numbers] = blending.trusted(own[there[: len(own)]], carried[numbers], counts)
    return scores


def _blended(state: State, taste: Taste, half_life_seconds: float, slot: int | None, parts: bool) -> Scored:
    carrying = _learned(state)
    if carrying is None:
        found = _before_learning(state, taste, half_life_seconds)
    else:
        found = _after_learning(state, carrying, taste, half_life_seconds, parts)
    if len(taste.vectors) or (not taste.liked_count and taste.count):
        total = sum(found.values(), np.zeros(len(state.items), np.float32))
        closeness = blending.standardised(_closeness(state, taste, examples.average, slot))
        share = 1.0 if taste.liked_count else 2.0  # beside what suits anybody, what was asked for counts more
        found[Strategy.AVERAGE_VECTOR] = np.float32(share * (total.std() or 1.0)) * closeness
    return Scored(Strategy.AUTO, found)


def _before_learning(state: State, taste: Taste, half_life_seconds: float) -> dict[Strategy, Scores]:
    known = taste.liked_count / (taste.liked_count + blending.TRUST)
    popular = blending.standardised(_sums(state, half_life_seconds))
    found = {Strategy.POPULAR: np.float32(1 - known) * popular}
    if known:
        found[Strategy.CONTENT] = np.float32(known) * blending.standardised(_content(state, taste))
    return found


def _after_learning(
    state: State, carrying: Carrying, taste: Taste, half_life_seconds: float, parts: bool
) -> dict[Strategy, Scores]:
    blend, length = carrying.learned.blend, taste.liked_count
    there = carrying.warm >= 0
    all_sums = _sums(state, half_life_seconds)
    sums = np.zeros(len(carrying.warm), np.float32)
    sums[there] = all_sums[carrying.warm[there]]
    weights, carried_weights = blend.at(length), blend.carried_at(length)
    components = [sums] + [np.zeros(0, np.float32)] * (len(Component) - 1)
    known, liked = _known(carrying, taste)
    if length and len(known):
        for component in (Component.NEIGHBORS, Component.EASE, Component.FACTORS):
            if weights[component] or carried_weights[component]:
                components[component] = carrying.learned.collaborative.scores(component, known, liked)
    else:
        weights = carried_weights = blend.at(0)
    since = _Since.of(state, carrying, all_sums, sums, float(weights[Component.POPULARITY]))
    own = blending.weighted(components, weights)
    if len(components[Component.EASE]):
        components[Component.EASE] = carrying.learned.collaborative.carried(known, liked)
    anchors = blending.weighted(components, carried_weights)
    if not parts:
        own, anchors = own.sum(axis=0, keepdims=True), anchors.sum(axis=0, keepdims=True)
    found: dict[Strategy, Scores] = {}
    carried = np.zeros(len(state.items), np.float32)
    for row in range(len(own)):
        part = _carried(state, carrying, anchors[row])
        carried += part
        put = _put(state, carrying, own[row], part)
        since.put(put, popular=Component(row) is Component.POPULARITY)
        found[_STRATEGIES[Component(row)] if parts else Strategy.AUTO] = put
    if length and blend.content:  # the only thing that is known where too few records have interactions
        content = np.float32(blend.content * (carried.std() or 1.0)) * blending.standardised(_content(state, taste))
        found[Strategy.CONTENT] = _put(state, carrying, np.zeros(len(carrying.warm), np.float32), content)
        since.put(found[Strategy.CONTENT], popular=False)
    return found
