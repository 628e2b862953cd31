"""Deadlines, retries, broken streams, cancellation, threads."""

import asyncio
import inspect
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fake_calls import Code, fails, stalls
from fake_encoders import embedding
from fake_server import fake_server
from frostline.client import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Overloaded,
    Record,
    Retry,
    Unavailable,
)
from frostline.client._blocking import BlockingTransport
from frostline.client._caller import WINDOW
from frostline.wire.reasons import Reason

GONE = fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN)
FULL = fails(Code.RESOURCE_EXHAUSTED, "full", Reason.OVERLOADED)
RECORDS = [Record(str(number), text=f"note {number}") for number in range(12)]


def stream_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "frostline-stream"]


async def streams_end() -> None:
    async with asyncio.timeout(10):
        while stream_threads():
            await asyncio.sleep(0.01)


async def answered(call):
    """The answer of a call of either client."""
    answer = call()
    return await answer if inspect.isawaitable(answer) else answer


@pytest.fixture
def notes(fake, client) -> str:
    client.create_collection("notes", encoder="tiny")
    return "notes"


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    slept = []

    async def sleep(self, seconds):
        slept.append(seconds)

    monkeypatch.setattr(BlockingTransport, "sleep", sleep)
    return slept


def test_an_unavailable_server_is_asked_again(fake, client, pauses):
    fake.faults["ListEncoders"].extend([GONE, GONE])
    assert [encoder.name for encoder in client.list_encoders()] == ["tiny"]
    assert len(pauses) == 2


def test_attempts_end(fake, pauses):
    fake.faults["ListEncoders"].extend([GONE] * 10)
    with Client(fake.target, retry=Retry(attempts=3)) as client, pytest.raises(Unavailable):
        client.list_encoders()
    assert len(fake.of("ListEncoders")) == 3


def test_a_hint_is_honoured(fake, client, pauses):
    fake.faults["ListEncoders"].append(fails(Code.RESOURCE_EXHAUSTED, "full", Reason.OVERLOADED, hint=7.0))
    client.list_encoders()
    assert len(pauses) == 1
    assert pauses[0] >= 7.0


def test_a_hint_past_the_deadline_is_not_waited_for(fake, client, pauses):
    fake.faults["ListEncoders"].append(fails(Code.RESOURCE_EXHAUSTED, "full", Reason.OVERLOADED, hint=7.0))
    with pytest.raises(Overloaded):
        client.list_encoders(timeout_seconds=5.0)
    assert pauses == []


def test_the_error_of_a_late_retry_names_the_limit_that_was_given(fake, client, monkeypatch):
    async def sleep(self, seconds):
        time.sleep(0.3)

    monkeypatch.setattr(BlockingTransport, "sleep", sleep)
    fake.faults["ListEncoders"].extend([GONE, stalls(3.0)])
    with pytest.raises(DeadlineExceeded, match=r"within 0\.9 s"):
        client.list_encoders(timeout_seconds=0.9)


@pytest.mark.parametrize("batch_size", [100, 1])
def test_a_client_that_is_closed_during_a_pause_says_so(fake, client, monkeypatch, batch_size):
    async def closed_meanwhile(self, seconds):
        client.close()

    monkeypatch.setattr(BlockingTransport, "sleep", closed_meanwhile)
    fake.faults["Embed"].append(GONE)
    fake.faults["EmbedStream"].append(GONE)
    with pytest.raises(InvalidInput, match="this client is closed"):
        client.embed(["a", "b"], "tiny", batch_size=batch_size)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(FULL, Overloaded), (fails(Code.INVALID_ARGUMENT, "no", Reason.INVALID_INPUT), InvalidInput)],
)
def test_what_cannot_help_is_not_tried_again(fake, client, fault, kind):
    fake.faults["ListEncoders"].append(fault)
    with pytest.raises(kind):
        client.list_encoders()
    assert len(fake.of("ListEncoders")) == 1


def test_a_late_answer_ends_the_call(fake, client):
    fake.faults["ListEncoders"].append(stalls(3.0))
    with pytest.raises(DeadlineExceeded):
        client.list_encoders(timeout_seconds=0.1)
    assert len(fake.of("ListEncoders")) == 1


def test_a_retried_write_keeps_its_request_id(fake, client, notes):
    fake.faults["UpsertRecords"].extend([GONE, GONE])
    fake.faults["DeleteRecords"].append(GONE)
    client.upsert(notes, RECORDS)
    client.delete(notes, ["3"])
    assert len({request.request_id for request in fake.of("UpsertRecords")}) == 1
    assert len({request.request_id for request in fake.of("DeleteRecords")}) == 1
    client.upsert(notes, RECORDS)
    assert len({request.request_id for request in fake.of("UpsertRecords")}) == 2


def test_a_broken_stream_goes_on_with_the_first_unanswered_batch(fake, client, notes):
    fake.breaks["StreamUpsertRecords"].extend([2, 0, 1])
    assert client.upsert(notes, RECORDS, batch_size=2).count == 12
    sent = [request.request_id for request in fake.of("StreamUpsertRecords")]
    first_of_each_stream = [0, 3, 4, 6]
    batches = list(dict.fromkeys(sent))
    assert len(batches) == 6
    assert [batches.index(sent[start]) for start in first_of_each_stream] == [0, 2, 2, 3]
    assert [ids for written in fake.written for ids in written] == [record.id for record in RECORDS]


def test_embeddings_of_a_broken_stream_are_complete_and_in_order(fake, client):
    fake.breaks["EmbedStream"].extend([1, 0, 3])
    texts = [str(number) for number in range(20)]
    result = client.embed(texts, "tiny", batch_size=2)
    np.testing.assert_array_equal(result.vectors, np.stack([embedding(text.encode()) for text in texts]))


def test_a_stream_that_makes_no_progress_ends(fake, client):
    fake.breaks["EmbedStream"].extend([0] * 20)
    with pytest.raises(Unavailable):
        client.embed(["a", "b"], "tiny", batch_size=1)
    assert len(fake.ended) == 6


def test_a_refused_stream_is_not_tried_again(fake, client):
    with pytest.raises(NotFound):
        client.embed(["a", "b"], "large", batch_size=1)
    assert len(fake.ended) == 1


def test_a_stream_the_server_ends_early_is_resumed(fake, client, monkeypatch):
    stream = fake._stream

    def short(method, requests, context, answer):
        answers = stream(method, requests, context, answer)
        yield next(answers)

    monkeypatch.setattr(fake, "_stream", short)
    assert len(client.embed(["a", "b", "c"], "tiny", batch_size=1)) == 3


@pytest.mark.parametrize("door", [Client, AsyncClient])
async def test_the_deadline_of_a_stream_holds_for_each_answer(fake, door):
    fake.pauses["EmbedStream"].extend([0.14] * 20)  # 2.8 s in all
    client = door(fake.target, timeout_seconds=2.5)
    assert len(await answered(lambda: client.embed([*"abcdefghijklmnopqrst"], "tiny", batch_size=1))) == 20


@pytest.mark.parametrize("door", [Client, AsyncClient])
async def test_a_stream_whose_answer_is_late_ends(fake, door):
    fake.pauses["EmbedStream"].extend([0.0, 3.0])
    client = door(fake.target, timeout_seconds=0.3)
    with pytest.raises(DeadlineExceeded):
        await answered(lambda: client.embed([*"abcde"], "tiny", batch_size=1))


def test_a_server_that_comes_back_on_its_port_is_found_again():
    with fake_server() as first:
        address = first.target
        client = Client(address, retry=Retry(attempts=30, maximum_seconds=0.3))
        client.list_encoders()
    with fake_server(address):
        assert client.list_encoders()
    client.close()


def test_a_client_serves_many_threads(fake, client):
    def embed(number: int) -> np.ndarray:
        return client.embed([f"{number} {part}" for part in range(4)], "tiny", batch_size=1 + number % 3).vectors

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(embed, range(40)))
    for number, vectors in enumerate(results):
        np.testing.assert_array_equal(vectors, [embedding(f"{number} {part}".encode()) for part in range(4)])


async def test_the_blocking_client_works_inside_a_running_event_loop(client, notes):
    assert client.upsert(notes, RECORDS, batch_size=2).count == 12
    assert len(list(client.list_records(notes))) == 12


async def test_calls_of_one_loop_run_side_by_side(fake, aclient):
    begun, gate = threading.Event(), threading.Event()
    fake.faults["ListEncoders"].append(lambda _: (begun.set(), gate.wait(10)))
    slow = asyncio.create_task(aclient.list_encoders())
    assert await asyncio.to_thread(begun.wait, 10)
    assert await aclient.get_encoder("tiny")
    assert not slow.done()
    gate.set()
    await slow


@pytest.mark.parametrize("batch_size", [100, 1])
async def test_a_cancelled_task_leaves_a_client_that_works(fake, aclient, batch_size):
    fake.faults["Embed"].append(stalls(0.5))
    fake.faults["EmbedStream"].append(stalls(0.5))
    task = asyncio.create_task(aclient.embed(["a", "b"], "tiny", batch_size=batch_size))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await aclient.embed(["a", "b"], "tiny", batch_size=batch_size)) == 2
    await streams_end()


@pytest.mark.parametrize(("method", "batch_size"), [("Embed", 100), ("EmbedStream", 1)])
async def test_the_server_learns_of_a_cancelled_task(fake, aclient, method, batch_size):
    begun, ended = threading.Event(), threading.Event()

    def until_cancelled(context):
        context.add_callback(ended.set)
        begun.set()
        ended.wait(10)

    fake.faults[method].append(until_cancelled)
    task = asyncio.create_task(aclient.embed(["a", "b"], "tiny", batch_size=batch_size))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 5)


async def test_a_timeout_around_a_call_works(fake, aclient):
    fake.faults["ListEncoders"].append(stalls(0.5))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await aclient.list_encoders()
    assert await aclient.list_encoders()


async def test_closing_ends_calls_under_way(fake, aclient):
    fake.faults["ListEncoders"].append(stalls(0.5))
    task = asyncio.create_task(aclient.list_encoders())
    await asyncio.sleep(0.1)
    await aclient.close()
    with pytest.raises(Unavailable):
        await task


def test_an_async_client_may_serve_one_loop_after_another(fake):
    client = AsyncClient(fake.target)
    for _ in range(2):
        assert len(asyncio.run(client.embed(["a", "b"], "tiny", batch_size=1))) == 2
    asyncio.run(client.close())


def test_a_batch_is_sent_before_the_one_before_it_is_answered(fake, client, notes, monkeypatch):
    def answers_late(method, requests, context, answer):
        before = next(requests)
        for request in requests:
            yield answer(before, context)
            before = request
        yield answer(before, context)

    monkeypatch.setattr(fake, "_stream", answers_late)
    assert client.upsert(notes, RECORDS, batch_size=1, timeout_seconds=5).count == 12


def test_abandoned_streams_leave_no_thread_behind(fake, client, notes):
    def abandon():
        fake.requests.clear()
        answers = client.upsert_batches(notes, [[record] for record in RECORDS])
        next(answers)
        while len(fake.of("StreamUpsertRecords")) < WINDOW:
            time.sleep(0.01)
        time.sleep(0.05)  # gRPC's sending thread waits for the next request now
        answers.close()

    before = set(threading.enumerate())
    for _ in range(5):
        abandon()
    for _ in range(500):
        left = [thread for thread in set(threading.enumerate()) - before if "ThreadPool" not in thread.name]
        if not left:
            return
        time.sleep(0.01)
    pytest.fail(f"threads still run: {left}")


def test_answers_that_are_not_taken_close_the_stream(fake, client, notes):
    answers = client.upsert_batches(notes, [[record] for record in RECORDS])
    assert next(answers).count == 1
    answers.close()
    for thread in stream_threads():
        thread.join(10)
    assert stream_threads() == []
    assert client.count(notes) >= 1


async def test_answers_that_are_not_taken_close_the_stream_of_a_loop(fake, aclient, notes):
    answers = aclient.upsert_batches(notes, [[record] for record in RECORDS])
    assert (await anext(answers)).count == 1
    await answers.aclose()
    await streams_end()
