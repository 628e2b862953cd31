"""Recipes that follow from sums, against scikit-learn, which looks at every example."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestCentroid

from clouds import clouds
from frostline.server.errors import InvalidInput
from frostline.server.heads.calibration import softmax
from frostline.server.heads.closed_form import decide, decide_all
from frostline.server.heads.fitted import EXACT, Recipe
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.moments import Moments

EXAMPLES = clouds(40, 25, 60, 10)
UNSEEN = clouds(50, 50, 50, 50, seed=1).features


def decided(recipe, strength=0.5, examples=EXAMPLES, balance_classes=False):
    return decide(recipe, strength, Moments.of(examples), balance_classes)


@pytest.mark.parametrize("penalty", [0.01, 1, 100])
@pytest.mark.parametrize("scale", [1, 30])
def test_ridge_is_that_of_scikit_learn_with_the_penalty_in_mean_squared_lengths(penalty, scale):
    features = EXAMPLES.features * np.float32(scale)
    scaled = replace(EXAMPLES, features=features)
    reference = Ridge(alpha=penalty * scale**2).fit(features.astype(float), np.eye(4)[EXAMPLES.targets])
    expected = reference.predict(UNSEEN.astype(float) * scale)
    found = decided(Recipe.RIDGE, penalty, scaled).logits(UNSEEN * np.float32(scale))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("shrinkage", [0.05, 0.5, 1])
@pytest.mark.parametrize("balance_classes", [False, True])
def test_lda_is_that_of_scikit_learn(shrinkage, balance_classes):
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    reference.fit(EXAMPLES.features.astype(float), EXAMPLES.targets)
    if balance_classes:
        # With `priors` it would weigh the classes' covariances by them as well.
        reference.intercept_ -= np.log(EXAMPLES.counts / EXAMPLES.counts.sum())
    found = softmax(decided(Recipe.LDA, shrinkage, balance_classes=balance_classes).logits(UNSEEN))
    np.testing.assert_allclose(found, reference.predict_proba(UNSEEN.astype(float)), atol=1e-6)


def test_nearest_mean_is_that_of_scikit_learn_and_its_logits_are_half_squared_distances():
    reference = NearestCentroid().fit(EXAMPLES.features.astype(float), EXAMPLES.targets)
    logits = decided(Recipe.NEAREST_MEAN).logits(UNSEEN)
    assert (logits.argmax(axis=1) == reference.predict(UNSEEN.astype(float))).all()
    distances = ((UNSEEN[:, np.newaxis] - reference.centroids_) ** 2).sum(axis=2) / 2
    np.testing.assert_allclose(logits - logits[:, :1], distances[:, :1] - distances, atol=1e-6)


@pytest.mark.parametrize("recipe", sorted(EXACT))
def test_many_strengths_at_once_are_what_each_is_alone(recipe):
    strengths = (0.1, 0.5, 0.9)
    for strength, found in zip(strengths, decide_all(recipe, strengths, Moments.of(EXAMPLES), False), strict=True):
        assert (found.coef == decided(recipe, strength).coef).all()


@pytest.mark.parametrize("recipe", sorted(EXACT))
@pytest.mark.parametrize(
    "features",
    [
        np.eye(3, dtype=np.float32)[[0, 1, 2]],
        np.eye(3, dtype=np.float32)[[0, 1, 2, 1, 2]],
        np.zeros((4, 3), np.float32),
        np.ones((5, 3), np.float32),
    ],
    ids=["one example each", "no scatter within classes", "all zero", "all the same"],
)
def test_examples_that_say_little_give_finite_weights(recipe, features):
    targets = np.array([0, 1, 2, 1, 2], np.int64)[: len(features)]
    few = Labelled.plain(features, targets, ("a", "b", "c"))
    logits = decided(recipe, examples=few).logits(np.eye(3, dtype=np.float32))
    assert np.isfinite(logits).all()
    if len(np.unique(features, axis=0)) == 3:
        assert (logits.argmax(axis=1) == [0, 1, 2]).all()


def test_a_dominating_class_attracts_less_where_classes_count_alike():
    uneven = clouds(400, 8, 8, spread=2)
    seen = clouds(100, 100, 100, spread=2, seed=2)
    plain, balanced = (
        (decided(Recipe.LDA, 0.5, uneven, balance).logits(seen.features).argmax(axis=1) == 0).mean()
        for balance in (False, True)
    )
    assert balanced < plain - 0.1


def test_what_sums_cannot_do_is_refused():
    with pytest.raises(InvalidInput, match="ridge cannot balance classes"):
        decided(Recipe.RIDGE, balance_classes=True)
    with pytest.raises(InvalidInput, match=r"strength 1\.5 of lda"):
        decided(Recipe.LDA, 1.5)
