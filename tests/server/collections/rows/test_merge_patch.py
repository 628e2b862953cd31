import json

import pytest

from frostline.server.collections.rows.merge_patch import merge_patch, patched_payload
from frostline.server.errors import InvalidInput


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merges_as_the_rfc_has_it(target, patch, result):
    before = json.dumps(target)
    assert merge_patch(target, patch) == result
    assert json.dumps(target) == before


def test_payloads_stay_compact_utf8():
    assert patched_payload(b'{"a": 1, "b": 12345678901234567890}', {"c": "ä😀"}) == (
        '{"a":1,"b":12345678901234567890,"c":"ä😀"}'.encode()
    )


def test_half_a_surrogate_pair_stays_escaped():
    assert patched_payload(b'{"a": "\\ud800"}', {"b": 1}) == b'{"a":"\\ud800","b":1}'


def test_deep_patches_are_refused():
    patch = inner = {}
    for _ in range(5000):
        inner["a"] = inner = {}
    with pytest.raises(InvalidInput, match="nested deeper than 64"):
        patched_payload(b"{}", patch)
