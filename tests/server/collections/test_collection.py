import contextlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from collecting import config, record, vector_field
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.config import Metric
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.rows import columns, ledger, requests
from frostline.server.collections.rows.operations import PayloadPatch, Write
from frostline.server.collections.rows.records import Record
from frostline.server.collections.search.query import Leg, SearchOptions, SearchQuery
from frostline.server.errors import InvalidInput, ShuttingDown


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path)
    yield catalogue
    catalogue.close()


@pytest.fixture
def notes(catalogue):
    return catalogue.create(config())


def upsert(collection, *records, request_id=""):
    return collection.upsert([Write(each) for each in records], request_id).result(10)


def got(collection, ids, **options):
    found = collection.get(ids, **options)
    assert list(found) == [each for each in ids if each in found]
    return list(found.values())


def search(collection, queries, limit=10, **options):
    return collection.search_vectors(np.array(queries, np.float32), 0, SearchOptions(limit=limit, **options))


def ids_of(collection, query=(1, 0, 0, 0), limit=10, **options):
    return search(collection, [query], limit, **options).ids[0]


def test_returns_what_was_written(notes):
    text = record("text", [1, 2, 3, 4], text="grüße\0", lang="de", nested={"a": [1, None]})
    image = record("image", [0.1, 1e-30, 3, -4], image=b"\x89PNG\0")
    upsert(notes, text, image, Record("bare", {"default": np.ones(4, np.float32)}, b""))
    found = got(notes, ["image", "missing", "text", "bare"], vectors=True, content=True)
    assert [(each.id, each.text, each.image, each.sequence) for each in found] == [
        ("image", None, b"\x89PNG\0", 1),
        ("text", "grüße\0", None, 1),
        ("bare", None, None, 1),
    ]
    assert found[1].payload == text.payload
    assert found[2].payload == b"{}"
    np.testing.assert_array_equal(found[0].vectors["default"], image.vectors["default"])
    (plain,) = got(notes, ["text"])
    assert (plain.vectors, plain.text, plain.payload) == ({}, None, text.payload)


def test_upsert_replaces_the_record_with_the_same_id(notes):
    upsert(notes, record("a", [1, 0, 0, 0], text="old", n=1), record("b", [0, 1, 0, 0]))
    assert upsert(notes, record("a", [0, 0, 1, 0], n=2)).count == 1
    assert notes.count() == 2
    (found,) = got(notes, ["a"], vectors=True, content=True)
    assert (found.payload, found.text, found.vectors["default"].tolist()) == (b'{"n": 2}', None, [0, 0, 1, 0])
    hits = search(notes, [[1, 0, 0, 0]])
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
    upsert(notes, record("a", text="x"), record("b", text="x"), record("c", text="x"))
    upsert(notes, record("a", text="x"))
    notes.delete(["b"]).result(10)
    catalogue.close()
    (path,) = tmp_path.glob("notes.*/records.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT internal_id FROM records ORDER BY 1").fetchall() == [(3,), (4,)]
        assert connection.execute("SELECT key / 16 FROM vectors ORDER BY 1").fetchall() == [(3,), (4,)]
        assert connection.execute("SELECT rowid FROM keywords('x') ORDER BY 1").fetchall() == [(3,), (4,)]


def test_each_write_has_a_sequence_of_its_own_that_searches_and_reads_show(notes):
    futures = [notes.upsert([Write(record(f"{number}"))]) for number in range(100)]
    assert [future.result(10).sequence for future in futures] == list(range(1, 101))
    assert notes.sequence == 100
    assert search(notes, np.ones((1, 4)), 1).sequence == 100
    assert [each.sequence for each in got(notes, ["0", "99"])] == [1, 100]


def test_waiting_for_a_commit_ends_with_it_or_with_its_time(notes):
    assert notes.reached(0).done()
    with pytest.raises(TimeoutError):
        notes.reached(3).result(0.01)
    before = threading.active_count()
    first, second, given_up = (notes.reached(sequence) for sequence in (1, 2, 2))
    assert threading.active_count() == before
    given_up.cancel()
    upsert(notes, record("a"))
    first.result(10)
    assert not second.done()
    upsert(notes, record("a"))
    second.result(10)
    late = notes.reached(9)
    notes.close()
    for waiting in (late, notes.reached(9)):
        with pytest.raises(ShuttingDown, match="has not come"):
            waiting.result(10)
    assert not notes._states.waiters._waiting


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
    futures = [notes.upsert([Write(record("a", n=1))], "same") for _ in range(50)]
    assert {future.result(10).sequence for future in futures} == {1}
    assert notes.sequence == 1


def test_a_request_id_used_for_something_else_is_refused(notes):
    upsert(notes, record("a", n=1), request_id="r")
    for other in (
        notes.upsert([Write(record("a", n=2))], "r"),
        notes.upsert([Write(record("a", [2, 0, 0, 0], n=1))], "r"),
        notes.upsert([Write(record("a", n=1), expected_sequence=1)], "r"),
        notes.patch([PayloadPatch("a", {"n": 2})], "r"),
        notes.delete(["a"], "r"),
        notes.delete_matching(parse("n = 1"), "r", b"filter"),
    ):
        with pytest.raises(InvalidInput, match="'r' was used for another request"):
            other.result(10)
    assert got(notes, ["a"])[0].payload == b'{"n": 1}'


def test_a_text_embedded_again_is_the_same_request_where_its_digest_is(notes):
    def send(vector, digest):
        return notes.upsert([Write(record("a", vector, text="t"))], "r", digest).result(10)

    first = send([1, 0, 0, 0], b"as sent")
    assert send([1, 1e-7, 0, 0], b"as sent") == first
    with pytest.raises(InvalidInput, match="'r' was used for another request"):
        send([1, 0, 0, 0], b"another")


def test_a_text_with_another_vector_is_another_request(notes):
    upsert(notes, record("a", [1, 0, 0, 0], text="t"), request_id="r")
    with pytest.raises(InvalidInput, match="'r' was used for another request"):
        upsert(notes, record("a", [0, 1, 0, 0], text="t"), request_id="r")


def test_forgets_old_requests(notes, monkeypatch):
    monkeypatch.setattr(requests, "KEPT_REQUESTS", 3)
    upsert(notes, record("a"), request_id="old")
    for number in range(3):
        upsert(notes, record("b"), request_id=f"new-{number}")
    assert upsert(notes, record("a"), request_id="old").sequence == 5
    assert upsert(notes, record("b"), request_id="new-2").sequence == 4


def test_an_acknowledged_write_is_found_at_once(notes):
    for number in range(200):
        upsert(notes, record("same", [number, 0, 0, 0]))
        hits = search(notes, [[1, 0, 0, 0]], 3)
        assert (hits.ids, hits.scores[0].tolist()) == ([["same"]], [number])


def test_search_answers_each_query_with_min_of_limit_and_count(notes):
    upsert(notes, *(record(f"{number}", [number, 1, 0, 0], n=number) for number in range(5)))
    hits = search(notes, [[1, 0, 0, 0], [-1, 0, 0, 0]], 3, payloads=True)
    assert hits.ids == [["4", "3", "2"], ["0", "1", "2"]]
    assert [scores.tolist() for scores in hits.scores] == [[4, 3, 2], [0, -1, -2]]
    assert hits.payloads[0] == [b'{"n": 4}', b'{"n": 3}', b'{"n": 2}']
    everything = search(notes, [[1, 0, 0, 0]], 10_000)
    assert everything.ids == [["4", "3", "2", "1", "0"]]
    assert (everything.payloads, everything.recall) == (None, 1)


def test_search_without_records_or_queries_finds_nothing(notes):
    assert search(notes, np.ones((2, 4)), 5).ids == [[], []]
    upsert(notes, record("a"))
    nothing = search(notes, np.empty((0, 4)), 5, payloads=True)
    assert (nothing.ids, nothing.scores, nothing.payloads) == ([], [], [])


def test_equal_scores_come_in_the_order_they_were_written(notes):
    names = [f"{number}" for number in np.random.default_rng(0).permutation(50)]
    upsert(notes, *(record(name) for name in names[:25]))
    upsert(notes, *(record(name) for name in names[25:]))
    assert ids_of(notes, limit=50) == names
    upsert(notes, record(names[0]))
    assert ids_of(notes, limit=50) == [*names[1:], names[0]]


def test_a_query_may_leave_records_out(notes):
    upsert(notes, *(record(f"{number}", [number, 0, 0, 0]) for number in range(4)))
    legs = (Leg(0, got(notes, ["3"], vectors=True)[0].vectors["default"]),)
    queries = [SearchQuery(legs, exclude=each) for each in [("3",), (), ("missing",), ("3", "1")]]
    hits = notes.search(queries, SearchOptions(limit=2))
    assert hits.ids == [["2", "1"], ["3", "2"], ["3", "2"], ["2", "0"]]
    assert notes.search(queries[:1], SearchOptions(limit=10)).ids == [["2", "1", "0"]]


@pytest.mark.parametrize(("query", "says"), [([np.inf, 0, 0, 0], "inf"), ([1, 2, 3], "shape"), ([0] * 4, "all zeros")])
def test_says_what_is_wrong_with_vectors_that_cannot_be_compared(catalogue, query, says):
    """Whoever calls search has asked before; see tests/server/api."""
    both = (vector_field("short", 2, Metric.DOT), vector_field("long", 4, Metric.COSINE))
    notes = catalogue.create(config(vectors=both))
    assert notes.check_vector(1, np.ones(4, np.float32)) is None
    wrong = notes.check_vector(1, np.array(query, np.float32))
    assert isinstance(wrong, InvalidInput)
    assert says in str(wrong)
    assert notes.check_vector(0, np.zeros(2, np.float32)) is None


def test_refuses_limits_out_of_range(notes):
    with pytest.raises(InvalidInput, match="limit 0"):
        search(notes, np.ones((1, 4)), 0)
    upsert(notes, *(record(f"{number}") for number in range(1001)))
    with pytest.raises(InvalidInput, match="1001000 hits, those passed over counted; at most 1000000"):
        search(notes, np.ones((1000, 4)), 2000)


def test_update_changes_only_what_is_given_and_lasts(notes, catalogue, tmp_path):
    prompted = notes.config.vectors[0].model_copy(update={"query_prompt": "query: "})
    notes.update({"description": "new"})
    assert notes.update({"vectors": (prompted,)}).description == "new"
    catalogue.close()
    again = Catalogue(tmp_path)
    assert again.get("notes").config == config(description="new", vectors=(prompted,))
    again.close()


def test_a_filter_counts_and_deletes_and_its_facets_are_told(notes):
    upsert(notes, *(record(f"{number}", n=number, even=number % 2 == 0) for number in range(7)))
    assert (notes.count(), notes.count(parse("n > 1")), notes.count(parse("even = true"))) == (7, 5, 4)
    assert notes.facets("even", 5, parse("n > 1")) == [(True, 3), (False, 2)]
    assert notes.delete_matching(parse("even = true")).result(10).count == 4
    assert sorted(ids_of(notes)) == ["1", "3", "5"]


def test_a_filter_tells_the_rows_it_lets_through(notes):
    upsert(notes, *(record(f"r{n}", n=n) for n in range(5)))
    upsert(notes, record("r3", n=3), record("r1", n=0))
    matching = notes.matching_rows(parse("n >= 2"))
    assert (matching.tolist(), matching.dtype) == ([3, 5, 6], np.int64)
    assert notes.matching_rows(parse("n > 9")).shape == (0,)
    assert notes.matching_rows().tolist() == [1, 3, 5, 6, 7]


def test_all_records_are_read_as_columns_while_others_are_written(notes, monkeypatch):
    monkeypatch.setattr(columns.read, "__defaults__", (0, 2))
    upsert(notes, *(record(f"r{n}", (n, 0, 0, 0), n=n) for n in range(3)))
    reading = notes.columns()
    assert list(next(reading).record_ids) == ["r0", "r1"]
    upsert(notes, record("r0", (9, 0, 0, 0)))
    (rest,) = reading
    assert (list(rest.record_ids), rest.internal_ids.tolist()) == (["r2", "r0"], [3, 4])
    assert rest.vectors[0][:, 0].tolist() == [2, 9]
    next(notes.columns())
    notes.close()  # nobody reads any more


def test_who_follows_has_heard_of_a_commit_before_its_caller_and_can_read_it(notes):
    upsert(notes, record("a"))
    heard = []
    following = notes.follow(lambda commit: heard.append((commit.sequence, notes.sequence, list(notes.get(["b"])))))
    assert following.sequence == notes.sequence == 1
    upsert(notes, record("b"))
    notes.update({"min_recall": 0.9})
    assert heard == [(2, 2, ["b"]), (3, 3, ["b"])]
    following.end()
    upsert(notes, record("c"))
    assert len(heard) == 2


def test_patches_change_payloads_alone_and_refuse_what_is_not_there(notes):
    upsert(notes, record("a", [3, 0, 0, 0], text="words", n=1, m=1))
    written = notes.patch([PayloadPatch("missing", {"n": 2}), PayloadPatch("a", {"n": 2, "m": None})]).result(10)
    assert (written.count, list(written.errors)) == (1, [0])
    (found,) = got(notes, ["a"], vectors=True, content=True)
    assert (found.payload, found.text, found.vectors["default"].tolist()) == (b'{"n":2}', "words", [3, 0, 0, 0])
    assert notes.search([SearchQuery(keywords="word")], SearchOptions()).ids == [["a"]]


def test_searches_while_writing_always_see_whole_commits(notes):
    """Two records always swap places in one commit; a search must never see one of them twice, or not at all."""
    left, right = [1, 0, 0, 0], [2, 0, 0, 0]
    upsert(notes, record("a", left, at=1), record("b", right, at=2))
    stop = threading.Event()

    def look():
        while not stop.is_set():
            hits = search(notes, [[1, 0, 0, 0]], 5, payloads=True)
            found = sorted(zip(hits.ids[0], hits.scores[0].tolist(), hits.payloads[0], strict=True))
            odd = [("a", 1, b'{"at": 1}'), ("b", 2, b'{"at": 2}')]
            even = [("a", 2, b'{"at": 2}'), ("b", 1, b'{"at": 1}')]
            assert found == (odd if hits.sequence % 2 else even)

    with ThreadPoolExecutor() as threads:
        searches = [threads.submit(look) for _ in range(3)]
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
    assert notes.count() == len(notes.page(0, 1000)[0]) == 5 * 30
    assert notes.sequence == 120


def test_a_closed_collection_refuses_work_but_finishes_what_it_accepted(notes, catalogue, tmp_path):
    futures = [notes.upsert([Write(record(f"{number}"))]) for number in range(50)]
    notes.close()
    assert [future.result(0).sequence for future in futures] == list(range(1, 51))
    for work in (
        lambda: notes.upsert([Write(record("late"))]),
        lambda: notes.patch([PayloadPatch("0", {})]),
        lambda: notes.delete(["0"]),
        lambda: notes.delete_matching(parse("n = 1")),
        lambda: notes.get(["0"]),
        lambda: notes.stored(["0"]),
        lambda: notes.page(0, 5),
        lambda: ids_of(notes, payloads=True),
        lambda: notes.update({"description": "late"}),
        lambda: notes.rename("late"),
        lambda: notes.snapshot(tmp_path / "late"),
    ):
        with pytest.raises(ShuttingDown, match="'notes'"):
            work()


def test_size_on_disk_grows_with_what_is_written(notes):
    before = notes.size_bytes()
    upsert(notes, *(record(f"{number}", image=b"x" * 10_000) for number in range(20)))
    assert notes.size_bytes() >= before + 200_000


def test_an_operation_that_fails_inside_a_group_leaves_nothing_behind(notes, monkeypatch):
    upsert_rows = ledger.Edit.upsert

    def broken(edit, writes):
        effect = upsert_rows(edit, writes)
        if writes[0].record.id == "broken":
            raise ValueError("planted")
        return effect

    monkeypatch.setattr(ledger.Edit, "upsert", broken)
    upsert(notes, record("a", n=1))
    futures = [notes.upsert([Write(record(name, n=2)), Write(record("a", n=name))]) for name in ["b", "broken", "c"]]
    assert [futures[0].result(10).sequence, futures[2].result(10).sequence] == [2, 3]
    with pytest.raises(ValueError, match="planted"):
        futures[1].result(10)
    assert sorted(ids_of(notes)) == ["a", "b", "c"]
    assert [each.id for each in notes.page(0, 10)[0]] == ["b", "c", "a"]
    assert got(notes, ["a"])[0].payload == b'{"n": "c"}'


@pytest.mark.parametrize("late", [False, True])
def test_a_commit_that_fails_leaves_nothing_behind(notes, monkeypatch, late):
    """Also where the tail has taken the rows already, which it cannot give back."""
    upsert(notes, record("a", [1, 0, 0, 0]))
    followed_by = type(notes._states.state).followed_by

    def out_of_memory(state, commit):
        if late:
            followed_by(state, commit)
        raise MemoryError("planted")

    with monkeypatch.context() as patched:
        patched.setattr(type(notes._states.state), "followed_by", out_of_memory)
        with pytest.raises(MemoryError, match="planted"):
            upsert(notes, record("a", [5, 0, 0, 0]), record("b"))
    assert (ids_of(notes), notes.count(), notes.sequence) == (["a"], 1, 1)
    assert upsert(notes, record("c")).sequence == 2
    assert ids_of(notes) == ["a", "c"]
    assert search(notes, [[1, 0, 0, 0]]).scores[0].tolist() == [1, 1]
