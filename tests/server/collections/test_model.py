"""A collection against the simplest thing that could be right, through any order of work, rebuilds and restarts."""

import json
import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from collecting import brute_force, config, vector_field
from examples import EXAMPLES
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.config import Metric
from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.filters.matching import matches
from frostline.server.collections.rows.merge_patch import merge_patch
from frostline.server.collections.rows.operations import PayloadPatch, Write
from frostline.server.collections.rows.records import Record
from frostline.server.collections.search.query import SearchOptions
from frostline.server.collections.segments.shaping import Upkeep
from frostline.server.errors import Conflict, NotFound
from inline_builder import InlineBuilder

IDS = st.sampled_from(["a", "b", "c", "ü", "0", " ", "long" * 100, "z\0", "'", '"']) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=8
)


def vectors_of(size):
    return st.tuples(*[st.integers(-3, 3)] * size).filter(any).map(lambda values: np.array(values, np.float32))


VECTORS = vectors_of(3)
NAMED = st.builds(
    lambda first, photo: {"default": first} | ({} if photo is None else {"photo": photo}),
    VECTORS,
    st.none() | vectors_of(2),
)
PAYLOADS = st.fixed_dictionaries(
    {}, optional={"n": st.integers(0, 5), "tag": st.sampled_from(["x", "y"]) | st.lists(st.sampled_from("xyz"))}
)
FIELDS = st.sampled_from(
    [
        (),
        (IndexedField(path="n", kind=FieldKind.INTEGER),),
        (IndexedField(path="n", kind=FieldKind.INTEGER), IndexedField(path="tag", kind=FieldKind.KEYWORD)),
    ]
)
FILTERS = st.sampled_from(["n = 2", "n > 1 AND tag:x", "NOT tag = y", "n IN (0, 4) OR tag = z", "tag = null", "n:*"])
TAIL_ROWS = 8


class Model(RuleBasedStateMachine):
    @initialize(metric=st.sampled_from(list(Metric)), fields=FIELDS)
    def begin(self, metric, fields):
        self.folder = Path(tempfile.mkdtemp())
        self.metric = metric
        self.catalogue = self.opened()
        both = (vector_field("default", 3, metric), vector_field("photo", 2, metric))
        self.notes = self.catalogue.create(config(vectors=both, fields=fields))
        self.records = {}  # in the order they were last written
        self.sequence = 0

    def opened(self):
        upkeep = Upkeep(InlineBuilder(), tail_rows=TAIL_ROWS, idle_seconds=0)
        return Catalogue(self.folder, open_collection=partial(Collection, upkeep=upkeep))

    def teardown(self):
        self.catalogue.close()
        shutil.rmtree(self.folder)

    @rule(batch=st.lists(st.tuples(IDS, NAMED, PAYLOADS, st.none() | st.text("abc ", max_size=5)), max_size=12))
    def upsert(self, batch):
        self.sequence += 1
        for name, (_, vectors, payload, text) in {each[0]: each for each in batch}.items():
            self.records.pop(name, None)
            self.records[name] = (vectors, payload, text, self.sequence)
        writes = [
            Write(Record(name, vectors, json.dumps(payload).encode(), text)) for name, vectors, payload, text in batch
        ]
        written = self.notes.upsert(writes).result(10)
        assert (written.count, written.sequence) == (len({each[0] for each in batch}), self.sequence)

    @rule(name=IDS, vectors=NAMED, expected=st.integers(0, 3))
    def upsert_if(self, name, vectors, expected):
        self.sequence += 1
        now = self.records[name][3] if name in self.records else 0
        written = self.notes.upsert([Write(Record(name, vectors), expected_sequence=expected)]).result(10)
        if now == expected:
            self.records.pop(name, None)
            self.records[name] = (vectors, {}, None, self.sequence)
            assert written.count == 1
        else:
            assert isinstance(written.errors[0], Conflict)

    @rule(name=IDS, patch=PAYLOADS)
    def patch(self, name, patch):
        self.sequence += 1
        written = self.notes.patch([PayloadPatch(name, patch)]).result(10)
        if name in self.records:
            vectors, payload, text, _ = self.records.pop(name)
            self.records[name] = (vectors, merge_patch(payload, patch), text, self.sequence)
        else:
            assert isinstance(written.errors[0], NotFound)

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

    @rule(expression=FILTERS)
    def delete_by_filter(self, expression):
        self.sequence += 1
        gone = self.matching(expression)
        assert self.notes.delete_matching(parse(expression)).result(10).count == len(gone)
        for name in gone:
            del self.records[name]

    @rule(fields=FIELDS)
    def declare(self, fields):
        self.sequence += 1
        assert self.notes.update({"fields": fields}).fields == fields

    @rule()
    def compact(self):
        while self.notes.compact():
            pass

    @rule()
    def optimize(self):
        list(self.notes.optimize())

    @rule()
    def restart(self):
        self.catalogue.close()
        self.catalogue = self.opened()
        self.notes = self.catalogue.get("notes")

    @rule(
        queries=st.lists(VECTORS, min_size=1, max_size=6),
        limit=st.integers(1, 12),
        expression=st.none() | FILTERS,
        payloads=st.booleans(),
    )
    def search(self, queries, limit, expression, payloads):
        options = SearchOptions(limit=limit, expression=expression and parse(expression), payloads=payloads)
        hits = self.notes.search_vectors(np.stack(queries), 0, options)
        self.check(hits, "default", queries, limit, expression)
        if payloads:
            expected = [[self.records[name][1] for name in ids] for ids in hits.ids]
            assert [[json.loads(each) for each in row] for row in hits.payloads] == expected

    @rule(query=vectors_of(2), limit=st.integers(1, 12), expression=st.none() | FILTERS)
    def search_photos(self, query, limit, expression):
        options = SearchOptions(limit=limit, expression=expression and parse(expression))
        self.check(self.notes.search_vectors(query[None], 1, options), "photo", [query], limit, expression)

    def check(self, hits, vector_name, queries, limit, expression):
        assert (hits.sequence, hits.recall) == (self.sequence, 1.0)
        names = self.records if expression is None else self.matching(expression)
        known = {name: self.records[name][0][vector_name] for name in names if vector_name in self.records[name][0]}
        for query, ids, scores in zip(queries, hits.ids, hits.scores, strict=True):
            assert len(ids) == len(set(ids)) == len(scores) == min(limit, len(known))
            if ids:
                true = dict(zip(known, brute_force(np.stack(list(known.values())), query, self.metric), strict=True))
                np.testing.assert_allclose(scores, [true[name] for name in ids], atol=1e-5)
                np.testing.assert_allclose(scores, sorted(true.values(), reverse=True)[:limit], atol=1e-5)

    @rule(expression=FILTERS)
    def count(self, expression):
        assert self.notes.count(parse(expression)) == len(self.matching(expression))

    @rule()
    def facets(self):
        counts = {}
        for _, payload, _, _ in self.records.values():
            if "n" in payload:
                counts[payload["n"]] = counts.get(payload["n"], 0) + 1
        assert dict(self.notes.facets("n", 100)) == counts

    @rule(ids=st.lists(IDS, max_size=8))
    def get(self, ids):
        found = self.notes.get(ids, vectors=True, content=True)
        assert list(found) == [name for name in dict.fromkeys(ids) if name in self.records]
        self.assert_same(found.values())

    @rule(limit=st.integers(1, 5), expression=st.none() | FILTERS)
    def list(self, limit, expression):
        found, after = [], 0
        while after is not None:
            page, after = self.notes.page(
                after, limit, vectors=True, content=True, expression=expression and parse(expression)
            )
            found += page
        wanted = self.records if expression is None else self.matching(expression)
        assert [each.id for each in found] == [name for name in self.records if name in wanted]
        self.assert_same(found)

    @invariant()
    def counts(self):
        if hasattr(self, "notes"):
            assert self.notes.count() == len(self.records)
            assert self.notes.sequence == self.sequence

    def matching(self, expression):
        tree = parse(expression)
        return [name for name, (_, payload, _, _) in self.records.items() if matches(tree, payload)]

    def assert_same(self, found):
        for each in found:
            vectors, payload, text, sequence = self.records[each.id]
            assert (json.loads(each.payload), each.text, each.sequence) == (payload, text, sequence)
            assert list(each.vectors) == list(vectors)
            for name, vector in vectors.items():
                np.testing.assert_array_equal(each.vectors[name], vector)


class TestModel(Model.TestCase):
    settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
