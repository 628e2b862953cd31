import json

import numpy as np
import pytest

from fake_calls import Code, fails
from fake_heads import ARCHIVE, EVALUATION
from frostline.v1 import head_service_pb2 as v1
from frostline.wire import tensors
from frostline.wire.reasons import Reason


@pytest.fixture
def pets(tmp_path):
    """A file of two cats and a dog."""
    path = tmp_path / "pets.jsonl"
    rows = [{"text": "miaow", "label": "cat"}, {"text": "woof", "label": "dog"}, {"text": "purr", "label": "cat"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.fixture
def trained(fake, pretended, pets):
    """The head `pets`, ready."""
    pretended("heads", "train", "pets", pets, "--description", "Noises")
    fake.requests.clear()
    return "pets"


def lines(result):
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def test_training_says_what_was_chosen_and_shows_its_steps(fake, pretend, pets):
    result = pretend("heads", "train", "pets", pets)
    shown = lines(result)
    assert shown[0] == ["Head", "pets,", "version", "1"]
    assert shown[1] == ["State", "ready,", "and", "serves"]
    assert ["Recipe", "ridge,", "strength", "10"] in shown
    assert ["Held-out", "accuracy", "87.5", "%"] in shown
    tried = shown.index(["TRIED", "STRENGTH", "LOG", "LOSS"])
    assert shown[tried + 1 : tried + 4] == [
        ["ridge", "10", "0.5000", "chosen"],
        ["ridge", "1", "0.6250"],
        ["lda", "0.5", "0.7500"],
    ]
    assert ["Examples", "3", "of", "2", "classes,", "1", "to", "2", "each"] in shown
    assert result.stderr.splitlines() == ["Starting", "Choosing a recipe", "Fitting", "Writing"]
    (request,) = fake.of("CreateHead")
    assert request.encoder == "encoders/all-minilm-l6-v2"


def test_options_reach_the_server(fake, pretended, pets, tmp_path):
    describe = tmp_path / "about.json"
    describe.write_text('{"owl": "a bird of the night"}')
    np.save(target := tmp_path / "target.npy", np.eye(4, dtype=np.float32))
    told = pretended(
        *("heads", "train", "pets", pets, "--encoder", "tiny", "--describe", str(describe), "--recipe", "lda"),
        *("--strength", "0.5", "--balance-classes", "--abstain-error", "0.05", "--coverage", "0.8"),
        *("--description", "Noises", "--no-wait", "--collection", "notes", "--label-field", "label"),
        *("--filter", "n < $most", "--param", "most=3", "--vector", "title"),
        *("--layer", "layer-1", "--scaling", "square_root", "--whiten", "--adapt-to", str(target), "--augment", "2"),
    )
    (request,) = fake.of("CreateHead")
    assert request.options == v1.HeadOptions(
        recipe=v1.RECIPE_LDA,
        strength=0.5,
        balance_classes=True,
        descriptions={"owl": "a bird of the night"},
        abstain_error=0.05,
        coverage=0.8,
        task=v1.HEAD_TASK_CLASS,
        scaling=v1.FEATURE_SCALING_SQUARE_ROOT,
        whiten=True,
        augment=2,
    )
    assert (request.layer, tensors.decode(request.target).tolist()) == ("layer-1", np.eye(4).tolist())
    records = request.examples.records
    assert (records.collection, records.field, records.vector_name) == ("collections/notes", "label", "title")
    assert (records.filter.expression, dict(records.filter.parameters)) == ("n < $most", {"most": b"3"})
    assert (told["description"], told["versions"][0]["state"]) == ("Noises", "training")


def test_records_bring_their_own_encoder(fake, pretended):
    pretended("heads", "train", "pets", "--collection", "notes", "--label-field", "color")
    (request,) = fake.of("CreateHead")
    assert (request.encoder, request.examples.records.field) == ("", "color")


def test_a_folder_of_images_for_each_label(fake, pretended, tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.png").write_bytes(label.encode())
    pretended("heads", "train", "pets", str(tmp_path / "photos"), "--encoder", "tiny")
    sent = fake.of("CreateHead")[0].examples.examples
    assert [(example.image, example.label) for example in sent] == [(b"cat", "cat"), (b"dog", "dog")]


@pytest.mark.parametrize("command", ["train", "update", "evaluate"])
def test_an_image_that_cannot_be_used_is_named_by_its_file(fake, pretend, pretended, pets, tmp_path, command):
    pretended("heads", "train", "pets", pets)
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.png").write_bytes(label.encode())
    reason = "example 1: image of 3 bytes is of another format"
    fake.failure = reason
    fake.faults["EvaluateHead"].append(fails(Code.INVALID_ARGUMENT, reason, Reason.INVALID_INPUT))
    result = pretend("heads", command, "pets", str(tmp_path / "photos"))
    assert result.exit_code == 1
    assert f"example 1 ({tmp_path}/photos/dog/1.png): image of 3 bytes" in result.stderr


def test_an_interrupted_wait_says_that_the_training_goes_on(fake, pretend, pets, monkeypatch):
    def interrupt(display, text):
        raise KeyboardInterrupt

    monkeypatch.setattr("frostline.cli.progress._Log.step", interrupt)
    result = pretend("heads", "train", "pets", pets)
    assert result.exit_code == 130
    assert "frostline heads show pets" in result.stderr
    assert "frostline heads cancel pets" in result.stderr
    assert "heads/pets" in fake.heads


def test_a_training_that_fails_is_told_in_one_line(fake, pretend, pets):
    fake.failure = "only class 'cat' has examples"
    result = pretend("heads", "train", "pets", pets, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: version 1 of head 'pets' could not be trained: only class 'cat'")


def test_a_missing_field_says_which_row_and_which_fields(fake, pretend, pets):
    result = pretend("heads", "train", "pets", pets, "--label-field", "kind")
    assert result.exit_code == 1
    assert "row 1 of" in result.stderr
    assert "has no 'kind', it has 'text', 'label'; choose with --label-field" in result.stderr
    assert fake.requests == []


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is no JSON"), ("[1]", "holds a list"), ('{"a": 1}', "describes 'a' by '1'"), (None, "No such file")],
)
def test_descriptions_that_cannot_be_read(pretend, tmp_path, content, message):
    path = tmp_path / "about.json"
    if content is not None:
        path.write_text(content)
    result = pretend("heads", "train", "pets", "--describe", str(path))
    assert (result.exit_code, message in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "pets"],
        ["train", "pets", "x.jsonl", "--recipe", "forest"],
        ["train", "pets", "--describe", "x.json", "--filter", "a = 1"],
        ["update", "pets"],
        ["evaluate", "pets"],
        ["merge", "all", "pets"],
        ["predict", "pets", "a", "--file", "b.png"],
        ["predict", "pets", "a", "--limit", "0"],
        ["export", "pets", "x.zip", "--format", "pickle"],
    ],
)
def test_contradictions_are_usage_errors(fake, pretend, arguments):
    assert pretend("heads", *arguments).exit_code == 2
    assert fake.requests == []


def test_predictions_are_a_table(pretend, trained):
    shown = lines(pretend("heads", "predict", "pets", "miaow", "is it?"))
    assert shown[0] == ["INPUT", "LABEL", "PROBABILITY", "OUT", "OF", "SCOPE", "LABEL", "SET"]
    assert shown[1] == ["miaow", "dog", "0.750", "0.08", "dog"]
    assert shown[2] == ["is", "it?", "cat", "(abstains)", "0.750", "0.09", "cat,", "dog"]
    assert shown[3][:6] == ["2", "predictions", "of", "version", "1", "of"]


def test_more_classes_are_shown_below(fake, pretend, trained):
    shown = lines(pretend("heads", "predict", "pets", "miaow", "--limit", "2", "--version", "1"))
    assert shown[1:3] == [["miaow", "dog", "0.750", "0.08", "dog"], ["cat", "0.375"]]
    assert fake.of("Predict")[0].version == 1


def test_predictions_for_programs(pretended, trained):
    told = pretended("heads", "predict", "pets", "miaow", "--limit", "2")
    assert told["predictions"] == [
        {
            "input": "miaow",
            "label": "dog",
            "probability": 0.75,
            "abstained": False,
            "out_of_scope": 5 / 64,
            "label_set": ["dog"],
            "ranked": [{"label": "dog", "probability": 0.75}, {"label": "cat", "probability": 0.375}],
        }
    ]
    assert (told["head"], told["version"], told["errors"]) == ("pets", 1, [])


def test_lines_of_stdin_are_predicted_and_a_bad_one_fails_alone(pretend, trained):
    result = pretend("heads", "predict", "pets", "--json", input="a\nbad\n")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [one["label"] for one in told["predictions"]] == ["dog", None]
    assert told["errors"][0]["index"] == 1
    assert result.stderr.startswith("error: 1 of 2 inputs failed; 'bad': ")
    assert pretend("heads", "predict", "pets", "bad").stdout.splitlines()[1].split() == ["bad", "failed"]


def test_images_are_predicted(fake, pretend, trained, tmp_path):
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8")
    assert pretend("heads", "predict", "pets", "--file", str(tmp_path / "cat.jpg")).exit_code == 0
    assert fake.of("Predict")[0].inputs[0].image == b"\xff\xd8"


def test_a_collection_is_labelled(fake, pretend, trained):
    options = ("--label-field", "animal", "--probability-field", "p", "--filter", "n < $m", "--param", "m=2")
    shown = lines(pretend("heads", "predict-records", "pets", "notes", *options, "--most", "1"))
    assert shown[0] == ["Head", "pets,", "version", "1"]
    assert shown[1] == ["Written", "8", "records,", "3", "held", "just", "that", "already"]
    assert shown[-3:] == [["LABEL", "RECORDS"], ["cat", "7"], ["and", "1", "more"]]
    (request,) = fake.of("PredictRecords")
    assert (request.label_field, request.probability_field, request.filter.expression) == ("animal", "p", "n < $m")


def test_records_that_could_not_be_labelled_fail_the_command(pretend, pretended, trained, monkeypatch):
    arguments = ("heads", "predict-records", "pets", "notes", "--label-field", "animal")
    assert pretended(*arguments)["predicted"]["labels"] == {"cat": 7, "dog": 3}
    spoiled = v1.PredictRecordsResponse(progress=1, failed_count=2, failure="record 'a': no")
    monkeypatch.setattr("fake_heads.PREDICTED_RECORDS", spoiled)
    result = pretend(*arguments)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        1,
        "error: 2 records could not be written; the first: record 'a': no",
    )


def test_an_evaluation_shows_the_worst_classes_and_the_most_confused_pairs(pretend, trained, pets):
    shown = lines(pretend("heads", "evaluate", "pets", pets, "--worst", "2"))
    assert shown[1] == ["Accuracy", "87.5", "%", "(75.0", "to", "95.0)"]
    assert ["Overfitting", "+10.0", "points", "on", "the", "training", "examples"] in shown
    classes = shown.index(["WORST", "CLASS", "F1", "PRECISION", "RECALL", "EXAMPLES"])
    assert shown[classes + 1 : classes + 4] == [
        ["owl", "0.660", "0.750", "0.600", "5"],
        ["dog", "0.820", "0.850", "0.800", "15"],
        [],
    ]
    assert shown[-3:] == [["TRUE", "PREDICTED", "TIMES"], ["dog", "cat", "2"], ["owl", "dog", "2"]]
    assert "WORST" not in pretend("heads", "evaluate", "pets", pets, "--worst", "0").stdout


def test_classes_without_examples_are_no_worst_classes_and_unknown_labels_are_named(
    pretend, trained, pets, monkeypatch
):
    absent = v1.ClassEvaluation(label="emu", support=0)
    answer = v1.Evaluation(version=1, classes=[absent, *EVALUATION.classes], unknown_labels=["yak", "zzz"])
    monkeypatch.setattr("fake_heads.EVALUATION", answer)
    shown = pretend("heads", "evaluate", "pets", pets).stdout
    assert "owl" in shown
    assert "emu" not in shown
    assert "Labels that pets does not know, all errors: yak, zzz" in shown


def test_an_evaluation_by_group_shows_the_gap_and_what_thresholds_would_do(fake, pretend, pretended, trained):
    arguments = ("heads", "evaluate", "pets", "--collection", "notes", "--label-field", "color", "--group-field", "age")
    shown = lines(pretend(*arguments, "--worst", "0"))
    groups = shown.index(["GROUP", "EXAMPLES", "ACCURACY", "MACRO", "F1", "ANSWERED", "IN", "LABEL", "SET"])
    assert shown[groups + 2] == "kitten 20 75.0 % (65.0 to 85.0) 0.500 75.0 % 90.0 %".split()
    assert "Gap 12.5 points (-5.0 to 25.0) from kitten to adult".split() in shown
    assert "By chance as large in 25.0 % of random groups".split() in shown
    assert "Not judged, with fewer than 10 examples: senior (3)".split() in shown
    before = "50.0 %, of which (unknown) are right"
    assert f"adult 0.250 {before} 100.0 %, of which 87.5 % are right".split() in shown
    assert f"kitten (never answers) {before} 0.0 %, of which (unknown) are right".split() in shown
    assert shown[-1] == "Gap of answers 12.5 points (0.0 to 25.0) before, (unknown) after".split()
    assert fake.of("EvaluateHead")[0].examples.records.group_field == "age"
    assert pretended(*arguments)["groups"]["mitigation"]["thresholds"][1]["threshold"] == 2


def test_groups_of_a_file(fake, pretend, trained, tmp_path):
    path = tmp_path / "aged.jsonl"
    path.write_text('{"text": "miaow", "label": "cat", "age": 3}')
    assert pretend("heads", "evaluate", "pets", str(path), "--group-field", "age").exit_code == 0
    assert fake.of("EvaluateHead")[0].examples.examples[0].group == "3"


def test_an_evaluation_for_programs(fake, pretended, trained, pets):
    told = pretended("heads", "evaluate", "pets", pets, "--version", "1")
    assert (told["head"], told["accuracy"]["value"], told["confusion"][0]) == ("pets", 0.875, [19, 1, 0])
    assert told["classes"][0]["label"] == "cat"
    assert fake.of("EvaluateHead")[0].version == 1


def test_an_update_adds_and_removes(fake, pretended, trained, tmp_path):
    for name, row in {"more": {"body": "hoo", "kind": "owl"}, "less": {"body": "woof", "kind": "dog"}}.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row))
    fields = ("--text-field", "body", "--label-field", "kind", "--remove-class", "cat")
    more, less = str(tmp_path / "more.jsonl"), str(tmp_path / "less.jsonl")
    told = pretended("heads", "update", "pets", more, "--remove", less, *fields)
    (request,) = fake.of("UpdateHead")
    assert [example.text for example in request.added.examples] == ["hoo"]
    assert [example.text for example in request.removed.examples] == ["woof"]
    assert list(request.removed_classes) == ["cat"]
    assert [found["label"] for found in told["versions"][0]["classes"]] == ["owl"]


def test_an_update_may_only_remove(fake, pretended, trained, pets):
    pretended("heads", "update", "pets", "--remove", pets, "--text-field", "text")
    assert len(fake.of("UpdateHead")[0].removed.examples) == 3


def test_heads_merge_by_name_and_by_archive(fake, pretended, trained, tmp_path):
    archive = tmp_path / "other.zip"
    archive.write_bytes(b"PK")
    told = pretended("heads", "merge", "all", "pets", str(archive), "--description", "Both")
    parts = fake.of("MergeHeads")[0].parts
    assert [(part.head, part.archive) for part in parts] == [("heads/pets", b""), ("", b"PK")]
    assert (told["name"], told["description"]) == ("all", "Both")


def test_a_missing_archive_is_named(pretend):
    result = pretend("heads", "merge", "all", "a.zip", "b.zip")
    assert (result.exit_code, "a.zip: No such file" in result.stderr) == (1, True)


def test_an_export_replaces_a_file_only_when_told(fake, pretend, pretended, trained, tmp_path):
    path = tmp_path / "pets.onnx"
    told = pretended("heads", "export", "pets", str(path), "--format", "onnx", "--version", "1")
    assert told == {"head": "pets", "format": "onnx", "path": str(path), "size_bytes": len(ARCHIVE)}
    assert path.read_bytes() == ARCHIVE
    assert (fake.of("ExportHead")[0].format, fake.of("ExportHead")[0].version) == (v1.EXPORT_FORMAT_ONNX, 1)
    assert "give --replace" in pretend("heads", "export", "pets", str(path)).stderr
    assert pretend("heads", "export", "pets", str(path), "--replace").stdout.splitlines()[1].split() == [
        "Format",
        "archive",
    ]


def test_heads_are_listed(pretend, pretended, trained, pets):
    pretended("heads", "train", "birds", pets, "--no-wait")
    shown = lines(pretend("heads", "list"))
    assert shown[1] == ["birds", "1,", "training", "auto", "2", "3", "all-minilm-l6-v2"]
    assert shown[2] == ["pets", "1", "ridge", "2", "3", "87.5", "%", "all-minilm-l6-v2", "Noises"]
    assert [head["name"] for head in pretended("heads", "list")] == ["birds", "pets"]
    pretended("heads", "delete", "pets", "--yes")
    assert "DESCRIPTION" not in pretend("heads", "list").stdout


def test_listed_encoders_stand_in_one_line(pretended, pretend, pets):
    for name in ("articles-of-fashion", "types5"):
        pretended("heads", "train", name, pets, "--description", "What it is")
    header, *rows = pretend("heads", "list").stdout.splitlines()
    assert "NEWEST" not in header
    assert all("all-minilm-l6-v2  What it is" in row for row in rows)
    assert len(rows) == 2


def test_no_heads_say_how_to_get_one(pretend):
    assert pretend("heads", "list").stdout.startswith("No heads; `frostline heads train`")


def test_a_head_is_shown_with_all_its_versions(fake, pretend, pretended, trained, pets):
    fake.failure = "interrupted"
    assert pretend("heads", "update", "pets", pets).exit_code == 1
    shown = lines(pretend("heads", "show", "pets"))
    assert ["Serves", "version", "1"] in shown
    assert ["2", "failed", "auto", "6", "2", "2001-09-09", "01:46"] in shown
    assert ["1", "serves", "ridge", "3", "2", "87.5", "%", "2.5", "s", "2001-09-09", "01:46"] in shown
    assert ["Version", "2", "failed:", "interrupted"] in shown
    assert ["Version", "1"] in shown
    assert shown[-3:] == [["CLASS", "EXAMPLES"], ["dog", "1"], ["cat", "2"]]
    assert "it has 2, 1" in pretend("heads", "show", "pets", "--version", "3").stderr
    assert pretended("heads", "show", "pets")["serving_version"] == 1


def test_a_head_in_training_is_shown_with_how_far_it_is(fake, pretend, pretended, pets):
    pretended("heads", "train", "pets", pets, "--no-wait")
    version = fake.heads["heads/pets"].versions[0]
    version.step, version.progress, version.example_count = "waiting", 0.5, 0
    version.ClearField("classes")
    shown = lines(pretend("heads", "show", "pets"))
    assert ["1", "training", "auto", "2001-09-09", "01:46"] in shown
    told = "Version 1 is being trained: Waiting for others in line before, 50.0 % done"
    assert told.split() in shown


def test_an_update_does_not_repeat_what_was_tried_for_another_version(pretend, pretended, trained, pets):
    assert "TRIED" in pretend("heads", "show", "pets").stdout
    updated = pretend("heads", "update", "pets", pets).stdout
    assert "Recipe and strength are those of version 1, which says what was tried." in updated
    assert "TRIED" not in updated


def test_classes_with_as_many_examples_are_no_table(pretend, pretended, tmp_path):
    rows = [{"text": "miaow", "label": "cat"}, {"text": "woof", "label": "dog"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pretended("heads", "train", "pets", str(tmp_path / "rows.jsonl"))
    shown = pretend("heads", "show", "pets").stdout
    assert "2 of 2 classes, 1 each" in shown
    assert "CLASS " not in shown


def test_cancelling_says_what_goes_on_serving(pretend, pretended, trained, pets):
    pretended("heads", "update", "pets", pets, "--no-wait")
    assert pretend("heads", "cancel", "pets").stdout == "Cancelled version 2 of pets; version 1 goes on serving.\n"
    pretended("heads", "train", "new", pets, "--no-wait")
    assert pretended("heads", "cancel", "new")["versions"][0]["state"] == "failed"


def test_rolling_back_says_what_serves(pretend, pretended, trained, pets):
    pretended("heads", "update", "pets", pets)
    assert pretend("heads", "rollback", "pets").stdout == "Version 1 of pets serves.\n"
    assert pretended("heads", "rollback", "pets", "--version", "2")["serving_version"] == 2


def test_deleting_asks_first(fake, pretend, pretended, trained):
    result = pretend("heads", "delete", "pets")
    assert (result.exit_code, "Delete head pets with all its versions?" in result.stderr) == (1, True)
    assert fake.requests == []
    assert pretended("heads", "delete", "pets", "--yes") == {"deleted": "pets"}
    assert pretended("heads", "list") == []


def test_a_head_that_is_not_there(fake, pretend):
    fake.faults["Predict"].append(fails(Code.NOT_FOUND, "there is no head 'none'", Reason.NOT_FOUND))
    result = pretend("heads", "predict", "none", "a")
    assert (result.exit_code, result.stderr) == (1, "error: there is no head 'none'\n")
