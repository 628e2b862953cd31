"""Searches by vectors go through streams that stay open."""

import gc
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fake_calls import Code, fails
from fake_encoders import DIMENSIONS
from fake_server import fake_server
from frostline.client import Client, DeadlineExceeded, InvalidInput, NotFound, Retry, Unavailable, _conversations
from frostline.wire.reasons import Reason

METHOD = "StreamSearchRecords"
EYE = np.eye(DIMENSIONS, dtype=np.float32)
GONE = fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN)


@pytest.fixture
def notes(fake, client) -> str:
    client.create_collection("notes", encoder="tiny")
    client.upsert_vectors("notes", [*"abcd"], EYE)
    return "notes"


@pytest.fixture
def opened(fake, monkeypatch) -> list[str]:
    """Streams that the server has seen begin."""
    streams, begin = [], fake._begin

    def begun(method, context):
        streams.extend([method] if method == METHOD else [])
        begin(method, context)

    monkeypatch.setattr(fake, "_begin", begun)
    return streams


def found(client, row: int, **options) -> str:
    return client.search("notes", EYE[row], limit=1, **options)[0].id


def eventually(holds) -> None:
    give_up = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def threads_of_ours() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if "ThreadPool" not in each.name}


def test_one_stream_serves_search_after_search(client, notes, opened):
    assert [found(client, row) for row in (0, 1, 2, 3)] == [*"abcd"]
    assert client.search_batch("notes", EYE, limit=1)[3][0].id == "d"
    assert opened == [METHOD]


def test_what_may_wait_is_a_call_of_its_own(fake, client, notes):
    client.search(notes, "a text")
    client.search(notes, EYE[0], min_sequence=1)
    assert len(fake.of("SearchRecords")) == 2
    assert not fake.of(METHOD)


def test_a_late_answer_is_given_up_and_never_taken_for_the_next_one(fake, client, notes, opened):
    assert found(client, 0) == "a"
    fake.pauses[METHOD].append(1.0)
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"within 0\.1 s"):
        found(client, 1, timeout_seconds=0.1)
    assert time.monotonic() - start < 0.9
    assert found(client, 2) == "c"
    assert len(opened) == 2


def test_a_shorter_deadline_does_not_wait_for_a_longer_one(fake, client, notes):
    with ThreadPoolExecutor(1) as threads:
        fake.pauses[METHOD].append(1.0)
        slow = threads.submit(found, client, 0)
        time.sleep(0.2)
        fake.pauses[METHOD].append(1.0)
        with pytest.raises(DeadlineExceeded):
            found(client, 1, timeout_seconds=0.1)
        assert slow.result() == "a"


def test_a_refused_search_is_an_error_and_the_next_one_works(client, notes):
    for _ in range(3):
        with pytest.raises(NotFound):
            client.search("unknown", EYE[0])
        assert found(client, 1) == "b"


def test_a_stream_that_broke_while_nobody_used_it_costs_no_attempt(fake, notes, opened):
    with Client(fake.target, retry=Retry(attempts=1)) as client:
        fake.breaks[METHOD].append(1)
        assert [found(client, row) for row in (0, 1)] == ["a", "b"]
        assert len(opened) == 2
        fake.faults[METHOD].append(GONE)
        fake.breaks[METHOD].append(0)
        found(client, 0)
        with pytest.raises(Unavailable):
            Client(fake.target, retry=Retry(attempts=1)).search("notes", EYE[0])


def test_a_server_that_came_back_is_searched_again():
    with fake_server() as first:
        address = first.target
        client = Client(address, retry=Retry(attempts=30, maximum_seconds=0.3))
        client.create_collection("notes", encoder="tiny")
        client.search("notes", EYE[0])
    with fake_server(address):
        client.create_collection("notes", encoder="tiny")
        assert not client.search("notes", EYE[0])
    client.close()


def test_a_stream_that_the_server_ends_is_opened_again(fake, client, notes, monkeypatch):
    stream = fake._stream

    def short(method, requests, context, answer):
        yield next(stream(method, requests, context, answer))

    monkeypatch.setattr(fake, "_stream", short)
    assert [found(client, row) for row in (0, 1, 2)] == [*"abc"]


def test_each_thread_gets_its_own_answers(client, notes):
    with ThreadPoolExecutor(6) as threads:
        rows = [number % 4 for number in range(200)]
        assert list(threads.map(lambda row: found(client, row), rows)) == ["abcd"[row] for row in rows]


def test_an_interrupted_search_leaves_no_answer_for_the_next(fake, client, notes):
    def interrupt(*_):
        raise KeyboardInterrupt

    assert found(client, 0) == "a"
    fake.pauses[METHOD].append(0.5)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            found(client, 1)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert found(client, 2) == "c"


def test_closing_leaves_no_thread_behind(fake):
    before = threads_of_ours()
    with Client(fake.target) as client:
        client.create_collection("notes", encoder="tiny")
        client.search("notes", EYE[0])
    eventually(lambda: not threads_of_ours() - before)
    with pytest.raises(InvalidInput, match="closed"):
        client.search("notes", EYE[0])


def test_so_many_streams_are_kept_and_no_more(fake, client, notes, opened, monkeypatch):
    monkeypatch.setattr(_conversations, "MOST_KEPT", 2)
    fake.pauses[METHOD].extend([0.3] * 4)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda row: found(client, row), range(4))) == [*"abcd"]
    assert len(opened) == 4
    eventually(lambda: len(fake.ended) == 2)
    assert [found(client, row) for row in range(4)] == [*"abcd"]
    assert (len(opened), len(fake.ended)) == (4, 2)


def test_a_client_closed_during_a_search_ends_it_with_an_error_of_ours(fake, client, notes):
    found(client, 0)
    fake.pauses[METHOD].append(1.0)
    with ThreadPoolExecutor(1) as threads:
        searching = threads.submit(found, client, 1)
        time.sleep(0.2)
        client.close()
        with pytest.raises((Unavailable, InvalidInput)):
            searching.result()


def test_a_channel_closed_meanwhile_is_no_bug_of_the_caller(fake, notes):
    with Client(fake.target, retry=Retry(attempts=1)) as other:
        other._operations._transport._channel.close()
        with pytest.raises(Unavailable, match="closed"):
            other.search("notes", EYE[0])


def test_a_forgotten_client_lets_go_of_its_threads(fake, notes):
    before = threads_of_ours()
    for _ in range(5):
        Client(fake.target).search("notes", EYE[0])
    gc.collect()
    eventually(lambda: not threads_of_ours() - before)


def test_no_limit_at_all_leaves_the_limits_of_others(fake, client, notes):
    assert found(client, 0, timeout_seconds=1e10) == "a"
    fake.pauses[METHOD].append(1.0)
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        found(client, 1, timeout_seconds=0.1)
    assert time.monotonic() - start < 0.9


def test_a_fork_gets_a_watch_of_its_own():
    class Late:
        def __init__(self):
            self.late, self.given_up = False, threading.Event()

        def give_up(self):
            self.late = True
            self.given_up.set()

    watch = _conversations._Watch()
    watch.add(Late(), time.monotonic() + 60)
    if not (child := os.fork()):
        late = Late()
        watch.add(late, time.monotonic() + 0.05)
        os._exit(0 if late.given_up.wait(5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
