from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from frostline.server.heads import evaluation
from frostline.server.heads.decision import Linear
from frostline.server.heads.evaluation import evaluate
from frostline.server.heads.fitted import Fitted, Recipe, Scope
from frostline.server.heads.labelled import Labelled


def head(classes=("cat", "dog", "owl"), *, dimensions=None, seed=0, **changes) -> Fitted:
    """A head whose logits are the embedding itself, or, with dimensions, any linear map of it."""
    count = len(classes)
    coef = np.random.default_rng(seed).standard_normal((count, dimensions)) if dimensions else np.eye(count)
    fitted = Fitted(
        classes=classes,
        counts=np.ones(count, np.int64),
        recipe=Recipe.LOGISTIC,
        strength=1.0,
        balance_classes=False,
        decision=Linear(coef, np.zeros(count)),
        temperature=1.0,
        abstain_error=0.0,
        abstain_threshold=0.0,
        coverage=0.9,
        set_quantile=0.9,
        scope=Scope(np.zeros((count, coef.shape[1]), np.float32), np.zeros(1, np.float32)),
        moments=None,
        trials=(),
        held_out_accuracy=None,
        train_accuracy=None,
    )
    return replace(fitted, **changes)


def examples(features, labels) -> Labelled:
    classes = tuple(sorted(set(labels)))
    targets = np.array([classes.index(label) for label in labels])
    return Labelled.plain(np.asarray(features, np.float32), targets, classes)


def of_probabilities(rows, labels) -> Labelled:
    """Examples to which `head()` gives these probabilities."""
    return examples(np.log(np.asarray(rows, np.float64)), labels)


@pytest.fixture
def drawn() -> tuple[Fitted, Labelled]:
    """A head that is right most of the time, on 400 examples of 5 classes of unequal size."""
    draw = np.random.default_rng(1)
    classes = tuple("abcde")
    targets = draw.choice(5, 400, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    features = np.eye(5)[targets] * 1.5 + draw.standard_normal((400, 5))
    return head(classes, temperature=0.8), examples(features, [classes[target] for target in targets])


def predictions(fitted: Fitted, labelled: Labelled) -> tuple[np.ndarray, np.ndarray]:
    logits = labelled.features.astype(np.float64) / fitted.temperature
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities, probabilities.argmax(axis=1)


def test_figures_are_those_of_scikit_learn(drawn):
    fitted, labelled = drawn
    probabilities, predicted = predictions(fitted, labelled)
    right = predicted == labelled.targets
    found = evaluate(fitted, labelled)
    assert found.example_count == 400
    assert found.accuracy.value == pytest.approx(metrics.accuracy_score(labelled.targets, predicted))
    assert found.macro_f1.value == pytest.approx(metrics.f1_score(labelled.targets, predicted, average="macro"))
    assert found.log_loss == pytest.approx(metrics.log_loss(labelled.targets, probabilities))
    assert found.abstain_auroc == pytest.approx(metrics.roc_auc_score(right, probabilities.max(axis=1)))
    assert np.array_equal(
        np.reshape(found.confusion, (5, 5)), metrics.confusion_matrix(labelled.targets, predicted, labels=range(5))
    )
    table = metrics.precision_recall_fscore_support(labelled.targets, predicted, labels=range(5))
    ours = [(each.precision, each.recall, each.f1, each.support) for each in found.classes]
    assert np.allclose(np.transpose(table), ours)
    assert [each.label for each in found.classes] == list("abcde")


def test_the_calibration_error_is_that_of_a_loop_over_bins(drawn):
    fitted, labelled = drawn
    probabilities, predicted = predictions(fitted, labelled)
    confidence, right = probabilities.max(axis=1), predicted == labelled.targets
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert evaluate(fitted, labelled).calibration_error == pytest.approx(expected)


def test_intervals_are_those_of_drawing_examples_again(drawn):
    fitted, labelled = drawn
    _, predicted = predictions(fitted, labelled)
    rows = np.random.default_rng(2).integers(0, 400, (10_000, 400))
    cells = (labelled.targets * 5 + predicted)[rows] + 25 * np.arange(10_000)[:, np.newaxis]
    tables = np.bincount(cells.ravel(), minlength=250_000).reshape(-1, 5, 5)
    right = np.einsum("rii->ri", tables)
    f1s = np.mean(2 * right / (tables.sum(axis=1) + tables.sum(axis=2)), axis=1)
    accuracies = right.sum(axis=1) / 400
    found = evaluate(fitted, labelled)
    for interval, scores in ((found.accuracy, accuracies), (found.macro_f1, f1s)):
        low, high = np.percentile(scores, [2.5, 97.5])
        assert (interval.low, interval.high) == (pytest.approx(low, abs=0.004), pytest.approx(high, abs=0.004))
        assert interval.low < interval.value < interval.high


def test_the_same_examples_give_the_same_intervals_in_whatever_portions_they_are_drawn(drawn, monkeypatch):
    fitted, labelled = drawn
    found = evaluate(fitted, labelled)
    assert evaluate(fitted, labelled) == found
    monkeypatch.setattr("frostline.server.heads.confusion._COUNTS_AT_ONCE", 1_000)
    monkeypatch.setattr("frostline.server.heads.evaluation._PROBABILITIES_AT_ONCE", 333)
    assert evaluate(fitted, labelled) == found


def test_label_sets_hold_what_is_likely_enough():
    rows = [[0.95, 0.03, 0.02], [0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.4, 0.3, 0.3]]
    labelled = of_probabilities(rows, ["cat", "owl", "owl", "cat"])
    found = evaluate(head(set_quantile=0.25), labelled)
    assert (found.mean_set_size, found.set_coverage) == ((1 + 2 + 1 + 3) / 4, 2 / 4)
    found = evaluate(head(set_quantile=0.15), labelled)
    assert (found.mean_set_size, found.set_coverage) == ((1 + 3 + 2 + 3) / 4, 3 / 4)
    assert evaluate(head(set_quantile=0.6), labelled).mean_set_size == (1 + 0 + 1 + 0) / 4


def test_abstaining_leaves_out_what_is_below_the_threshold():
    rows = [[0.9, 0.05, 0.05], [0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]
    labelled = of_probabilities(rows, ["cat", "dog", "dog", "owl"])
    found = evaluate(head(abstain_threshold=0.6), labelled)
    assert (found.abstained_share, found.answered_accuracy) == (1 / 4, 2 / 3)
    assert found.abstain_auroc == 2 / 3
    assert evaluate(head(), labelled).abstained_share == 0
    tied = examples([[0, 0, -1e6]], ["cat"])
    assert evaluate(head(abstain_threshold=0.5), tied).abstained_share == 0
    assert evaluate(head(abstain_threshold=0.95), labelled).answered_accuracy is None


def test_ties_count_as_half_in_the_area_under_the_roc():
    labelled = of_probabilities([[0.6, 0.3, 0.1]] * 3 + [[0.8, 0.1, 0.1]], ["cat", "cat", "dog", "owl"])
    assert evaluate(head(), labelled).abstain_auroc == pytest.approx(1 / 4)


@pytest.mark.parametrize("label", ["cat", "dog"])
def test_nothing_is_said_of_picking_errors_where_all_are_right_or_all_wrong(label):
    assert evaluate(head(), of_probabilities([[0.6, 0.3, 0.1]] * 2, [label] * 2)).abstain_auroc is None


def test_labels_the_head_does_not_know_are_errors_and_named():
    rows = [[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.8, 0.1, 0.1]]
    found = evaluate(head(set_quantile=0.0), of_probabilities(rows, ["cat", "bat", "yak"]))
    assert found.accuracy.value == 1 / 3
    assert found.set_coverage == 1 / 3
    assert found.log_loss == pytest.approx(-np.log(0.5))
    assert [(each.label, each.support, each.recall) for each in found.classes] == [
        ("bat", 1, 0.0),
        ("cat", 1, 1.0),
        ("dog", 0, 0.0),
        ("owl", 0, 0.0),
        ("yak", 1, 0.0),
    ]
    table = np.reshape(found.confusion, (5, 5))
    assert table[:, 1].tolist() == [1, 1, 0, 0, 1]
    assert table.sum() == 3
    assert found.macro_f1.value == pytest.approx((0 + 2 * 1 / 4 + 0) / 3)
    assert found.unknown_labels == ("bat", "yak")


def test_classes_without_examples_do_not_count_in_the_macro_f1(drawn):
    fitted, labelled = drawn
    some = labelled.rows(np.flatnonzero(labelled.targets < 3))
    predicted = predictions(fitted, some)[1]
    assert set(predicted) == {0, 1, 2, 3, 4}
    found = evaluate(fitted, some)
    wanted = metrics.f1_score(some.targets, predicted, labels=np.unique(some.targets), average="macro")
    assert found.macro_f1.value == pytest.approx(wanted)
    assert wanted > metrics.f1_score(some.targets, predicted, average="macro") + 0.1
    assert found.macro_f1.low < wanted < found.macro_f1.high
    assert found.unknown_labels == ()


def test_nothing_is_said_of_log_loss_where_the_head_knows_no_label():
    found = evaluate(head(), of_probabilities([[0.5, 0.3, 0.2]], ["yak"]))
    assert found.log_loss is None
    assert (found.accuracy.value, found.accuracy.high) == (0, 0)


def test_a_certain_error_costs_a_finite_log_loss():
    found = evaluate(head(), examples([[1e6, 0, 0]], ["dog"]))
    assert found.log_loss == pytest.approx(-np.log(np.finfo(np.float64).eps))


def test_the_gap_is_to_the_training_examples_where_these_were_judged():
    labelled = of_probabilities([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], ["cat", "dog"])
    assert evaluate(head(train_accuracy=0.75), labelled).overfitting_gap == 0.25
    assert evaluate(head(), labelled).overfitting_gap is None


def test_many_classes_are_judged_without_their_matrix():
    classes = tuple(f"c{place:05}" for place in range(evaluation.MAX_CONFUSION_CLASSES + 1))
    draw = np.random.default_rng(3)
    labelled = examples(draw.standard_normal((300, 8)), draw.choice(classes[:-1], 300))
    found = evaluate(head(classes[:-1], dimensions=8), labelled)
    assert len(found.confusion) == evaluation.MAX_CONFUSION_CLASSES**2
    found = evaluate(head(classes, dimensions=8), labelled)
    assert found.confusion == ()
    assert len(found.classes) == len(classes)


def test_an_evaluation_survives_being_written(drawn):
    found = evaluate(*drawn)
    assert evaluation.Evaluation.model_validate_json(found.model_dump_json()) == found
