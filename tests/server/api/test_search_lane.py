"""Searches that wait are run together, and each caller gets its own answer."""

import asyncio
import random
import threading
import time

import numpy as np
import pytest

from frostline.server.api import search_lane
from frostline.server.api.search_lane import MOST_QUERIES, SearchLane
from frostline.server.collections.search.query import Explanation, Hits


@pytest.fixture
async def lane():
    lane = SearchLane()
    yield lane
    await asyncio.to_thread(lane.close)


def echo(vectors):
    """Each query finds a record that is called like its number, as often as the number says."""
    ids = [[f"{value:g}"] * (int(value) % 4) for value in vectors[:, 0]]
    scores = [np.full(len(each), value, np.float32) for each, value in zip(ids, vectors[:, 0], strict=True)]
    payloads = [[each.encode() for each in of_query] for of_query in ids]
    return Hits(ids, scores, payloads, None, 7, 1.0, Explanation())


def queries(*numbers):
    return np.array([[number, 0] for number in numbers], np.float32)


def check(hits, *numbers):
    expected = echo(queries(*numbers))
    assert (hits.ids, hits.payloads, hits.groups) == (expected.ids, expected.payloads, None)
    for found, wanted in zip(hits.scores, expected.scores, strict=True):
        np.testing.assert_array_equal(found, wanted)


class Gate:
    """A search that is held until it may go on; notes how many queries came at once."""

    def __init__(self, search=echo):
        self.search, self.sizes = search, []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, vectors):
        self.sizes.append(len(vectors))
        self.begun.set()
        assert self.go_on.wait(20)
        return self.search(vectors)


async def gathered(lane, gate, *groups, key="k"):
    """Holds one search while others gather; returns their tasks without the first."""
    first = asyncio.create_task(lane.search(key, gate, queries(0)))
    assert await asyncio.to_thread(gate.begun.wait, 20)
    tasks = [asyncio.create_task(lane.search(key, gate, queries(*numbers))) for numbers in groups]
    await asyncio.sleep(0)
    return first, tasks


async def test_what_waits_is_searched_at_once_and_each_gets_its_own(lane):
    gate = Gate()
    groups = [(1,), (2, 3, 5), (4,), (7, 7)]
    first, tasks = await gathered(lane, gate, *groups)
    gate.go_on.set()
    check(await first, 0)
    for numbers, task in zip(groups, tasks, strict=True):
        check(await task, *numbers)
    assert gate.sizes == [1, 7]


async def test_the_check_above_notices_answers_that_are_mixed_up(lane, monkeypatch):
    def mixed_up(hits, callers):
        split(hits, callers)
        callers[0].outcome, callers[-1].outcome = callers[-1].outcome, callers[0].outcome

    split = search_lane._split
    monkeypatch.setattr(search_lane, "_split", mixed_up)
    with pytest.raises(AssertionError):
        await test_what_waits_is_searched_at_once_and_each_gets_its_own(lane)


async def test_nothing_waits_where_nothing_runs(lane):
    gate = Gate()
    gate.go_on.set()
    for number in range(5):
        check(await lane.search("k", gate, queries(number)), number)
    assert gate.sizes == [1] * 5


async def test_a_group_has_so_many_queries_at_most_but_one_caller_may_have_more(lane):
    gate = Gate()
    groups = [range(40), range(30), range(3), range(100), (1,)]
    _, tasks = await gathered(lane, gate, *groups)
    gate.go_on.set()
    for numbers, task in zip(groups, tasks, strict=True):
        check(await task, *numbers)
    assert gate.sizes == [1, 40, 33, 100, 1]
    assert MOST_QUERIES == 64


async def test_searches_of_another_kind_are_not_held_up_nor_put_together(lane):
    slow, fast = Gate(), Gate()
    fast.go_on.set()
    first, tasks = await gathered(lane, slow, (1,))
    check(await lane.search("other", fast, queries(3)), 3)
    assert not first.done()
    slow.go_on.set()
    check(await first, 0)
    check(await tasks[0], 1)
    assert (slow.sizes, fast.sizes) == ([1, 1], [1])


async def test_an_error_goes_to_the_caller_whose_it_is(lane):
    def search(vectors):
        if (vectors[:, 0] == 13).any():
            raise ValueError("thirteen")
        return echo(vectors)

    gate = Gate(search)
    first, tasks = await gathered(lane, gate, (1,), (2, 13), (3,))
    gate.go_on.set()
    check(await first, 0)
    check(await tasks[0], 1)
    with pytest.raises(ValueError, match="thirteen"):
        await tasks[1]
    check(await tasks[2], 3)
    check(await lane.search("k", gate, queries(5)), 5)


async def test_who_goes_away_leaves_the_others_and_is_not_searched_for(lane):
    gate = Gate()
    first, tasks = await gathered(lane, gate, (1,), (2,), (3,))
    tasks[1].cancel()
    await asyncio.sleep(0)
    first.cancel()  # while it is searched
    await asyncio.sleep(0)
    gate.go_on.set()
    check(await tasks[0], 1)
    check(await tasks[2], 3)
    assert gate.sizes == [1, 2]
    assert first.cancelled()
    assert tasks[1].cancelled()


async def test_where_all_have_gone_away_nothing_is_searched_and_the_next_is(lane):
    gate = Gate()
    first, tasks = await gathered(lane, gate, (1,), (2,))
    for task in (first, *tasks):
        task.cancel()
    await asyncio.gather(first, *tasks, return_exceptions=True)
    gate.go_on.set()
    check(await lane.search("k", gate, queries(5)), 5)
    assert gate.sizes == [1, 1]


async def test_the_event_loop_is_woken_once_for_all_of_a_group(lane, monkeypatch):
    loop, woken = asyncio.get_running_loop(), []
    wake = loop.call_soon_threadsafe

    def counted(callback, *arguments, **more):
        if callback == lane._deliver:
            woken.append(len(arguments[1]))
        return wake(callback, *arguments, **more)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    gate = Gate()
    first, tasks = await gathered(lane, gate, *((number,) for number in range(20)))
    gate.go_on.set()
    await asyncio.gather(first, *tasks)
    assert woken == [1, 20]


async def test_many_callers_of_several_kinds_all_get_their_own(lane):
    """Callers that come, fail and go away at random moments."""
    dice = random.Random(0)

    def search(vectors):
        time.sleep(0.0005)
        if (vectors[:, 0] % 17 == 5).any():
            raise ValueError("unlucky")
        return echo(vectors)

    async def caller(number):
        await asyncio.sleep(dice.uniform(0, 0.1))
        numbers = [number, number + 1, number + 2][: dice.randint(1, 3)]
        task = asyncio.create_task(lane.search(number % 3, search, queries(*numbers)))
        if dice.random() < 0.2:
            await asyncio.sleep(0.001)
            task.cancel()
        try:
            check(await task, *numbers)
        except ValueError:
            assert any(each % 17 == 5 for each in numbers)
        except asyncio.CancelledError:
            assert task.cancelled()
        else:
            assert not any(each % 17 == 5 for each in numbers)

    await asyncio.gather(*(caller(number) for number in range(400)))
    assert not lane._kinds


def noting(threads, pause=0.0):
    """A search that notes the thread and the number of queries of each group."""

    def search(vectors):
        threads.append((threading.current_thread() is threading.main_thread(), len(vectors)))
        time.sleep(pause)
        return echo(vectors)

    return search


async def test_steady_searches_that_were_short_are_run_by_the_event_loop(lane, monkeypatch):
    monkeypatch.setattr(search_lane, "SHORT_SECONDS", 10)
    groups = []
    for number in (1, 2, 3):
        check(await lane.search("k", noting(groups), queries(number), steady=True), number)
        await asyncio.sleep(0.01)
    assert groups == [(False, 1), (True, 1), (True, 1)]


async def test_others_and_long_ones_never_are(lane):
    groups = []
    for number in (1, 2, 3):
        check(await lane.search("unsteady", noting(groups), queries(number)), number)
        check(await lane.search("long", noting(groups, 0.01), queries(number), steady=True), number)
        check(await lane.search("k", noting([]), queries(number), steady=True), number)
        many = queries(*range(2000))  # each may be short, but all of them are not
        check(await lane.search("k", noting(groups, 0.01), many, steady=True), *range(2000))
    assert not any(in_loop for in_loop, _ in groups)


async def test_where_callers_crowd_all_who_are_there_share_a_search(lane, monkeypatch):
    monkeypatch.setattr(search_lane, "SHORT_SECONDS", 10)
    groups = []
    await lane.search("k", noting([]), queries(0), steady=True)  # shows that they are short
    await asyncio.sleep(0.01)
    monkeypatch.setattr(search_lane, "CROWDED_SECONDS", 10)
    found = await asyncio.gather(
        *(lane.search("k", noting(groups), queries(number), steady=True) for number in (1, 2, 3))
    )
    for number, hits in zip((1, 2, 3), found, strict=True):
        check(hits, number)
    assert groups in ([(True, 3)], [(True, 1), (True, 2)])
