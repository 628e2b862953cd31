"""The policy, and a simulator that lets it run against arrivals of every kind."""

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from frostline.server.batching.policy import Budget, decide


@dataclass(eq=False)
class Item:
    number: int
    length: int
    group: str = "a"
    deadline: float = math.inf
    cancelled: bool = False


def padded(batch: Iterable[Item]) -> int:
    lengths = [item.length for item in batch]
    return len(lengths) * max(lengths)


def simulate(arrivals: list[list[Item]], budget: Budget) -> list[list[Item]]:
    """Lets items arrive, a list before each batch, and returns the batches; runs on until nothing waits."""
    waiting: list[Item] = []
    batches: list[list[Item]] = []
    arriving = iter(arrivals)
    while True:
        new = next(arriving, None)
        waiting += new or []
        if not waiting and new is None:
            return batches
        decision = decide(waiting, budget, now=0.0)
        assert len(decision.batch) + len(decision.dropped) + len(decision.waiting) == len(waiting)
        waiting = decision.waiting
        if decision.batch:
            batches.append(decision.batch)


budgets = st.builds(Budget, max_tokens=st.integers(1, 600), max_items=st.integers(1, 40))
shapes = st.tuples(st.integers(1, 300), st.sampled_from("abc"))


@st.composite
def arrival_plans(draw):
    plan = draw(st.lists(st.lists(shapes, max_size=12), max_size=12))
    number = iter(range(10_000))
    return [[Item(next(number), length, group) for length, group in arriving] for arriving in plan]


@given(arrival_plans(), budgets)
def test_every_item_runs_exactly_once(arrivals, budget):
    ran = sorted(item.number for batch in simulate(arrivals, budget) for item in batch)
    assert ran == [item.number for arriving in arrivals for item in arriving]


@given(arrival_plans(), budgets)
def test_a_batch_never_exceeds_its_budget_except_a_single_item_that_is_too_long(arrivals, budget):
    for batch in simulate(arrivals, budget):
        assert len(batch) <= budget.max_items
        assert padded(batch) <= budget.max_tokens or len(batch) == 1


@given(arrival_plans(), budgets)
def test_items_of_different_groups_never_share_a_batch(arrivals, budget):
    assert all(len({item.group for item in batch}) == 1 for batch in simulate(arrivals, budget))


@given(arrival_plans(), budgets)
def test_an_item_waits_for_no_more_batches_than_there_are_older_items(arrivals, budget):
    """The bound of rule 3, whatever arrives later."""
    batches = simulate(arrivals, budget)
    ran_in = {item.number: number for number, batch in enumerate(batches) for item in batch}
    began = 0  # batches formed before an item arrived: its first chance
    started: dict[int, int] = {}
    older: dict[int, int] = {}
    waiting: list[Item] = []
    for arriving in arrivals:
        for item in arriving:
            started[item.number], older[item.number] = began, len(waiting)
            waiting.append(item)
        if waiting:
            waiting = [item for item in waiting if ran_in[item.number] > began]
            began += 1
    for number, first_chance in started.items():
        assert ran_in[number] - first_chance <= older[number]


@given(arrival_plans(), budgets)
def test_every_batch_contains_the_oldest_item(arrivals, budget):
    waiting = [item for arriving in arrivals for item in arriving]
    if waiting:
        assert waiting[0] in decide(waiting, budget, now=0.0).batch


@given(st.lists(shapes, min_size=1, max_size=30), st.data(), budgets)
def test_expired_and_cancelled_items_are_dropped_and_cost_nothing(plan, data, budget):
    waiting = [Item(number, length) for number, (length, _) in enumerate(plan)]
    for item in waiting:
        item.cancelled = data.draw(st.booleans())
        item.deadline = data.draw(st.sampled_from([0.5, 1.0, 1.5, math.inf]))
    decision = decide(waiting, budget, now=1.0)
    dead = [item for item in waiting if item.cancelled or item.deadline <= 1.0]
    assert decision.dropped == dead
    assert not set(map(id, decision.batch)) & set(map(id, dead))
    alive = [item for item in waiting if item not in dead]
    assert bool(decision.batch) == bool(alive)


def test_what_fits_together_runs_together_shortest_first():
    waiting = [Item(number, length) for number, length in enumerate([8, 5, 7, 6])]
    decision = decide(waiting, Budget(max_tokens=64, max_items=64), now=0.0)
    assert [item.length for item in decision.batch] == [5, 6, 7, 8]


def test_short_texts_are_not_padded_to_a_long_one():
    waiting = [Item(0, 4), Item(1, 250), *(Item(number, 4) for number in range(2, 16))]
    decision = decide(waiting, Budget(max_tokens=4096, max_items=64), now=0.0)
    assert [item.length for item in decision.batch] == [4] * 15
    assert [item.length for item in decision.waiting] == [250]


def test_a_long_text_is_not_filled_up_with_short_ones():
    waiting = [Item(0, 250), *(Item(number, 4) for number in range(1, 16))]
    decision = decide(waiting, Budget(max_tokens=4096, max_items=64), now=0.0)
    assert [item.length for item in decision.batch] == [250]


def fifo(items: list[Item], budget: Budget) -> list[list[Item]]:
    batches: list[list[Item]] = [[]]
    for item in items:
        grown = [*batches[-1], item]
        if batches[-1] and (padded(grown) > budget.max_tokens or len(grown) > budget.max_items):
            batches.append([item])
        else:
            batches[-1] = grown
    return batches


def waste(batches: list[list[Item]]) -> float:
    real = sum(item.length for batch in batches for item in batch)
    return sum(map(padded, batches)) / real - 1


def test_padding_wastes_less_than_first_in_first_out_for_texts_of_everyday_lengths():
    """Lengths as of docstrings: log-normal, median 40 tokens, cut at 256; 40 arrive before each batch."""
    for seed in range(5):
        draw = random.Random(seed)
        lengths = [min(256, max(3, round(draw.lognormvariate(math.log(40), 0.9)))) for _ in range(2000)]
        items = [Item(number, length) for number, length in enumerate(lengths)]
        budget = Budget(max_tokens=4096, max_items=64)
        arrivals = [items[:400], *(items[start : start + 40] for start in range(400, 2000, 40))]
        batches = simulate(arrivals, budget)
        assert waste(batches) < 0.35 * waste(fifo(items, budget))
        assert len(batches) < 2.5 * len(fifo(items, budget))
