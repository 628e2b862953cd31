"""Grouping over a segment and a tail: by a declared field it finds every group without reading all that matches."""

import json
from collections import Counter

import numpy as np
import pytest

from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.rows.operations import Write
from frostline.server.collections.search import candidates, grouping
from frostline.server.collections.search.payload_paths import first_value
from frostline.server.collections.search.query import Grouping, Leg, SearchOptions, SearchQuery
from frostline.server.collections.segments.merging import Merge
from frostline.server.collections.segments.shaping import Upkeep
from inline_builder import InlineBuilder

ROWS = 4000
RANDOM = np.random.default_rng(3)
# Close to the query where the group is large: of the small groups all are behind thousands of others.
LARGE = ["Nord", 7, True, ["Nord", "Sud"], 1e18]
SMALL = ["rare", "Ost", 8, 2.5, False, {"x": 1}, ["Sud", "Nord"], 10**18, None]
VALUES = [LARGE[n % len(LARGE)] if n < ROWS - 20 else SMALL[n % len(SMALL)] for n in range(ROWS)]
VECTORS = np.stack([np.arange(ROWS), *RANDOM.normal(size=(3, ROWS))], axis=1).astype(np.float32) * (-1, 0.1, 0.1, 0.1)
QUERY = np.array([1, 0, 0, 0], np.float32)
FIELDS = {
    kind: (IndexedField(path="g", kind=kind),) for kind in (FieldKind.KEYWORD, FieldKind.INTEGER, FieldKind.BOOLEAN)
}


@pytest.fixture
def opened(tmp_path):
    upkeep = Upkeep(InlineBuilder(), tail_rows=10 * ROWS)
    catalogue = Catalogue(tmp_path, open_collection=lambda path, name: Collection(path, name, upkeep=upkeep))
    yield catalogue
    catalogue.close()


def filled(catalogue, values, fields=()):
    notes = catalogue.create(config(fields=fields))
    half = len(values) // 2
    for rows in (range(half), range(half, len(values))):
        writes = [Write(record(f"r{n}", VECTORS[n], g=values[n], even=n % 2 == 0)) for n in rows]
        notes.upsert(writes).result(30)
        if rows.start == 0:
            notes._shaping._segments.carry_out(Merge(0, len(notes._states.state.parts), "test"), lambda *_: None)
    notes.delete([f"r{n}" for n in range(0, len(values), 50)]).result(10)
    return notes


def by_definition(values, limit, max_per_group, step=1):
    sizes, kept = Counter(), []
    for n in range(0, len(values), step):
        group = first_value(json.dumps({"g": values[n]}).encode(), ("g",))
        if n % 50 == 0:
            continue
        sizes[group] += 1
        if group is None or sizes[group] <= max_per_group:
            kept.append(f"r{n}")
    return kept[:limit]


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("max_per_group", [1, 3])
def test_groups_of_every_sort_of_value_are_found_as_the_definition_says(opened, kind, max_per_group):
    notes = filled(opened, VALUES, FIELDS[kind])
    for limit in (1, 4, 12, 50):
        options = SearchOptions(limit=limit, grouping=Grouping(("g",), max_per_group))
        assert notes.search_vectors(QUERY[None], 0, options).ids[0] == by_definition(VALUES, limit, max_per_group)
        among = SearchOptions(limit=limit, grouping=options.grouping, expression=parse("even = true"))
        expected = by_definition(VALUES, limit, max_per_group, step=2)
        assert notes.search_vectors(QUERY[None], 0, among).ids[0] == expected


def test_several_rankings_find_every_group_too(opened):
    notes = filled(opened, VALUES, FIELDS[FieldKind.KEYWORD])
    query = SearchQuery((Leg(0, QUERY), Leg(0, np.array([1, 0.01, 0, 0], np.float32))))
    hits = notes.search([query], SearchOptions(limit=50, grouping=Grouping(("g",))))
    values = [first_value(json.dumps({"g": each}).encode(), ("g",)) for each in VALUES]
    assert {each for each in hits.groups[0] if each} == {each for each in values if each}


def test_a_group_behind_thousands_of_others_takes_few_reads(opened, monkeypatch):
    values = ["many"] * (ROWS - 1) + ["one"]
    notes = filled(opened, values, FIELDS[FieldKind.KEYWORD])
    read = []
    monkeypatch.setattr(
        grouping,
        "read_payloads",
        lambda view, rows, real=grouping.read_payloads: read.append(len(rows)) or real(view, rows),
    )
    hits = notes.search_vectors(QUERY[None], 0, SearchOptions(limit=10, grouping=Grouping(("g",))))
    assert hits.ids[0] == ["r1", f"r{ROWS - 1}"]
    assert sum(read) <= 2 * candidates.MIN_FUSED_DEPTH


def test_by_an_undeclared_field_reading_ends_at_a_depth_and_says_so(opened, monkeypatch):
    monkeypatch.setattr(candidates, "MAX_GROUPED_DEPTH", 500)
    values = [str(n // 100) for n in range(ROWS)]
    notes = filled(opened, values)
    capped = notes.search_vectors(QUERY[None], 0, SearchOptions(limit=10, grouping=Grouping(("g",))))
    assert capped.ids[0] == [f"r{n}" for n in (1, 100 + 1, 201, 301, 401, 501)][: len(capped.ids[0])]
    assert 5 <= len(capped.ids[0]) < 10
    (step,) = [each for each in capped.explanation.steps if each.part == "groups"]
    assert (step.plan, step.candidate_count) == ("capped", 500)
    enough = notes.search_vectors(QUERY[None], 0, SearchOptions(limit=5, grouping=Grouping(("g",))))
    assert not [each for each in enough.explanation.steps if each.part == "groups"]
