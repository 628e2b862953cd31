"""Heads of several labels: what logistic regression finds, thresholds that suit F1, and what cannot be learned."""

import json

import numpy as np
import pytest

from clouds import clouds
from frostline.server.errors import DataDamaged, InvalidInput
from frostline.server.heads import artifact, fitting, merging, multi_label
from frostline.server.heads.calibration import expected_calibration_error, probabilities
from frostline.server.heads.evaluation_of_labels import evaluate
from frostline.server.heads.examples import changed, check, find, find_classes
from frostline.server.heads.fitted import Recipe, Task, TrainingOptions
from frostline.server.heads.multi_label import best_threshold, thresholds
from frostline.server.heads.predictor import Predictor
from frostline.server.heads.recipes import logistic
from frostline.server.heads.truths import Tagged, containing, labels_in, written_labels

DIMENSIONS = 8
LABELS = ("common", "frequent", "rare")
OPTIONS = TrainingOptions(task=Task.LABELS, recipe=Recipe.LOGISTIC, strength=10)


def tagged(rows=160, seed=0):
    """Vectors with labels that half, a quarter and a twelfth of them have, whatever other labels they have."""
    draw = np.random.default_rng(seed)
    features = draw.standard_normal((rows, DIMENSIONS)).astype(np.float32)
    weights = np.random.default_rng(99).standard_normal((DIMENSIONS, 3))
    marks = features @ weights + 1.5 * draw.standard_normal((rows, 3)) > np.array([0.0, 2.2, 4.0])
    said = [written_labels(label for label, there in zip(LABELS, row, strict=True) if there) for row in marks]
    return check(features, said, task=Task.LABELS)


EXAMPLES, UNSEEN = tagged(), tagged(1_000, seed=1)


def ignored(_step, _done):
    pass


@pytest.fixture(scope="module")
def head():
    return fitting.train(EXAMPLES, OPTIONS, ignored)


def test_labels_are_written_alike_in_any_order():
    assert written_labels(["b", "a", "b"]) == written_labels(["a", "b"]) == '["a","b"]'
    assert labels_in(written_labels(["é", '"'])) == ('"', "é")
    assert labels_in(written_labels([])) == ()


def test_each_label_is_learned_against_the_rest(head):
    given = Tagged.of(EXAMPLES)
    assert head.classes == given.classes == LABELS
    assert head.counts.tolist() == given.marks.sum(axis=0).tolist()
    for place in range(3):
        two = check(given.features, ["yes" if mark else "no" for mark in given.marks[:, place]])
        both = logistic.fit(two, 10, False)
        np.testing.assert_allclose(head.decision.coef[place], both.coef[1] - both.coef[0], atol=1e-6)


def test_probabilities_can_be_believed_and_thresholds_serve_f1(head):
    likely, there = probabilities(head, UNSEEN.features), Tagged.of(UNSEEN).marks
    assert expected_calibration_error(likely.ravel(), there.ravel()) < 0.06
    judged = evaluate(head, UNSEEN)
    plain = 2 * ((likely >= 0.5) & there).sum(axis=0) / ((likely >= 0.5).sum(axis=0) + there.sum(axis=0))
    assert judged.macro_f1.value > plain.mean() + 0.02
    assert head.held_out_accuracy == pytest.approx(judged.accuracy.value, abs=0.1)


def test_the_threshold_with_the_best_f1_lies_between_two_probabilities():
    likely = np.array([0.9, 0.8, 0.4, 0.3, 0.1])
    assert best_threshold(likely, np.array([True, True, False, False, False])) == pytest.approx(0.6)
    assert best_threshold(likely, np.array([True, False, True, False, False])) == pytest.approx(0.35)
    assert best_threshold(np.array([0.5, 0.5, 0.2]), np.array([True, False, False])) == pytest.approx(0.35)
    assert best_threshold(likely, np.ones(5, bool)) == pytest.approx(0.05)


def test_a_rare_label_takes_the_threshold_of_all():
    likely = np.stack([np.linspace(0, 1, 50), np.linspace(0.6, 0.8, 50)], axis=1)
    there = np.stack([likely[:, 0] > 0.7, np.arange(50) < 4], axis=1)
    first, second = thresholds(likely, there)
    assert first == pytest.approx(best_threshold(likely[:, 0], there[:, 0]))
    assert second == pytest.approx(best_threshold(likely.ravel(), there.ravel())) != first


def test_strengths_are_tried(head):
    auto = fitting.train(EXAMPLES.rows(np.arange(60)), TrainingOptions(task=Task.LABELS), ignored)
    assert sorted(trial.strength for trial in auto.trials) == list(multi_label.STRENGTHS)
    assert auto.strength == auto.trials[0].strength
    assert [trial.strength for trial in head.trials] == [10]


def test_a_head_comes_back_and_gives_the_labels_whose_probability_suffices(tmp_path, head):
    artifact.write(tmp_path / "head", head)
    found, predictor = artifact.read(tmp_path / "head"), Predictor(tmp_path / "head")
    np.testing.assert_array_equal(found.thresholds, head.thresholds)
    predictions = predictor.predict(UNSEEN.features, limit=3)
    ends = np.cumsum(predictions.set_sizes)
    expected = probabilities(head, UNSEEN.features)
    for row, places in enumerate(np.split(predictions.set_labels, ends[:-1])):
        assert sorted(places.tolist()) == np.flatnonzero(expected[row] >= head.thresholds).tolist()
    assert 0 in predictions.set_sizes
    assert 2 in predictions.set_sizes
    np.testing.assert_allclose(np.sort(predictions.probabilities), np.sort(expected), atol=1e-6)
    assert not predictions.abstained.any()


def test_an_artifact_without_its_thresholds_is_damaged(tmp_path, head):
    artifact.write(tmp_path / "head", head)
    manifest = json.loads((tmp_path / "head" / "head.json").read_text())
    for wrong in (None, manifest["thresholds"][:2]):
        fields = {name: value for name, value in manifest.items() if name != "crc"} | {"thresholds": wrong}
        with pytest.raises(ValueError, match="thresholds are not those of the labels"):
            artifact.Manifest.model_validate(fields)
    (tmp_path / "head" / "head.json").write_text(json.dumps(manifest | {"thresholds": [0.5] * 3}))
    with pytest.raises(DataDamaged):
        artifact.read(tmp_path / "head")


def test_examples_and_labels_come_and_go(head):
    more = check(UNSEEN.features[:20], [written_labels(["new"])] * 20, allow_one_class=True, task=Task.LABELS)
    gone = find_classes(EXAMPLES, containing(EXAMPLES, ["rare"]))
    after = changed(EXAMPLES, gone, more, Task.LABELS)
    found = fitting.refit(after, head, None, ignored)
    assert found.classes == ("common", "frequent", "new")
    assert found.strength == head.strength
    afresh = fitting.train(after, OPTIONS, ignored)
    np.testing.assert_allclose(probabilities(found, UNSEEN.features), probabilities(afresh, UNSEEN.features), atol=0.02)
    with pytest.raises(InvalidInput, match="label 'none' is not among"):
        containing(EXAMPLES, ["none"])


def test_an_example_is_found_with_its_labels_in_any_order():
    row = next(place for place, target in enumerate(EXAMPLES.targets) if len(labels_in(EXAMPLES.classes[target])) == 2)
    labels = labels_in(EXAMPLES.classes[EXAMPLES.targets[row]])
    assert find(EXAMPLES, EXAMPLES.features[[row]], [written_labels(reversed(labels))]).tolist() == [row]


def test_a_label_that_all_or_one_has_is_learned():
    said = [written_labels(["all", *(["one"] if row == 0 else [])]) for row in range(12)]
    head = fitting.train(check(UNSEEN.features[:12], said, task=Task.LABELS), OPTIONS, ignored)
    likely = probabilities(head, UNSEEN.features[12:200])
    assert likely[:, 0].min() > 0.9
    assert likely[:, 1].mean() < 0.3


def test_judging_counts_labels_that_the_head_does_not_know(head):
    said = [written_labels(["unknown"])] * 10
    judged = evaluate(head, check(UNSEEN.features[:10], said, allow_one_class=True, task=Task.LABELS))
    assert (judged.accuracy.value, judged.micro_f1.value, judged.set_coverage) == (0, 0, 0)
    assert {each.label: each.support for each in judged.classes} == dict.fromkeys(LABELS, 0) | {"unknown": 10}
    assert judged.unknown_labels == ("unknown",)


def test_figures_are_those_of_scikit_learn(head):
    from sklearn.metrics import accuracy_score, f1_score, hamming_loss

    there = Tagged.of(UNSEEN).marks
    given = probabilities(head, UNSEEN.features) >= head.thresholds
    judged = evaluate(head, UNSEEN)
    assert judged.accuracy.value == pytest.approx(accuracy_score(there, given))
    assert judged.macro_f1.value == pytest.approx(f1_score(there, given, average="macro"))
    assert judged.micro_f1.value == pytest.approx(f1_score(there, given, average="micro"))
    assert judged.hamming_loss == pytest.approx(hamming_loss(there, given))
    assert judged.micro_f1.low < judged.micro_f1.value < judged.micro_f1.high


def test_labels_that_no_example_has_do_not_count_in_the_macro_f1(head):
    from sklearn.metrics import f1_score

    rows = np.flatnonzero(~Tagged.of(UNSEEN).marks[:, 0])
    there = Tagged.of(UNSEEN).marks[rows]
    given = probabilities(head, UNSEEN.features[rows]) >= head.thresholds
    judged = evaluate(head, UNSEEN.rows(rows))
    wanted = f1_score(there[:, 1:], given[:, 1:], average="macro")
    assert judged.macro_f1.value == pytest.approx(wanted)
    assert given[:, 0].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": Recipe.RIDGE}, "ridge cannot learn several labels"),
        ({"balance_classes": True}, "by its own threshold"),
        ({"abstain_error": 0.1}, "never abstains"),
    ],
)
def test_options_that_mean_nothing_for_labels_are_refused(options, message):
    with pytest.raises(InvalidInput, match=message):
        fitting.train(EXAMPLES, OPTIONS.model_copy(update={"strength": None} | options), ignored)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([["a"], [""]], "example 1 has an empty label"),
        ([["a"], ["b" * 513]], "a label of example 1 has 513 bytes"),
        ([["a"], ["a"]], r'all examples have the labels \["a"\]'),
        ([[str(n) for n in range(1_001)], []], "1001 labels; a head of several labels takes at most 1000"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(said, message):
    with pytest.raises(InvalidInput, match=message):
        check(UNSEEN.features[:2], [written_labels(each) for each in said], task=Task.LABELS)


def test_heads_of_different_tasks_are_not_merged(head):
    with pytest.raises(InvalidInput, match="different task"):
        merging.merged([head, fitting.train(clouds(5, 5), TrainingOptions(recipe=Recipe.RIDGE), ignored)])
    with pytest.raises(InvalidInput, match="logistic cannot be merged"):
        merging.merged([head, head])
