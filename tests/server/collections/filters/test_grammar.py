import sys

import pytest

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
from frostline.server.collections.filters.field_index import FieldIndex
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.filters.matching import matches
from frostline.server.errors import InvalidInput


def equal(field, value):
    return Comparison(tuple(field.split(".")), Operator.EQUAL, value)


A, B, C, D = (equal(name, place) for place, name in enumerate("abcd", 1))


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("a = 1 AND b = 2 OR c = 3", And((A, Or((B, C))))),
        ("a = 1 OR b = 2 AND c = 3", And((Or((A, B)), C))),
        ("(a = 1 AND b = 2) OR c = 3", Or((And((A, B)), C))),
        ("a = 1 b = 2", And((A, B))),
        ("a = 1 b = 2 OR c = 3", And((A, Or((B, C))))),
        ("a = 1 b = 2 AND c = 3 d = 4", And((A, B, C, D))),
        ("NOT a = 1 OR b = 2", Or((Not(A), B))),
        ("NOT (a = 1 OR b = 2)", Not(Or((A, B)))),
        ("-a = 1 -b = 2", And((Not(A), Not(B)))),
        ("((a = 1))", A),
    ],
)
def test_or_binds_tighter_than_and_and_not_tightest(text, expression):
    assert parse(text) == expression


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("a.b.c = 1", equal("a.b.c", 1)),
        ('"sp ace"."a.b"=1', Comparison(("sp ace", "a.b"), Operator.EQUAL, 1)),
        ("a.AND.5 = 1", equal("a.AND.5", 1)),
        ("a-b=-1", equal("a-b", -1)),
        ("größe = 1.5e2", equal("größe", 150.0)),
        ("a = 9007199254740993", equal("a", 9007199254740993)),
        ("a = word", equal("a", "word")),
        ("a = true", equal("a", True)),
        ('a = "true"', equal("a", "true")),
        (r"""a = "q\"'\\\n\*" """, equal("a", "q\"'\\\n*")),
        ("a = 'x'", equal("a", "x")),
        ("a != 1", Comparison(("a",), Operator.NOT_EQUAL, 1)),
        ("a<1", Comparison(("a",), Operator.LESS, 1)),
        ("a <= 1", Comparison(("a",), Operator.LESS_OR_EQUAL, 1)),
        ("a > 'x'", Comparison(("a",), Operator.GREATER, "x")),
        ("a >= 1", Comparison(("a",), Operator.GREATER_OR_EQUAL, 1)),
        ("a = null", Not(Has(("a",)))),
        ("a != null", Has(("a",))),
        ("a:*", Has(("a",))),
        ("a:1", A),
        ("a:key", Or((equal("a", "key"), Has(("a", "key"))))),
        ('a = "ab*"', Prefix(("a",), "ab")),
        ('a:"ab*"', Prefix(("a",), "ab")),
        ('a != "ab*"', And((Has(("a",)), Not(Prefix(("a",), "ab"))))),
        (r'a = "ab\*"', equal("a", "ab*")),
        (r'a = "ab\**"', Prefix(("a",), "ab*")),
        ('startsWith(a.b, "x")', Prefix(("a", "b"), "x")),
        ('a IN (1, "x", true)', In(("a",), (1, "x", True))),
        ("geo(a.b, 1, -2.5, 3e3)", GeoRadius(("a", "b"), 1.0, -2.5, 3000.0)),
        ('a > timestamp("1970-01-01T00:00:01Z")', Comparison(("a",), Operator.GREATER, Instant(1_000_000))),
        ("geo = 1 timestamp = 2 startsWith = 3", And((equal("geo", 1), equal("timestamp", 2), equal("startsWith", 3)))),
    ],
)
def test_reads_conditions(text, expression):
    found = parse(text)
    assert found == expression
    assert encode(found) == encode(expression)  # to Python, 1 and True and 1.0 are equal


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_filter_is_none(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    "value", ['x" OR a = "y', "ab*", "\\*", "$p", 5, 5.5, True, "timestamp('2024-01-01T00:00:00Z')", "\0", ""]
)
def test_a_parameter_is_its_value_whatever_it_holds(value):
    assert encode(parse("a = $p", {"p": value})) == encode(equal("a", value))


def test_parameters_stand_wherever_values_do():
    assert parse("a = $p", {"p": None}) == Not(Has(("a",)))
    assert parse("a IN $p", {"p": [1, "x*"]}) == In(("a",), (1, "x*"))
    assert parse("a IN $p", {"p": []}) == In(("a",), ())
    assert parse("a IN ($p, 2)", {"p": 1}) == In(("a",), (1, 2))
    assert parse("startsWith(a, $p)", {"p": "x*"}) == Prefix(("a",), "x*")
    assert parse("geo(a, $x, $y, $r)", {"x": 1, "y": 2, "r": 3}) == GeoRadius(("a",), 1.0, 2.0, 3.0)
    assert parse("a < timestamp($p) OR a = timestamp($p)", {"p": "1970-01-01T00:00:00Z"})


@pytest.mark.parametrize(
    ("text", "parameters", "says"),
    [
        ("a = $p", {}, r"at position 5: parameter \$p has no value; send one"),
        ("a = 1", {"p": 1, "q": 2}, r"does not use the parameters \$p, \$q"),
        ("a = $p", {"p": 1, "q": 2}, r"does not use the parameters \$q"),
        ("", {"p": 1}, r"does not use the parameters \$p"),
        ("a = $p", {"p": [1]}, r"\$p is a list; use IN \$p"),
        ("a IN $p", {"p": 1}, r"\$p is no list; write IN \(\$p\)"),
        ("a = $p", {"p": {"b": 1}}, r"\$p holds dict; take a string"),
        ("a IN $p", {"p": [None]}, r"\$p holds NoneType"),
        ("a = $p", {"p": float("nan")}, r"\$p holds nan; numbers must be finite"),
        ("a = $p", {"p": 10**400}, "out of a double's range"),
        ("a IN $p", {"p": [0] * 10_001}, r"\$p lists 10001 values; at most 10000"),
        ("geo(a, $p, 0, 1)", {"p": True}, r"latitude \$p must be a number from -90 to 90"),
        ("startsWith(a, $p)", {"p": 5}, r"startsWith takes a string, not \$p"),
        ("a = timestamp($p)", {"p": "yesterday"}, r"\$p is no date and time of RFC 3339"),
    ],
)
def test_refuses_parameters_that_do_not_fit(text, parameters, says):
    with pytest.raises(InvalidInput, match=says):
        parse(text, parameters)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("shoes", "at position 1: shoes stands alone; write a condition like field = shoes"),
        ('a = 1 "red shoes"', "at position 7: .* stands alone"),
        ("a = 1 lower(b) = 2", "at position 7: there is no function lower; take startsWith"),
        ("a = AND b = 1", "at position 5: 'AND b = 1' cannot stand here; expected a word"),
        ("a = 1 OR", "at position 9: the end cannot stand here"),
        ("(a = 1", r"at position 7: the end cannot stand here; expected '\)'"),
        ("a = 1)", "at position 6"),
        ("a = 2024-01-01", "at position 5: .*quote text that is no plain word or number"),
        ("a = b.c", "at position 6"),
        ('a = "abc', "at position 5"),
        ("a = \0", "at position 5"),
        ("NOT NOT a = 1", "at position 5"),
        ("a < null", "null has no order"),
        ("a >= true", "true has no order"),
        ("a:null", "write field = null"),
        ("a IN (null)", "add OR field = null"),
        ("a IN ()", r"at position 7: '\)'"),
        ('a = "*b"', r"star that is not at its end; write \\\*"),
        ('a < "b*"', r"has a wildcard, which only =, != and : take; write \\\*"),
        ('a IN ("b*")', "has a wildcard"),
        (r'a = "\d"', r"at position 6: no escape \\d"),
        ("a = 1e999", "out of a double's range"),
        ("a = " + "9" * 5000, "out of a double's range"),
        ("geo(a, 91, 0, 1)", "at position 8: latitude 91 must be a number from -90 to 90"),
        ("geo(a, 0, -181, 1)", "longitude -181"),
        ("geo(a, 0, 0, -1)", "radius -1"),
        ("geo(a, 0, 0)", "expected ','"),
        ('a = timestamp("2024-02-30T00:00:00Z")', "no date and time of RFC 3339; write it like 2024-01-01T00:00:00Z"),
        ("a = \ud800", "at position 5: no Unicode"),
        ("x" * 16_385, "16385 bytes; at most 16384"),
        ("(" * 10_000, "at position 65: parentheses are nested deeper than 64"),
        ("(" * 5_000 + "a=1" + ")" * 5_000, "nested deeper than 64"),
        ("a=1 " * 1001, "at position 4002: more than 1000 conditions"),
        ("-" * 10_000, "at position 2"),
        ("a." * 8000, "the end"),
        ('"' * 10_001, "position"),
    ],
)
def test_refuses_what_it_cannot_read_in_a_short_message(text, says):
    with pytest.raises(InvalidInput, match=says) as refused:
        parse(text)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("price == 3", "at position 8: '= 3' cannot stand here; write = for equal"),
        ("a === 3", "write = for equal"),
        ("a <> 3", "write != for not equal"),
        ("a=> 3", "write >= for at least"),
        ("a = 1 && b = 2", "at position 7: .*; write AND"),
        ("a = 1||b = 2", "write OR"),
        ("!a = 1", "write NOT"),
        ("a = 1 and b = 2", "at position 7: write AND for and: operators are upper-case"),
        ("(a = 1 Or b = 2)", "write OR for Or"),
        ("not a = 1", "write NOT for not"),
        ("not(a = 1)", "write NOT for not"),
        ("a in (1, 2)", "at position 3: write IN for in"),
        ("a in $list", "write IN for in"),
        ("a IN [1, 2]", "write a list in parentheses"),
        ('{"a": 1}', "a filter is no JSON"),
        ("a = “x”", "write straight quotes"),
        ("a = 'it's'", r"at position 10: .* the quote is not closed; write \\'"),
        ("a = True", 'at position 5: True is no constant; write true, or "True" for the text'),
        ("a = None", "write null"),
    ],
)
def test_says_what_to_write_for_what_other_languages_write(text, says):
    with pytest.raises(InvalidInput, match=says):
        parse(text, {"list": [1]} if "$list" in text else {})


def test_words_that_resemble_operators_are_fields_and_values_all_the_same():
    assert parse("and = or") == equal("and", "or")
    assert parse("a = and b = 2") == And((equal("a", "and"), B))
    assert parse("a IN (not, and) a.in = 1 not:*") == And((In(("a",), ("not", "and")), equal("a.in", 1), Has(("not",))))
    assert parse("startsWith(in, 'x')") == Prefix(("in",), "x")
    assert parse('a = "True"') == equal("a", "True")


def test_takes_what_is_just_within_the_limits():
    assert parse("(" * 64 + "a=1" + ")" * 64) == A
    assert len(parse("a=1 " * 1000).operands) == 1000
    assert len(parse("a IN $p", {"p": [0] * 10_000}).values) == 10_000


def test_the_deepest_filter_fits_half_the_stack():
    text = "a=1"
    for _ in range(64):
        text = f"b=2 AND c=3 OR -({text})"
    index = FieldIndex([])
    index.append([{}])
    depth = _frames()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + limit // 2)
    try:
        expression = parse(text)
        assert encode(decode(encode(expression))) == encode(expression)
        assert matches(expression, {"a": 1, "b": 2})
        assert len(index.select(expression, 1).rows) == 1
    finally:
        sys.setrecursionlimit(limit)


def _frames():
    frame, depth = sys._getframe(), 0
    while frame:
        frame, depth = frame.f_back, depth + 1
    return depth
