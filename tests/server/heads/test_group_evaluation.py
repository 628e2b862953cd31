"""Judging by group: figures against scikit-learn's, gaps that are there and gaps that are chance, thresholds."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from frostline.server.errors import InvalidInput
from frostline.server.heads import evaluation, group_evaluation
from frostline.server.heads.abstention import NEVER_ANSWERS
from frostline.server.heads.calibration import probabilities
from frostline.server.heads.decision import Linear
from frostline.server.heads.group_evaluation import Answered, GroupComparison
from frostline.server.heads.groups import Groups
from frostline.server.heads.labelled import Labelled
from made_heads import fitted

CLASSES = ("a", "b", "c")
HEAD = fitted(decision=Linear(2 * np.eye(3), np.zeros(3)), dimensions=3, abstain_threshold=0.0, abstain_error=0.0)


def drawn(noise, size=400, seed=0):
    """Examples of as many groups as there are strengths of noise, `size` of each."""
    draw = np.random.default_rng(seed)
    targets = draw.integers(3, size=size * len(noise))
    strength = np.repeat(noise, size)[:, np.newaxis]
    features = np.eye(3)[targets] + strength * draw.standard_normal((len(targets), 3))
    groups = [f"group {place}" for place in range(len(noise)) for _ in range(size)]
    return Labelled.plain(features.astype(np.float32), targets, CLASSES), Groups.of(groups)


def compared(noise, head=HEAD, **more) -> GroupComparison:
    labelled, groups = drawn(noise, **more)
    found = evaluation.evaluate(head, labelled, groups).groups
    assert found is not None
    return found


def test_figures_of_each_group_are_those_of_its_examples_alone():
    head = replace(HEAD, abstain_threshold=0.7)
    labelled, groups = drawn([0.3, 0.9])
    found = evaluation.evaluate(head, labelled, groups).groups
    for place, group in enumerate(found.groups):
        rows = np.flatnonzero(groups.members == place)
        alone = evaluation.evaluate(head, labelled.rows(rows))
        assert (group.group, group.example_count) == (groups.names[place], 400)
        for figure in ("accuracy", "macro_f1", "set_coverage", "answered_accuracy"):
            assert getattr(group, figure) == getattr(alone, figure), figure
        for figure in ("calibration_error", "abstained_share"):
            assert getattr(group, figure) == pytest.approx(getattr(alone, figure)), figure
        predicted = probabilities(head, labelled.features[rows]).argmax(axis=1)
        assert group.accuracy.value == metrics.accuracy_score(labelled.targets[rows], predicted)


def test_groups_too_small_are_named_and_change_no_figure_of_the_others():
    labelled, groups = drawn([0.3, 0.9])
    whole = evaluation.evaluate(HEAD, labelled, groups).groups
    extra = labelled.rows(np.r_[:800, :9, :1])
    names = [groups.names[place] for place in groups.members] + ["a rare one"] * 9 + ["single"]
    found = evaluation.evaluate(HEAD, extra, Groups.of(names))
    assert found.example_count == 810
    assert [(each.group, each.example_count) for each in found.groups.small] == [("a rare one", 9), ("single", 1)]
    assert found.groups.model_copy(update={"small": ()}) == whole


def test_a_gap_is_stated_with_its_interval_and_is_no_chance():
    found = compared([0.3, 0.5, 1.2])
    accuracy = {group.group: group.accuracy.value for group in found.groups}
    assert (found.best, found.worst) == ("group 0", "group 2")
    assert found.gap.value == pytest.approx(accuracy["group 0"] - accuracy["group 2"])
    assert 0 < found.gap.low < found.gap.value < found.gap.high
    assert found.p_value < 0.001


def test_groups_that_chance_made_seldom_look_apart():
    """A p-value below 0.1 comes in a tenth of the draws; in more than 10 of 40 it would once in 500 times."""
    p_values = [compared([0.8, 0.8, 0.8], size=60, seed=seed).p_value for seed in range(40)]
    assert sum(value < 0.1 for value in p_values) <= 10
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.15)


def test_thresholds_of_their_own_make_answers_as_good_in_each_group():
    found = compared([0.5, 0.8], size=2000).mitigation
    best, worst = found.thresholds
    assert found.gap_before.low > 0.05
    assert found.gap_after.value < found.gap_before.value / 3
    assert worst.threshold > best.threshold
    assert worst.before.share == 1
    assert 0.2 < worst.after.share < 0.8
    assert 1 - worst.after.accuracy < found.error + 0.03


def test_the_error_of_the_head_is_that_of_the_thresholds_where_it_has_one():
    found = compared([0.3, 0.9], replace(HEAD, abstain_error=0.1), size=1000).mitigation
    assert found.error == 0.1
    assert all(1 - threshold.after.accuracy < 0.13 for threshold in found.thresholds)


def test_thresholds_are_measured_on_examples_they_were_not_chosen_on(monkeypatch):
    """Group by group, one half is always right and the other always wrong, and it is known which is which."""
    features = np.tile(np.eye(3, dtype=np.float32)[[0, 1]], (100, 1))
    targets = np.tile([0, 0], 100)
    groups = Groups.of(["x"] * 100 + ["y"] * 100)
    monkeypatch.setattr(group_evaluation, "_halves", lambda groups: targets == np.tile([0, 1], 100))
    labelled = Labelled.plain(features, targets, CLASSES)
    found = evaluation.evaluate(replace(HEAD, abstain_error=0.1), labelled, groups).groups.mitigation
    assert [threshold.after for threshold in found.thresholds] == 2 * [Answered(share=1, accuracy=0)]


def test_half_of_each_group_is_chosen_on():
    groups = Groups.of(["x"] * 10 + ["y"] * 31)
    halves = group_evaluation._halves(groups)
    assert np.bincount(groups.members[halves]).tolist() == [5, 15]
    assert 0 < halves[10:26].sum() < 15


def test_a_group_whose_answers_cannot_be_good_enough_is_never_answered():
    found = compared([0.2, 50.0], size=30).mitigation
    assert found.thresholds[1].threshold == NEVER_ANSWERS
    assert found.thresholds[1].after == Answered(share=0, accuracy=None)
    assert found.gap_after is None


def test_groups_survive_being_written(tmp_path):
    groups = Groups.of(["b"] * 10 + ["a"] * 11 + ["c"])
    groups.save(tmp_path / "groups.json")
    again = Groups.load(tmp_path / "groups.json")
    assert again.names == ("a", "b")
    np.testing.assert_array_equal(again.members, [1] * 10 + [0] * 11 + [-1])
    assert again.small == {"c": 1}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (["a"] * 10 + [""] + ["b"] * 10, "example 10 has no group, and others have"),
        (["a"] * 20, "of 1 groups of examples 1 have 10 examples or more"),
        ([str(n // 10) for n in range(1010)], "of 101 groups of examples 101 have"),
        (["a"] * 10 + ["b"] * 9, "of 2 groups of examples 1 have 10 examples or more; a head is judged by 2 to 100"),
        (["a"] * 10 + ["b" * 513] * 10, "is longer than 512 bytes"),
    ],
)
def test_groups_that_say_nothing_are_refused(given, wrong):
    with pytest.raises(InvalidInput, match=wrong):
        Groups.of(given)
