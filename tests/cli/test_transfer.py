import json

import pytest

from fake_transfer import PAGE
from frostline.v1 import head_service_pb2 as v1


@pytest.fixture
def pets(tmp_path):
    """A file of a cat and a dog."""
    path = tmp_path / "pets.jsonl"
    path.write_text('{"text": "miaow", "label": "cat"}\n{"text": "woof", "label": "dog"}\n')
    return str(path)


def test_the_verdict_comes_with_its_reason_a_curve_and_the_points(fake, pretend, pets, tmp_path):
    page = tmp_path / "transfer.html"
    result = pretend("heads", "transfer", pets, "--html", str(page))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:2] == ["POSITIVE", "Over the whole curve the head is 30.0 points better."]
    text = " ".join(result.stdout.split())
    assert "at least 20 times fewer labels, 2 instead of 40 for 75.0 %; factor 10 to 20" in text
    assert (
        "HOG and logistic regression; better in cross-validation than pixels and logistic regression (25.0 %)" in text
    )
    assert "40 to learn from, 10 held out to judge by; 10 draws" in text
    assert "Whole curve +30.0 points (+25.0 to +35.0)" in text
    rows = [line.split() for line in lines]
    assert ["1", "2", "75.0", "%", "25.0", "%", *"+50.0 points (+45.0 to +55.0)".split(), "<", "0.001", "0.031"] in rows
    assert any(row[:2] == ["all", "40"] for row in rows)
    assert sum(line.count("●") for line in lines) == 3 + 1  # and the legend
    assert page.read_text() == PAGE
    assert result.stderr.splitlines() == [
        "Training 21 heads and 21 baselines: about 9.0 s where nothing else runs",
        "Waiting for others in line before",
        "Embedding examples",
        "Learning",
    ]
    (request,) = fake.of("MeasureTransfer")
    assert request.encoder == "encoders/all-minilm-l6-v2"


def test_the_cost_alone(fake, pretend, pretended, pets):
    result = pretend("heads", "transfer", pets, "--only-cost")
    assert result.stdout == "Training 21 heads and 21 baselines: about 9.0 s where nothing else runs, and embedding.\n"
    assert fake.of("MeasureTransfer")[0].validate_only
    assert pretended("heads", "transfer", pets, "--only-cost")["heads"] == 21


def test_options_reach_the_server_and_json_is_the_report(fake, pretended, pets):
    told = pretended(
        *("heads", "transfer", pets, "--encoder", "tiny", "--held-out", pets, "--recipe", "lda", "--strength", "0.5"),
        *("--draws", "20", "--collection", "notes", "--filter", "n < 3", "--vector", "title"),
    )
    assert (told["verdict"], told["points"][0]["shots"]) == ("positive", 1)
    (request,) = fake.of("MeasureTransfer")
    assert (request.encoder, request.draws) == ("encoders/tiny", 20)
    assert (request.options.recipe, request.options.strength) == (v1.RECIPE_LDA, 0.5)
    assert (request.examples.records.field, request.examples.records.vector_name) == ("label", "title")
    assert [each.text for each in request.held_out.examples] == ["miaow", "woof"]


def test_a_page_is_not_replaced_unasked_and_something_must_be_given(fake, pretend, pets, tmp_path):
    page = tmp_path / "transfer.html"
    page.write_text("kept")
    refused = pretend("heads", "transfer", pets, "--html", str(page))
    assert refused.exit_code == 1
    assert "give --replace" in refused.stderr
    assert page.read_text() == "kept"
    assert not fake.requests
    assert pretend("heads", "transfer").exit_code == 2
    assert json.loads(pretend("heads", "transfer", pets, "--html", str(page), "--replace", "--json").stdout)
    assert page.read_text() == PAGE
