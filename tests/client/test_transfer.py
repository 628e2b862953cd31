"""Measuring transfer: what is asked, what is told meanwhile, and the report."""

import json

import pytest

from fake_calls import Code, fails
from fake_transfer import PAGE
from frostline.client import Example, Internal, Interval, InvalidInput, LabelledRecords, Unavailable
from frostline.client._from_wire_transfer import report_of
from frostline.client.transfer import LabelSaving, TransferCost
from frostline.server.api.transfer import report_message
from frostline.server.heads.transfer import report as measured
from frostline.v1 import head_service_pb2 as v1
from frostline.wire.reasons import Reason
from made_transfer import transfer_report

PETS = [Example(text="miaow", label="cat"), Example(text="woof", label="dog")]


def test_a_report_says_what_was_measured(client):
    told, heard = [], []
    report = client.measure_transfer(PETS, encoder="tiny", cost=heard.append, progress=lambda *each: told.append(each))
    assert heard == [TransferCost(heads=21, baselines=21, seconds=9)]
    assert told == [("waiting", 0.0), ("embedding", 0.125), ("learning", 0.5)]
    assert (report.verdict, report.encoder, report.classes) == ("positive", "tiny", ("cat", "dog"))
    assert str(report.label_saving) == "at least 20 times fewer labels"
    assert [each.accuracy for each in report.baselines] == [0.5, 0.25]
    assert [point.examples for point in report.points] == [2, 8, 40]
    assert (report.points[0].head.value, report.points[0].scratch.value) == (0.75, 0.25)
    assert [point.everything for point in report.points] == [False, False, True]
    assert (report.split.training_sha256, report.split.held_out_sha256, report.split.draws_sha256) == ("aa", "bb", "cc")
    assert (report.head_growth.asymptote.value, report.scratch_growth, report.higher_asymptote) == (0.96, None, None)
    assert (report.crossover, report.seconds.embedding, report.seconds.saved) == (None, None, 1.5)
    assert (report.cost.heads, report.measured_seconds) == (21, 8.5)


def test_the_cost_alone(fake, client):
    cost = client.transfer_cost(PETS, encoder="tiny", recipe="ridge", draws=20)
    assert (cost.heads, cost.baselines, cost.seconds) == (21, 21, 9)
    (request,) = fake.of("MeasureTransfer")
    assert (request.validate_only, request.draws, request.options.recipe) == (True, 20, v1.RECIPE_RIDGE)
    client.measure_transfer(PETS, encoder="tiny")
    assert not fake.of("MeasureTransfer")[1].validate_only


def test_a_report_becomes_json_and_a_page(client, tmp_path):
    report = client.measure_transfer(PETS, encoder="tiny")
    told = json.loads(report.to_json())
    assert (told["verdict"], told["label_saving"]["factor"]["value"], told["scratch_growth"]) == (
        "positive",
        20.0,
        None,
    )
    assert "html" not in told
    page = report.save_html(tmp_path / "transfer.html")
    assert page.read_text(encoding="utf-8") == report.html == PAGE
    with pytest.raises(InvalidInput, match="cannot write"):
        report.save_html(tmp_path / "nowhere" / "transfer.html")
    assert PAGE not in repr(report)


@pytest.mark.parametrize("fields", [{}, {"crossover": 12.5, "head_growth": None, "higher_asymptote": None}])
def test_what_the_server_found_arrives_whole(fields):
    found = transfer_report(**fields)
    arrived = report_of(report_message(found), b"")
    assert measured.TransferReport.model_validate_json(arrived.to_json()) == found


@pytest.mark.parametrize(
    ("factor", "at_least", "at_most", "said"),
    [
        (7.254, False, False, "7.25 times fewer labels"),
        (12.0, False, True, "at most 12 times fewer labels"),
        (0.25, True, False, "at most 4 times more labels"),
        (0.25, False, True, "at least 4 times more labels"),
    ],
)
def test_labels_saved_are_said_in_words(factor, at_least, at_most, said):
    saving = LabelSaving(Interval(factor, 0.1, 20), 0.75, 10, 20, at_least=at_least, at_most=at_most)
    assert str(saving) == said


async def test_options_reach_the_server(fake, aclient):
    await aclient.measure_transfer(
        records=LabelledRecords("notes", "kind"),
        held_out=[Example(record_id="7", label="cat")],
        collection="others",
        recipe="ridge",
        strength=2,
        balance_classes=True,
        draws=20,
    )
    (request,) = fake.of("MeasureTransfer")
    assert (request.encoder, request.draws) == ("", 20)
    assert (request.options.recipe, request.options.strength) == (v1.RECIPE_RIDGE, 2)
    assert request.options.balance_classes
    assert request.examples.records.collection == "collections/notes"
    assert [each.record_id for each in request.held_out.examples] == ["7"]
    assert request.held_out.collection == "collections/others"


def test_contents_travel_as_they_are_however_large(fake, client):
    large = [Example(text=f"{n} " + "miaow " * 90_000, label="cat") for n in range(6)]
    client.measure_transfer([*large, Example(text="woof", label="dog")], encoder="tiny")
    (request,) = fake.of("MeasureTransfer")
    assert [each.text for each in request.examples.examples] == [each.text for each in large] + ["woof"]
    assert not fake.of("StreamEmbed", "Embed")


def test_what_cannot_be_asked_is_refused_here(fake, client):
    with pytest.raises(InvalidInput, match="draws 9 is no whole number from 10 to 100"):
        client.measure_transfer(PETS, encoder="tiny", draws=9)
    with pytest.raises(InvalidInput, match="example 0 needs one of text"):
        client.measure_transfer([Example(label="cat")], encoder="tiny")
    assert not fake.requests


def test_a_call_is_tried_again_until_the_server_has_begun_and_not_after(fake, client):
    fake.faults["MeasureTransfer"].append(fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN))
    assert client.measure_transfer(PETS, encoder="tiny").verdict == "positive"
    assert len(fake.of("MeasureTransfer")) == 2
    fake.breaks["MeasureTransfer"].append(2)
    with pytest.raises(Unavailable):
        client.measure_transfer(PETS, encoder="tiny")
    assert len(fake.of("MeasureTransfer")) == 3


def test_an_end_without_a_report_is_the_servers_fault(fake, client, monkeypatch):
    monkeypatch.setattr("fake_transfer.REPORT", None)
    with pytest.raises(Internal, match="without a report"):
        client.measure_transfer(PETS, encoder="tiny")
