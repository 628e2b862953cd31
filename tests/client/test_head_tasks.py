"""Heads of several labels and of numbers in the client: what travels, and what comes back."""

import numpy as np
import pytest

from frostline.client import Example, Interval, InvalidInput, LabelledRecords, Prediction, ValueEvaluation
from frostline.v1 import head_service_pb2 as v1
from frostline.v1 import interval_pb2
from frostline.wire import tensors

EYE = np.eye(2, dtype=np.float32)
BOTH = [Example(text="a", labels=["x", "y"]), Example(text="b", labels=[])]


@pytest.mark.parametrize(
    ("call", "task"),
    [
        (lambda client: client.train_head("h", BOTH), v1.HEAD_TASK_LABELS),
        (lambda client: client.train_head("h", vectors=EYE, labels=[["x"], []]), v1.HEAD_TASK_LABELS),
        (lambda client: client.train_head("h", [Example(text="a", value=0)]), v1.HEAD_TASK_VALUE),
        (lambda client: client.train_head("h", vectors=EYE, values=[1, 2.5]), v1.HEAD_TASK_VALUE),
        (lambda client: client.train_head("h", [Example(text="a", label="x")]), v1.HEAD_TASK_CLASS),
        (lambda client: client.train_head("h", records=LabelledRecords("c", "f"), task="value"), v1.HEAD_TASK_VALUE),
    ],
)
def test_examples_say_what_the_head_answers(fake, client, call, task):
    call(client)
    assert fake.of("CreateHead")[0].options.task == task


def test_labels_and_numbers_travel_as_they_are(fake, client):
    client.train_head("h", [*BOTH, Example(vector=EYE[0], labels=("z",))])
    examples = fake.of("CreateHead")[0].examples
    assert [list(each.labels) for each in examples.examples] == [["x", "y"], []]
    assert [list(each.labels) for each in examples.label_sets] == [["z"]]
    client.update_head("h", [Example(text="a", value=-0.5)], vectors=EYE, values=np.array([1, 2.5]))
    added = fake.of("UpdateHead")[0].added
    assert ([each.value for each in added.examples], list(added.values)) == ([-0.5], [1, 2.5])
    client.evaluate_head("h", vectors=EYE, labels=[["x"], ["y", "x"]])
    assert [list(each.labels) for each in fake.of("EvaluateHead")[0].examples.label_sets] == [["x"], ["y", "x"]]


@pytest.mark.parametrize(
    ("examples", "more", "message"),
    [
        ([Example(text="a", label="x", value=1)], {}, "example 0: it needs one of label, labels and value"),
        ([Example(text="a", labels="xy")], {}, "one str was passed"),
        ([Example(text="a", value=float("nan"))], {}, "value nan is no finite number"),
        (
            [Example(vector=EYE[0], label="x"), Example(vector=EYE[1], value=1)],
            {},
            "vectors come with a label and with a value",
        ),
        ([], {"vectors": EYE, "labels": ["x", ["y"]]}, "vectors come with a label and with labels"),
        ([], {"vectors": EYE, "labels": ["x", "y"], "values": [1, 2]}, "labels and values were both given"),
        ([], {"vectors": EYE, "values": [1, np.inf]}, "one finite number for each vector"),
        ([], {"vectors": EYE, "values": [1, 2], "task": "number"}, "task"),
    ],
)
def test_what_cannot_be_learned_together_is_refused_by_the_client(fake, client, examples, more, message):
    with pytest.raises(InvalidInput, match=message):
        client.train_head("h", examples, **more)
    assert fake.requests == []


def test_numbers_come_with_their_interval(fake, client, monkeypatch):
    def answered(request, head):
        count = len(request.inputs)
        scope = tensors.encode(np.full(count, 0.25, np.float32))
        return v1.PredictResponse(values=[1.5] * (count - 1) + [np.nan], margin=0.5, out_of_scope=scope, version=1)

    client.train_head("h", [Example(text="a", value=1)])
    monkeypatch.setattr(fake, "_predicted", answered)
    found = client.predict("h", ["a", "b", "c"])
    assert found[0] == Prediction("", 0.0, False, 0.25, (), (), 1.5, (1.0, 2.0))
    assert found[2] == Prediction("", 0.0, True, 1.0, (), ())
    assert (found.values[:2].tolist(), found.margin, found.abstained.tolist()) == (
        [1.5, 1.5],
        0.5,
        [False, False, True],
    )
    assert len(client.predict("h", ["a"] * 20, batch_size=8).values) == 20
    monkeypatch.setattr(fake, "_predicted", lambda request, head: v1.PredictResponse(values=[1.0], version=1))
    with pytest.raises(Exception, match="answered 1 numbers to 2 inputs"):
        client.predict("h", ["a", "b"])


def test_how_heads_of_other_tasks_fared(fake, client, monkeypatch):
    figure = interval_pb2.Interval(value=0.5, low=0.25, high=0.75)
    value = v1.ValueEvaluation(mean_absolute_error=figure, root_mean_squared_error=figure, coverage=0.875, margin=2)
    client.train_head("h", [Example(text="a", value=1)])
    monkeypatch.setattr("fake_heads.EVALUATION", v1.Evaluation(version=1, example_count=3, value=value))
    judged = client.evaluate_head("h", [Example(text="a", value=1)])
    expected = Interval(0.5, 0.25, 0.75)
    assert judged.value == ValueEvaluation(expected, expected, None, 0.875, 2.0)
    assert np.isnan(judged.accuracy.value)
    answer = v1.Evaluation(accuracy=figure, macro_f1=figure, micro_f1=figure, hamming_loss=0.125)
    monkeypatch.setattr("fake_heads.EVALUATION", answer)
    judged = client.evaluate_head("h", BOTH)
    assert (judged.value, judged.micro_f1, judged.hamming_loss) == (None, expected, 0.125)
