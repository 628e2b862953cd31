"""Small collections with users, to recommend from."""

import numpy as np

from collecting import config, record
from frostline.server.collections.rows.database import FILE_NAME
from frostline.server.collections.rows.interactions import Interaction
from frostline.server.collections.rows.operations import Write
from frostline.server.recommendations.learning import Order, learn
from frostline.server.recommendations.popularity import HALF_LIVES
from frostline.server.recommendations.state import State

DAY = 86_400.0
DIMENSIONS = 8
NOON = 1_700_000_000.0


def untold(step, done):
    pass


def vectors(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32)


def did(user, record_id, weight=1.0, days=0.0, kind=""):
    """`days` before or after noon of a day."""
    return Interaction(user, record_id, kind, weight, NOON + days * DAY)


def tastes(users=30, items=40, each=8, seed=0):
    """Interactions of users who like one half of the records more than the other."""
    rng = np.random.default_rng(seed)
    return [
        did(f"u{user}", f"r{item}", float(rng.integers(1, 5)), float(rng.uniform(-20, 0)))
        for user in range(users)
        for item in rng.choice(items, each, replace=False, p=_halves(items, user % 2))
    ]


def _halves(items, half):
    shares = np.where(np.arange(items) % 2 == half, 4.0, 1.0)
    return shares / shares.sum()


def shop(catalogue, name="shop", items=40, interactions=(), **fields):
    """A collection of records `r0`, `r1`, ... in groups `g0` to `g4`, with interactions."""
    collection = catalogue.create(config(name, DIMENSIONS, **fields))
    stock(collection, range(items))
    note(collection, *interactions)
    return collection


def stock(collection, numbers, seed=0):
    """Writes records."""
    numbers = list(numbers)
    if numbers:
        made = vectors(max(numbers) + 1, seed)
        writes = [Write(record(f"r{n}", made[n], n=n, group=f"g{n % 5}")) for n in numbers]
        assert not collection.upsert(writes).result(30).errors


def note(collection, *interactions):
    if interactions:
        assert not collection.interactions.record(interactions).result(30).errors


def learned_from(collection, ease_items=5_000):
    """What is learned, here and not in a process of its own."""
    place = collection.folder
    order = Order(database=place / FILE_NAME, config=collection.config, folder=place, ease_items=ease_items)
    return learn(order, untold)


def check_like_anew(state, collection):
    """That a state which followed the commits holds what one does that is read now."""
    state.catch_up()
    anew = State(collection, None)
    anew.close()
    alive, fresh = np.flatnonzero(state.items.alive), np.flatnonzero(anew.items.alive)
    assert sorted(state.items.record_ids[each] for each in alive) == sorted(anew.items.record_ids)
    assert state.items.live_count == len(anew.items) == len(fresh)
    order = [anew.items.number(state.items.record_ids[each]) for each in alive]
    np.testing.assert_array_equal(state.items.rows[alive], anew.items.rows[order])
    np.testing.assert_array_equal(state.items.matrix[alive], anew.items.matrix[order])
    counts = state.popularity.counts(len(state.items))
    np.testing.assert_array_equal(counts[alive], anew.popularity.counts(len(anew.items))[order])
    assert not counts[~state.items.alive].any()
    for half_life, sums in enumerate(_sums_of(state)):
        np.testing.assert_allclose(sums[alive], _sums_of(anew)[half_life][order], rtol=1e-8, atol=1e-8)
    counted = state.items.matrix[counts > 0].astype(np.float64) - state.center
    np.testing.assert_allclose(state.heads._gram, counted.T @ counted, rtol=1e-6, atol=1e-6)
    rows = (state.items.matrix[counts > 0] - state.center).astype(np.float64)  # as they are added
    np.testing.assert_allclose(state.heads._gram, rows.T @ rows, rtol=1e-8, atol=1e-8)
    assert state.sequence == anew.sequence == collection.sequence


def _sums_of(state):
    """All sums as of noon, float64 of shape (half-lives, n)."""
    popularity = state.popularity
    popularity.counts(len(state.items))
    scale = np.exp2((popularity._reference - NOON) / np.array(HALF_LIVES))
    return popularity._sums[:, : len(state.items)] * scale[:, np.newaxis]
