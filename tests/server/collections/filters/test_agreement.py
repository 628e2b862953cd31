"""What SQLite and both field indexes say must be what the reference says, whatever the payloads and filters."""

import contextlib
import json
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.collections.filters import sql
from frostline.server.collections.filters.expression import (
    And,
    Comparison,
    GeoRadius,
    Has,
    In,
    Instant,
    Not,
    Operator,
    Or,
    Prefix,
    decode,
    encode,
)
from frostline.server.collections.filters.field_index import FieldIndex, FrozenFieldIndex
from frostline.server.collections.filters.matching import matches

EXAMPLES = 50

KEYS = ["a", "b", "ä", "a.b", 'q"uote', "sp ace", "\\u", "", "nul\0", "'; DROP", "\ud800", "lat"]
TEXTS = [
    "",
    "x",
    "xy",
    "X",
    "ä",
    "ä̈",
    "😀",
    "\uffff",
    "\ud800",
    "5",
    "true",
    'q"',
    "back\\",
    "sla/sh",
    "nul\0x",
    "a",
    "é",
]
TIMES = [
    "2024-01-01T00:00:00Z",
    "2024-01-01T01:00:00+01:00",
    "2024-01-01T00:00:00.0000019Z",
    "2024-02-30T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31t23:59:59.999999z",
    "2024-01-01",
]
NUMBERS = [
    0,
    -0.0,
    1,
    1.0,
    1.5,
    -1,
    2**53,
    2**53 + 1,
    2**53 + 3,
    float(2**53),
    float(2**53 + 4),
    2**63 - 1,
    2**63,
    float(2**63),
    -(2**63),
    10**30,
]
NUMBERS += [1e30, 10**400, -(10**400), 5e-324, 1.7976931348623157e308, 0.1, 255, 256, -129, 40, 180]
PLACES = [
    {"lat": 10, "lon": 20.0},
    {"lat": 10.001, "lon": 20},
    {"lat": 89.9, "lon": -180},
    {"lat": -89.9, "lon": 180.0},
]
PLACES += [{"lat": 91, "lon": 0}, {"lat": True, "lon": 0}, {"lat": -10, "lon": -160}, {"lat": 0}]


def several(inner):
    return st.lists(inner, max_size=3).map(tuple)


keys = st.sampled_from(KEYS)
texts = st.sampled_from(TEXTS + TIMES) | st.text(max_size=3)
numbers = st.sampled_from(NUMBERS) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | texts | numbers | st.sampled_from(PLACES)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=5
)
payloads = st.dictionaries(keys, values, max_size=4)

paths = st.lists(keys, min_size=1, max_size=2).map(tuple) | st.sampled_from([("a",), ("b",), ("a", "b"), ("ä",)])
instants = st.sampled_from([0, 1704067200000000, 1704067200000001, 253402300799999999, -62135683140000000]).map(Instant)
scalars = texts | numbers | st.booleans() | instants
ordered = texts | numbers | instants
equalities = st.sampled_from([Operator.EQUAL, Operator.NOT_EQUAL])
conditions = (
    st.builds(Has, paths)
    | st.builds(Comparison, paths, equalities, scalars)
    | st.builds(Comparison, paths, st.sampled_from(list(Operator)), ordered)
    | st.builds(In, paths, st.lists(scalars, max_size=4).map(tuple))
    | st.builds(Prefix, paths, texts)
    | st.builds(
        GeoRadius,
        paths,
        st.sampled_from([10.0, 0.0, 90.0, -90.0]),
        st.sampled_from([20.0, 180.0, -180.0]),
        st.sampled_from([0.0, 200.0, 12000.0, 1e7, 2.0015e7, 1e9]),
    )
)
expressions = st.recursive(
    conditions,
    lambda inner: st.builds(Not, inner) | st.builds(And, several(inner)) | st.builds(Or, several(inner)),
    max_leaves=5,
)


def rows_that_match(expression, rows):
    return {row for row, payload in enumerate(rows) if matches(expression, payload)}


@pytest.fixture(scope="module")
def connection():
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE records (internal_id INTEGER PRIMARY KEY, payload TEXT NOT NULL) STRICT")
        sql.register(connection)
        yield connection


def selected(connection, expression, written):
    condition, bound = sql.where(expression)
    connection.execute("DELETE FROM records")
    connection.executemany("INSERT INTO records VALUES (?, CAST(? AS TEXT))", enumerate(written))
    found = connection.execute(f"SELECT r.internal_id FROM records r WHERE {condition}", bound)
    return {row for (row,) in found}


@settings(max_examples=EXAMPLES)
@given(st.lists(payloads, max_size=6), expressions, st.booleans())
@example([{"a": "é"}, {"a": "sla/sh"}], Comparison(("a",), Operator.EQUAL, "é"), True)
@example([{"a": "b"}, {"a": "c"}], Or((Comparison(("a",), Operator.EQUAL, "b"), Has(("a",)))), False)
@example([{"a": 9007199254740993}], Comparison(("a",), Operator.EQUAL, 9007199254740992.0), False)
def test_sqlite_finds_what_matches(connection, rows, expression, ascii_only):
    # Lone surrogates have no UTF-8: JSON can only write them escaped.
    written = [json.dumps(row, ensure_ascii=ascii_only).encode(errors="surrogatepass") for row in rows]
    try:
        for each in written:
            each.decode()
    except UnicodeDecodeError:
        written = [json.dumps(row).encode() for row in rows]
    assert selected(connection, expression, written) == rows_that_match(expression, rows)


@settings(max_examples=EXAMPLES)
@given(expressions)
def test_an_encoded_filter_is_the_same(expression):
    again = decode(encode(expression))
    assert again == expression
    assert encode(again) == encode(expression)  # 1, 1.0 and True are equal to Python


kinds = st.sampled_from(list(FieldKind))
declared = st.dictionaries(st.sampled_from(["a", "b", "ä", "a.b", "sp ace"]), kinds, max_size=4)


@settings(max_examples=EXAMPLES)
@given(st.lists(payloads, max_size=8), expressions, declared, st.integers(0, 8))
@example([{"a": 5.0}, {"a": 5}, {"a": 10**30}], Comparison(("a",), Operator.GREATER, 4), {"a": FieldKind.INTEGER}, 2)
@example([{"a": 2**53 + 1}], Not(Comparison(("a",), Operator.EQUAL, 2**53 + 1)), {"a": FieldKind.FLOAT}, 1)
@example([{"a": float(2**53 + 4)}], Comparison(("a",), Operator.LESS_OR_EQUAL, 2**53 + 3), {"a": FieldKind.FLOAT}, 1)
@example([{"a": [2**53, -1]}], Comparison(("a",), Operator.EQUAL, 2**53), {"a": FieldKind.INTEGER}, 1)
@example([{"a": TIMES[0]}], Not(Prefix(("a",), "2")), {"a": FieldKind.TIMESTAMP}, 1)
def test_both_indexes_find_what_matches_and_say_where_to_look_again(rows, expression, kinds, seen):
    seen = min(seen, len(rows))
    index = FieldIndex([IndexedField(path=path, kind=kind) for path, kind in kinds.items()])
    index.append(rows[:seen])
    index.append(rows[seen:])
    check(index.select(expression, seen), expression, rows[:seen])
    with tempfile.TemporaryDirectory() as folder:
        index.freeze(Path(folder))
        frozen = FrozenFieldIndex.open(Path(folder))
        check(frozen.select(expression, len(rows)), expression, rows)
        check(frozen.select(expression, seen), expression, rows[:seen])
        assert_same_facets(index, frozen, kinds, len(rows))


def check(selection, expression, rows):
    found = set(selection.rows)
    wanted = rows_that_match(expression, rows)
    assert found <= set(range(len(rows)))
    assert found >= wanted
    if selection.exact:
        assert found == wanted


def assert_same_facets(index, frozen, kinds, rows):
    for path, kind in kinds.items():
        if kind in (FieldKind.KEYWORD, FieldKind.INTEGER, FieldKind.BOOLEAN):
            everything = BitMap(range(rows))
            assert index.facets(path, everything, 100) == frozen.facets(path, everything, 100)
            for value, count in index.facets(path, everything, 100):
                assert len(frozen.select(Comparison(tuple(path.split(".")), Operator.EQUAL, value), rows).rows) >= count


@settings(max_examples=EXAMPLES)
@given(st.lists(payloads, min_size=1, max_size=8), conditions, kinds)
def test_an_index_is_exact_where_every_value_fits(rows, condition, kind):
    value = getattr(condition, "value", None)
    fits = {
        FieldKind.KEYWORD: isinstance(value, str),
        FieldKind.BOOLEAN: isinstance(value, bool),
        FieldKind.TIMESTAMP: isinstance(value, Instant),
        FieldKind.GEO: isinstance(condition, GeoRadius),
        FieldKind.INTEGER: False,
        FieldKind.FLOAT: False,
    }[kind]
    index = FieldIndex([IndexedField(path="a", kind=kind)])
    index.append(rows)
    selection = index.select(type(condition)(("a",), *list(vars(condition).values())[1:]), len(rows))
    assert selection.exact or not fits
