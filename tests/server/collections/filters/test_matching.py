"""The table of `matching.py`, row by row, in the language of filters."""

import pytest

from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.filters.instants import read_instant
from frostline.server.collections.filters.matching import matches, values_at

T = 'timestamp("2024-01-01T00:00:00Z")'


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("f:*", [0, "", False, {}, [None, 1], {"a": None}], [None, [], [None], [[], [None]]]),
        ("f = null", [None, [], [None]], [0, "", False, {}, [None, 1]]),
        ("f = 5", [5, 5.0, [4, 5], [[5]]], ["5", True, None, {"5": 5}, 5.000001, []]),
        ("f = 1", [1, 1.0], [True, "1"]),
        ("f = 0", [0, -0.0], [False, None, "", []]),
        ("f = true", [True, [0, True]], [1, "true", False, [1]]),
        ("f != 5", [4, "5", True, {}, [4, 6]], [5, 5.0, [4, 5], None, []]),
        ("NOT f = 5", [4, "5", None, []], [5, [4, 5]]),
        ("f = 9007199254740993", [9007199254740993], [9007199254740992, 9007199254740992.0, 9007199254740994]),
        ("f = 9007199254740992.0", [9007199254740992], [9007199254740993]),
        ("f > 9007199254740992.0", [9007199254740993], [9007199254740992]),
        ("f < 5", [4, -1e300, [9, 4]], [5, "4", True, None]),
        ("f > 3 f < 5", [4, [1, 9]], [3, 5]),
        ("f < b", ["a", "B", "", ["c", "a"]], ["b", "ba", "ä", 1]),
        ('f > "\uffff"', ["😀"], ["\uffff", "a"]),
        ('f = "é"', ["é"], ["e\u0301", "É"]),
        ('f IN (1, "x", true)', [1, 1.0, "x", True, [9, "x"]], [2, "1", False, "X", None]),
        ("f IN (1)", [1], [True]),
        ("f IN (true)", [True], [1]),
        (f"f IN ({T})", ["2024-01-01T01:00:00+01:00"], ["x", 1704067200]),
        ('f = "ab*"', ["ab", "abc", ["x", "abc"]], ["a", "AB", 5, None, {"ab": 1}]),
        ('f = "*"', ["", "x"], [5, None]),
        (r'f = "a\*"', ["a*"], ["ab"]),
        ("f:x", ["x", ["y", "x"], {"x": 1}, {"x": False}, [{"x": 1}]], ["xy", {"y": "x"}, {"x": None}]),
        ("f:5", [5, [4, 5]], [{"5": 1}, "5"]),
        ("f.a = 1", [{"a": 1}, [{"a": 2}, {"a": 1}], {"a": [1]}, [[{"a": 1}]]], [{"b": 1}, 1, "a", {"a": {"a": 1}}]),
        ('f."a.b" = 1', [{"a.b": 1}], [{"a": {"b": 1}}]),
        (f"f = {T}", ["2024-01-01T00:00:00Z", "2023-12-31t19:00:00.000-05:00"], ["2024-01-01", 1704067200, None]),
        (f"f > {T}", ["2024-01-01T00:00:00.000001Z"], ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.0000009Z", "zzz"]),
        ("geo(f, 0, 0, 111196)", [{"lat": 0, "lon": 1}, [{"lat": 1, "lon": 0}]], [{"lat": 0, "lon": 1.0001}, [0, 1]]),
        ("geo(f, 0, 180, 1)", [{"lat": 0, "lon": -180}], [{"lat": 0, "lon": 0}]),
        ("geo(f, 90, 0, 1)", [{"lat": 90, "lon": 77, "x": 1}], [{"lat": True, "lon": 0}, {"lat": "90", "lon": 0}, {}]),
    ],
)
def test_means_what_the_table_says(text, yes, no):
    expression = parse(text)
    negation = parse(f"NOT ({text})")
    for value in yes:
        assert matches(expression, {"f": value}), value
        assert not matches(negation, {"f": value}), value
    for value in no:
        assert not matches(expression, {"f": value}), value
        assert matches(negation, {"f": value}), value


@pytest.mark.parametrize(
    "text",
    ["f = 1", "f != 1", "f < 1", "f:*", "f:x", "f IN (1)", 'f = "*"', "geo(f, 0, 0, 1e9)", f"f > {T}", "f.g = 1"],
)
def test_a_missing_field_meets_no_condition(text):
    assert not matches(parse(text), {"g": 1})
    assert matches(parse(f"NOT {text}"), {"g": 1})
    assert matches(parse("f = null"), {"g": 1})


def test_values_are_found_through_arrays():
    payload = {"items": [{"price": 1}, {"price": [2, None]}, 3, {"other": 4}, [{"price": 5}]]}
    assert values_at(payload, ("items", "price")) == [1, 2, None, 5]
    assert values_at(payload, ("items", "price", "x")) == []


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.5z", -500_000),
        ("1970-01-01T00:00:00.1234569+00:00", 123_456),
        ("1970-01-01t05:30:00+05:30", 0),
        ("0001-01-01T00:00:00+23:59", -62135596800_000_000 - 86340_000_000),
        ("9999-12-31T23:59:59-23:59", 253402300799_000_000 + 86340_000_000),
    ],
)
def test_reads_instants(text, microseconds):
    found = read_instant(text)
    assert found is not None
    assert found.microseconds == microseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z",
        "20240101T000000Z",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00Z\n",
        "٢٠٢٤-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_reads_nothing_else_as_an_instant(text):
    assert read_instant(text) is None
