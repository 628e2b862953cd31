"""Whitening before a recipe: what it does to embeddings, and that nothing else notices."""

from dataclasses import replace

import numpy as np
import pytest

from clouds import clouds
from frostline.server.errors import InvalidInput
from frostline.server.heads import artifact, graph, parity
from frostline.server.heads.decision import Linear, Perceptron
from frostline.server.heads.fitted import EXACT, Recipe, TrainingOptions
from frostline.server.heads.fitting import check_options, refit, train
from frostline.server.heads.merging import merged
from frostline.server.heads.moments import Moments
from frostline.server.heads.spread import Affine, Spread
from frostline.server.heads.whitening import whitening

STRENGTHS = {Recipe.RIDGE: 0.1, Recipe.LDA: 0.3}
EACH = pytest.mark.parametrize("recipe", sorted(EXACT))


def ignored(_step, _progress):
    pass


def stretched(*counts, seed=0, factor=30.0):
    """Examples that vary most along the first axis, of which classes know nothing."""
    labelled = clouds(*counts, spread=1.2, seed=seed)
    features = labelled.features + np.array([3] + [0] * 15, np.float32)
    features[:, 0] = factor * np.random.default_rng(seed + 7).standard_normal(len(features))
    return replace(labelled, features=features)


def trained(examples, **options):
    return train(examples, TrainingOptions(**options), ignored)


def accuracy(head, examples):
    return (head.decision.logits(examples.features).argmax(axis=1) == examples.targets).mean()


def test_whitened_embeddings_are_spread_alike():
    labelled = stretched(400, 400, 400, factor=2.0)
    taken = whitening(Moments.of(labelled))
    white = taken.examples(labelled).features
    assert white.mean(axis=0) == pytest.approx(np.zeros(16), abs=1e-5)
    assert np.cov(white.T) == pytest.approx(np.eye(16), abs=0.15)
    assert taken.matrix == pytest.approx(taken.matrix.T)


def test_a_spread_is_shrunk_as_scikit_learn_has_it():
    from sklearn.covariance import OAS

    labelled = stretched(9, 9, factor=2.0)
    found = Spread.of(Moments.of(labelled)).power(1)
    assert found == pytest.approx(OAS().fit(labelled.features.astype(np.float64)).covariance_)


@pytest.mark.parametrize("rows", [1, 5])
def test_what_does_not_vary_stays_as_it_is(rows):
    labelled = replace(clouds(rows), features=np.full((rows, 16), 0.1, np.float32))
    assert Spread.of(Moments.of(labelled)).power(-0.5) == pytest.approx(np.eye(16))


def test_sums_are_moved_as_examples_are():
    labelled = clouds(5, 7, 9)
    random = np.random.default_rng(1)
    moved = Affine(random.standard_normal(16), random.standard_normal((16, 16)), random.standard_normal(16))
    found, expected = moved.sums(Moments.of(labelled)), Moments.of(moved.examples(labelled))
    for name in ("counts", "sums", "grams"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("kind", [Linear, Perceptron])
def test_a_decision_folds(kind):
    random = np.random.default_rng(1)
    moved = Affine(random.standard_normal(16), random.standard_normal((16, 16)), random.standard_normal(16))
    shapes = [(3, 16), (3,)] if kind is Linear else [(8, 16), (8,), (3, 8), (3,)]
    decision = kind(*(random.standard_normal(shape) for shape in shapes))
    labelled = clouds(5, 7, 9)
    expected = decision.logits(moved.examples(labelled).features)
    assert moved.before(decision).logits(labelled.features) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_whitening_sees_past_what_varies_most():
    examples, unseen = stretched(40, 40, 40), stretched(200, 200, 200, seed=1)
    options = {"recipe": Recipe.NEAREST_MEAN}
    assert accuracy(trained(examples, **options), unseen) < 0.5
    assert accuracy(trained(examples, whiten=True, **options), unseen) > 0.8


@EACH
def test_updates_and_merges_stay_exact(recipe):
    options = {"recipe": recipe, "strength": STRENGTHS.get(recipe), "whiten": True}
    whole, one, other = stretched(20, 20, 20), np.arange(0, 60, 2), np.arange(1, 60, 2)
    batch, parts = trained(whole, **options), [trained(whole.rows(rows), **options) for rows in (one, other)]
    updated = refit(whole, parts[0], parts[0].moments.plus(Moments.of(whole.rows(other))), ignored)
    assert updated.whiten
    assert merged(parts).whiten
    for head in (updated, merged(parts)):
        assert np.linalg.norm(head.decision.coef - batch.decision.coef) < 1e-8 * np.linalg.norm(batch.decision.coef)
        assert head.decision.intercept == pytest.approx(batch.decision.intercept, rel=1e-7)
    with pytest.raises(InvalidInput, match="different whiten"):
        merged([batch, trained(whole, **options | {"whiten": False})])


@pytest.mark.parametrize("recipe", [Recipe.LOGISTIC, Recipe.LDA])
def test_a_head_that_whitens_is_kept_and_runs_as_any_other(recipe, tmp_path):
    head = trained(stretched(20, 20, 20, factor=2.0), recipe=recipe, strength=0.5, whiten=True)
    artifact.write(tmp_path / "head", head)
    read = artifact.read(tmp_path / "head")
    assert read.whiten
    assert parity.difference(tmp_path / "head" / artifact.GRAPH, read) < 1e-5
    assert graph.head_graph(read) == graph.head_graph(replace(read, whiten=False))


def test_votes_do_not_whiten():
    with pytest.raises(InvalidInput, match="cannot whiten"):
        check_options(TrainingOptions(recipe=Recipe.NEAREST_NEIGHBORS, whiten=True))
