"""Recipes that look at each example: what scikit-learn finds, as arrays."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

from clouds import clouds
from frostline.server.errors import InvalidInput
from frostline.server.heads.calibration import softmax
from frostline.server.heads.recipes import knn, logistic, perceptron, svm

TWO, FOUR = clouds(30, 20), clouds(20, 15, 30, 8, spread=1.5)
UNSEEN = clouds(50, 50, 50, 50, seed=1).features
BOTH = pytest.mark.parametrize("examples", [TWO, FOUR], ids=["two classes", "four classes"])
BALANCE = pytest.mark.parametrize("balance", [False, True])


def scaled(examples, factor, shift=0.0):
    """The same examples as an encoder might give them that normalises nothing."""
    features = (examples.features * factor + shift).astype(np.float32)
    return replace(examples, features=features)


@BOTH
@BALANCE
def test_logistic_is_that_of_scikit_learn(examples, balance):
    reference = LogisticRegression(C=3, tol=1e-10, max_iter=1_000, class_weight="balanced" if balance else None)
    reference.fit(examples.features.astype(float), examples.targets)
    found = softmax(logistic.fit(examples, 3, balance).logits(UNSEEN))
    np.testing.assert_allclose(found, reference.predict_proba(UNSEEN.astype(float)), atol=4e-3)


@BOTH
@BALANCE
def test_svm_is_that_of_scikit_learn(examples, balance):
    features = examples.features - examples.features.mean(axis=0)
    reference = LinearSVC(random_state=0, class_weight="balanced" if balance else None)
    reference.fit(features, examples.targets)
    margins = reference.decision_function(UNSEEN - examples.features.mean(axis=0))
    found = svm.fit(examples, 1, balance).logits(UNSEEN)
    if len(examples.classes) == 2:
        found = found[:, 1] - found[:, 0]
    np.testing.assert_allclose(found, margins, atol=2e-3)


@BOTH
def test_the_perceptron_is_that_of_scikit_learn(examples):
    features, mean = examples.features.astype(float), examples.features.astype(float).mean(axis=0)
    reference = MLPClassifier((128,), alpha=0.01, max_iter=200, random_state=0, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for rate in (0.004, 0.0005):
            reference.set_params(learning_rate_init=rate).fit(4 * (features - mean), examples.targets)
    found = softmax(perceptron.fit(examples, 0.01, False).logits(UNSEEN))
    np.testing.assert_allclose(found, reference.predict_proba(4 * (UNSEEN - mean)), atol=1e-3)


@pytest.mark.parametrize(
    ("examples", "steps", "expected"),
    [(10, 400, 200), (800, 400, 100), (2_500, 400, 30), (2_500, 200, 15), (10_000, 400, 8), (1_000_000, 400, 5)],
)
def test_the_perceptron_takes_about_as_many_steps_however_many_examples_there_are(examples, steps, expected):
    assert perceptron.rounds(examples, steps) == expected


@pytest.mark.parametrize("voters", [1, 3, 1_000])
def test_neighbors_are_those_of_scikit_learn(voters):
    examples = scaled(FOUR, np.linspace(0.5, 2, len(FOUR.targets))[:, np.newaxis])
    reference = KNeighborsClassifier(min(voters, len(FOUR.targets)), metric="cosine").fit(FOUR.features, FOUR.targets)
    logits = knn.fit(examples, voters, False).logits(UNSEEN)
    votes = np.exp(logits) * (min(voters, len(FOUR.targets)) + 1) - 1 / 4
    np.testing.assert_allclose(votes / votes.sum(axis=1, keepdims=True), reference.predict_proba(UNSEEN), atol=1e-9)


@pytest.mark.parametrize(("fit", "strength"), [(logistic.fit, 10), (svm.fit, 1), (perceptron.fit, 0.01)])
def test_strengths_mean_the_same_for_every_scale_of_embeddings(fit, strength):
    small = fit(FOUR, strength, False).logits(UNSEEN)
    large = fit(scaled(FOUR, 40), strength, False).logits(40 * UNSEEN)
    np.testing.assert_allclose(large, small, atol=0.02)


@pytest.mark.parametrize("fit", [logistic.fit, svm.fit, knn.fit, perceptron.fit])
def test_the_same_examples_give_the_same_weights(fit):
    first, second = (fit(FOUR, 1, False).logits(UNSEEN) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("fit", [logistic.fit, svm.fit, perceptron.fit])
def test_a_dominating_class_attracts_less_where_classes_count_alike(fit):
    uneven, seen = clouds(100, 5, 5, spread=2), clouds(100, 100, 100, spread=2, seed=2)
    plain, balanced = (
        (fit(uneven, 0.1, balance).logits(seen.features).argmax(axis=1) == 0).mean() for balance in (False, True)
    )
    assert balanced < plain - 0.05


@BOTH
@pytest.mark.parametrize("factor", [1, 40])
def test_logistic_goes_on_from_a_decision(examples, factor):
    examples = scaled(examples, factor, shift=3)
    found = logistic.fit(examples, 3, False)
    again = logistic.fit(examples, 3, False, start=found)
    np.testing.assert_allclose(again.coef, found.coef, atol=1e-12)
    np.testing.assert_allclose(again.intercept, found.intercept, atol=1e-10)


def test_what_neighbors_cannot_do_is_refused():
    with pytest.raises(InvalidInput, match="nearest_neighbors cannot balance"):
        knn.fit(FOUR, 1, True)
    for strength in (0.5, 2.5):
        with pytest.raises(InvalidInput, match="whole number"):
            knn.fit(FOUR, strength, False)
