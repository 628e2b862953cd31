import threading

import pytest

from frostline.server.collections.rows.operations import Delete, Upsert, Written
from frostline.server.collections.rows.writer import Writer
from frostline.server.errors import InvalidInput, ShuttingDown, StorageFull


class Store:
    """Records what the writer does; `gate` holds it before its first group."""

    def __init__(self):
        self.events, self.gate, self.fails = [], threading.Event(), {}
        self.sequence = 0
        self.untidy = 0
        self.waits = False

    def apply(self, operations):
        self.gate.wait(10)
        self.events.append(("apply", [_name(each) for each in operations]))
        self._fail("apply")
        return [self._outcome(each) for each in operations]

    def commit(self):
        self._fail("commit")
        self.events.append(("commit",))

    def tidy(self):
        self.events.append(("tidy",))
        self.untidy -= 1
        return self.untidy > 0

    def make_room(self):
        self.events.append(("make room",))

    def _outcome(self, operation):
        if _name(operation) == "bad":
            return InvalidInput("bad")
        self.sequence += 1
        return Written(1, self.sequence)

    def _fail(self, step):
        if step in self.fails:
            raise self.fails.pop(step)


def _name(operation):
    return operation.ids[0] if isinstance(operation, Delete) else operation.request_id


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def writer(store):
    writer = Writer(store, "notes")
    yield writer
    store.gate.set()
    writer.close()


def submit(writer, *names):
    return [writer.submit(Delete((name,))) for name in names]


def test_writes_what_waits_as_one_group_of_at_most_64(store, writer):
    (first,) = submit(writer, "first")
    while not first.running():
        pass
    later = submit(writer, *(f"{number}" for number in range(100)))
    store.gate.set()
    assert [future.result(10).sequence for future in [first, *later]] == list(range(1, 102))
    writer.close()
    assert [len(event[1]) for event in store.events if event[0] == "apply"] == [1, 64, 36]


def test_answers_only_after_the_commit_and_before_tidying(store, writer):
    (future,) = submit(writer, "a")
    future.add_done_callback(lambda _: store.events.append(("answer",)))
    store.gate.set()
    future.result(10)
    writer.close()
    assert store.events == [("apply", ["a"]), ("commit",), ("answer",), ("tidy",)]


def test_an_operation_that_fails_fails_alone(store, writer):
    store.gate.set()
    good, bad, other = submit(writer, "good", "bad", "other")
    assert (good.result(10).count, other.result(10).count) == (1, 1)
    with pytest.raises(InvalidInput):
        bad.result(10)


def test_tries_again_what_could_not_be_tidied_while_nobody_writes(store, writer, monkeypatch):
    monkeypatch.setattr("frostline.server.collections.rows.writer.AGAIN_SECONDS", 0.001)
    tidied = threading.Event()

    def tidy():
        store.events.append(("tidy",))
        if len(store.events) == 6:
            store.waits = False
            tidied.set()
        return False

    store.tidy, store.waits = tidy, True
    (future,) = submit(writer, "a")
    store.gate.set()
    future.result(10)
    assert tidied.wait(10)
    writer.close()
    assert [event[0] for event in store.events] == ["apply", "commit", *["tidy"] * 4]


def test_tidies_on_while_nobody_waits(store, writer):
    store.untidy = 3
    (future,) = submit(writer, "a")
    store.gate.set()
    future.result(10)
    writer.close()
    assert [event[0] for event in store.events] == ["apply", "commit", "tidy", "tidy", "tidy"]


@pytest.mark.parametrize("step", ["apply", "commit"])
def test_on_a_full_disk_deletions_are_written_alone_in_the_room_kept_for_them(store, writer, step):
    (first,) = submit(writer, "first")
    while not first.running():
        pass
    upsert, deletion = writer.submit(Upsert((), "upsert")), writer.submit(Delete(("deletion",)))
    first.add_done_callback(lambda _: store.fails.update({step: StorageFull("no room")}))
    store.gate.set()
    with pytest.raises(StorageFull):
        upsert.result(10)
    assert deletion.result(10).count == 1
    happened = [event for event in store.events if event[0] != "tidy"]
    assert happened[2:] == [("apply", ["upsert", "deletion"]), ("make room",), ("apply", ["deletion"]), ("commit",)]


@pytest.mark.parametrize("step", ["apply", "commit"])
def test_a_group_that_cannot_be_written_fails_as_a_whole_and_the_next_is_written(store, writer, step):
    store.fails[step] = RuntimeError("broken")
    (first,) = submit(writer, "a")
    while not first.running():
        pass
    later = submit(writer, "b", "c")
    store.gate.set()
    with pytest.raises(RuntimeError):
        first.result(10)
    assert [future.result(10).count for future in later] == [1, 1]


def test_what_was_cancelled_in_time_is_never_written(store, writer):
    (first,) = submit(writer, "first")
    while not first.running():
        pass
    kept, cancelled = submit(writer, "kept", "cancelled")
    assert cancelled.cancel()
    assert not first.cancel()
    store.gate.set()
    kept.result(10)
    writer.close()
    assert [event[1] for event in store.events if event[0] == "apply"] == [["first"], ["kept"]]


def test_close_finishes_what_was_accepted_and_refuses_what_comes_later(store, writer):
    futures = submit(writer, *(f"{number}" for number in range(200)))
    store.gate.set()
    writer.close()
    assert all(future.done() and future.result().count == 1 for future in futures)
    with pytest.raises(ShuttingDown, match="'notes'"):
        submit(writer, "late")
    writer.close()
