"""Which recipe and strength are chosen."""

import numpy as np
import pytest

from clouds import clouds
from frostline.server.heads.closed_form import decide_all
from frostline.server.heads.decision import Linear
from frostline.server.heads.fitted import Recipe
from frostline.server.heads.recipes import knn
from frostline.server.heads.selection import SELECTION_ROWS, Candidate, select


def ignored(_done):
    pass


def of_sums(recipe, *strengths):
    return Candidate(recipe, strengths, lambda lesson: decide_all(recipe, strengths, lesson.moments, False))


def test_the_least_loss_comes_first():
    labelled = clouds(40, 40, 40, spread=2)
    candidates = [of_sums(Recipe.RIDGE, 0.01, 1, 1e6), of_sums(Recipe.LDA, 0.3)]
    trials = select(labelled, candidates, False, ignored)
    assert {(trial.recipe, trial.strength) for trial in trials} == {
        *((Recipe.RIDGE, strength) for strength in (0.01, 1, 1e6)),
        (Recipe.LDA, 0.3),
    }
    losses = [trial.log_loss for trial in trials]
    assert losses == sorted(losses)
    assert all(0 < loss <= np.log(3) + 0.01 for loss in losses)


def test_scores_that_are_no_logits_are_judged_by_what_a_temperature_makes_of_them():
    def times(factor):
        def learn(lesson):
            (found,) = decide_all(Recipe.RIDGE, (1,), lesson.moments, False)
            return [Linear(factor * found.coef, factor * found.intercept)]

        return Candidate(Recipe.RIDGE, (factor,), learn)

    trials = select(clouds(30, 30, 30), [times(1), times(1e-4), times(1e4)], False, ignored)
    assert trials[0].log_loss == pytest.approx(trials[-1].log_loss, rel=1e-6)
    assert trials[0].log_loss < 0.5


def test_memory_of_examples_does_not_win():
    labelled = clouds(60, 60, 60, spread=3)
    by_heart = Candidate(Recipe.NEAREST_NEIGHBORS, (1,), lambda lesson: [knn.fit(lesson.labelled, 1, False)])
    assert select(labelled, [by_heart, of_sums(Recipe.RIDGE, 1)], False, ignored)[0].recipe is Recipe.RIDGE


def test_choosing_looks_at_a_sample():
    seen = []

    def learn(lesson):
        seen.append(len(lesson.labelled.targets))
        return decide_all(Recipe.RIDGE, (1,), lesson.moments, False)

    select(clouds(4_000, 3_000), [Candidate(Recipe.RIDGE, (1,), learn)], False, ignored)
    assert seen == [SELECTION_ROWS * 4 // 5] * 5


def test_nothing_is_chosen_where_nothing_can_be_held_out():
    assert select(clouds(1, 1), [of_sums(Recipe.RIDGE, 1)], False, ignored) == ()


def test_progress_grows():
    told = []
    select(clouds(20, 20), [of_sums(Recipe.RIDGE, 1), of_sums(Recipe.LDA, 0.5)], False, told.append)
    assert told == sorted(told)
    assert len(told) == 10
