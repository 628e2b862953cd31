import json

import pytest


@pytest.fixture
def pets(tmp_path):
    """A file of two cats and a dog."""
    path = tmp_path / "pets.jsonl"
    rows = [{"text": "miaow", "label": "cat"}, {"text": "woof", "label": "dog"}, {"text": "purr", "label": "cat"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_encoders_are_listed_the_best_first_after_the_cost(pretend, pets):
    result = pretend("heads", "compare", pets)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == "ENCODER LAYER ACCURACY, % BEHIND LOGME H-SCORE 5-NN, % TRANSFER".split()
    assert lines[1] == "= wide pooled, mean 90.0 (85.0 to 95.0) 0.0 0.750 1.50 87.5 near, 0.25".split()
    assert lines[2] == "tiny pooled, mean 60.0 (50.0 to 70.0) 30.0 -0.250 0.50 50.0".split()
    assert "On 3 examples of 2 classes, each left out in turn; the best one is best beyond chance." in result.stdout
    assert result.stderr.splitlines() == [
        "Comparing 2 encoders at 2 depths on 3 examples: about 1 min 31 s",
        "Embedding examples",
        "Comparing",
    ]


def test_the_cost_alone(fake, pretend, pets):
    result = pretend("heads", "compare", pets, "--only-cost")
    assert fake.of("CompareEncoders")[0].validate_only
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1] == "tiny pooled 4 30.0 s 500.0 ms".split()
    assert lines[-1][-4:] == ["1", "min", "31", "s."]


def test_options_reach_the_server(fake, pretended, pets, tmp_path):
    seen = tmp_path / "seen.jsonl"
    seen.write_text("\n".join(json.dumps({"text": f"text {n}"}) for n in range(1_000)))
    told = pretended(
        *("heads", "compare", pets, "--encoder", "tiny", "--encoder", "wide", "--layer", "pooled"),
        *("--collection", "notes", "--label-field", "label", "--filter", "n < $most", "--param", "most=3"),
        *("--seen", str(seen), "--max-examples", "50"),
    )
    (request,) = fake.of("CompareEncoders")
    assert (list(request.encoders), list(request.layers)) == (["encoders/tiny", "encoders/wide"], ["pooled"])
    assert (request.examples.records.field, request.max_examples) == ("label", 50)
    assert [each.text for each in request.seen] == [f"text {n}" for n in range(0, 1_000, 2)]
    assert told["encoders"][0]["accuracy"] == {"value": 0.9, "low": 0.85, "high": 0.95}
    assert [each["tied"] for each in told["encoders"]] == [True, False]


def test_a_folder_of_images_was_seen(fake, pretended, tmp_path):
    for name in ("cat/1.png", "dog/1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(name.encode())
    cost = pretended("heads", "compare", str(tmp_path), "--seen", str(tmp_path), "--only-cost")
    (request,) = fake.of("CompareEncoders")
    assert [each.image for each in request.seen] == [b"cat/1.png", b"dog/1.png"]
    assert cost["seconds"] == 91.25


def test_labelled_examples_are_needed(pretend):
    result = pretend("heads", "compare")
    assert result.exit_code == 2
    assert "SOURCE" in result.stderr
