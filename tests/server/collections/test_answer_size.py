"""What is read for one answer stays small, whatever is asked for."""

import functools
import json
import tracemalloc

import numpy as np
import pytest

from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.rows.operations import Write
from frostline.server.collections.search.query import Leg, SearchOptions, SearchQuery
from frostline.server.errors import InvalidInput

LIMIT = 100_000


@pytest.fixture
def notes(tmp_path):
    catalogue = Catalogue(tmp_path, open_collection=functools.partial(Collection, max_answer_bytes=LIMIT))
    yield catalogue.create(config())
    catalogue.close()


def write(notes, count, **fields):
    names = [f"{number}" for number in range(count)]
    notes.upsert([Write(record(name, **fields)) for name in names]).result(10)
    return names


def search(notes, queries, limit, **options):
    return notes.search_vectors(np.ones((queries, 4), np.float32), 0, SearchOptions(limit=limit, **options))


def peak_of(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_id_asked_for_often_is_read_once_where_it_comes_first(notes):
    write(notes, 3, title="x" * 1000)
    assert list(notes.get(["2", "0", "2", "missing"] * 500)) == ["2", "0"]


@pytest.mark.parametrize("part", [{"title": "x" * 30_000}, {"text": "ä" * 15_000}, {"image": b"x" * 30_000}])
def test_records_larger_than_an_answer_are_refused_and_not_read(notes, part):
    names = write(notes, 300, **part)
    assert list(notes.get(names[:3], content=True)) == names[:3]

    def refused():
        with pytest.raises(InvalidInput, match=r"the first 4 .* more than 100000 bytes; ask for fewer ids"):
            notes.get(names, content=True)

    assert peak_of(refused) < 10 * LIMIT


def test_one_record_is_read_whatever_its_size(notes):
    write(notes, 2, image=b"x" * 2 * LIMIT)
    assert len(notes.get(["1"], content=True)["1"].image) == 2 * LIMIT
    assert [len(notes.page(after, 10, content=True)[0]) for after in (0, 1)] == [1, 1]


@pytest.mark.parametrize("expression", [None, parse("NOT n = 1")])
def test_a_page_ends_before_it_fills_over_half_an_answer(notes, expression):
    names = write(notes, 5, text="ä" * 12_000)
    found = [notes.page(after, 10, content=True, expression=expression)[0] for after in (0, 2, 4)]
    assert [[each.id for each in page] for page in found] == [names[:2], names[2:4], names[4:]]
    assert len(notes.page(0, 10, expression=expression)[0]) == 5


def test_hits_larger_than_an_answer_are_refused_while_their_payloads_are_read(notes):
    write(notes, 300, title="x" * 10_000)
    assert len(search(notes, 1, 9, payloads=True).payloads[0]) == 9
    for n, limit in ((1, 300), (2, 5)):  # what several queries find counts several times

        def refused(n=n, limit=limit):
            with pytest.raises(InvalidInput, match=r"more than 100000 bytes; send fewer queries.*leave payloads out"):
                search(notes, n, limit, payloads=True)

        assert peak_of(refused) < 10 * LIMIT
    assert len(search(notes, 20, 300).ids[0]) == 300


def test_hits_whose_ids_alone_are_larger_than_an_answer_are_refused(notes):
    notes.upsert([Write(record(f"{number:0500}")) for number in range(300)]).result(10)
    assert len(search(notes, 1, 190).ids[0]) == 190

    def refused():
        with pytest.raises(InvalidInput, match=r"more than 100000 bytes; send fewer queries"):
            search(notes, 20, 300)

    assert peak_of(refused) < 10 * LIMIT


@pytest.mark.parametrize("options", [{"diversity": 0.5}, {"min_score": 0, "whole_range": True}])
def test_what_is_read_for_detours_is_as_small(notes, options):
    write(notes, 300, title="x" * 10_000)
    queries = [SearchQuery((Leg(0, np.ones(4, np.float32)),))]
    asked = SearchOptions(limit=300, payloads=True, **options)

    def refused():
        with pytest.raises(InvalidInput, match=r"more than 100000 bytes; send fewer queries"):
            notes.search(queries, asked)

    assert peak_of(refused) < 20 * LIMIT


def test_payloads_nobody_asked_for_are_not_read(notes):
    names = write(notes, 300, title="x" * 10_000)
    assert peak_of(lambda: search(notes, 1, 300)) < 10 * LIMIT
    (found,) = notes.get(names[:1], payloads=False).values()
    assert (found.id, found.payload) == ("0", b"")
    (found,) = notes.get(names[:1]).values()
    assert json.loads(found.payload) == {"title": "x" * 10_000}


@pytest.mark.parametrize("field", ["declared", "read"])
def test_values_larger_than_an_answer_are_refused(notes, field):
    notes.update({"fields": (IndexedField(path="declared", kind=FieldKind.KEYWORD),)})
    for number in range(4):
        notes.upsert([Write(record(f"{number}", **{field: f"{number}" * 20_000}))]).result(10)
    assert len(notes.facets(field, 2)) == 2
    with pytest.raises(
        InvalidInput, match=rf"the 3 most frequent values of field '{field}' have more than 50000 bytes"
    ):
        notes.facets(field, 3)
