import numpy as np
import pytest

from fake_encoders import SPACE
from fake_heads import EVALUATION
from frostline.client import (
    Embeddings,
    Example,
    GroupAnswers,
    GroupThreshold,
    Internal,
    Interval,
    InvalidInput,
    LabelledRecords,
    PredictedRecords,
    Prediction,
    Timings,
)
from frostline.client._from_wire import space_of
from frostline.v1.head_service_pb2 import Evaluation, PredictRecordsResponse
from frostline.wire import tensors

PETS = [Example(text=label, label=label) for label in ("cat", "dog", "owl")]
EYE = np.eye(4, dtype=np.float32)


@pytest.fixture(autouse=True)
def pets(fake, client):
    client.train_head("pets", PETS, encoder="tiny")
    fake.requests.clear()


def test_predictions_are_a_sequence(client):
    found = client.predict("pets", ["abc", "abcd?", "bad", "a"], limit=2)
    assert list(found) == [
        Prediction("cat", 0.75, False, 3 / 64, ("cat",), (("cat", 0.75), ("dog", 0.375))),
        Prediction("owl", 0.75, True, 5 / 64, ("owl", "cat"), (("owl", 0.75), ("cat", 0.375))),
        Prediction("", 0.0, True, 1.0, (), ()),
        Prediction("dog", 0.75, False, 1 / 64, ("dog",), (("dog", 0.75), ("owl", 0.375))),
    ]
    assert list(found.errors) == [2]
    assert (len(found), found[-1].label, found.labels) == (4, "dog", ["cat", "owl", "", "dog"])
    assert [one.label for one in found[1:]] == ["owl", "", "dog"]
    assert (found.version, found.timings) == (1, Timings(inference_seconds=0.5))
    assert found.probabilities.shape == (4, 2)
    assert found == list(found)
    with pytest.raises(IndexError):
        found[4]


def test_long_inputs_are_cut_and_put_together(fake, client):
    texts = ["x" * number for number in range(7)] + ["bad", "a?"]
    found = client.predict("pets", (text for text in texts), batch_size=4)
    assert [len(request.inputs) for request in fake.of("Predict")] == [4, 4, 1]
    assert found.labels == ["cat", "dog", "owl", "cat", "dog", "owl", "cat", "", "owl"]
    assert found[8].label_set == ("owl", "cat")
    assert list(found.errors) == [7]
    assert found.errors[7].index == 7
    assert found.timings == Timings(inference_seconds=1.5)


def test_a_cut_call_stays_with_the_version_it_began_with(fake, client, monkeypatch):
    predicted = fake._predicted

    def and_another_comes_to_serve(request, head):
        answer = predicted(request, head)
        if len(head.versions) == 1:
            fake._begun(head, ["other"], head.options)
            fake._finish(head)
        return answer

    monkeypatch.setattr(fake, "_predicted", and_another_comes_to_serve)
    assert client.predict("pets", ["", "", "", ""], batch_size=2).labels == ["cat"] * 4
    assert [request.version for request in fake.of("Predict")] == [0, 1]
    assert client.predict("pets", [""]).labels == ["other"]


def test_a_head_replaced_in_the_middle_is_noticed(fake, client, monkeypatch):
    predicted = fake._predicted

    def of_another(request, head):
        answer = predicted(request, head)
        answer.classes[0] = str(len(fake.of("Predict")))
        return answer

    monkeypatch.setattr(fake, "_predicted", of_another)
    with pytest.raises(Internal, match="replaced"):
        client.predict("pets", ["a", "b"], batch_size=1)


@pytest.mark.parametrize("inputs", [EYE, [*EYE], tuple(EYE.astype(np.float64))])
def test_vectors_travel_as_one_tensor(fake, client, inputs):
    assert client.predict("pets", inputs).labels == ["cat", "dog", "owl", "cat"]
    (request,) = fake.of("Predict")
    np.testing.assert_array_equal(tensors.decode(request.vectors), EYE)
    assert (list(request.inputs), request.HasField("space")) == ([], False)


def test_embeddings_bring_their_space(fake, client):
    client.predict("pets", Embeddings(EYE, {}, space_of(SPACE), [0] * 4, [False] * 4, Timings()))
    assert fake.of("Predict")[0].space == SPACE


def test_large_matrices_are_cut_by_rows_and_bytes(fake, client):
    assert len(client.predict("pets", np.tile(EYE, (3000, 1)))) == 12_000
    client.predict("pets", np.ones((4000, 400)))
    requests = fake.of("Predict")
    assert [request.vectors.shape[0] for request in requests] == [10_000, 2000, 1966, 1966, 68]
    assert max(request.ByteSize() for request in requests) < 4 * 1024 * 1024


def test_images_come_as_bytes_or_paths(fake, client, tmp_path):
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8")
    assert client.predict("pets", [tmp_path / "cat.jpg", b"\xff\xd8"]).labels == ["dog", "dog"]
    assert [item.image for item in fake.of("Predict")[0].inputs] == [b"\xff\xd8"] * 2


async def test_inputs_may_be_asynchronous(aclient):
    async def texts():
        for text in ("", "a"):
            yield text

    assert (await aclient.predict("pets", texts(), batch_size=1)).labels == ["cat", "dog"]


def test_nothing_predicts_nothing(fake, client):
    found = client.predict("pets", [])
    assert (len(found), found.labels, list(found)) == (0, [], [])
    assert len(fake.of("Predict")) == 1


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("alone", "pass a list"),
        ([1], "cannot embed a int"),
        (np.ones(4), r"shape \(n, d\)"),
        ([np.ones(2), EYE], "vectors of shape"),
    ],
)
def test_what_cannot_be_predicted_is_named(fake, client, inputs, message):
    with pytest.raises(InvalidInput, match=message):
        client.predict("pets", inputs)
    assert fake.requests == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer.labels.pop(),
        lambda answer: answer.abstained.pop(),
        lambda answer: answer.set_sizes.pop(),
        lambda answer: answer.set_labels.append(0),
        lambda answer: answer.set_labels.__setitem__(0, -1),
        lambda answer: answer.labels.__setitem__(0, 3),
        lambda answer: answer.labels.__setitem__(0, -2),
        lambda answer: answer.probabilities.ClearField("data"),
        lambda answer: answer.probabilities.CopyFrom(answer.out_of_scope),
        lambda answer: answer.out_of_scope.CopyFrom(answer.probabilities),
        lambda answer: answer.out_of_scope.CopyFrom(tensors.encode(np.ones(1, np.float32))),
    ],
)
def test_an_answer_that_does_not_fit_is_the_servers_fault(fake, client, monkeypatch, spoil):
    predicted = fake._predicted

    def spoiled(request, head):
        answer = predicted(request, head)
        spoil(answer)
        return answer

    monkeypatch.setattr(fake, "_predicted", spoiled)
    with pytest.raises(Internal):
        client.predict("pets", ["a", "b"])


def test_records_are_labelled_and_the_caller_hears_how_far_it_is(fake, client):
    heard = []
    found = client.predict_records(
        "pets",
        "notes",
        "animal",
        probability_field="how.likely",
        filter="n < $most",
        parameters={"most": 3},
        vector_name="photo",
        progress=lambda *each: heard.append(each),
    )
    assert found == PredictedRecords(1, 8, 3, 1, 2, 0, "", {"cat": 7, "dog": 3}, 9)
    assert list(found.labels) == ["cat", "dog"]
    assert heard == [("labelling", 0.0), ("labelling", 0.5), ("labelling", 1.0)]
    (request,) = fake.of("PredictRecords")
    assert (request.head, request.collection, request.version) == ("heads/pets", "collections/notes", 0)
    assert (request.label_field, request.probability_field, request.vector_name) == ("animal", "how.likely", "photo")
    assert (request.filter.expression, request.filter.parameters["most"]) == ("n < $most", b"3")


def test_a_labelling_that_breaks_off_is_begun_again_with_its_version(fake, client):
    fake.breaks["PredictRecords"] += [1]
    assert client.predict_records("pets", "notes", "animal").written_count == 8
    assert [request.version for request in fake.of("PredictRecords")] == [0, 1]


async def test_a_labelling_may_be_awaited(fake, aclient):
    assert (await aclient.predict_records("pets", "notes", "animal")).labels == {"cat": 7, "dog": 3}


def test_a_labelling_that_ends_early_is_the_servers_fault(client, monkeypatch):
    monkeypatch.setattr("fake_heads.PREDICTED_RECORDS", PredictRecordsResponse(progress=0.9))
    with pytest.raises(Internal, match="stopped labelling collection 'notes'"):
        client.predict_records("pets", "notes", "animal")


def test_an_evaluation_reads_as_plain_types(fake, client):
    judged = client.evaluate_head("pets", PETS, version=1)
    assert (judged.accuracy.value, judged.accuracy.low, judged.accuracy.high) == (0.875, 0.75, 0.95)
    assert [(one.label, one.support, one.f1) for one in judged.classes] == [
        ("cat", 20, 0.92),
        ("dog", 15, 0.82),
        ("owl", 5, 0.66),
    ]
    np.testing.assert_array_equal(judged.confusion, [[19, 1, 0], [2, 12, 1], [0, 2, 3]])
    (request,) = fake.of("EvaluateHead")
    assert (request.version, [example.text for example in request.examples.examples]) == (1, ["cat", "dog", "owl"])


def test_an_evaluation_by_group_reads_as_plain_types(fake, client):
    judged = client.evaluate_head("pets", vectors=EYE, labels=["cat"] * 4, groups=["adult", "kitten"] * 2).groups
    assert [group.group for group in judged.groups] == ["adult", "kitten"]
    assert judged.groups[0].answered_accuracy is None
    assert judged.small == {"senior": 3}
    assert (judged.best, judged.worst, judged.gap, judged.p_value) == (
        "adult",
        "kitten",
        Interval(0.125, -0.05, 0.25),
        0.25,
    )
    assert judged.mitigation.thresholds[0] == GroupThreshold(
        "adult", 0.25, GroupAnswers(0.5, None), GroupAnswers(1.0, 0.875)
    )
    assert (judged.mitigation.gap_before, judged.mitigation.gap_after) == (Interval(0.125, 0.0, 0.25), None)
    assert list(fake.of("EvaluateHead")[0].examples.groups) == ["adult", "kitten"] * 2
    assert client.evaluate_head("pets", vectors=EYE, labels=["cat"] * 4).groups is None


def test_groups_go_with_examples_and_records(fake, client):
    examples = [Example(text="a", label="cat", group="old"), Example(vector=EYE[0], label="dog", group="young")]
    records = LabelledRecords("notes", "color", group_field="age")
    client.evaluate_head("pets", examples, vectors=EYE[:1], labels=["dog"], records=records)
    (request,) = fake.of("EvaluateHead")
    assert [(each.text, each.group) for each in request.examples.examples] == [("a", "old")]
    assert list(request.examples.groups) == ["", "young"]
    assert request.examples.records.group_field == "age"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"groups": ["a"]}, "groups belong to vectors, which are missing"),
        ({"vectors": EYE, "labels": ["cat"] * 4, "groups": ["a"]}, "4 vectors and 1 groups do not fit"),
        ({"vectors": EYE, "labels": ["cat"] * 4, "groups": "aaaa"}, "one str was passed"),
        ({"examples": [Example(text="a", label="cat", group="\ud800")]}, "group of example 0: "),
    ],
)
def test_groups_that_cannot_be_sent_are_refused_by_the_client(fake, client, more, message):
    with pytest.raises(InvalidInput, match=message):
        client.evaluate_head("pets", **more)
    assert not fake.of("EvaluateHead")


def test_the_most_confused_pairs_come_first_and_right_ones_never(client):
    judged = client.evaluate_head("pets", PETS)
    assert judged.most_confused(3) == [("dog", "cat", 2), ("owl", "dog", 2), ("cat", "dog", 1)]
    assert len(judged.most_confused(100)) == 4


def test_figures_that_are_not_known_and_a_confusion_too_large_are_left_out(client, monkeypatch):
    monkeypatch.setattr("fake_heads.EVALUATION", Evaluation(classes=EVALUATION.classes, accuracy=EVALUATION.accuracy))
    judged = client.evaluate_head("pets", PETS)
    assert (judged.log_loss, judged.overfitting_gap, judged.abstain_auroc, judged.answered_accuracy) == (None,) * 4
    assert (judged.confusion.shape, judged.most_confused()) == ((0, 0), [])


def test_a_confusion_that_does_not_fit_is_the_servers_fault(client, monkeypatch):
    monkeypatch.setattr("fake_heads.EVALUATION", Evaluation(classes=EVALUATION.classes, confusion=[1, 2]))
    with pytest.raises(Internal, match="2 counts does not fit 3 classes"):
        client.evaluate_head("pets", PETS)
