import asyncio
import gc

import pytest

from frostline.server.api.streams import WINDOW, WRITE_WINDOW, pipelined, until_closing
from frostline.server.errors import ShuttingDown
from raw import until_error


async def numbers(count):
    for number in range(count):
        yield number


async def never_ending(count):
    for number in range(count):
        yield number
    await asyncio.sleep(60)


async def test_answers_come_in_order_although_later_ones_are_ready_earlier():
    async def answer(number, turn):
        await asyncio.sleep(0.01 if number % 3 == 0 else 0)
        return number

    assert [each async for each in pipelined(numbers(20), answer, asyncio.Event())] == list(range(20))


@pytest.mark.parametrize("window", [1, WINDOW, WRITE_WINDOW])
async def test_no_more_than_the_window_is_in_work_at_once(window):
    working = most = 0

    async def answer(number, turn):
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0.002)
        working -= 1
        return number

    assert len([each async for each in pipelined(numbers(40), answer, asyncio.Event(), window)]) == 40
    assert most == window


async def test_a_reader_that_does_not_read_holds_the_sender_back():
    read = 0

    async def requests():
        nonlocal read
        while True:
            read += 1
            yield read

    async def answer(number, turn):
        return number

    stream = pipelined(requests(), answer, asyncio.Event())
    assert await anext(stream) == 1
    await asyncio.sleep(0.05)
    assert read <= WINDOW + 2
    await stream.aclose()


async def test_turns_come_in_order():
    order = []

    async def answer(number, turn):
        await asyncio.sleep(0.01 if number % 2 == 0 else 0)
        await turn.come()
        order.append(number)
        turn.over()

    _ = [each async for each in pipelined(numbers(12), answer, asyncio.Event())]
    assert order == list(range(12))


async def test_after_a_failure_no_turn_comes_and_the_error_is_in_its_place():
    order = []

    async def answer(number, turn):
        await turn.come()
        if number == 3:
            raise ValueError("three")
        order.append(number)
        turn.over()
        return number

    answers, _ = await until_error(pipelined(numbers(10), answer, asyncio.Event()), ValueError)
    await asyncio.sleep(0.02)
    assert order == answers == [0, 1, 2]


async def test_closing_answers_what_was_read_and_then_says_so():
    closing = asyncio.Event()

    async def answer(number, turn):
        await asyncio.sleep(0.02)
        return number

    asyncio.get_running_loop().call_later(0.01, closing.set)
    answers, _ = await until_error(pipelined(never_ending(3), answer, closing), ShuttingDown)
    assert answers == [0, 1, 2]


async def test_closing_reads_no_more_also_while_the_window_is_full():
    closing = asyncio.Event()
    read = []

    async def requests():
        for number in range(20):
            read.append(number)
            yield number

    async def answer(number, turn):
        await asyncio.sleep(0.02)
        return number

    asyncio.get_running_loop().call_later(0.01, closing.set)
    answers, _ = await until_error(pipelined(requests(), answer, closing), ShuttingDown)
    assert answers == read == list(range(WINDOW))


async def test_a_stream_that_is_closed_ends_its_work():
    cancelled = []

    async def answer(number, turn):
        try:
            await asyncio.sleep(60 if number else 0)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    stream = pipelined(numbers(10), answer, asyncio.Event())
    assert await anext(stream) == 0
    await asyncio.sleep(0.02)
    await stream.aclose()
    await asyncio.sleep(0.02)
    assert cancelled == list(reversed(range(1, WINDOW)))  # newest first: else a later write could be done without it


async def test_a_full_stream_that_fails_leaves_no_task_and_no_error_that_nobody_took():
    untaken = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: untaken.append(context["message"]))

    async def answer(number, turn):
        await asyncio.sleep(0.01 if number == 0 else 0)
        raise ValueError(number)

    _, error = await until_error(pipelined(never_ending(10), answer, asyncio.Event()), ValueError)
    assert error.args == (0,)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect()
    await asyncio.sleep(0)
    assert not untaken


async def test_a_stream_that_is_closed_while_it_reads_leaves_no_task():
    async def answer(number, turn):
        return number

    stream = pipelined(never_ending(1), answer, asyncio.Event())
    assert await anext(stream) == 0
    await asyncio.sleep(0.01)
    await stream.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_reading_ends_when_the_server_stops_and_what_was_read_is_answered():
    closing = asyncio.Event()
    answered = []

    async def serve():
        async for request in until_closing(never_ending(3), closing):
            await asyncio.sleep(0.01)
            answered.append(request)

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0.1)
    closing.set()
    assert isinstance((await asyncio.gather(serving, return_exceptions=True))[0], ShuttingDown)
    assert answered == [0, 1, 2]


async def test_a_stop_during_an_answer_does_not_cut_it():
    closing = asyncio.Event()
    answered = []

    async def serve():
        async for request in until_closing(never_ending(3), closing):
            closing.set()
            await asyncio.sleep(0.02)
            answered.append(request)

    assert isinstance((await asyncio.gather(serve(), return_exceptions=True))[0], ShuttingDown)
    assert answered == [0]


async def test_a_reader_that_is_cancelled_is_not_told_of_a_stop():
    serving = asyncio.create_task(anext(until_closing(never_ending(0), asyncio.Event())))
    await asyncio.sleep(0.01)
    serving.cancel()
    assert isinstance((await asyncio.gather(serving, return_exceptions=True))[0], asyncio.CancelledError)
