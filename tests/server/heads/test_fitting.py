"""Heads trained from start to end."""

from dataclasses import replace

import numpy as np
import pytest

from clouds import clouds
from frostline.server.errors import InvalidInput
from frostline.server.heads import fitting
from frostline.server.heads.abstention import NEVER_ANSWERS
from frostline.server.heads.calibration import expected_calibration_error, probabilities
from frostline.server.heads.conformal import label_sets
from frostline.server.heads.fitted import EXACT, Recipe, TrainingOptions
from frostline.server.heads.fitting import train
from frostline.server.heads.labelled import Labelled

EXAMPLES, UNSEEN = clouds(120, 120, 120, 120, spread=1.8), clouds(400, 400, 400, 400, spread=1.8, seed=1)
SLOW = pytest.param(Recipe.PERCEPTRON, marks=pytest.mark.full)
QUICK = sorted(set(Recipe) - {Recipe.AUTO, Recipe.PERCEPTRON})


def ignored(_step, _progress):
    pass


def trained(examples=EXAMPLES, **options):
    return train(examples, TrainingOptions(**options), ignored)


def accuracy(head, examples=UNSEEN):
    return (head.decision.logits(examples.features).argmax(axis=1) == examples.targets).mean()


@pytest.mark.parametrize("recipe", [Recipe.AUTO, *QUICK, SLOW])
def test_every_recipe_knows_how_far_it_is_to_be_trusted(recipe):
    head = trained(recipe=recipe, coverage=0.9, abstain_error=0.1)
    predicted = probabilities(head, UNSEEN.features)
    assert head.held_out_accuracy == pytest.approx(accuracy(head), abs=0.06)
    assert expected_calibration_error(predicted.max(axis=1), predicted.argmax(axis=1) == UNSEEN.targets) < 0.1
    sets = label_sets(predicted, head.set_quantile)
    assert sets[np.arange(len(sets)), UNSEEN.targets].mean() == pytest.approx(0.9, abs=0.04)
    answers = predicted.max(axis=1) >= head.abstain_threshold
    assert (predicted.argmax(axis=1) != UNSEEN.targets)[answers].mean() < 0.15
    assert 0.2 < answers.mean() < 1


@pytest.mark.parametrize("recipe", [*QUICK, SLOW])
def test_a_recipe_that_is_named_is_taken_and_its_strength_chosen(recipe):
    head = trained(clouds(12, 15, 20), recipe=recipe)
    assert head.recipe is recipe
    assert {trial.recipe for trial in head.trials} == {recipe}
    assert head.strength == head.trials[0].strength
    assert (head.moments is not None) == (recipe in EXACT)
    assert head.counts.tolist() == [12, 15, 20]


def test_auto_takes_the_best_of_what_it_tried():
    head = trained()
    assert {trial.recipe for trial in head.trials} == {Recipe.LOGISTIC, Recipe.RIDGE, Recipe.LDA}
    assert (head.recipe, head.strength) == (head.trials[0].recipe, head.trials[0].strength)


def test_a_strength_that_is_named_is_taken_and_judged():
    head = trained(recipe=Recipe.RIDGE, strength=7)
    assert head.strength == 7
    assert [(trial.recipe, trial.strength) for trial in head.trials] == [(Recipe.RIDGE, 7)]


def test_training_is_deterministic():
    first, second = (trained(clouds(10, 20, 5)) for _ in range(2))
    assert first.trials == second.trials
    assert first.temperature == second.temperature
    assert (first.decision.coef == second.decision.coef).all()


@pytest.mark.parametrize("recipe", sorted(Recipe))
@pytest.mark.parametrize("abstain_error", [0.0, 0.1])
def test_one_example_of_each_class_is_enough(recipe, abstain_error):
    head = trained(clouds(1, 1, dimensions=64), recipe=recipe, abstain_error=abstain_error)
    unseen = clouds(50, 50, dimensions=64, seed=1)
    predicted = probabilities(head, unseen.features)
    assert accuracy(head, unseen) > 0.95
    assert 0.6 < predicted.max(axis=1).mean() <= 1
    assert head.held_out_accuracy is None
    assert head.train_accuracy == 1
    assert head.abstain_threshold == (NEVER_ANSWERS if abstain_error else 0)
    assert label_sets(predicted, head.set_quantile).all()
    assert head.recipe is (Recipe.NEAREST_MEAN if recipe is Recipe.AUTO else recipe)


def test_auto_passes_logistic_over_with_very_many_classes(monkeypatch):
    monkeypatch.setattr(fitting, "LOGISTIC_CLASSES", 2)
    assert Recipe.LOGISTIC in {trial.recipe for trial in trained(clouds(10, 10)).trials}
    assert Recipe.LOGISTIC not in {trial.recipe for trial in trained(clouds(10, 10, 10)).trials}
    assert trained(clouds(1, 1, 1), balance_classes=True).recipe is Recipe.NEAREST_MEAN


def test_a_class_may_be_known_by_its_description_only():
    head = trained(clouds(30, 30, 0, dimensions=64, described=("c",)))
    unseen = clouds(50, 50, 50, dimensions=64, seed=1)
    assert head.counts.tolist() == [30, 30, 0]
    assert accuracy(head, unseen) > 0.95
    assert head.held_out_accuracy > 0.95


@pytest.mark.parametrize("scale", [1, 25])
def test_descriptions_alone_make_a_head_of_nearest_means(scale):
    described = clouds(0, 0, 0, dimensions=64, described=("a", "b", "c"))
    head = trained(replace(described, features=scale * described.features))
    unseen = clouds(200, 200, 200, dimensions=64, spread=2, seed=1)
    predicted = probabilities(head, scale * unseen.features)
    assert head.recipe is Recipe.NEAREST_MEAN
    assert head.counts.tolist() == [0, 0, 0]
    assert head.train_accuracy is None
    assert accuracy(head, unseen) > 0.9
    assert expected_calibration_error(predicted.max(axis=1), predicted.argmax(axis=1) == unseen.targets) < 0.1


def test_descriptions_help_less_the_more_examples_there_are():
    wrong = clouds(0, 0, described=("a", "b"))
    wrong = replace(wrong, features=wrong.features[::-1].copy())
    found = []
    for count in (0, 2, 30):
        more = clouds(count, count)
        both = Labelled.plain(
            np.concatenate([more.features, wrong.features]),
            np.concatenate([more.targets, wrong.targets]),
            more.classes,
            np.concatenate([more.described, wrong.described]),
        )
        found.append(accuracy(trained(both, recipe=Recipe.NEAREST_MEAN), clouds(50, 50, seed=1)))
    assert found[0] < 0.1
    assert found[2] > 0.95


def test_classes_count_alike_where_one_dominates():
    uneven, unseen = clouds(600, 12, 12, spread=2), clouds(100, 100, 100, spread=2, seed=1)
    plain, balanced = (trained(uneven, balance_classes=balance) for balance in (False, True))
    assert accuracy(balanced, unseen) > accuracy(plain, unseen) + 0.05
    assert Recipe.RIDGE not in {trial.recipe for trial in balanced.trials}


def test_progress_goes_from_choosing_over_fitting_to_calibrating():
    told = []
    train(clouds(10, 10), TrainingOptions(), lambda step, progress: told.append((step, progress)))
    assert list(dict.fromkeys(step for step, _ in told)) == ["choosing", "fitting", "calibrating"]
    progress = [share for _, share in told]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0, 1)


def test_training_can_be_ended_at_any_step():
    class Ended(Exception):
        pass

    for last in ("choosing", "fitting", "calibrating"):

        def report(step, _progress, last=last):
            if step == last:
                raise Ended

        with pytest.raises(Ended):
            train(clouds(10, 10), TrainingOptions(), report)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": 1.0}, "name the recipe"),
        ({"recipe": Recipe.NEAREST_MEAN, "strength": 2.0}, "it has none"),
        ({"recipe": Recipe.LDA, "strength": 2.0}, "strength 2 of lda"),
        ({"recipe": Recipe.NEAREST_NEIGHBORS, "strength": 1.5}, "whole number"),
        ({"recipe": Recipe.RIDGE, "balance_classes": True}, "cannot balance"),
        ({"recipe": Recipe.NEAREST_NEIGHBORS, "balance_classes": True}, "cannot balance"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(InvalidInput, match=message):
        trained(**options)


def test_one_class_is_refused():
    with pytest.raises(InvalidInput, match="only 'a'"):
        trained(clouds(5))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    features = EXAMPLES.features.copy()
    features[17, 3] = value
    with pytest.raises(InvalidInput, match="example 17 "):
        trained(replace(EXAMPLES, features=features))
