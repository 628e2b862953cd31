"""Heads that are adapted to inputs without labels."""

from dataclasses import replace

import numpy as np
import pytest

from clouds import clouds
from frostline.server.errors import InvalidInput
from frostline.server.heads import artifact
from frostline.server.heads.alignment import alignment, unlabelled
from frostline.server.heads.fitted import EXACT, Recipe, TrainingOptions
from frostline.server.heads.fitting import refit, train
from frostline.server.heads.merging import merged
from frostline.server.heads.moments import Moments

EXAMPLES = clouds(40, 40, 40, spread=1.2)
STRENGTHS = {Recipe.RIDGE: 0.1, Recipe.LDA: 0.3}


def ignored(_step, _progress):
    pass


def elsewhere(labelled):
    """The same in another domain: stretched and moved."""
    moved = labelled.features * np.geomspace(0.3, 3, 16) + np.linspace(-2, 2, 16)
    return replace(labelled, features=moved.astype(np.float32))


INPUTS = unlabelled(elsewhere(clouds(300, 300, 300, spread=1.2, seed=1)).features)
UNSEEN = elsewhere(clouds(200, 200, 200, spread=1.2, seed=2))


def trained(examples, target=INPUTS, **options):
    return train(examples, TrainingOptions(**options), ignored, target)


def accuracy(head, examples):
    return (head.decision.logits(examples.features).argmax(axis=1) == examples.targets).mean()


def test_examples_get_the_mean_and_the_covariance_of_the_inputs():
    examples = clouds(400, 400, 400)
    moved = alignment(Moments.of(examples), Moments.of(INPUTS)).examples(examples).features
    assert moved.mean(axis=0) == pytest.approx(INPUTS.features.mean(axis=0), abs=1e-4)
    expected = np.cov(INPUTS.features.T)
    assert np.linalg.norm(np.cov(moved.T) - expected) < 0.1 * np.linalg.norm(expected)


@pytest.mark.parametrize("recipe", [Recipe.RIDGE, Recipe.LDA, Recipe.NEAREST_NEIGHBORS])
def test_a_head_that_is_adapted_is_right_more_often_where_its_inputs_are(recipe):
    adapted, plain = trained(EXAMPLES, recipe=recipe), trained(EXAMPLES, None, recipe=recipe)
    assert accuracy(adapted, UNSEEN) > accuracy(plain, UNSEEN) + 0.05
    assert adapted.held_out_accuracy == pytest.approx(plain.held_out_accuracy, abs=0.2)


def test_inputs_like_the_examples_change_little():
    like = unlabelled(clouds(900, 900, 900, spread=1.2, seed=4).features)
    unseen = clouds(300, 300, 300, spread=1.2, seed=5)
    plain, adapted = (trained(EXAMPLES, target, recipe=Recipe.LDA) for target in (None, like))
    assert accuracy(adapted, unseen) == pytest.approx(accuracy(plain, unseen), abs=0.03)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("recipe", sorted(EXACT))
def test_updates_stay_exact(recipe, whiten):
    options = {"recipe": recipe, "strength": STRENGTHS.get(recipe), "whiten": whiten}
    one, other = np.arange(0, 120, 2), np.arange(1, 120, 2)
    batch, part = trained(EXAMPLES, **options), trained(EXAMPLES.rows(one), **options)
    updated = refit(EXAMPLES, part, part.moments.plus(Moments.of(EXAMPLES.rows(other))), ignored)
    assert np.linalg.norm(updated.decision.coef - batch.decision.coef) < 1e-8 * np.linalg.norm(batch.decision.coef)
    assert updated.temperature == pytest.approx(batch.temperature, rel=1e-4)


def test_merged_heads_are_adapted_to_the_inputs_of_all():
    options = {"recipe": Recipe.RIDGE, "strength": 1}
    one, other = np.arange(0, 120, 2), np.arange(1, 120, 2)
    batch = trained(EXAMPLES, **options)
    parts = [
        trained(EXAMPLES.rows(rows), unlabelled(INPUTS.features[start::2]), **options)
        for start, rows in enumerate((one, other))
    ]
    assert merged(parts).decision.coef == pytest.approx(batch.decision.coef, rel=1e-8)
    assert merged(parts).scope.means == pytest.approx(batch.scope.means, abs=1e-5)
    with pytest.raises(InvalidInput, match="1 of 2 heads are adapted"):
        merged([batch, trained(EXAMPLES, None, **options)])


@pytest.mark.parametrize("recipe", [Recipe.LOGISTIC, Recipe.RIDGE])
def test_what_it_is_adapted_to_is_kept_on_disk(recipe, tmp_path):
    head = trained(EXAMPLES, recipe=recipe)
    artifact.write(tmp_path / "head", head)
    read = artifact.read(tmp_path / "head")
    assert read.target.sums == pytest.approx(head.target.sums)
    assert read.target.grams == pytest.approx(head.target.grams)
    assert (read.moments is None) == (recipe is Recipe.LOGISTIC)
