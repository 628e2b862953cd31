"""Heads that answer numbers: what ridge finds, exact updates and merges, and intervals that hold what they say."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from frostline.server.errors import InvalidInput
from frostline.server.heads import artifact, fitting, merging, regression
from frostline.server.heads.evaluation_of_values import evaluate
from frostline.server.heads.examples import changed, check, find
from frostline.server.heads.fitted import Recipe, Task, TrainingOptions
from frostline.server.heads.predictor import Predictor
from frostline.server.heads.truths import Measured, written_value

DIMENSIONS, HEIGHT = 16, 2_000.0
OPTIONS = TrainingOptions(task=Task.VALUE)


def measured(rows=200, seed=0, noise=1.0):
    """Numbers about 2,000 that follow from vectors but for noise."""
    draw = np.random.default_rng(seed)
    features = draw.standard_normal((rows, DIMENSIONS)).astype(np.float32)
    weights = np.random.default_rng(99).standard_normal(DIMENSIONS)
    values = HEIGHT + features @ weights + noise * draw.standard_normal(rows)
    return check(features, [written_value(value) for value in values], task=Task.VALUE)


EXAMPLES, UNSEEN = measured(), measured(2_000, seed=1)


def ignored(_step, _done):
    pass


def trained(examples=EXAMPLES, **options):
    return fitting.train(examples, OPTIONS.model_copy(update=options), ignored)


def same_weights(found, expected):
    for name in ("coef", "intercept"):
        weights = getattr(expected.decision, name)
        assert np.abs(getattr(found.decision, name) - weights).max() <= 1e-8 * np.abs(weights).max()


@pytest.mark.parametrize("penalty", [0.01, 3.0])
def test_the_weights_are_those_of_scikit_learn(penalty):
    given = Measured.of(EXAMPLES)
    features = given.features.astype(float)
    reference = Ridge(alpha=penalty * (features**2).sum(axis=1).mean()).fit(features, given.values)
    found = trained(recipe=Recipe.RIDGE, strength=penalty)
    np.testing.assert_allclose(found.decision.coef[0], reference.coef_, rtol=1e-8)
    np.testing.assert_allclose(found.decision.intercept[0], reference.intercept_, rtol=1e-10)


def test_the_best_penalty_is_chosen_and_the_interval_holds_what_it_says():
    head = trained(coverage=0.8)
    assert head.strength == head.trials[0].strength == min(head.trials, key=lambda trial: trial.log_loss).strength
    judged = evaluate(head, UNSEEN)
    assert judged.coverage == pytest.approx(0.8, abs=0.05)
    assert judged.explained.value > 0.9
    assert judged.explained.low < judged.explained.value < judged.explained.high
    assert head.margin == judged.margin < evaluate(trained(coverage=0.95), UNSEEN).margin


def test_coverage_holds_over_many_draws():
    """The mean over 100 draws of 60 examples; that of margins from the examples themselves would be 10 points less."""
    truth = Measured.of(UNSEEN)
    shares = []
    for draw in range(100):
        head = trained(measured(60, seed=100 + draw), recipe=Recipe.RIDGE, strength=0.01)
        errors = truth.values - head.decision.logits(truth.features)[:, 0]
        shares.append((np.abs(errors) <= head.margin).mean())
    assert 0.89 <= np.mean(shares) <= 0.93


def test_too_few_examples_have_no_interval():
    assert regression.margin(np.arange(8.0), 0.9) is None
    assert regression.margin(np.arange(9.0), 0.9) == 8
    assert regression.margin(np.arange(-99.0, 0.0), 0.9) == 90
    head = trained(measured(4))
    assert head.margin is None
    assert evaluate(head, UNSEEN).coverage is None


def test_two_examples_are_enough():
    assert np.isfinite(trained(measured(2)).decision.coef).all()


def test_examples_come_and_go_exactly():
    before, more = trained(strength=0.1, recipe=Recipe.RIDGE), measured(30, seed=5)
    removed = np.arange(0, 100, 7)
    sums = before.moments.minus(regression.sums(Measured.of(EXAMPLES.rows(removed))))
    sums = sums.plus(regression.sums(Measured.of(more)))
    after = changed(EXAMPLES, removed, more, Task.VALUE)
    found, expected = fitting.refit(after, before, sums, ignored), trained(after, strength=0.1, recipe=Recipe.RIDGE)
    same_weights(found, expected)
    assert found.counts.tolist() == expected.counts.tolist() == [215]
    assert found.margin == pytest.approx(expected.margin)


def test_a_merge_of_five_is_the_head_of_all():
    parts = [trained(EXAMPLES.rows(np.arange(start, 200, 5)), strength=0.1, recipe=Recipe.RIDGE) for start in range(5)]
    found, expected = merging.merged(parts), trained(strength=0.1, recipe=Recipe.RIDGE)
    same_weights(found, expected)
    assert (found.task, found.counts.tolist()) == (Task.VALUE, [200])
    assert found.margin == pytest.approx(np.mean([part.margin for part in parts]))
    np.testing.assert_allclose(found.scope.means, expected.scope.means, atol=1e-6)
    assert merging.merged([parts[0], replace(parts[1], margin=None)]).margin is None


def test_a_head_comes_back_and_predicts_what_it_computes(tmp_path):
    head = trained()
    artifact.write(tmp_path / "head", head)
    found, predictor = artifact.read(tmp_path / "head"), Predictor(tmp_path / "head")
    assert (found.task, found.margin, found.classes) == (Task.VALUE, head.margin, ("value",))
    np.testing.assert_array_equal(found.moments.grams, head.moments.grams)
    estimates = predictor.estimate(UNSEEN.features[:50])
    assert (estimates.values.dtype, estimates.values.shape) == (np.float64, (50,))
    np.testing.assert_allclose(estimates.values, head.decision.logits(UNSEEN.features[:50])[:, 0], rtol=1e-12)
    assert 0.3 < predictor.estimate(UNSEEN.features).out_of_scope.mean() < 0.7


def test_an_example_is_found_by_vector_and_number():
    labels = [EXAMPLES.classes[target] for target in EXAMPLES.targets[[7, 3]].tolist()]
    assert find(EXAMPLES, EXAMPLES.features[[7, 3]], labels).tolist() == [7, 3]
    with pytest.raises(InvalidInput, match="is not among the examples"):
        find(EXAMPLES, EXAMPLES.features[[7]], labels[1:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": Recipe.LDA}, "lda cannot learn numbers"),
        ({"balance_classes": True}, "no classes to balance"),
        ({"abstain_error": 0.1}, "never abstains"),
        ({"strength": 2.0}, "strength 2 of auto"),
    ],
)
def test_options_that_mean_nothing_for_numbers_are_refused(options, message):
    with pytest.raises(InvalidInput, match=message):
        trained(**options)


def test_numbers_that_cannot_be_learned_are_refused():
    for value in (np.nan, np.inf, -1e19):
        with pytest.raises(InvalidInput, match="must be finite"):
            written_value(value)
    with pytest.raises(InvalidInput, match=r"all examples have the value 3\.0"):
        check(EXAMPLES.features[:2], ["3.0", "3.0"], task=Task.VALUE)


def test_what_is_not_explained_is_said():
    constant = check(UNSEEN.features[:5], [written_value(HEIGHT)] * 5, allow_one_class=True, task=Task.VALUE)
    assert evaluate(trained(), constant).explained is None
