"""What paths lead to in payloads."""

import json

import pytest

from frostline.server.collections.search.payload_paths import first_value, selected, tree_of

BOOK = {
    "title": "Ice",
    "author": {"name": "Ä", "born": {"year": 1950, "place": None}},
    "prices": [{"eur": 1, "usd": 2}, {"usd": 3}, 4, [{"eur": 5}]],
    "tags": ["cold", "dry"],
}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["title"], {"title": "Ice"}),
        (["tags", "title"], {"title": "Ice", "tags": ["cold", "dry"]}),
        (["author.born.year"], {"author": {"born": {"year": 1950}}}),
        (["author.born.place"], {"author": {"born": {"place": None}}}),
        (["author", "author.name"], {"author": BOOK["author"]}),
        (["author.name", "author"], {"author": BOOK["author"]}),
        (["author.name", "author.born.year"], {"author": {"name": "Ä", "born": {"year": 1950}}}),
        (["prices.eur"], {"prices": [{"eur": 1}, {}, [{"eur": 5}]]}),
        (["prices.chf"], {}),
        (["title.name", "tags.name", "missing", "author.missing"], {}),
    ],
)
def test_selection_keeps_the_shape(paths, expected):
    tree = tree_of([each.split(".") for each in paths])
    found = selected(json.dumps(BOOK).encode(), tree)
    assert found.decode() == json.dumps(expected, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", None),
        (b'{"a": {"b": null}}', None),
        (b'{"a": 3}', None),
        (b'{"a": {"b": []}}', None),
        (b'{"a": {"b": [null, [], ["x", "y"]]}}', b'"x"'),
        (b'{"a": [{"c": 1}, {"b": 2}, {"b": 3}]}', b"2"),
        (b'{"a": {"b": 1.0}}', b"1"),
        (b'{"a": {"b": 1.5}}', b"1.5"),
        (b'{"a": {"b": true}}', b"true"),
        (b'{"a": {"b": ""}}', b'""'),
        (b'{"a": {"b": {"z": 1.0, "y": [2.0]}}}', b'{"y":[2],"z":1}'),
        ('{"a": {"b": "ü"}}'.encode(), '"ü"'.encode()),
        (b'{"a": {"b": "\\u00fc"}}', '"ü"'.encode()),
        (b'{"a": {"b": "\\ud800"}}', b'"\\ud800"'),
    ],
)
def test_the_first_value_is_canonical(payload, expected):
    assert first_value(payload, ("a", "b")) == expected
