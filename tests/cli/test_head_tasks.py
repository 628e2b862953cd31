"""Heads of several labels and of numbers on the command line."""

import json

import numpy as np
import pytest

from frostline.v1 import head_service_pb2 as v1
from frostline.v1.interval_pb2 import Interval
from frostline.wire import tensors

FIGURE = Interval(value=0.5, low=0.25, high=0.75)


@pytest.fixture
def rows(tmp_path):
    """Writes rows to a file, and gives its name."""

    def written(*examples):
        path = tmp_path / "rows.jsonl"
        path.write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in examples))
        return str(path)

    return written


def test_a_field_of_lists_is_several_labels(fake, pretended, rows):
    source = rows(("a", ["x", 1]), ("b", []), ("c", "y"))
    pretended("heads", "train", "tags", source, "--task", "labels")
    (request,) = fake.of("CreateHead")
    assert request.options.task == v1.HEAD_TASK_LABELS
    assert [list(example.labels) for example in request.examples.examples] == [["x", "1"], [], ["y"]]
    pretended("heads", "update", "tags", source, "--task", "labels")
    assert [list(example.labels) for example in fake.of("UpdateHead")[0].added.examples] == [["x", "1"], [], ["y"]]


def test_a_field_of_numbers_is_a_value(fake, pretended, rows, tmp_path):
    pretended("heads", "train", "prices", rows(("a", 1.5), ("b", -2)), "--task", "value", "--recipe", "ridge")
    (request,) = fake.of("CreateHead")
    assert request.options.task == v1.HEAD_TASK_VALUE
    assert [example.value for example in request.examples.examples] == [1.5, -2]
    (tmp_path / "rows.csv").write_text("text,label\na,3\nb,4e2\n")
    pretended("heads", "evaluate", "prices", str(tmp_path / "rows.csv"), "--task", "value")
    assert [example.value for example in fake.of("EvaluateHead")[0].examples.examples] == [3, 400]


@pytest.mark.parametrize(
    ("label", "task", "wanted"),
    [("a lot", "value", "a number"), (True, "value", "a number"), ([["x"]], "labels", "a list of texts or numbers")],
)
def test_a_field_that_holds_something_else_is_named(fake, pretend, rows, label, task, wanted):
    result = pretend("heads", "train", "tags", rows(("a", label)), "--task", task)
    assert result.exit_code == 1
    assert "label field 'label' of row 1" in result.stderr
    assert f"it must be {wanted}" in result.stderr
    assert fake.requests == []


def test_numbers_are_shown_with_their_interval(fake, pretend, pretended, rows, monkeypatch):
    pretended("heads", "train", "prices", rows(("a", 1.5), ("b", -2)), "--task", "value")

    def answered(request, head):
        scope = tensors.encode(np.full(2, 0.25, np.float32))
        return v1.PredictResponse(values=[1234.5, np.nan], margin=0.5, out_of_scope=scope, version=1)

    monkeypatch.setattr(fake, "_predicted", answered)
    shown = [line.split() for line in pretend("heads", "predict", "prices", "a", "b").stdout.splitlines()]
    assert shown[:2] == [
        ["INPUT", "VALUE", "FROM", "TO", "OUT", "OF", "SCOPE"],
        ["a", "1234.5", "1234", "1235", "0.25"],
    ]
    told = pretended("heads", "predict", "prices", "a", "b")["predictions"]
    assert told[0] == {"input": "a", "value": 1234.5, "interval": [1234.0, 1235.0], "out_of_scope": 0.25}


def test_how_a_head_fared_is_told_by_its_task(fake, pretend, pretended, rows, monkeypatch):
    source = rows(("a", 1.5))
    pretended("heads", "train", "prices", source, "--task", "value")
    value = v1.ValueEvaluation(mean_absolute_error=FIGURE, root_mean_squared_error=FIGURE, explained=FIGURE, margin=2)
    monkeypatch.setattr("fake_heads.EVALUATION", v1.Evaluation(version=1, example_count=3, value=value))
    shown = pretend("heads", "evaluate", "prices", source, "--task", "value").stdout
    assert "0.5 (0.25 to 0.75)" in shown
    assert "50.0 % (25.0 to 75.0)" in shown
    assert "(no intervals), margin 2" in shown
    assert pretended("heads", "evaluate", "prices", source, "--task", "value")["value"]["margin"] == 2
    answer = v1.Evaluation(version=1, accuracy=FIGURE, macro_f1=FIGURE, micro_f1=FIGURE, hamming_loss=0.1)
    monkeypatch.setattr("fake_heads.EVALUATION", answer)
    assert "Micro F1" in pretend("heads", "evaluate", "prices", source, "--task", "value").stdout


def test_a_head_says_what_it_answers(fake, pretend, pretended, rows):
    pretended("heads", "train", "prices", rows(("a", 1.5), ("b", -2)), "--task", "value")
    version = fake.heads["heads/prices"].versions[0]
    version.margin = 0.25
    del version.classes[:]
    shown = pretend("heads", "show", "prices").stdout
    assert "a number" in shown
    assert "within 0.25" in shown
    version.classes.add(label="x", example_count=2, threshold=0.375)
    assert "0.375" in pretend("heads", "show", "prices").stdout
