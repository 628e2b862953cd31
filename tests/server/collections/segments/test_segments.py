"""Segments: built beside writes and searches, exchanged without a trace, thrown away when they do not fit."""

import errno
import json
import resource
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import IndexKind
from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.rows.ledger import Ledger
from frostline.server.collections.rows.operations import Write
from frostline.server.collections.search.query import SearchOptions
from frostline.server.collections.segments import segment_files
from frostline.server.collections.segments.builder import Builder, BuildFailed
from frostline.server.collections.segments.building import Order
from frostline.server.collections.segments.merging import Merge
from frostline.server.collections.segments.shaping import Upkeep
from frostline.server.errors import Overloaded, StorageFull
from inline_builder import InlineBuilder

ROWS = 40
VECTORS = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)
UNLIMITED = Upkeep(Builder(), tail_rows=1 << 20)
FIELDS = (IndexedField(path="n", kind=FieldKind.INTEGER),)


class Pausing(InlineBuilder):
    """Stops before a segment is in its place, until it may go on."""

    def __init__(self):
        super().__init__()
        self.reached, self.go_on = threading.Event(), threading.Event()

    def _run(self, order, report):
        rows = super()._run(order, report)
        self.reached.set()
        assert self.go_on.wait(20)
        return rows


def opened(folder, builder=None, **upkeep):
    settings = Upkeep(builder or InlineBuilder(), tail_rows=ROWS, **upkeep)
    return Catalogue(folder, open_collection=lambda path, name: Collection(path, name, upkeep=settings))


def fill(notes, rows=range(ROWS)):
    notes.upsert([Write(record(f"r{n}", VECTORS[n], text=f"number {n}", n=n)) for n in rows]).result(10)


def found(notes, **options):
    hits = notes.search_vectors(VECTORS[:1], 0, SearchOptions(limit=1000, **options))
    return set(hits.ids[0])


def names(rows):
    return {f"r{n}" for n in rows}


def refuse_commit(ledger):
    """As on a full disk, which shows at COMMIT."""
    raise ledger._failed(OSError("no room"))


def shape(notes):
    """Makes a segment of however few rows there are."""
    notes._shaping._segments.carry_out(Merge(0, len(notes._states.state.parts), "test"), lambda step, done: None)


def folders(tmp_path):
    return sorted(path.name for path in tmp_path.glob("*/segments/*"))


def wait_until(true):
    give_up = time.monotonic() + 30
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def notes(tmp_path):
    catalogue = opened(tmp_path)
    yield catalogue.create(config(fields=FIELDS))
    catalogue.close()


def test_a_full_tail_becomes_a_segment_and_says_so(notes):
    fill(notes)
    before = notes.search_vectors(VECTORS, 0, SearchOptions(limit=7))
    assert notes.compact()
    stats = notes.stats()
    assert [(each.row_count, each.dead_count) for each in stats.segments] == [(ROWS, 0)]
    assert stats.tail_count == 0
    after = notes.search_vectors(VECTORS, 0, SearchOptions(limit=7))
    assert after.ids == before.ids
    np.testing.assert_array_equal(np.stack(after.scores), np.stack(before.scores))


@pytest.mark.parametrize("again", [False, True])
def test_what_is_written_and_deleted_during_a_build_is_not_lost_and_not_undone(tmp_path, again):
    builder = Pausing()
    catalogue = opened(tmp_path, builder)
    notes = catalogue.create(config(fields=FIELDS))
    fill(notes)
    building = threading.Thread(target=notes.compact)
    building.start()
    assert builder.reached.wait(20)
    notes.delete(["r0", "r1"]).result(10)
    notes.upsert([Write(record("r2", [9, 9, 9, 9], n=1000)), Write(record("new", n=1001))]).result(10)
    expected = names(range(2, ROWS)) | {"new"}
    assert found(notes) == expected
    builder.go_on.set()
    building.join()
    if again:
        catalogue.close()
        catalogue = opened(tmp_path)
        notes = catalogue.get("notes")
    assert len(notes.stats().segments) == 1
    assert found(notes) == expected
    assert found(notes, expression=parse("n >= 1000")) == {"r2", "new"}
    assert notes.count(parse("n < 3")) == 0
    catalogue.close()


def test_searches_and_writes_go_on_while_segments_come_and_go(notes):
    over, wrong = threading.Event(), []

    def search():
        while not over.is_set():
            hits = notes.search_vectors(VECTORS[:1], 0, SearchOptions(limit=1000, payloads=True))
            numbers = [json.loads(each)["n"] for each in hits.payloads[0]]
            if len(set(hits.ids[0])) != ROWS or sorted(numbers) != list(range(ROWS)):
                wrong.append((hits.sequence, sorted(hits.ids[0])))

    fill(notes)
    threads = [threading.Thread(target=search) for _ in range(2)]
    for each in threads:
        each.start()
    for turn in range(30):
        fill(notes, range(turn % 7, ROWS, 3))
        notes.compact()
    over.set()
    for each in threads:
        each.join()
    assert not wrong


def test_tombstones_are_forgotten_once_no_segment_holds_their_rows(notes, tmp_path):
    fill(notes)
    notes.compact()
    notes.delete([f"r{n}" for n in range(10)]).result(10)
    gone = "SELECT count(*) FROM deleted"
    connection = next(tmp_path.glob("*/records.sqlite"))
    import sqlite3

    def count():
        with sqlite3.connect(connection) as reading:
            return reading.execute(gone).fetchone()[0]

    assert count() == 10
    list(notes.optimize())
    assert count() == 0
    assert found(notes) == names(range(10, ROWS))


def test_segments_that_were_joined_and_still_lie_there_are_not_used(tmp_path):
    catalogue = opened(tmp_path)
    notes = catalogue.create(config())
    fill(notes)
    notes.compact()
    old = next(tmp_path.glob("*/segments/*"))
    kept = tmp_path / "kept"
    shutil.copytree(old, kept)
    notes.delete(["r0"]).result(10)
    list(notes.optimize())
    catalogue.close()
    shutil.copytree(kept, old)  # as if the crash had come before it was removed
    catalogue = opened(tmp_path)
    assert found(catalogue.get("notes")) == names(range(1, ROWS))
    assert old.name not in folders(tmp_path)
    catalogue.close()


def test_segments_of_another_history_are_not_used(tmp_path):
    catalogue = opened(tmp_path)
    notes = catalogue.create(config())
    fill(notes, range(10))
    catalogue.close()
    backup = tmp_path / "backup"
    database = next(tmp_path.glob("*/records.sqlite"))
    shutil.copy(database, backup)
    catalogue = opened(tmp_path)
    fill(catalogue.get("notes"))
    catalogue.get("notes").compact()
    assert len(folders(tmp_path)) == 1
    catalogue.close()
    shutil.copy(backup, database)
    catalogue = opened(tmp_path)
    assert found(catalogue.get("notes")) == names(range(10))
    assert folders(tmp_path) == []
    catalogue.close()


def test_declared_fields_are_answered_at_once_and_indexed_soon(notes):
    fill(notes)
    notes.compact()
    notes.update({"fields": (*FIELDS, IndexedField(path="m", kind=FieldKind.INTEGER))})
    notes.patch([]).result(10)
    explained = notes.search_vectors(VECTORS[:1], 0, SearchOptions(expression=parse("m = 1"), explain=True))
    assert not explained.explanation.filter_indexed
    while notes.compact():
        pass
    explained = notes.search_vectors(VECTORS[:1], 0, SearchOptions(expression=parse("m = 1"), explain=True))
    assert explained.explanation.filter_indexed


def test_a_process_builds_and_the_compactor_has_it_done(tmp_path):
    from frostline.server.collections.segments.compaction import Compactor

    compactor = Compactor()
    catalogue = opened(tmp_path, Builder(), compactor=compactor)
    notes = catalogue.create(config(fields=FIELDS))
    fill(notes)
    wait_until(lambda: [each.verified for each in notes.stats().segments] == [True])
    assert found(notes) == names(range(ROWS))
    catalogue.close()
    compactor.close()


def test_a_building_process_that_is_killed_leaves_nothing(tmp_path):
    class Killed(Builder):
        def _run(self, order, report):
            def kill(step, done):
                self._running[1].kill()

            return super()._run(order, kill)

    catalogue = opened(tmp_path, Killed())
    notes = catalogue.create(config())
    fill(notes)
    with pytest.raises(BuildFailed, match="was ended, with -9"):
        list(notes.optimize())
    assert folders(tmp_path) == []
    assert found(notes) == names(range(ROWS))
    catalogue.close()


@pytest.mark.parametrize(
    ("index", "dimensions", "largest", "wrote"),
    [
        (IndexKind.FLAT, 16, 1_000, "OSError"),
        (IndexKind.FLAT, 1, 10_000, "OSError"),
        (IndexKind.HNSW, 16, 200_000, "RuntimeError"),
    ],
)
def test_a_full_disk_says_so_and_how_to_go_on(tmp_path, index, dimensions, largest, wrote):
    """Of whatever is too large first: the floats, the ids of rows, or the index, which FAISS writes."""
    catalogue = Catalogue(tmp_path, open_collection=lambda path, name: Collection(path, name, upkeep=UNLIMITED))
    notes = catalogue.create(config(dimensions=dimensions, index=index))
    vectors = np.random.default_rng(1).normal(size=(2_000, dimensions)).astype(np.float32)
    notes.upsert([Write(record(f"{n}", vector)) for n, vector in enumerate(vectors)]).result(30)
    merge = Merge(0, 1, "test")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))  # which the building process inherits
    try:
        with pytest.raises(
            StorageFull, match=r"no room for a segment .* records are safe .*; free some space"
        ) as caught:
            notes._shaping._segments.carry_out(merge, lambda step, done: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(caught.value.__cause__).startswith(wrote)
    assert folders(tmp_path) == []
    assert notes.search_vectors(vectors[:1], 0, SearchOptions(limit=1, exact=True)).sequence == 1
    notes._shaping._segments.carry_out(merge, lambda step, done: None)
    assert len(folders(tmp_path)) == 1
    catalogue.close()


def test_too_many_open_files_are_told_as_such(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EMFILE, "planted")

    catalogue = opened(tmp_path, Builder())
    notes = catalogue.create(config())
    fill(notes)
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", refuse)
        with pytest.raises(Overloaded, match="too many files open for a segment"):
            shape(notes)
    assert folders(tmp_path) == []
    catalogue.close()


@pytest.mark.parametrize("broken", ["pathlib.Path.rename", "frostline.server.collections.segments.builder.sync"])
def test_a_segment_that_cannot_get_its_name_leaves_nothing(tmp_path, monkeypatch, broken):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "planted")

    catalogue = opened(tmp_path)
    notes = catalogue.create(config())
    fill(notes)
    with monkeypatch.context() as patched:
        patched.setattr(broken, refuse)
        with pytest.raises(StorageFull):
            shape(notes)
    assert folders(tmp_path) == []
    shape(notes)
    assert len(folders(tmp_path)) == 1
    catalogue.close()


def test_a_building_process_ends_when_its_server_is_gone(tmp_path):
    catalogue = opened(tmp_path)
    notes = catalogue.create(config())
    fill(notes)
    database = next(tmp_path.glob("*/records.sqlite"))
    order = Order(database=database, folder=tmp_path / ".building-x", config=notes.config, first=1, last=1 << 40)
    child = subprocess.Popen(
        [sys.executable, "-m", "frostline.server.collections.segments.building"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdin.write(order.model_dump_json().encode() + b"\n")
    child.stdin.close()  # as the end of the server does
    child.wait(30)
    catalogue.close()
    catalogue = opened(tmp_path)
    assert found(catalogue.get("notes")) == names(range(ROWS))
    catalogue.close()


def test_a_commit_that_failed_is_in_no_segment_and_its_ids_may_be_given_again(tmp_path, monkeypatch):
    catalogue = opened(tmp_path)
    notes = catalogue.create(config(fields=FIELDS))
    fill(notes, range(6))
    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "commit", refuse_commit)
        for _ in range(3):
            with pytest.raises(OSError, match="no room"):
                fill(notes, range(10, ROWS))
            assert len(notes._states.state.parts[-1].source.internal_ids) <= 6 + ROWS
    shape(notes)
    catalogue.close()
    catalogue = opened(tmp_path)
    notes = catalogue.get("notes")
    fill(notes, range(6, 9))
    notes.delete(["r7"]).result(10)
    for _ in range(2):
        assert found(notes) == names([*range(7), 8])
        assert notes.count(parse("n >= 6")) == 2
        catalogue.close()
        catalogue = opened(tmp_path)
        notes = catalogue.get("notes")
    catalogue.close()


def test_values_of_arrays_are_counted_whole(tmp_path):
    catalogue = opened(tmp_path)
    notes = catalogue.create(config(fields=(IndexedField(path="tags", kind=FieldKind.KEYWORD),)))
    notes.upsert([Write(record("a", tags=["x", "y", "z"])), Write(record("b", tags=["z"]))]).result(10)
    assert notes.facets("tags", 10) == [("z", 2), ("x", 1), ("y", 1)]
    assert notes.facets("tags", 1) == [("z", 2)]
    catalogue.close()


def test_what_an_interrupted_build_left_is_removed_at_start(tmp_path):
    catalogue = opened(tmp_path)
    fill(catalogue.create(config()))
    catalogue.close()
    folder = next(tmp_path.glob("*/records.sqlite")).parent / "segments"
    (folder / f"{segment_files.UNFINISHED}1").mkdir(parents=True)
    (folder / f"{segment_files.UNFINISHED}1" / "0.f32").write_bytes(b"1234")
    opened(tmp_path).close()
    assert folders(tmp_path) == []
