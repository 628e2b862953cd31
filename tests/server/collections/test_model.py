"""A collection against the simplest thing that could be right, through any order of work and restarts."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from collecting import brute_force, config
from frostline.server.collections import ledger
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.config import Metric
from frostline.server.collections.records import Record
from frostline.server.collections.vector_index import VectorIndex

IDS = st.sampled_from(["a", "b", "c", "ü", "0", " ", "long" * 100, "z\0", "'", '"']) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=8
)
VECTORS = st.tuples(*[st.integers(-3, 3)] * 3).filter(any).map(lambda values: np.array(values, np.float32))
CONTENT = st.none() | st.text(st.characters(codec="utf-8"), max_size=5) | st.binary(max_size=5)
PAYLOADS = st.integers().map(lambda number: f'{{"n": {number}}}'.encode())


def record(record_id, vector, payload, content):
    is_text = isinstance(content, str)
    return Record(record_id, vector, payload, content if is_text else None, None if is_text else content)


RECORDS = st.builds(record, IDS, VECTORS, PAYLOADS, CONTENT)


class Model(RuleBasedStateMachine):
    @initialize(metric=st.sampled_from(list(Metric)))
    def begin(self, metric):
        self.folder = Path(tempfile.mkdtemp())
        self.catalogue = Catalogue(self.folder)
        self.metric = metric
        self.notes = self.catalogue.create(config(dimensions=3, metric=metric))
        self.records = {}  # in the order they were last written
        self.sequence = 0

    def teardown(self):
        self.catalogue.close()
        shutil.rmtree(self.folder)

    @rule(batches=st.lists(st.lists(RECORDS, max_size=6), min_size=1, max_size=4))
    def upsert(self, batches):
        futures = [self.notes.upsert(batch) for batch in batches]
        for batch, future in zip(batches, futures, strict=True):
            self.sequence += 1
            last = {each.id: each for each in batch}
            for each in last.values():
                self.records.pop(each.id, None)
                self.records[each.id] = (each, self.sequence)
            written = future.result(10)
            assert (written.count, written.sequence) == (len(last), self.sequence)

    @rule(ids=st.lists(IDS, max_size=6))
    def delete(self, ids):
        self.sequence += 1
        gone = [each for each in set(ids) if self.records.pop(each, None)]
        written = self.notes.delete(ids).result(10)
        assert (written.count, written.sequence) == (len(gone), self.sequence)

    @rule(data=st.data())
    @precondition(lambda self: self.records)
    def delete_most(self, data):
        self.delete(data.draw(st.lists(st.sampled_from(list(self.records)), min_size=len(self.records) // 2 + 1)))

    @rule(queries=st.lists(VECTORS, min_size=1, max_size=6), limit=st.integers(1, 12), data=st.data())
    def search(self, queries, limit, data):
        left_out = data.draw(st.none() | st.sampled_from([*self.records, "missing"]))
        hits = self.notes.search(np.stack(queries), limit, payloads=True, exclude=[left_out] * len(queries))
        assert hits.sequence == self.sequence
        known = {name: each for name, (each, _) in self.records.items() if name != left_out}
        for query, ids, scores, payloads in zip(queries, hits.ids, hits.scores, hits.payloads, strict=True):
            assert len(ids) == len(set(ids)) == len(scores) == min(limit, len(known))
            assert payloads == [known[name].payload for name in ids]
            if ids:
                vectors = np.stack([each.vector for each in known.values()])
                true = dict(zip(known, brute_force(vectors, query, self.metric), strict=True))
                np.testing.assert_allclose(scores, [true[name] for name in ids], atol=1e-5)
                np.testing.assert_allclose(scores, sorted(true.values(), reverse=True)[:limit], atol=1e-5)

    @rule(ids=st.lists(IDS, max_size=8))
    def get(self, ids):
        found = self.notes.get(ids, vectors=True, content=True)
        assert list(found) == [name for name in dict.fromkeys(ids) if name in self.records]
        self.assert_same(found.values(), [self.records[name] for name in found])

    @rule(limit=st.integers(1, 5))
    def list(self, limit):
        found, after = [], 0
        while after is not None:
            page, after = self.notes.page(after, limit, vectors=True, content=True)
            found += page
        self.assert_same(found, self.records.values())

    @rule()
    def restart(self):
        self.catalogue.close()
        self.catalogue = Catalogue(self.folder)
        self.notes = self.catalogue.get("notes")

    @invariant()
    def counts(self):
        if hasattr(self, "notes"):
            assert self.notes.count() == len(self.records)
            assert self.notes.sequence == self.sequence

    def assert_same(self, found, expected):
        assert [each.id for each in found] == [each.id for each, _ in expected]
        for each, (known, sequence) in zip(found, expected, strict=True):
            assert (each.payload, each.text, each.image) == (known.payload, known.text, known.image)
            assert each.sequence == sequence
            np.testing.assert_array_equal(each.vector, known.vector)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Few rows fill several blocks."""
    monkeypatch.setattr(ledger, "VectorIndex", lambda dimensions, metric: VectorIndex(dimensions, metric, 8))


class TestModel(Model.TestCase):
    settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
