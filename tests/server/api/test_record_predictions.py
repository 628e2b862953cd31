"""Heads label records, or give them numbers: what is written, what is left as it is, and what is refused."""

import json
from dataclasses import replace
from threading import Event

import grpc
import numpy as np
import pytest

from frostline.server.api import record_predictions
from frostline.server.collections.rows.operations import Write
from frostline.server.collections.rows.records import Record
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.heads import artifact
from frostline.server.heads.decision import Linear
from frostline.server.heads.fitted import VALUE_CLASS, Scope, Task, TrainingOptions
from frostline.server.heads.store import Heads
from frostline.server.heads.versions import HeadConfig
from frostline.v1 import collection_pb2 as cp
from frostline.v1 import head_service_pb2 as h
from frostline.v1 import record_service_pb2 as r
from made_heads import begun, fitted
from raw import create_request, filtered, record, refused, upsert_request


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(record_predictions, "_TOGETHER", 4)


PLAIN = {"moments": None, "abstain_threshold": 0.0}


def side(n):
    return "right" if n % 2 else "left"


def at(n):
    return [(1 if n % 2 else -1) + n / 100, n / 100]


@pytest.fixture
def data_dir(data_dir):
    """With the heads `sides`, which knows on which side a point is, `tags` and `heights`."""
    heads = Heads(data_dir / "heads")
    sides = Linear(np.array([[-2.0, 0], [2, 0]]), np.zeros(2))
    keep(heads, "sides", fitted(classes=("left", "right"), dimensions=2, decision=sides, **PLAIN))
    tags = Linear(np.array([[-2.0, 0], [0, 100]]), np.array([0, -5.5]))
    several = {"task": Task.LABELS, "thresholds": np.array([0.5, 0.5]), "temperature": 1.0}
    keep(heads, "tags", fitted(classes=("even", "large"), dimensions=2, decision=tags, **PLAIN, **several))
    heights = Linear(np.array([[0.0, 100]]), np.array([1000.0]))
    number = {"task": Task.VALUE, "classes": (VALUE_CLASS,), "counts": np.array([9]), "margin": 0.5}
    near = Scope(np.ones((1, 2), np.float32), np.ones(9, np.float32))
    keep(heads, "heights", replace(fitted(dimensions=2, decision=heights, **PLAIN), scope=near, **number))
    return data_dir


def keep(heads, name, made):
    options = TrainingOptions(task=made.task)
    version = begun(heads, name, HeadConfig(space=EmbeddingSpace.plain(2), options=options)).versions[0]
    artifact.write(heads.folders.artifact(name, version), made)
    heads.finish(name, version, 0.1)


@pytest.fixture
async def calls(server):
    """Twelve records in `notes`."""
    declared = [cp.IndexedField(path="n", kind=cp.FIELD_KIND_INTEGER)]
    await server.calls.CreateCollection(create_request(dimensions=2, fields=declared))
    records = [record(str(n), vector=at(n), payload=json.dumps({"n": n}).encode()) for n in range(12)]
    await server.calls.UpsertRecords(upsert_request(*records))
    return server.calls


def request(**changes):
    fields = {"head": "heads/sides", "collection": "collections/notes", "label_field": "side"}
    return h.PredictRecordsRequest(**(fields | changes))


async def told(calls, **changes):
    return [told async for told in calls.PredictRecords(request(**changes))]


async def payloads(calls):
    page = await calls.ListRecords(r.ListRecordsRequest(collection="collections/notes"))
    return {record.id: json.loads(record.payload or b"{}") for record in page.records}


async def test_every_record_gets_its_label_and_how_likely_it_is(calls):
    reports = await told(calls, probability_field="by.probability")
    assert [report.progress for report in reports] == [0, 4 / 12, 8 / 12, 0.99, 1]
    last = reports[-1]
    assert (last.version, last.written_count, last.unchanged_count, last.failed_count) == (1, 12, 0, 0)
    assert {each.label: each.count for each in last.labels} == {"left": 6, "right": 6}
    assert not reports[-2].labels
    found = await payloads(calls)
    assert {key: payload["side"] for key, payload in found.items()} == {str(n): side(n) for n in range(12)}
    assert all(0.5 < payload["by"]["probability"] <= 1 and payload["n"] == int(key) for key, payload in found.items())
    waited = r.GetRecordsRequest(collection="collections/notes", ids=["11"], min_sequence=last.sequence)
    assert (await calls.GetRecords(waited)).records[0].sequence == last.sequence


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"probability_field": "p"}, 12),
        ({"head": "heads/tags", "probability_field": "p"}, 12),
        ({"head": "heads/heights"}, 0),
    ],
)
async def test_again_nothing_is_written_and_after_an_interruption_only_the_rest(calls, changes, labels):
    stream = calls.PredictRecords(request(**changes))
    async for report in stream:
        if report.written_count == 4:
            break
    stream.cancel()
    assert (await told(calls, **changes))[-1].unchanged_count >= 4
    last = (await told(calls, **changes))[-1]
    assert (last.written_count, last.unchanged_count) == (0, 12)
    assert sum(each.count for each in last.labels) == labels


async def test_several_labels_are_an_array_and_their_probabilities_another(calls):
    reports = await told(calls, head="heads/tags", label_field="tags", probability_field="p")
    last = reports[-1]
    assert (last.written_count, last.unlabelled_count, last.failed_count) == (12, 3, 0)
    assert {each.label: each.count for each in last.labels} == {"even": 6, "large": 6}
    found = await payloads(calls)
    assert [found[key]["tags"] for key in ("1", "4", "6", "8", "9")] == [
        [],
        ["even"],
        ["even", "large"],
        ["large", "even"],
        ["large"],
    ]
    assert (found["1"]["p"], found["6"]["p"]) == ([], [0.8676, 0.6225])
    assert found["8"]["p"] == sorted(found["8"]["p"], reverse=True)
    last = (await told(calls, head="heads/tags", label_field="tags", probability_field="p"))[-1]
    assert (last.written_count, last.unchanged_count, last.unlabelled_count) == (0, 12, 3)
    last = (await told(calls, head="heads/tags", label_field="tags", filter=filtered("tags = large")))[-1]
    assert (last.unchanged_count, {each.label: each.count for each in last.labels}) == (6, {"even": 3, "large": 6})


async def test_numbers_are_written_as_numbers(calls):
    last = (await told(calls, head="heads/heights", label_field="by.height"))[-1]
    assert (last.written_count, last.unlabelled_count, list(last.labels)) == (12, 0, [])
    assert [payload["by"]["height"] for payload in (await payloads(calls)).values()] == [1000 + n for n in range(12)]
    last = (await told(calls, head="heads/heights", label_field="by.height"))[-1]
    assert (last.written_count, last.unchanged_count, last.unlabelled_count) == (0, 12, 0)


async def test_a_filter_says_which_even_one_on_the_label_itself(calls):
    last = (await told(calls, filter=filtered("n < 5")))[-1]
    assert last.written_count == 5
    last = (await told(calls, filter=filtered("NOT side:*")))[-1]
    assert last.written_count == 7


async def test_records_that_are_written_meanwhile_keep_what_they_hold(calls, monkeypatch):
    page, written = record_predictions._page, Event()

    def late(asked, after):
        assert written.wait(10)
        return page(asked, after)

    monkeypatch.setattr(record_predictions, "_page", late)
    async for report in calls.PredictRecords(request()):
        if report.progress == 0:
            await calls.UpsertRecords(upsert_request(record("11", vector=at(11), payload=b'{"mine": 1}')))
            await calls.DeleteRecords(r.DeleteRecordsRequest(collection="collections/notes", ids=["10"]))
            written.set()
    found = await payloads(calls)
    assert found["11"] == {"mine": 1}
    assert "10" not in found
    assert (report.failed_count, report.written_count) == (0, 10)


async def test_a_record_that_is_written_between_reading_and_writing_keeps_what_it_holds(calls, monkeypatch):
    wanted = record_predictions._wanted

    def meddling(asked, records, tally):
        if records and records[0].id == "0":
            mine = Record(
                "0",
                vectors={asked.collection.config.vectors[0].name: np.array(at(0), np.float32)},
                payload=b'{"mine": 1}',
            )
            asked.collection.upsert([Write(mine)]).result()
        return wanted(asked, records, tally)

    monkeypatch.setattr(record_predictions, "_wanted", meddling)
    last = (await told(calls))[-1]
    assert (last.written_count, last.failed_count) == (11, 0)
    assert (await payloads(calls))["0"] == {"mine": 1}


async def test_where_the_head_abstains_the_label_goes(calls, monkeypatch):
    await told(calls)
    predictor = record_predictions.Predictor
    predict = predictor.predict

    def unsure(self, rows, limit=1):
        found = predict(self, rows, limit)
        found.abstained[:] = True
        return found

    monkeypatch.setattr(predictor, "predict", unsure)
    last = (await told(calls, probability_field="p"))[-1]
    assert (last.unlabelled_count, last.written_count, list(last.labels)) == (12, 12, [])
    assert all("side" not in payload and "p" in payload for payload in (await payloads(calls)).values())
    assert (await told(calls, probability_field="p"))[-1].unchanged_count == 12


async def test_a_field_that_is_something_else_is_left_alone_and_counted(calls):
    records = [
        record("o", vector=at(1), payload=b'{"side": {"a": 1}}'),
        record("s", vector=at(1), payload=b'{"by": 1}'),
    ]
    await calls.UpsertRecords(upsert_request(*records))
    last = (await told(calls, filter=filtered("NOT n:*")))[-1]
    assert (last.failed_count, last.written_count) == (1, 1)
    assert last.failure == "record 'o': field 'side' of its payload holds an object; write into another field"
    last = (await told(calls, label_field="by.side", filter=filtered("NOT n:*")))[-1]
    assert (last.failed_count, last.failure) == (
        1,
        "record 's': field 'by' of its payload is no object; write into another field",
    )
    assert (await payloads(calls))["s"] == {"by": 1, "side": "right"}


REFUSED = [
    ({"label_field": ""}, "INVALID_ARGUMENT", "label_field '' is not the path of a field"),
    ({"label_field": "a..b"}, "INVALID_ARGUMENT", "label_field 'a..b' is not the path"),
    ({"probability_field": "side.p"}, "INVALID_ARGUMENT", "one holds the other"),
    ({"label_field": ".".join("abcdefghi")}, "INVALID_ARGUMENT", "has 9 parts"),
    ({"filter": filtered("n <")}, "INVALID_ARGUMENT", ""),
    ({"head": "heads/heights", "probability_field": "p"}, "INVALID_ARGUMENT", "leave out probability_field"),
    ({"head": "heads/none"}, "NOT_FOUND", "head 'none' does not exist"),
    ({"version": 7}, "NOT_FOUND", "has no version 7"),
    ({"collection": "collections/none"}, "NOT_FOUND", "'none'"),
    ({"vector_name": "photo"}, "NOT_FOUND", "has no vector 'photo'"),
    (
        {"collection": "collections/words"},
        "FAILED_PRECONDITION",
        "of collection 'words', of encoder 'tiny', has fingerprint",
    ),
    (
        {"collection": "collections/words"},
        "FAILED_PRECONDITION",
        "head 'sides' holds fingerprint ''; name another vector",
    ),
]


async def test_what_cannot_be_done_is_refused_before_any_work(calls):
    await calls.CreateCollection(create_request("words", encoder="encoders/tiny"))
    for changes, code, wrong in REFUSED:
        error = await refused(told(calls, **changes))
        assert (error.code(), wrong in error.details()) == (grpc.StatusCode[code], True), error.details()
    assert not any("side" in payload for payload in (await payloads(calls)).values())
