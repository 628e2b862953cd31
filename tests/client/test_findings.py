from pathlib import Path

import numpy as np
import pytest

from fake_encoders import SPACE
from frostline.client import (
    AuditedExample,
    Drift,
    DuplicateExamples,
    Embeddings,
    Example,
    InvalidInput,
    LabelledRecords,
    LabelSuggestion,
    NotFound,
    OutlyingExample,
    ShiftedInput,
    SuspectLabel,
    Timings,
    Unavailable,
    UnlabelledRecords,
)
from frostline.client._from_wire import space_of
from frostline.v1 import head_service_pb2 as v1
from frostline.wire import tensors

EYE = np.eye(5, 4, dtype=np.float32)
OF_A_SPACE = Embeddings(EYE, {}, space_of(SPACE), [0] * 5, [False] * 5, Timings())


@pytest.fixture(autouse=True)
def pets(fake, client):
    client.train_head("pets", [Example(text=label, label=label) for label in ("cat", "dog", "owl")], encoder="tiny")
    fake.requests.clear()


def test_drift(fake, client):
    told = []
    found = client.measure_drift("pets", ["a", "b", "c"], limit=3, version=2, progress=lambda *each: told.append(each))
    assert found == Drift(
        1, 40, 6, 0.002, 0.9, 0.125, (ShiftedInput(4, "", 1.0), ShiftedInput(1, "", 0.5), ShiftedInput(9, "r9", 0.25))
    )
    assert told == [("starting", 0.0), ("comparing", 0.5)]
    (request,) = fake.of("MeasureDrift")
    assert (request.head, request.limit, request.version) == ("heads/pets", 3, 2)
    assert [each.text for each in request.inputs.inputs] == ["a", "b", "c"]


@pytest.mark.parametrize("given", [EYE, list(EYE), OF_A_SPACE])
def test_vectors_travel_as_one_matrix_with_their_space(fake, client, given):
    client.measure_drift("pets", given)
    inputs = fake.of("MeasureDrift")[0].inputs
    np.testing.assert_array_equal(tensors.decode(inputs.vectors), EYE)
    assert inputs.HasField("space") == isinstance(given, Embeddings)
    assert not inputs.inputs


def test_images_and_records(fake, client, tmp_path):
    (tmp_path / "a.png").write_bytes(b"png")
    client.suggest_labels("pets", [b"jpg", Path(tmp_path / "a.png")])
    records = UnlabelledRecords("notes", "color", "n < $most", "title", {"most": 3})
    client.suggest_labels("pets", records=records)
    images, asked = (request.inputs for request in fake.of("SuggestLabels"))
    assert [each.image for each in images.inputs] == [b"jpg", b"png"]
    assert asked.records.collection == "collections/notes"
    assert (asked.records.field, asked.records.vector_name) == ("color", "title")
    assert (asked.records.filter.expression, dict(asked.records.filter.parameters)) == ("n < $most", {"most": b"3"})


def test_texts_too_large_for_one_request_are_embedded_first(fake, client, monkeypatch):
    monkeypatch.setattr("frostline.client._head_examples.REQUEST_BYTES", 10)
    client.measure_drift("pets", ["one text", "another text"])
    client.suggest_labels("", ["one text", "another text"], encoder="tiny")
    drift, suggested = fake.of("MeasureDrift")[0].inputs, fake.of("SuggestLabels")[0].inputs
    assert drift.vectors.shape == suggested.vectors.shape == [2, 4]
    assert drift.HasField("space")
    assert not drift.inputs


def test_suggestions(fake, client):
    found = client.suggest_labels("pets", ["a", "b"], count=2, strategy="uncertainty")
    assert found == [LabelSuggestion(1, "", 0.75, "cat", 0.5), LabelSuggestion(0, "r0", 0.5, "owl", 0.625)]
    client.suggest_labels(inputs=["a"], encoder="tiny")
    with_head, without = fake.of("SuggestLabels")
    assert (with_head.strategy, with_head.count, with_head.head) == (v1.LABEL_STRATEGY_UNCERTAINTY, 2, "heads/pets")
    assert (without.strategy, without.head, without.encoder) == (v1.LABEL_STRATEGY_UNSPECIFIED, "", "encoders/tiny")


def test_an_audit(fake, client):
    found = client.audit_labels("pets", limit=7)
    assert (found.example_count, found.suspect_count, found.duplicates_count, found.outlier_count) == (40, 3, 1, 1)
    assert found.suspects == (SuspectLabel(AuditedExample(1, "", "dog"), "cat", 0.125),)
    twins = AuditedExample(0, "", "cat"), AuditedExample(2, "r2", "owl")
    assert found.duplicates == (DuplicateExamples(twins, True),)
    assert found.outliers == (OutlyingExample(AuditedExample(7, "", "owl"), 1.5),)
    client.audit_labels(examples=[Example(text="a", label="b")], encoder="tiny")
    client.audit_labels(records=LabelledRecords("notes", "color"))
    of_head, of_texts, of_records = fake.of("AuditLabels")
    assert (of_head.head, of_head.limit, of_head.HasField("examples")) == ("heads/pets", 7, False)
    assert (of_texts.encoder, of_texts.examples.examples[0].label) == ("encoders/tiny", "b")
    assert of_records.examples.records.field == "color"


def test_examples_whose_positions_would_be_mixed_up_are_refused(fake, client):
    one, other = Example(text="a", label="b"), Example(record_id="1", label="b")
    with pytest.raises(InvalidInput, match="come as text and record_id; audit those of one kind at a time"):
        client.audit_labels(examples=[one, other], collection="notes")
    with pytest.raises(InvalidInput, match="come as text and vectors"):
        client.audit_labels(examples=[one], vectors=EYE, labels=["a"] * 5)
    assert fake.requests == []


def test_a_question_that_breaks_off_is_told(fake, client):
    fake.breaks["MeasureDrift"].append(1)
    with pytest.raises(Unavailable):
        client.measure_drift("pets", ["a"])
    assert client.measure_drift("pets", ["a"]).p_value == 0.002


@pytest.mark.parametrize(
    ("ask", "wrong"),
    [
        (lambda client: client.measure_drift("pets", "one text"), "passed where several"),
        (lambda client: client.measure_drift("pets", [3]), "cannot take a int as an input"),
        (lambda client: client.measure_drift("pets", ["a"], limit=0), "limit"),
        (
            lambda client: client.measure_drift("pets", records=LabelledRecords("a", "b")),
            "must be an UnlabelledRecords",
        ),
        (lambda client: client.suggest_labels("pets", ["a"], strategy="luck"), "strategy 'luck' is unknown"),
        (lambda client: client.suggest_labels("pets", ["a"], count=0), "count"),
        (lambda client: client.audit_labels("pets", [3]), "Example objects"),
    ],
)
def test_what_cannot_be_sent_is_refused(fake, client, ask, wrong):
    with pytest.raises(InvalidInput, match=wrong):
        ask(client)
    assert fake.requests == []


def test_a_missing_head_is_told(client):
    with pytest.raises(NotFound):
        client.measure_drift("none", ["a"])


async def test_the_asynchronous_client_asks_too(aclient):
    async def texts():
        yield "a"
        yield "b"

    assert (await aclient.measure_drift("pets", texts())).input_count == 6
    assert len(await aclient.suggest_labels("pets", ["a"])) == 2
    assert (await aclient.audit_labels("pets")).suspect_count == 3
