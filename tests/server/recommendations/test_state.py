"""What is known of items and users follows the commits, and is what it would be if it were read now."""

import threading

import numpy as np
import pytest

from frostline.server.collections.rows.operations import DeleteInteractions
from frostline.server.recommendations import state as room
from frostline.server.recommendations.state import State
from recommending import DAY, NOON, check_like_anew, did, learned_from, note, shop, stock, tastes


@pytest.fixture
def followed(catalogue):
    """A collection, and a state that follows it."""
    collection = shop(catalogue, interactions=tastes())
    state = State(collection, None)
    yield collection, state
    state.close()


def some_change(collection, rng):
    """One write, or several that are likely to share a commit."""
    for _ in range(rng.integers(1, 4)):
        numbers = rng.integers(0, 60, rng.integers(1, 4)).tolist()
        users = [f"u{each}" for each in rng.integers(0, 35, 3)]
        match rng.integers(0, 8):
            case 0 | 1:
                stock(collection, set(numbers), seed=int(rng.integers(1, 100)))
            case 2:
                collection.delete([f"r{each}" for each in numbers])
            case 3:
                collection.interactions.delete_user(users[0])
            case 4:
                collection.interactions.delete(DeleteInteractions(user=users[0], records=(f"r{numbers[0]}",)))
            case 5:
                start = NOON + DAY * rng.uniform(-20, 0)
                collection.interactions.delete(DeleteInteractions(start=start, end=start + DAY))
            case _:
                kinds = rng.choice(["", "seen"], len(numbers))
                given = zip(users, numbers, kinds, strict=False)
                made = [
                    did(u, f"r{n}", float(rng.normal(1, 2)), float(rng.uniform(-20, 0)), str(k)) for u, n, k in given
                ]
                collection.interactions.record(made)
    collection.interactions.record([]).result(30)


def test_what_followed_is_what_is_read_anew(followed, full):
    collection, state = followed
    rng = np.random.default_rng(0)
    for round_ in range(300 if full else 40):
        some_change(collection, rng)
        if round_ % 5 == 4:
            check_like_anew(state, collection)
    check_like_anew(state, collection)


def test_writes_of_one_commit_count_once(followed, monkeypatch):
    """A record is deleted with what users did with it, written again, and interacted with, all in one transaction."""
    collection, state = followed
    held = threading.Event()
    blocking = collection.follow(lambda commit: held.wait(10))
    note_first = collection.interactions.record([did("u0", "r1")])  # its listeners keep the writer busy
    done = [
        collection.delete(["r0"]),
        collection.interactions.record([did("u1", "r1"), did("u1", "r2")]),
        collection.interactions.delete_user("u1"),
    ]
    held.set()
    for each in (note_first, *done):
        each.result(10)
    blocking.end()
    stock(collection, [0])
    note(collection, did("u9", "r0", 2.0))
    check_like_anew(state, collection)


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_what_is_written_while_it_is_read_counts_once(catalogue, monkeypatch, place):
    collection = shop(catalogue, interactions=tastes())
    totals, items = collection.interactions.totals, room.read_items
    calls = []

    def write():
        stock(collection, [3, 50, 51], seed=7)
        note(collection, did("u1", "r50", 3.0), did("u2", "r3", 2.0), did("u2", "r51"))
        collection.delete(["r4", "r51"]).result(10)
        stock(collection, [4])
        note(collection, did("u5", "r4"))
        collection.interactions.delete_user("u3").result(10)

    def step(read):
        def reading(*arguments):
            calls.append(read)
            if (place == "before" and len(calls) == 1) or (place == "between" and len(calls) == 2):
                write()
            found = read(*arguments)
            if place == "after" and len(calls) == 2:
                write()
            return found

        return reading

    monkeypatch.setattr(collection.interactions, "totals", step(totals))
    monkeypatch.setattr(room, "read_items", step(items))
    state = State(collection, None)
    monkeypatch.undo()
    assert len(calls) == 2
    check_like_anew(state, collection)
    state.close()


def test_nothing_is_lost_while_others_write(catalogue, full):
    collection = shop(catalogue, interactions=tastes())
    stop = threading.Event()

    def write():
        rng = np.random.default_rng(1)
        while not stop.is_set():
            some_change(collection, rng)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        states = [State(collection, None) for _ in range(60 if full else 8)]
        for each in states:
            each.catch_up()
    finally:
        stop.set()
        writer.join()
    for each in states:
        check_like_anew(each, collection)
        each.close()


def test_what_was_learned_is_set_aside_when_something_is_deleted_and_not_replaced(catalogue):
    collection = shop(catalogue, interactions=tastes())
    forgotten = []
    state = State(collection, learned_from(collection), lambda: forgotten.append(1))
    note(collection, did("u0", "r1", 5.0), did("u0", "r1", 4.0))
    state.catch_up()
    assert (state.carrying is not None, forgotten) == (True, [])
    collection.interactions.delete_user("u1").result(10)
    assert forgotten == [1]
    state.catch_up()
    assert state.carrying is None
    state.close()


def test_new_records_are_carried_to_at_once(catalogue):
    collection = shop(catalogue, interactions=tastes())
    state = State(collection, learned_from(collection))
    stock(collection, [40, 41], seed=3)
    state.catch_up()
    assert state.carrying is not None
    operator = state.carrying.operator(len(state.items)).toarray()
    assert operator.shape == (42, state.carrying.learned.anchor_count)
    assert np.abs(operator[40:]).sum(axis=1).min() > 0
    state.close()


def test_it_is_stale_once_there_are_many_more_records(catalogue):
    collection = shop(catalogue, items=60)
    state = State(collection, None)
    stock(collection, range(60, 115))
    state.catch_up()
    assert not state.stale
    stock(collection, range(115, 125))
    state.catch_up()
    assert state.stale
    state.close()
