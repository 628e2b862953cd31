import contextlib
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from collecting import config, record
from frostline.server.collections import ledger
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.config import Metric
from frostline.server.collections.records import Record
from frostline.server.errors import DataDamaged, InvalidInput, ShuttingDown


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path)
    yield catalogue
    catalogue.close()


@pytest.fixture
def notes(catalogue):
    return catalogue.create(config())


def upsert(collection, *records, request_id=""):
    return collection.upsert(records, request_id).result(10)


def got(collection, ids, **options):
    found = collection.get(ids, **options)
    assert list(found) == [each for each in ids if each in found]
    return list(found.values())


def ids_of(collection, query=(1, 0, 0, 0), limit=10, **options):
    return collection.search(np.array([query], np.float32), limit, **options).ids[0]


def sql(path, statement, *parameters):
    with contextlib.closing(sqlite3.connect(path / "notes" / "records.sqlite")) as connection, connection:
        connection.execute(statement, parameters)


def test_returns_what_was_written(notes):
    text = record("text", [1, 2, 3, 4], text="grüße\0", lang="de", nested={"a": [1, None]})
    image = record("image", [0.1, 1e-30, 3, -4], image=b"\x89PNG\0")
    upsert(notes, text, image, Record("bare", np.ones(4, np.float32), b""))
    found = got(notes, ["image", "missing", "text", "bare"], vectors=True, content=True)
    assert [(each.id, each.text, each.image, each.sequence) for each in found] == [
        ("image", None, b"\x89PNG\0", 1),
        ("text", "grüße\0", None, 1),
        ("bare", None, None, 1),
    ]
    assert found[1].payload == text.payload
    assert found[2].payload == b"{}"
    np.testing.assert_array_equal(found[0].vector, image.vector)
    (plain,) = got(notes, ["text"])
    assert (plain.vector, plain.text, plain.payload) == (None, None, text.payload)


def test_upsert_replaces_the_record_with_the_same_id(notes):
    upsert(notes, record("a", [1, 0, 0, 0], text="old", n=1), record("b", [0, 1, 0, 0]))
    assert upsert(notes, record("a", [0, 0, 1, 0], n=2)).count == 1
    assert notes.count() == 2
    (found,) = got(notes, ["a"], vectors=True, content=True)
    assert (found.payload, found.text, found.vector.tolist()) == (b'{"n": 2}', None, [0, 0, 1, 0])
    hits = notes.search(np.array([[1, 0, 0, 0]], np.float32), 10)
    assert dict(zip(hits.ids[0], hits.scores[0].tolist(), strict=True)) == {"a": 0, "b": 0}


def test_of_equal_ids_in_a_batch_the_last_stays(notes):
    written = upsert(notes, record("a", n=1), record("b"), record("a", n=2))
    assert written.count == notes.count() == 2
    assert got(notes, ["a"])[0].payload == b'{"n": 2}'


def test_delete_removes_and_counts_only_what_was_there(notes):
    upsert(notes, record("a"), record("b"), record("c"))
    written = notes.delete(["a", "missing", "c", "a"]).result(10)
    assert (written.count, written.sequence) == (2, 2)
    assert notes.count() == 1
    assert got(notes, ["a", "b", "c"])[0].id == "b"
    assert ids_of(notes) == ["b"]


def test_what_was_replaced_or_deleted_leaves_no_row_behind(notes, catalogue, tmp_path):
    upsert(notes, record("a"), record("b"), record("c"))
    upsert(notes, record("a"))
    notes.delete(["b"]).result(10)
    catalogue.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "notes" / "records.sqlite")) as connection:
        for table in ("records", "vectors"):
            assert connection.execute(f"SELECT internal_id FROM {table} ORDER BY 1").fetchall() == [(3,), (4,)]


def test_each_write_has_a_sequence_of_its_own_that_searches_and_reads_show(notes):
    futures = [notes.upsert([record(f"{number}")]) for number in range(100)]
    assert [future.result(10).sequence for future in futures] == list(range(1, 101))
    assert notes.sequence == 100
    assert notes.search(np.ones((1, 4), np.float32), 1).sequence == 100
    assert [each.sequence for each in got(notes, ["0", "99"])] == [1, 100]


def test_drops_content_where_it_is_not_kept(catalogue):
    bare = catalogue.create(config("bare", keep_content=False))
    upsert(bare, record("a", text="text", n=1), record("b", image=b"image"))
    found = got(bare, ["a", "b"], content=True)
    assert [(each.text, each.image) for each in found] == [(None, None)] * 2
    assert found[0].payload == b'{"n": 1}'


def test_a_repeated_request_is_answered_and_not_run_again(notes, catalogue, tmp_path):
    first = upsert(notes, record("a", n=1), record("b"), request_id="r1")
    deleted = notes.delete(["b"], "r2").result(10)
    upsert(notes, record("a", n=2))
    assert upsert(notes, record("a", n=1), record("b"), request_id="r1") == first
    assert notes.delete(["b"], "r2").result(10) == deleted
    assert got(notes, ["a", "b"])[0].payload == b'{"n": 2}'
    assert notes.sequence == 3
    catalogue.close()
    again = Catalogue(tmp_path)
    assert upsert(again.get("notes"), record("a", n=1), record("b"), request_id="r1") == first
    again.close()


def test_a_repeated_request_in_the_same_group_runs_once(notes):
    futures = [notes.upsert([record("a", n=1)], "same") for _ in range(50)]
    assert {future.result(10).sequence for future in futures} == {1}
    assert notes.sequence == 1


def test_a_request_id_used_for_something_else_is_refused(notes):
    upsert(notes, record("a", n=1), request_id="r")
    for other in (
        notes.upsert([record("a", n=2)], "r"),
        notes.upsert([record("a", [2, 0, 0, 0], n=1)], "r"),
        notes.delete(["a"], "r"),
    ):
        with pytest.raises(InvalidInput, match="'r' was used for another request"):
            other.result(10)
    assert got(notes, ["a"])[0].payload == b'{"n": 1}'


def test_a_text_embedded_again_is_the_same_request_where_its_digest_is(notes):
    first = notes.upsert([record("a", [1, 0, 0, 0], text="t")], "r", b"as sent").result(10)
    assert notes.upsert([record("a", [1, 1e-7, 0, 0], text="t")], "r", b"as sent").result(10) == first
    with pytest.raises(InvalidInput, match="'r' was used for another request"):
        notes.upsert([record("a", [1, 0, 0, 0], text="t")], "r", b"another").result(10)


def test_a_text_with_another_vector_is_another_request(notes):
    upsert(notes, record("a", [1, 0, 0, 0], text="t"), request_id="r")
    with pytest.raises(InvalidInput, match="'r' was used for another request"):
        upsert(notes, record("a", [0, 1, 0, 0], text="t"), request_id="r")


def test_forgets_old_requests(notes, monkeypatch):
    monkeypatch.setattr(ledger, "KEPT_REQUESTS", 3)
    upsert(notes, record("a"), request_id="old")
    for number in range(3):
        upsert(notes, record("b"), request_id=f"new-{number}")
    assert upsert(notes, record("a"), request_id="old").sequence == 5
    assert upsert(notes, record("b"), request_id="new-2").sequence == 4


def test_an_acknowledged_write_is_found_at_once(notes):
    for number in range(200):
        upsert(notes, record("same", [number, 0, 0, 0]))
        hits = notes.search(np.array([[1, 0, 0, 0]], np.float32), 3)
        assert (hits.ids, hits.scores[0].tolist()) == ([["same"]], [number])


def test_search_answers_each_query_with_min_of_limit_and_count(notes):
    upsert(notes, *(record(f"{number}", [number, 1, 0, 0], n=number) for number in range(5)))
    hits = notes.search(np.array([[1, 0, 0, 0], [-1, 0, 0, 0]], np.float32), 3, payloads=True)
    assert hits.ids == [["4", "3", "2"], ["0", "1", "2"]]
    assert [scores.tolist() for scores in hits.scores] == [[4, 3, 2], [0, -1, -2]]
    assert hits.payloads[0] == [b'{"n": 4}', b'{"n": 3}', b'{"n": 2}']
    everything = notes.search(np.array([[1, 0, 0, 0]], np.float32), 10_000)
    assert everything.ids == [["4", "3", "2", "1", "0"]]
    assert everything.payloads is None


def test_search_without_records_or_queries_finds_nothing(notes):
    assert notes.search(np.ones((2, 4), np.float32), 5).ids == [[], []]
    upsert(notes, record("a"))
    nothing = notes.search(np.empty((0, 4), np.float32), 5, payloads=True)
    assert (nothing.ids, nothing.scores, nothing.payloads) == ([], [], [])


def test_equal_scores_come_in_the_order_they_were_written(notes):
    names = [f"{number}" for number in np.random.default_rng(0).permutation(50)]
    upsert(notes, *(record(name) for name in names[:25]))
    upsert(notes, *(record(name) for name in names[25:]))
    assert ids_of(notes, limit=50) == names
    upsert(notes, record(names[0]))
    assert ids_of(notes, limit=50) == [*names[1:], names[0]]


def test_a_query_may_leave_one_record_out(notes):
    upsert(notes, *(record(f"{number}", [number, 0, 0, 0]) for number in range(4)))
    (three,) = got(notes, ["3"], vectors=True)
    hits = notes.search(np.stack([three.vector] * 3), 2, exclude=["3", None, "missing"])
    assert hits.ids == [["2", "1"], ["3", "2"], ["3", "2"]]
    assert notes.search(three.vector[None], 10, exclude=["3"]).ids == [["2", "1", "0"]]


@pytest.mark.parametrize(
    ("query", "says"), [([np.inf, 0, 0, 0], "query 1: .*inf"), ([1, 2, 3], "query 1: .*shape"), ([0] * 4, "all zeros")]
)
def test_refuses_queries_that_cannot_be_compared(catalogue, query, says):
    notes = catalogue.create(config(metric=Metric.COSINE))
    with pytest.raises(InvalidInput, match=says):
        notes.search([np.ones(4, np.float32), np.array(query, np.float32)], 5)
    assert notes.check_vector(np.ones(4, np.float32)) is None
    assert notes.check_vector(np.array(query, np.float32)) is not None


def test_refuses_limits_out_of_range(notes):
    with pytest.raises(InvalidInput, match="limit 0"):
        notes.search(np.ones((1, 4), np.float32), 0)
    upsert(notes, *(record(f"{number}") for number in range(1001)))
    with pytest.raises(InvalidInput, match="1001000 hits; at most 1000000"):
        notes.search(np.ones((1000, 4), np.float32), 2000)


def test_update_changes_only_what_is_given_and_lasts(notes, catalogue, tmp_path):
    notes.update(description="new")
    assert notes.update(query_prompt="query: ").description == "new"
    catalogue.close()
    again = Catalogue(tmp_path)
    assert (again.get("notes").config.description, again.get("notes").config.query_prompt) == ("new", "query: ")
    assert again.get("notes").config == config(description="new", query_prompt="query: ")
    again.close()


def pages(collection, limit, between=lambda: None, **options):
    after, seen = 0, []
    while after is not None:
        begin = after
        records, after = collection.page(begin, limit, **options)
        assert len(records) <= limit
        assert after is None or after > begin
        seen += [each.id for each in records]
        between()
    return seen


@pytest.mark.parametrize("limit", [1, 3, 10, 11, 1000])
def test_pages_hold_each_record_once_in_the_order_written(notes, limit):
    for number in range(10):
        upsert(notes, record(f"{number}"))
    upsert(notes, record("3"))
    assert pages(notes, limit) == ["0", "1", "2", "4", "5", "6", "7", "8", "9", "3"]
    assert notes.page(0, 10)[1] is None


def test_listing_while_writing_shows_each_unchanged_record_exactly_once(notes):
    steady = [f"steady-{number}" for number in range(60)]
    busy = [f"busy-{number}" for number in range(60)]
    for pair in zip(steady, busy, strict=True):
        upsert(notes, *(record(name) for name in pair))
    random = np.random.default_rng(0)

    def write():
        upsert(notes, *(record(name) for name in random.choice(busy, 3)))
        notes.delete([str(random.choice(busy))]).result(10)

    limits = [0]

    def write_for_a_while():
        limits[0] += 1
        if limits[0] < 100:
            write()

    seen = pages(notes, 5, write_for_a_while)
    assert [name for name in seen if name in steady] == steady


def test_pages_carry_what_is_asked_for(notes):
    upsert(notes, record("a", image=b"x"))
    ((found,), _) = notes.page(0, 100, vectors=True)
    assert (found.vector.tolist(), found.image) == ([1, 0, 0, 0], None)
    ((found,), _) = notes.page(0, 100, content=True)
    assert (found.vector, found.image) == (None, b"x")


def test_searches_while_writing_always_see_whole_commits(notes):
    """Two records always swap places in one commit; a search must never see one of them twice, or not at all."""
    left, right = [1, 0, 0, 0], [2, 0, 0, 0]
    upsert(notes, record("a", left, at=1), record("b", right, at=2))
    stop = threading.Event()

    def search():
        while not stop.is_set():
            hits = notes.search(np.array([[1, 0, 0, 0]], np.float32), 5, payloads=True)
            found = sorted(zip(hits.ids[0], hits.scores[0].tolist(), hits.payloads[0], strict=True))
            odd = [("a", 1, b'{"at": 1}'), ("b", 2, b'{"at": 2}')]
            even = [("a", 2, b'{"at": 2}'), ("b", 1, b'{"at": 1}')]
            assert found == (odd if hits.sequence % 2 else even)

    with ThreadPoolExecutor() as threads:
        searches = [threads.submit(search) for _ in range(3)]
        for number in range(100):
            swapped = [record("a", right, at=2), record("b", left, at=1)]
            straight = [record("a", left, at=1), record("b", right, at=2)]
            upsert(notes, *(straight if number % 2 else swapped))
        stop.set()
        for each in searches:
            each.result()
    assert notes.sequence == 101


def test_writers_and_readers_may_work_at_the_same_time(notes):
    def write(worker):
        for number in range(30):
            upsert(notes, record(f"{worker}-{number}", n=number), record(f"shared-{number}", n=worker))

    with ThreadPoolExecutor() as threads:
        writes = [threads.submit(write, worker) for worker in range(4)]
        while not all(each.done() for each in writes):
            for page in (notes.page(0, 50)[0], got(notes, ["0-0", "shared-1"])):
                assert len({each.id for each in page}) == len(page)
        for each in writes:
            each.result()
    assert notes.count() == len(pages(notes, 1000)) == 5 * 30
    assert notes.sequence == 120


def test_a_closed_collection_refuses_work_but_finishes_what_it_accepted(notes, catalogue):
    futures = [notes.upsert([record(f"{number}")]) for number in range(50)]
    notes.close()
    assert [future.result(0).sequence for future in futures] == list(range(1, 51))
    for work in (
        lambda: notes.upsert([record("late")]),
        lambda: notes.delete(["0"]),
        lambda: notes.get(["0"]),
        lambda: notes.page(0, 5),
        lambda: notes.search(np.ones((1, 4), np.float32), 1),
        lambda: notes.update("late"),
    ):
        with pytest.raises(ShuttingDown, match="'notes'"):
            work()


def test_size_on_disk_grows_with_what_is_written(notes):
    before = notes.size_bytes()
    upsert(notes, *(record(f"{number}", image=b"x" * 10_000) for number in range(20)))
    assert notes.size_bytes() >= before + 200_000


DAMAGE = {
    "payload": ("UPDATE records SET payload = ? WHERE id = 'b'", '{"n": 9}'),
    "record crc": ("UPDATE records SET crc = crc + ? WHERE id = 'b'", 1),
    "sequence": ("UPDATE records SET sequence = ? WHERE id = 'b'", 7),
    "swapped id": ("UPDATE records SET id = ? WHERE id = 'b'", "z"),
}
LOST_VECTOR = {
    "vector": ("UPDATE vectors SET vector = ? WHERE internal_id = 2", np.ones(4, "<f4").tobytes()),
    "short vector": ("UPDATE vectors SET vector = ? WHERE internal_id = 2", b"\0" * 12),
    "no vector": ("DELETE FROM vectors WHERE internal_id = ?", 2),
    "exchanged": ("UPDATE vectors SET internal_id = 9 - internal_id WHERE internal_id = ?", 2),
}


def reopened_after(catalogue, tmp_path, statement, value):
    notes = catalogue.get("notes")
    upsert(notes, *(record(name, [n, 0, 0, 0], text=f"text {name}", n=n) for n, name in enumerate("abc", 1)))
    catalogue.close()
    sql(tmp_path, statement, value)
    return Catalogue(tmp_path)


@pytest.mark.parametrize("damage", [*DAMAGE, *LOST_VECTOR])
def test_a_damaged_row_is_named_and_the_others_are_served(notes, catalogue, tmp_path, caplog, damage):
    again = reopened_after(catalogue, tmp_path, *(DAMAGE | LOST_VECTOR)[damage])
    name = "z" if damage == "swapped id" else "b"
    notes = again.get("notes")
    assert ids_of(notes, payloads=True) == ["c", "a"]
    sound, damaged = got(notes, ["a", name], vectors=True)
    assert sound.id == "a"
    assert isinstance(damaged, DataDamaged)
    assert re.match(f"record '{name}' .*write it again or delete it", str(damaged))
    assert [each.id for each in got(notes, ["c", "a"], vectors=True, content=True)] == ["c", "a"]
    assert pages(notes, 1, vectors=True) == ["a", "c"]
    assert f"record '{name}'" in caplog.text
    if damage in LOST_VECTOR:
        assert notes.count() == 2
    upsert(notes, record(name, [9, 0, 0, 0]))
    assert ids_of(notes) == [name, "c", "a"]
    assert got(notes, [name], vectors=True)[0].vector[0] == 9
    again.close()


@pytest.mark.parametrize("statement", ["UPDATE records SET text = ? WHERE id = 'b'"])
@pytest.mark.parametrize("value", ["other", None])
def test_damaged_content_is_named_when_it_is_asked_for(notes, catalogue, tmp_path, statement, value):
    again = reopened_after(catalogue, tmp_path, statement, value)
    notes = again.get("notes")
    assert ids_of(notes) == ["c", "b", "a"]
    assert got(notes, ["b"], vectors=True)[0].payload == b'{"n": 2}'
    (damaged,) = got(notes, ["b"], content=True)
    assert isinstance(damaged, DataDamaged)
    assert re.match(r"record 'b' .*its content", str(damaged))
    again.close()


def test_a_row_damaged_while_serving_is_left_out_of_hits(notes, tmp_path, caplog):
    upsert(notes, *(record(name, [n, 0, 0, 0]) for n, name in enumerate("abc", 1)))
    sql(tmp_path, "UPDATE records SET payload = '{\"x\": 1}' WHERE id = ?", "b")
    assert ids_of(notes, payloads=True) == ["c", "a"]
    assert "record 'b'" in caplog.text
    assert ids_of(notes) == ["c", "b", "a"]  # its payload is not read


def test_internal_ids_are_never_used_again(notes, catalogue, tmp_path):
    upsert(notes, *(record(name) for name in "abc"))
    _, after = notes.page(0, 2)
    notes.delete(["b", "c"]).result(10)
    catalogue.close()
    again = Catalogue(tmp_path)
    upsert(again.get("notes"), record("d"))
    assert [each.id for each in again.get("notes").page(after, 10)[0]] == ["d"]
    assert again.get("notes").page(after + 1, 10)[0][0].id == "d"
    again.close()


def test_an_operation_that_fails_inside_a_group_leaves_nothing_behind(notes, monkeypatch):
    insert = ledger.Rows.insert

    def broken(rows, first, records, sequence):
        insert(rows, first, records, sequence)
        if records[0].id == "broken":
            raise ValueError("planted")

    monkeypatch.setattr(ledger.Rows, "insert", broken)
    upsert(notes, record("a", n=1))
    futures = [notes.upsert([record(name, n=2), record("a", n=name)]) for name in ["b", "broken", "c"]]
    assert [futures[0].result(10).sequence, futures[2].result(10).sequence] == [2, 3]
    with pytest.raises(ValueError, match="planted"):
        futures[1].result(10)
    assert sorted(ids_of(notes)) == ["a", "b", "c"]
    assert pages(notes, 10) == ["b", "c", "a"]
    assert got(notes, ["a"])[0].payload == b'{"n": "c"}'


def test_a_commit_that_fails_leaves_nothing_behind(notes, monkeypatch):
    upsert(notes, record("a", [1, 0, 0, 0]))
    index_changed = ledger.VectorIndex.changed

    def out_of_memory(*_):
        raise MemoryError("planted")

    monkeypatch.setattr(ledger.VectorIndex, "changed", out_of_memory)
    with pytest.raises(MemoryError, match="planted"):
        upsert(notes, record("a", [5, 0, 0, 0]), record("b"))
    monkeypatch.setattr(ledger.VectorIndex, "changed", index_changed)
    assert (ids_of(notes), notes.count(), notes.sequence) == (["a"], 1, 1)
    assert upsert(notes, record("c")).sequence == 2
    assert ids_of(notes) == ["a", "c"]


def test_the_log_of_sqlite_is_cut_when_it_has_grown(notes, monkeypatch, tmp_path):
    monkeypatch.setattr(ledger, "WAL_BYTES", 100_000)
    log = tmp_path / "notes" / "records.sqlite-wal"
    for number in range(20):
        upsert(notes, record(f"{number}", image=b"x" * 50_000))
    assert log.stat().st_size < 400_000
