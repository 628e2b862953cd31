import json

import pytest

from frostline.v1.drift_pb2 import Drift


@pytest.fixture
def pets(tmp_path):
    """A file of two cats and an owl."""
    path = tmp_path / "pets.jsonl"
    rows = [{"text": "miaow", "label": "cat"}, {"text": "woof", "label": "dog"}, {"text": "purr", "label": "owl"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.fixture(autouse=True)
def trained(fake, pretend, pets):
    assert pretend("heads", "train", "pets", pets).exit_code == 0
    fake.requests.clear()


def lines(result):
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def test_drift_says_whether_and_shows_what(fake, pretend):
    result = pretend("heads", "drift", "pets", "a", "b", "c", "d", "e x", "--limit", "3")
    shown = lines(result)
    assert ["Changed", "yes", "(p", "=", "0.002)"] in shown
    assert ["Told", "apart", "90.0", "%;", "50.0", "%", "if", "nothing", "has", "changed"] in shown
    assert shown[-4:] == [["MOST", "SHIFTED", "SCORE"], ["e", "x", "1.00"], ["b", "0.50"], ["r9", "0.25"]]
    assert result.stderr.splitlines() == ["Starting", "Comparing"]
    assert fake.of("MeasureDrift")[0].limit == 3


def test_drift_that_may_be_chance_is_not_called_drift(pretend, monkeypatch):
    monkeypatch.setattr("fake_heads.DRIFT", Drift(p_value=0.2))
    assert ["Changed", "it", "may", "be", "chance", "(p", "=", "0.200)"] in lines(
        pretend("heads", "drift", "pets", "a")
    )


def test_suggestions_come_with_what_the_head_takes_them_for(fake, pretend):
    shown = lines(
        pretend("heads", "suggest", "one", "two", "--head", "pets", "--strategy", "uncertainty", "--count", "2")
    )
    assert shown == [
        ["INPUT", "SCORE", "LIKELY", "LABEL", "PROBABILITY"],
        ["two", "0.750", "cat", "0.500"],
        ["r0", "0.500", "owl", "0.625"],
    ]
    shown = lines(pretend("heads", "suggest", "--collection", "notes", "--label-field", "color", "--filter", "n < 3"))
    assert shown[0] == ["INPUT", "SCORE"]
    records = fake.of("SuggestLabels")[1].inputs.records
    assert (records.collection, records.field, records.filter.expression) == ("collections/notes", "color", "n < 3")


def test_an_audit_names_examples_by_what_was_given(pretend, pets):
    shown = lines(pretend("heads", "audit", pets, "--encoder", "tiny"))
    assert ["Suspect", "labels", "3"] in shown
    assert ["woof", "dog", "cat", "0.125"] in shown
    assert ["1", "miaow", "cat", "contradictory"] in shown
    assert ["1", "r2", "owl", "contradictory"] in shown
    assert ["example", "7", "owl", "1.50"] in shown


def test_texts_without_a_head_or_an_encoder_take_the_encoder_that_training_takes(fake, pretend, pets, tmp_path):
    lines(pretend("heads", "audit", pets))
    lines(pretend("heads", "suggest", "one", "two"))
    lines(pretend("heads", "audit", pets, "--head", "pets"))
    encoders = [request.encoder for kind in ("AuditLabels", "SuggestLabels") for request in fake.of(kind)]
    assert encoders == ["encoders/all-minilm-l6-v2", "", "encoders/all-minilm-l6-v2"]


def test_an_audit_of_a_head_sends_no_examples(fake, pretend):
    assert ["example", "1", "dog", "cat", "0.125"] in lines(pretend("heads", "audit", "--head", "pets"))
    (request,) = fake.of("AuditLabels")
    assert (request.head, request.HasField("examples")) == ("heads/pets", False)


def test_answers_for_programs(pretend):
    drift = json.loads(pretend("heads", "drift", "pets", "a", "--json").stdout)
    assert (drift["p_value"], drift["shifted"][0]) == (0.002, {"position": 4, "record_id": "", "score": 1.0})
    audit = json.loads(pretend("heads", "audit", "--head", "pets", "--json").stdout)
    assert audit["duplicates"][0]["examples"][1]["record_id"] == "r2"
    suggested = json.loads(pretend("heads", "suggest", "a", "b", "--head", "pets", "--json").stdout)
    assert [each["position"] for each in suggested] == [1, 0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["drift", "pets", "a", "--filter", "n < 3"],
        ["drift", "pets", "a", "--collection", "notes"],
        ["suggest", "a", "--label-field", "color"],
        ["suggest", "a", "--strategy", "luck"],
        ["audit"],
    ],
)
def test_contradictions_are_usage_errors(fake, pretend, arguments):
    assert pretend("heads", *arguments).exit_code == 2
    assert fake.requests == []
