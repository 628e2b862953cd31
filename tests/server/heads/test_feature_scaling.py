"""What is done to embeddings before a head sees them."""

from dataclasses import replace

import numpy as np
import pytest

from clouds import clouds
from frostline.server.errors import InvalidInput
from frostline.server.heads import artifact, graph, parity
from frostline.server.heads.calibration import probabilities
from frostline.server.heads.feature_scaling import FeatureScaling, choices, scaled, scaled_examples
from frostline.server.heads.fitted import Recipe, TrainingOptions
from frostline.server.heads.fitting import refit, train
from frostline.server.heads.merging import merged
from frostline.server.heads.moments import Moments

SCALED = [FeatureScaling.UNIT_LENGTH, FeatureScaling.SQUARE_ROOT]


def ignored(_step, _progress):
    pass


def rectified(*counts, seed=0):
    """Examples whose values are skewed and never negative, as those of image encoders."""
    labelled = clouds(*counts, spread=1.5, seed=seed)
    return replace(labelled, features=np.exp(2 * labelled.features.astype(np.float64)).astype(np.float32))


def trained(examples, **options):
    return train(examples, TrainingOptions(**options), ignored)


def test_a_root_keeps_the_sign_and_makes_unit_length():
    features = np.array([[4, -9], [0, 0], [16, 0]], np.float32)
    root = np.array([[2, -3], [0, 0], [1, 0]]) / np.sqrt([[13], [1], [1]])
    assert scaled(features, FeatureScaling.SQUARE_ROOT) == pytest.approx(root, abs=1e-6)
    assert scaled(features, FeatureScaling.UNIT_LENGTH)[0] == pytest.approx(features[0] / np.sqrt(97))
    assert scaled(features, FeatureScaling.NONE) is features
    assert scaled(features, FeatureScaling.SQUARE_ROOT).dtype == np.float32


def test_roots_are_tried_where_no_value_is_negative():
    features = np.array([[0, 1], [2, 0]], np.float32)
    assert choices(features, FeatureScaling.AUTO) == (FeatureScaling.NONE, FeatureScaling.SQUARE_ROOT)
    assert choices(-features, FeatureScaling.AUTO) == (FeatureScaling.NONE,)
    assert choices(features, FeatureScaling.UNIT_LENGTH) == (FeatureScaling.UNIT_LENGTH,)


def test_a_scaling_is_chosen_by_what_it_is_worth():
    head = trained(rectified(30, 30, 30), recipe=Recipe.RIDGE, scaling=FeatureScaling.AUTO)
    assert head.scaling is FeatureScaling.SQUARE_ROOT is head.trials[0].scaling
    assert {trial.scaling for trial in head.trials} == {FeatureScaling.NONE, FeatureScaling.SQUARE_ROOT}
    pinned = trained(rectified(30, 30, 30), recipe=Recipe.RIDGE, strength=1, scaling=FeatureScaling.AUTO)
    assert {(trial.scaling, trial.strength) for trial in pinned.trials} == {(each.scaling, 1) for each in head.trials}


def test_nothing_is_scaled_where_nothing_can_be_held_out():
    assert trained(rectified(1, 1), scaling=FeatureScaling.AUTO).scaling is FeatureScaling.NONE


@pytest.mark.parametrize("scaling", SCALED)
@pytest.mark.parametrize("recipe", [Recipe.NEAREST_NEIGHBORS, Recipe.LDA])
def test_a_graph_scales_as_the_head_does(scaling, recipe, tmp_path):
    head = trained(rectified(20, 20, 20), recipe=recipe, scaling=scaling)
    path = tmp_path / "head.onnx"
    path.write_bytes(graph.head_graph(head).SerializeToString())
    assert parity.difference(path, head) < 1e-6
    if recipe is Recipe.LDA:
        path.write_bytes(graph.head_graph(replace(head, scaling=FeatureScaling.NONE)).SerializeToString())
        assert parity.difference(path, head) > 1e-3


@pytest.mark.parametrize("scaling", SCALED)
def test_the_same_head_is_trained_from_scaled_examples(scaling):
    examples, unseen = rectified(20, 20, 20), rectified(9, 9, 9, seed=1).features
    head = trained(examples, recipe=Recipe.LDA, strength=0.5, scaling=scaling)
    same = trained(scaled_examples(examples, scaling), recipe=Recipe.LDA, strength=0.5, scaling=FeatureScaling.NONE)
    assert head.decision.coef == pytest.approx(same.decision.coef)
    assert head.temperature == pytest.approx(same.temperature)
    assert probabilities(head, unseen) == pytest.approx(probabilities(same, scaled(unseen, scaling)))


def test_updates_and_merges_stay_exact():
    options = {"recipe": Recipe.RIDGE, "strength": 1, "scaling": FeatureScaling.SQUARE_ROOT}
    whole, one, other = rectified(20, 20, 20), np.arange(0, 60, 2), np.arange(1, 60, 2)
    batch, parts = trained(whole, **options), [trained(whole.rows(rows), **options) for rows in (one, other)]
    assert merged(parts).decision.coef == pytest.approx(batch.decision.coef, rel=1e-8)
    assert merged(parts).scaling is FeatureScaling.SQUARE_ROOT
    more = scaled_examples(whole.rows(other), FeatureScaling.SQUARE_ROOT)
    updated = refit(whole, parts[0], parts[0].moments.plus(Moments.of(more)), ignored)
    assert updated.decision.coef == pytest.approx(batch.decision.coef, rel=1e-8)
    unscaled = trained(whole, recipe=Recipe.RIDGE, strength=1, scaling=FeatureScaling.NONE)
    with pytest.raises(InvalidInput, match="different scaling"):
        merged([batch, unscaled])


def test_a_scaling_is_kept_on_disk(tmp_path):
    head = trained(rectified(20, 20), recipe=Recipe.RIDGE, scaling=FeatureScaling.SQUARE_ROOT)
    artifact.write(tmp_path / "head", head)
    read = artifact.read(tmp_path / "head")
    assert read.scaling is FeatureScaling.SQUARE_ROOT
    assert read.trials == head.trials
