"""What is changed in payloads for a prediction, and what it must not replace."""

import json

import pytest

from frostline.server.api.label_fields import LabelFields
from frostline.server.api.record_answers import Answer
from frostline.server.errors import InvalidInput

ONE = Answer("x", 0.5, ["x"])
SEVERAL = Answer(["x", "y"], [0.75, 0.5], ["x", "y"])
NUMBER = Answer(1.0, None, [])


@pytest.mark.parametrize(
    ("payload", "answer", "patch"),
    [
        ({}, ONE, {"a": {"b": "x"}, "p": 0.5}),
        ({"a": {"b": "x", "c": 1}, "p": 0.5}, ONE, {}),
        ({"a": {"b": "y"}, "p": 0.5}, ONE, {"a": {"b": "x"}}),
        ({"a": {"b": None}, "p": 0.25}, ONE, {"a": {"b": "x"}, "p": 0.5}),
        ({}, SEVERAL, {"a": {"b": ["x", "y"]}, "p": [0.75, 0.5]}),
        ({"a": {"b": ["x", "y"]}, "p": [0.75, 0.5]}, SEVERAL, {}),
        ({"a": {"b": ["y"]}, "p": 0.5}, SEVERAL, {"a": {"b": ["x", "y"]}, "p": [0.75, 0.5]}),
        ({"a": {"b": "x"}}, Answer([], [], []), {"a": {"b": []}, "p": []}),
        ({"a": {"b": "x"}}, Answer(None, 0.5, []), {"a": {"b": None}, "p": 0.5}),
    ],
)
def test_only_what_differs_is_changed(payload, answer, patch):
    assert LabelFields.read("a.b", "p").patch(json.dumps(payload).encode(), answer) == patch


@pytest.mark.parametrize(("held", "patch"), [(1, {}), (1.0, {}), (True, {"n": 1.0}), ("1", {"n": 1.0})])
def test_a_number_is_no_boolean_and_no_text(held, patch):
    assert LabelFields.read("n", "").patch(json.dumps({"n": held}).encode(), NUMBER) == patch


@pytest.mark.parametrize("payload", [{"a": []}, {"a": {"b": [1]}}, {"a": "text"}, {"a": {"b": {"c": 1}}}])
def test_what_a_label_must_not_replace_is_refused(payload):
    with pytest.raises(InvalidInput, match="write into another field"):
        LabelFields.read("a.b", "").patch(json.dumps(payload).encode(), ONE)


@pytest.mark.parametrize("held", [{"c": 1}, [{"c": 1}], ["x", ["y"]]])
def test_what_labels_must_not_replace_is_refused(held):
    with pytest.raises(InvalidInput, match=r"field 'b' .* holds an .*; write into another field"):
        LabelFields.read("b", "").patch(json.dumps({"b": held}).encode(), SEVERAL)
