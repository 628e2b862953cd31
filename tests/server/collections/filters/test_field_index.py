import itertools
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pyroaring import BitMap

from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.collections.filters.bitmaps import bitmap_of, rows_of
from frostline.server.collections.filters.field_index import FieldIndex, FrozenFieldIndex
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.filters.matching import matches
from frostline.server.errors import DataDamaged, InvalidInput

FIELDS = [IndexedField(path=kind.value, kind=kind) for kind in FieldKind]
ROWS = 3000


def payload(random):
    return {
        "keyword": random.choice(["red", "green", "blue", "", "ä", "\ud800"]),
        "integer": random.choice([random.randrange(-5, 300), 7.0, [3, 290]]),
        "float": random.random() * 100,
        "boolean": random.random() < 0.9,
        "timestamp": f"2024-01-{random.randrange(1, 29):02d}T00:00:00Z",
        "geo": {"lat": random.uniform(-90, 90), "lon": random.uniform(-180, 180)},
        "undeclared": random.randrange(3),
    }


@pytest.fixture(scope="module")
def rows():
    dice = random.Random(1)
    return [payload(dice) for _ in range(ROWS)]


@pytest.fixture(scope="module")
def index(rows):
    index = FieldIndex(FIELDS)
    for first in range(0, ROWS, 700):
        index.append(rows[first : first + 700])
    return index


@pytest.fixture
def folder(index, tmp_path):
    index.freeze(tmp_path / "fields")
    return tmp_path / "fields"


TEXTS = [
    "keyword = red",
    "keyword > b keyword < h",
    'keyword = "r*"',
    "keyword IN (red, blue, other)",
    "keyword != red",
    "integer = 7",
    "integer IN (1, 2, 2.0, 2.5, 1e30)",
    "integer > 5 AND integer <= 200 AND integer != 8",
    "integer > 280 integer < 5",
    "float >= 10 float < 11.5",
    "float > 10 AND float > 90",
    "boolean = true",
    "-boolean = true OR integer < 10",
    'timestamp >= timestamp("2024-01-20T00:00:00Z")',
    "geo(geo, 10, 179, 3e6)",
    "geo(geo, -89, 0, 1e6)",
    "integer:* NOT float > 50",
]


@pytest.mark.parametrize("text", TEXTS)
def test_both_indexes_are_exact_on_declared_fields(text, index, folder, rows):
    expression = parse(text)
    wanted = [row for row, each in enumerate(rows) if matches(expression, each)]
    frozen = FrozenFieldIndex.open(folder)
    assert frozen.rows == index.rows == ROWS
    for each in (index, frozen):
        selection = each.select(expression, ROWS)
        assert list(selection.rows) == wanted
        assert selection.exact


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("undeclared = 1", False),
        ("keyword = red undeclared = 1", False),
        ("keyword = none undeclared = 1", True),
        ("boolean = true OR boolean = false OR undeclared = 1", True),
        ("NOT (keyword = red OR undeclared = 1)", False),
        ("keyword = 5", True),
        ('timestamp = "2024*"', False),
    ],
)
def test_says_where_rows_are_to_be_verified(text, exact, index, folder, rows):
    expression = parse(text)
    wanted = {row for row, each in enumerate(rows) if matches(expression, each)}
    for each in (index, FrozenFieldIndex.open(folder)):
        selection = each.select(expression, ROWS)
        assert selection.exact is exact
        assert wanted <= set(selection.rows)
    assert len(index.select(parse("keyword = red undeclared = 1"), ROWS).rows) < ROWS


def test_counts_values(index, folder, rows):
    wanted = BitMap(range(0, ROWS, 3))
    chosen = [rows[row] for row in wanted]
    for each in (index, FrozenFieldIndex.open(folder)):
        keywords = {value: sum(row["keyword"] == value for row in chosen) for value in {r["keyword"] for r in chosen}}
        expected = sorted(keywords.items(), key=lambda found: (-found[1], found[0]))
        assert each.facets("keyword", wanted, 10) == expected
        assert each.facets("keyword", wanted, 2) == expected[:2]
        assert each.facets("keyword", wanted, 0) == []
        assert each.facets("keyword", BitMap(), 10) == []
        booleans = each.facets("boolean", wanted, 10)
        assert booleans[0] == (True, sum(row["boolean"] for row in chosen))
        assert booleans[0][0] is True
        integers = dict(each.facets("integer", wanted, 1000))
        assert integers[7] == sum(row["integer"] == 7 for row in chosen)
        assert integers[290] == sum(row["integer"] in (290, [3, 290]) for row in chosen)


def test_rows_with_one_value_only_are_told_apart_and_entries_sorted_for_it_once(index, folder, rows, monkeypatch):
    sevens = {row for row, each in enumerate(rows) if each["integer"] == 7}
    frozen = FrozenFieldIndex.open(folder)
    sort, sorts = np.sort, []
    monkeypatch.setattr(np, "sort", lambda array: sorts.append(len(array)) or sort(array))
    for each in (index, frozen, frozen):
        assert set(each.rows_with_only(("integer",), [7, 290], ROWS)) >= sevens
        assert set(each.rows_with_only(("integer",), [3, 7], ROWS)).isdisjoint(
            row for row, each in enumerate(rows) if each["integer"] == [3, 290]
        )
    assert sum(length > ROWS for length in sorts) == 1


@pytest.mark.parametrize("path", ["undeclared", "float", "geo", ""])
def test_refuses_facets_of_other_fields(path, index, folder):
    for each in (index, FrozenFieldIndex.open(folder)):
        with pytest.raises(InvalidInput, match="has no facets; declare it"):
            each.facets(path, BitMap([1]), 10)


def test_an_empty_index_is_frozen_and_opened(tmp_path):
    for fields in (FIELDS, []):
        FieldIndex(fields).freeze(tmp_path)
        frozen = FrozenFieldIndex.open(tmp_path)
        assert frozen.rows == 0
        for text in TEXTS:
            assert not frozen.select(parse(text), 0).rows


def test_selections_belong_to_the_caller(folder):
    frozen = FrozenFieldIndex.open(folder)
    frozen.select(parse("integer:*"), ROWS).rows.clear()
    assert len(frozen.select(parse("integer:*"), ROWS).rows) == ROWS


def test_sizes_are_told(index, folder):
    assert index.size_bytes() > ROWS * len(FIELDS) * 8
    assert FrozenFieldIndex.open(folder).size_bytes() < index.size_bytes() / 10


@pytest.mark.parametrize("name", ["fields.json", "fields.bin"])
def test_a_missing_or_short_file_is_damage(name, folder):
    whole = (folder / name).read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        (folder / name).write_bytes(whole[:size])
        with pytest.raises(DataDamaged):
            FrozenFieldIndex.open(folder)
    (folder / name).unlink()
    with pytest.raises(DataDamaged, match="delete it"):
        FrozenFieldIndex.open(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(rows=-1),
        lambda header: header.update(rows=10),
        lambda header: header.update(rows=1 << 40),
        lambda header: header.update(format=2),
        lambda header: header["fields"].append(header["fields"][0]),
        lambda header: header["fields"][0].update(path="a..b"),
        lambda header: header["fields"][0].update(kind="text"),
        lambda header: header["fields"][0]["arrays"].pop("ends"),
        lambda header: header["fields"][0]["arrays"].pop("present"),
        lambda header: header["fields"][1]["arrays"]["rows"].update(dtype="|O"),
        lambda header: header["fields"][1]["arrays"]["rows"].update(dtype="<f8"),
        lambda header: header["fields"][1]["arrays"]["rows"].update(count=5),
        lambda header: header["fields"][1]["arrays"]["rows"].update(count=1 << 61),
        lambda header: header["fields"][1]["arrays"]["rows"].update(offset=1 << 61),
        lambda header: header["fields"][1]["arrays"]["rows"].update(offset=8),
        lambda header: header["fields"][1]["arrays"]["near"].update(count=3),
    ],
)
def test_a_header_that_does_not_fit_is_damage(change, folder):
    header = json.loads((folder / "fields.json").read_text())
    change(header)
    (folder / "fields.json").write_text(json.dumps(header))
    with pytest.raises(DataDamaged):
        FrozenFieldIndex.open(folder)


def test_flipped_bytes_never_crash(folder):
    whole = (folder / "fields.bin").read_bytes()
    dice = random.Random(2)
    filters = [parse(text) for text in TEXTS]
    for _ in range(40):
        flipped = bytearray(whole)
        for _ in range(50):
            flipped[dice.randrange(len(flipped))] = dice.randrange(256)
        (folder / "fields.bin").unlink()  # what is mapped stays as it is
        (folder / "fields.bin").write_bytes(flipped)
        try:
            frozen = FrozenFieldIndex.open(folder)
            for each in filters:
                rows = frozen.select(each, ROWS).rows
                assert not rows or rows.max() < ROWS
            frozen.facets("keyword", BitMap(range(ROWS)), 10)
        except DataDamaged:
            continue


def test_readers_see_the_rows_they_know_while_others_are_added(rows, full):
    index, rows = FieldIndex(FIELDS), rows if full else rows[:1000]
    wanted = [(parse(text), np.array([matches(parse(text), each) for each in rows])) for text in TEXTS]
    done = threading.Event()

    def read():
        while not done.is_set():
            known = index.rows
            for (expression, matching), seen in itertools.product(wanted, (known, known // 2)):
                selection = index.select(expression, seen)
                assert selection.exact, expression
                assert list(selection.rows) == np.flatnonzero(matching[:seen]).tolist(), expression
            index.facets("keyword", BitMap(range(known)), 10)

    with ThreadPoolExecutor(3) as readers:
        reads = [readers.submit(read) for _ in range(3)]
        for first in range(0, len(rows), 23):
            index.append(rows[first : first + 23])
        done.set()
    for each in reads:
        each.result()


@pytest.mark.parametrize("total", [1, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.07, 0.5, 1.0])
@pytest.mark.parametrize("order", ["ascending", "shuffled", "repeated"])
def test_bitmaps_hold_the_rows_they_are_made_of(total, share, order):
    dice = np.random.default_rng(3)
    rows = np.flatnonzero(dice.random(total) < share).astype(np.uint32)
    given = {"ascending": rows, "shuffled": dice.permutation(rows), "repeated": np.repeat(rows, 2)}[order]
    bitmap = bitmap_of(given, total)
    assert rows_of(bitmap).tolist() == rows.tolist()
    assert bitmap == BitMap(rows.tolist())


def test_bitmaps_of_rows_close_together_among_many():
    rows = np.arange(100_000, 150_000, dtype=np.uint32)
    assert bitmap_of(rows, 10_000_000) == BitMap(range(100_000, 150_000))
