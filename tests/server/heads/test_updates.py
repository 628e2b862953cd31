"""Heads that are brought up to date or merged, against heads trained on everything at once."""

from dataclasses import replace

import numpy as np
import pytest

from clouds import clouds
from frostline.server.errors import InvalidInput
from frostline.server.heads.calibration import probabilities
from frostline.server.heads.fitted import EXACT, Recipe, TrainingOptions
from frostline.server.heads.fitting import refit, train
from frostline.server.heads.folds import present
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.merging import merged
from frostline.server.heads.moments import Moments

STRENGTHS = {Recipe.RIDGE: 0.1, Recipe.LDA: 0.05, Recipe.NEAREST_MEAN: None}
EXAMPLES = clouds(*range(30, 90, 3), dimensions=32, spread=1.5)
UNSEEN = clouds(*[50] * 20, dimensions=32, spread=1.5, seed=1)
EACH = pytest.mark.parametrize("recipe", sorted(EXACT))


def ignored(_step, _progress):
    pass


def trained(labelled, recipe, **options):
    options = TrainingOptions(recipe=recipe, strength=STRENGTHS.get(recipe), **options)
    return train(labelled, options, ignored)


def of_classes(places):
    return present(EXAMPLES.rows(np.flatnonzero(np.isin(EXAMPLES.targets, places))))


def alike(one, other):
    """Whether two heads have the same weights to 1e-8, and predict the same."""
    assert one.classes == other.classes
    assert one.counts.tolist() == other.counts.tolist()
    for mine, theirs in (
        (one.decision.coef, other.decision.coef),
        (one.decision.intercept, other.decision.intercept),
    ):
        assert np.linalg.norm(mine - theirs) <= 1e-8 * np.linalg.norm(theirs)
    answers = (head.decision.logits(UNSEEN.features).argmax(axis=1) for head in (one, other))
    assert np.equal(*answers).all()
    np.testing.assert_allclose(one.scope.means, other.scope.means, atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "balance_classes"), [*((recipe, False) for recipe in sorted(EXACT)), (Recipe.LDA, True)]
)
def test_classes_learned_in_ten_phases_are_learned_as_at_once(recipe, balance_classes):
    head, seen = trained(of_classes([0, 1]), recipe, balance_classes=balance_classes), [0, 1]
    for phase in range(1, 10):
        added = of_classes([2 * phase, 2 * phase + 1])
        seen += [2 * phase, 2 * phase + 1]
        head = refit(of_classes(seen), head, head.moments.plus(Moments.of(added)), ignored)
    at_once = trained(EXAMPLES, recipe, balance_classes=balance_classes)
    alike(head, at_once)
    assert head.temperature == pytest.approx(at_once.temperature, rel=1e-6)
    assert head.set_quantile == pytest.approx(at_once.set_quantile, rel=1e-6)
    assert head.held_out_accuracy == at_once.held_out_accuracy


@EACH
def test_a_hundred_examples_that_are_removed_leave_nothing_behind(recipe):
    order = np.random.default_rng(3).permutation(len(EXAMPLES.targets))
    removed, left = EXAMPLES.rows(order[:100]), EXAMPLES.rows(np.sort(order[100:]))
    before = trained(EXAMPLES, recipe)
    alike(refit(left, before, before.moments.minus(Moments.of(removed)), ignored), trained(left, recipe))


@EACH
def test_a_class_that_is_removed_leaves_nothing_behind(recipe):
    before = trained(EXAMPLES, recipe)
    left = of_classes(range(1, 20))
    after = refit(left, before, before.moments.minus(Moments.of(of_classes([0]))), ignored)
    assert after.classes == EXAMPLES.classes[1:]
    expected = trained(left, recipe)
    assert np.linalg.norm(after.decision.coef - expected.decision.coef) <= 1e-8 * np.linalg.norm(expected.decision.coef)


@EACH
def test_five_parts_merge_into_the_head_of_all(recipe):
    parts = [present(EXAMPLES.rows(np.arange(part, len(EXAMPLES.targets), 5))) for part in range(4)]
    rest = EXAMPLES.rows(np.arange(4, len(EXAMPLES.targets), 5))
    parts.append(present(rest.rows(np.flatnonzero(rest.targets > 4))))  # one has not seen all classes
    everything = Labelled.plain(
        np.concatenate([part.features for part in parts]),
        np.concatenate([np.searchsorted(EXAMPLES.classes, np.array(part.classes))[part.targets] for part in parts]),
        EXAMPLES.classes,
        np.concatenate([part.described for part in parts]),
    )
    heads = [trained(part, recipe, abstain_error=0.3) for part in parts]
    together, expected = merged(heads), trained(everything, recipe, abstain_error=0.3)
    alike(together, expected)
    assert min(h.temperature for h in heads) < together.temperature < max(h.temperature for h in heads)
    accuracies, counts = [h.held_out_accuracy for h in heads], [h.counts.sum() for h in heads]
    assert together.held_out_accuracy == pytest.approx(np.average(accuracies, weights=counts))
    assert len(together.scope.held_out) == len(everything.targets)
    assert (np.diff(together.scope.held_out) >= 0).all()


@EACH
def test_a_merged_head_is_brought_up_to_date_by_few_examples_and_judged_as_before(recipe):
    parts = [present(EXAMPLES.rows(np.arange(part, len(EXAMPLES.targets), 2))) for part in range(2)]
    together = merged([trained(part, recipe) for part in parts])
    few = clouds(0, 6, 0, 6, dimensions=32, seed=4)
    added = Labelled.plain(few.features, (few.targets - 1) // 2, ("b", "d"))
    after = refit(added, together, together.moments.plus(Moments.of(added)), ignored)
    assert after.classes == together.classes
    assert (after.counts - together.counts).tolist() == [0, 6, 0, 6, *[0] * 16]
    assert not np.allclose(after.decision.coef, together.decision.coef)
    for name in ("temperature", "abstain_threshold", "set_quantile", "held_out_accuracy"):
        assert getattr(after, name) == getattr(together, name)
    assert (after.scope.held_out == together.scope.held_out).all()


@EACH
def test_a_head_is_judged_by_examples_at_hand_where_they_are_most(recipe):
    before = trained(EXAMPLES, recipe)
    at_hand = present(EXAMPLES.rows(np.arange(0, len(EXAMPLES.targets) * 2 // 3)))
    after = refit(at_hand, before, before.moments, ignored)
    assert after.held_out_accuracy == pytest.approx(before.held_out_accuracy, abs=0.05)
    assert after.temperature != before.temperature
    assert len(after.scope.held_out) == len(at_hand.targets)


def test_descriptions_are_learned_from_once_and_not_counted():
    described = clouds(5, 5, described=("a", "b"))
    before = trained(described, Recipe.NEAREST_MEAN)
    more = clouds(5, 5, seed=7)
    both = Labelled.plain(
        np.concatenate([described.features, more.features]),
        np.concatenate([described.targets, more.targets]),
        described.classes,
        np.concatenate([described.described, more.described]),
    )
    after = refit(both, before, before.moments.plus(Moments.of(more)), ignored)
    assert after.counts.tolist() == [10, 10]
    assert after.moments.counts.tolist() == [11, 11]


@pytest.mark.parametrize("recipe", [Recipe.LOGISTIC, Recipe.LINEAR_SVM, Recipe.NEAREST_NEIGHBORS])
def test_other_recipes_are_trained_anew_with_the_strength_they_have(recipe):
    before = trained(clouds(20, 20, dimensions=8), recipe)
    more = clouds(20, 20, 10, dimensions=8, seed=2)
    after = refit(more, before, None, ignored)
    expected = train(more, TrainingOptions(recipe=recipe, strength=before.strength), ignored)
    assert (after.recipe, after.strength, after.classes) == (recipe, before.strength, ("a", "b", "c"))
    assert after.moments is None
    np.testing.assert_allclose(
        probabilities(after, UNSEEN.features[:, :8]), probabilities(expected, UNSEEN.features[:, :8]), atol=0.02
    )


def test_what_keeps_no_sums_or_differs_cannot_be_merged():
    ridge = trained(EXAMPLES, Recipe.RIDGE)
    for few in ([], [ridge]):
        with pytest.raises(InvalidInput, match="at least two heads"):
            merged(few)
    with pytest.raises(InvalidInput, match=r"different recipe \(ridge of part 0, lda of part 1\)"):
        merged([ridge, trained(EXAMPLES, Recipe.LDA)])
    with pytest.raises(InvalidInput, match="different strength"):
        merged([ridge, replace(ridge, strength=2.0)])
    with pytest.raises(InvalidInput, match="over 16 and 32 dimensions"):
        merged([ridge, trained(clouds(5, 5), Recipe.RIDGE)])
    logistic = trained(clouds(5, 5), Recipe.LOGISTIC)
    logistic = replace(logistic, strength=1.0)
    with pytest.raises(InvalidInput, match="logistic cannot be merged"):
        merged([logistic, logistic])


def test_a_head_keeps_two_classes_at_least():
    before = trained(clouds(5, 5), Recipe.RIDGE)
    only = present(clouds(5, 0))
    with pytest.raises(InvalidInput, match="only 'a'"):
        refit(only, before, Moments.of(only), ignored)
