"""Recall is measured again when rows come and go, published, and mended where it is less than asked for."""

import errno
import shutil
import time

import numpy as np
import pytest

from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import IndexKind, Metric
from frostline.server.collections.rows.operations import Write
from frostline.server.collections.search.query import SearchOptions
from frostline.server.collections.segments.builder import Builder, BuildFailed
from frostline.server.collections.segments.compaction import Compactor
from frostline.server.collections.segments.drift import DRIFT_SHARE, is_due
from frostline.server.collections.segments.merging import Merge
from frostline.server.collections.segments.segment_files import MEASURED
from frostline.server.collections.segments.shaping import Upkeep
from inline_builder import InlineBuilder

ROWS, LATER, DIMENSIONS, MIN_RECALL = 4000, 700, 16, 0.95
RANDOM = np.random.default_rng(0)
CENTERS = RANDOM.normal(size=(200, DIMENSIONS)) * 4
EARLY = (CENTERS[RANDOM.integers(200, size=ROWS)] + RANDOM.normal(size=(ROWS, DIMENSIONS)) * 0.3).astype(np.float32)
ALIKE = (CENTERS[RANDOM.integers(200, size=LATER)] + RANDOM.normal(size=(LATER, DIMENSIONS)) * 0.3).astype(np.float32)
# Far from all that was there: their neighbors are spread over lists that near ones never look into.
ELSEWHERE = (RANDOM.normal(size=(LATER, DIMENSIONS)) * 4).astype(np.float32)


class Counting(InlineBuilder):
    measured = 0

    def _measure(self, question):
        self.measured += 1
        return super()._measure(question)


def opened(folder, builder, **upkeep):
    settings = Upkeep(builder, tail_rows=10 * ROWS, idle_seconds=1e9, **upkeep)
    return Catalogue(folder, open_collection=lambda path, name: Collection(path, name, upkeep=settings))


def write(notes, vectors, prefix):
    notes.upsert([Write(record(f"{prefix}{n}", vector)) for n, vector in enumerate(vectors)]).result(60)


def with_segment(catalogue, vectors=EARLY):
    notes = catalogue.create(
        config(dimensions=DIMENSIONS, metric=Metric.EUCLIDEAN, index=IndexKind.IVF_PQ, min_recall=MIN_RECALL)
    )
    write(notes, vectors, "early")
    notes._shaping._segments.carry_out(Merge(0, 1, "test"), lambda step, done: None)
    while notes.compact():
        pass
    return notes


def recall(notes, queries):
    """Reached, and said."""
    found = notes.search_vectors(queries, 0, SearchOptions(limit=10))
    exact = notes.search_vectors(queries, 0, SearchOptions(limit=10, exact=True))
    reached = [len(set(some) & set(true)) / 10 for some, true in zip(found.ids, exact.ids, strict=True)]
    return float(np.mean(reached)), found.recall


def published(notes):
    return min(each.recall for each in notes.stats().segments[0].indexes[0].recalls if each.selectivity == 1)


def test_rows_of_another_sort_are_noticed_told_and_provided_for(tmp_path):
    builder = Counting()
    notes = with_segment(opened(tmp_path, builder))
    write(notes, ELSEWHERE, "later")
    reached, said = recall(notes, ELSEWHERE[:300])
    assert reached < said - 0.1
    assert notes.compact()
    assert builder.measured == 1
    assert published(notes) < MIN_RECALL
    _, said = recall(notes, ELSEWHERE[:300])
    assert said == published(notes) == notes.recall
    assert notes.compact()  # builds it anew
    reached, said = recall(notes, ELSEWHERE[:300])
    assert min(reached, said, published(notes)) >= MIN_RECALL
    assert notes.recall == published(notes)
    assert min(recall(notes, EARLY[:300])) >= MIN_RECALL
    while notes.compact():
        pass
    assert builder.measured == 1


def test_rows_of_the_same_sort_change_little_and_cost_no_build(tmp_path):
    builder = Counting()
    notes = with_segment(opened(tmp_path, builder))
    write(notes, ALIKE[: int(DRIFT_SHARE * ROWS) - 1], "few")
    assert not notes.compact()
    write(notes, ALIKE, "more")
    assert notes.compact()
    assert not notes.compact()
    assert builder.measured == 1
    assert notes.stats().segments[0].row_count == ROWS
    assert published(notes) >= MIN_RECALL


def test_dead_rows_are_a_change_too(tmp_path):
    builder = Counting()
    notes = with_segment(opened(tmp_path, builder))
    notes.delete([f"early{n}" for n in range(int(DRIFT_SHARE * ROWS))]).result(10)
    assert notes.compact()
    assert builder.measured == 1
    assert not notes.compact()


def test_after_a_restart_it_is_measured_anew(tmp_path):
    catalogue = opened(tmp_path, InlineBuilder())
    write(with_segment(catalogue), ELSEWHERE, "later")
    catalogue.close()
    builder = Counting()
    catalogue = opened(tmp_path, builder)
    notes = catalogue.get("notes")
    while notes.compact():
        pass
    assert builder.measured == 1
    assert min(recall(notes, ELSEWHERE[:300])) >= MIN_RECALL
    catalogue.close()


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A closed catalogue whose segment was measured again and fell short, and what was published then."""
    folder = tmp_path_factory.mktemp("measured")
    catalogue = opened(folder, InlineBuilder())
    notes = with_segment(catalogue)
    built = published(notes)
    write(notes, ELSEWHERE, "later")
    assert notes.compact()
    assert published(notes) < MIN_RECALL <= built
    catalogue.close()
    return folder, built, published(notes)


def test_what_was_measured_again_holds_after_a_restart(measured, tmp_path):
    folder, _, then = measured
    shutil.copytree(folder, tmp_path / "copy")
    builder = Counting()
    catalogue = opened(tmp_path / "copy", builder)
    notes = catalogue.get("notes")
    assert published(notes) == notes.recall == recall(notes, ELSEWHERE[:300])[1] == then
    segments = notes._shaping._segments
    assert not segments.measure()
    assert builder.measured == 0
    assert segments.due(idle=False) is not None  # it falls short, and is to be built anew
    catalogue.close()


@pytest.mark.parametrize("content", [b"", b'{"crc": 1, "changed": 5}', None])
def test_where_it_cannot_be_read_the_segment_is_measured_again(measured, tmp_path, content):
    folder, built, then = measured
    shutil.copytree(folder, tmp_path / "copy")
    (path,) = tmp_path.rglob(MEASURED)
    path.write_bytes(content) if content is not None else path.unlink()
    catalogue = opened(tmp_path / "copy", InlineBuilder())
    notes = catalogue.get("notes")
    assert published(notes) == built
    assert notes._shaping._segments.measure()
    assert published(notes) == then
    catalogue.close()


def test_a_full_disk_keeps_nobody_from_being_told(measured, tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, "planted")

    folder, _, then = measured
    shutil.copytree(folder, tmp_path / "copy")
    (path,) = tmp_path.rglob(MEASURED)
    path.unlink()
    catalogue = opened(tmp_path / "copy", InlineBuilder())
    notes = catalogue.get("notes")
    monkeypatch.setattr("frostline.server.collections.segments.segment_files.write_json", full)
    assert notes._shaping._segments.measure()
    assert published(notes) == then
    assert "after a restart it is measured again" in caplog.text
    catalogue.close()


def test_a_process_beside_the_server_measures_and_builds(tmp_path):
    compactor = Compactor()
    catalogue = opened(tmp_path, InlineBuilder())
    write(with_segment(catalogue), ELSEWHERE, "later")
    catalogue.close()
    catalogue = opened(tmp_path, Builder(), compactor=compactor)
    notes = catalogue.get("notes")
    give_up = time.monotonic() + 120
    while notes.stats().segments[0].row_count == ROWS:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert min(recall(notes, ELSEWHERE[:300])) >= MIN_RECALL
    catalogue.close()
    compactor.close()


def test_what_cannot_be_measured_is_said_and_tried_again(tmp_path):
    class Broken(InlineBuilder):
        def _measure(self, question):
            raise BuildFailed("planted")

    notes = with_segment(opened(tmp_path, Broken()))
    write(notes, ELSEWHERE, "later")
    for _ in range(2):
        with pytest.raises(BuildFailed, match="planted"):
            notes.compact()


@pytest.mark.parametrize(
    ("live", "changed", "before", "expected"),
    [
        (10_000, 999, 0, False),
        (10_000, 1000, 0, True),
        (10_000, 2000, 1000, False),
        (10_000, 2100, 1000, True),
        (10_000, 0, 2000, True),
        (200, 99, 0, False),
        (200, 100, 0, True),
    ],
)
def test_a_share_of_what_was_searched_must_have_changed(live, changed, before, expected):
    assert is_due(live, changed, before) is expected
