"""Listing: each record once, in the order it was last written, whatever is written meanwhile."""

import numpy as np
import pytest

from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.rows.operations import Write


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(tmp_path)
    yield catalogue
    catalogue.close()


@pytest.fixture
def notes(catalogue):
    return catalogue.create(config())


def upsert(collection, *records):
    collection.upsert([Write(each) for each in records]).result(10)


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
        upsert(notes, record(f"{number}", n=number))
    upsert(notes, record("3", n=3))
    assert pages(notes, limit) == ["0", "1", "2", "4", "5", "6", "7", "8", "9", "3"]
    assert pages(notes, limit, expression=parse("n > 2 AND n < 8")) == ["4", "5", "6", "7", "3"]
    assert notes.page(0, 10)[1] is None


def test_listing_while_writing_shows_each_unchanged_record_exactly_once(notes):
    steady = [f"steady-{number}" for number in range(60)]
    busy = [f"busy-{number}" for number in range(60)]
    for pair in zip(steady, busy, strict=True):
        upsert(notes, *(record(name) for name in pair))
    random = np.random.default_rng(0)
    writes = iter(range(100))

    def write_for_a_while():
        if next(writes, None) is not None:
            upsert(notes, *(record(name) for name in random.choice(busy, 3)))
            notes.delete([str(random.choice(busy))]).result(10)

    seen = pages(notes, 5, write_for_a_while)
    assert [name for name in seen if name in steady] == steady


def test_pages_carry_what_is_asked_for(notes):
    upsert(notes, record("a", image=b"x"))
    ((found,), _) = notes.page(0, 100, vectors=True)
    assert (found.vectors["default"].tolist(), found.image) == ([1, 0, 0, 0], None)
    ((found,), _) = notes.page(0, 100, content=True)
    assert (found.vectors, found.image) == ({}, b"x")


def test_a_page_goes_on_after_a_restart_where_it_ended(notes, catalogue, tmp_path):
    """Internal ids are never used again, so that what was written meanwhile comes later."""
    upsert(notes, *(record(name) for name in "abc"))
    _, after = notes.page(0, 2)
    notes.delete(["b", "c"]).result(10)
    catalogue.close()
    again = Catalogue(tmp_path)
    upsert(again.get("notes"), record("d"))
    assert [each.id for each in again.get("notes").page(after, 10)[0]] == ["d"]
    assert again.get("notes").page(after + 1, 10)[0][0].id == "d"
    again.close()
