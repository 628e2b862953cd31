import asyncio
import threading
from pathlib import Path

import pytest

from frostline.server.api.judging import Answered, Judging, Told
from frostline.server.errors import InvalidInput, ShuttingDown
from frostline.server.heads.orders import Evaluate

QUESTION = Evaluate(artifact=Path("head"), examples=Path("examples"))


class Answering:
    """A workshop whose answers wait until they are let go, or stopped."""

    def __init__(self):
        self.begun, self.let_go = [], threading.Event()

    def judge(self, prepare, report, work):
        self.begun.append(work)
        report("thinking", 0.5)
        while not self.let_go.wait(0.01):
            if work.stopped:
                raise work.stopped
        return {"number": len(self.begun)}


@pytest.fixture
def workshop():
    return Answering()


@pytest.fixture
def closing():
    return asyncio.Event()


@pytest.fixture
async def judging(workshop, closing):
    return Judging(workshop, closing)


async def until(true):
    for _ in range(1_000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not become true")


def asked(judging, told):
    return judging.answer(lambda folder: QUESTION, lambda *each: told.append(each))


async def test_one_question_waits_for_another_and_says_so(judging, workshop):
    told = [], []
    tasks = [asyncio.create_task(asked(judging, each)) for each in told]
    await until(lambda: workshop.begun and told[1])
    assert (len(workshop.begun), told[1]) == (1, [("waiting", 0.0)])
    workshop.let_go.set()
    assert await asyncio.gather(*tasks) == [{"number": 1}, {"number": 2}]
    assert told[0] == [("thinking", 0.5)]
    assert told[1][:2] == [("waiting", 0.0), ("starting", 0.0)]


async def test_a_question_ends_when_its_caller_goes_and_the_next_has_its_turn(judging, workshop):
    first = asyncio.create_task(asked(judging, []))
    await until(lambda: workshop.begun)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert workshop.begun[0].stopped
    workshop.let_go.set()
    assert await asked(judging, []) == {"number": 2}


async def test_a_tale_says_how_far_it_is_and_ends_with_the_answer(judging, workshop):
    tale = judging.told(lambda report: judging.answer(lambda folder: QUESTION, report))
    assert await anext(tale) == Told("starting", 0.0)
    assert await anext(tale) == Told("thinking", 0.5)
    workshop.let_go.set()
    assert [each async for each in tale] == [Answered({"number": 1})]


async def test_a_tale_that_nobody_hears_is_broken_off(judging, workshop):
    tale = judging.told(lambda report: judging.answer(lambda folder: QUESTION, report))
    await anext(tale)
    await until(lambda: workshop.begun)
    await tale.aclose()
    assert workshop.begun[0].stopped


async def test_a_tale_ends_with_the_server(judging, workshop, closing):
    tale = judging.told(lambda report: judging.answer(lambda folder: QUESTION, report))
    await anext(tale)
    closing.set()
    with pytest.raises(ShuttingDown):
        async for _ in tale:
            pass


async def test_an_error_ends_the_tale(judging):
    async def wrong(report):
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        async for _ in judging.told(wrong):
            pass
