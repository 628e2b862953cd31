"""Examples that decisions have not seen."""

import numpy as np
import pytest

from clouds import clouds
from frostline.server.heads import held_out as room
from frostline.server.heads.closed_form import decide
from frostline.server.heads.fitted import EXACT, Recipe
from frostline.server.heads.folds import folds
from frostline.server.heads.held_out import held_out
from frostline.server.heads.lesson import Lesson
from frostline.server.heads.moments import Moments
from frostline.server.heads.recipes import knn


def shuffled(labelled):
    """The examples with labels that have nothing to do with them."""
    np.random.default_rng(5).shuffle(labelled.targets)
    return labelled


def nearest(lesson):
    return [knn.fit(lesson.labelled, 1, False)]


def ignored(_done):
    pass


def test_what_learns_by_heart_is_right_by_chance_where_labels_are_chance():
    labelled = shuffled(clouds(300, 300, 300, 300))
    assert (nearest(Lesson.of(labelled))[0].logits(labelled.features).argmax(axis=1) == labelled.targets).all()
    (outcome,) = held_out(Lesson.of(labelled), nearest, 5, False, ignored)
    assert len(outcome.targets) == 1_200
    assert (outcome.logits.argmax(axis=1) == outcome.targets).mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("recipe", sorted(EXACT))
def test_sums_less_a_part_are_the_sums_of_the_others(recipe):
    labelled = clouds(20, 3, 2, 1, described=("c",))
    (outcome,) = held_out(
        Lesson.of(labelled), lambda lesson: [decide(recipe, 0.5, lesson.moments, False)], 5, False, ignored
    )
    expected = []
    for rows in folds(labelled, 5):
        left = labelled.rows(np.delete(np.arange(len(labelled.targets)), rows))
        expected.append(decide(recipe, 0.5, Moments.of(left), False).logits(labelled.features[rows]))
    np.testing.assert_allclose(outcome.logits, np.concatenate(expected), rtol=1e-9, atol=1e-9)


def test_sums_over_more_than_is_at_hand_lose_only_what_is_held_out():
    everything = clouds(30, 30, 30)
    at_hand = everything.rows(np.arange(20))
    lesson = Lesson(at_hand, lambda: Moments.of(everything)).without(np.array([3, 5]))
    left = Moments.of(everything.rows(np.delete(np.arange(90), [3, 5])))
    np.testing.assert_allclose(lesson.moments.sums, left.sums, atol=1e-12)
    assert len(lesson.labelled.targets) == 18


def test_classes_count_alike_where_they_shall():
    (outcome,) = held_out(Lesson.of(clouds(30, 10, 2)), nearest, 5, True, ignored)
    np.testing.assert_allclose(np.bincount(outcome.targets, outcome.weights), 1)


def test_nothing_comes_of_nothing():
    assert held_out(Lesson.of(clouds(1, 1)), nearest, 5, False, ignored) == []


def test_very_many_logits_are_thinned_out(monkeypatch):
    monkeypatch.setattr(room, "MOST_LOGITS", 200)
    lesson, seen = Lesson.of(clouds(100, 100)), []

    def learn(part):
        seen.append(len(part.labelled.targets))
        return [decide(Recipe.RIDGE, 1, part.moments, False)]

    (outcome,) = held_out(lesson, learn, 5, False, ignored)
    assert outcome.logits.shape == (100, 2)
    assert len(outcome.targets) == len(outcome.weights) == 100
    assert (outcome.logits.argmax(axis=1) == outcome.targets).mean() > 0.9
    assert seen == [180] * 5


def test_progress_is_told_before_each_part():
    told = []
    held_out(Lesson.of(clouds(10, 10)), nearest, 4, False, told.append)
    assert told == [0, 0.25, 0.5, 0.75]
