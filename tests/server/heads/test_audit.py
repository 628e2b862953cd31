import numpy as np
import pytest

from clouds import with_copies
from frostline.server.errors import InvalidInput
from frostline.server.heads import audit_report
from frostline.server.heads.audit import audit
from frostline.server.heads.examples import check
from frostline.server.heads.fitted import Recipe

CLASSES = ("cat", "dog", "owl")


def clusters(each=40, wrong=(), seed=0):
    """Examples of three classes around three directions; those in `wrong` have the label of the next class."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(3), each)
    features = np.eye(8)[targets] + 0.15 * rng.standard_normal((3 * each, 8))
    given = [CLASSES[(target + (row in wrong)) % 3] for row, target in enumerate(targets.tolist())]
    return features.astype(np.float32), given


def audited(features, labels, *, described=None, recipe=Recipe.LDA, strength=0.6, limit=100):
    told = []
    found = audit(
        check(features, labels, described, allow_one_class=True),
        recipe,
        strength,
        limit,
        lambda *each: told.append(each),
    )
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert told[-1][0] == "comparing examples"
    return found


@pytest.mark.parametrize("recipe", [Recipe.LDA, Recipe.LOGISTIC])
def test_labels_that_were_exchanged_are_suspected_and_the_right_ones_suggested(recipe):
    wrong = {3, 50, 90, 100}
    found = audited(*clusters(wrong=wrong), recipe=recipe)
    assert {each.position for each in found.suspects} == wrong
    assert found.suspect_count == 4
    suspect = next(each for each in found.suspects if each.position == 50)
    assert (suspect.label, suspect.suggested) == ("owl", "dog")
    qualities = [each.quality for each in found.suspects]
    assert qualities == sorted(qualities)
    assert qualities[-1] < 0.5


def test_labels_are_judged_by_heads_that_have_not_seen_them():
    """The nearest example of each that was seen would be itself, and every label right."""
    wrong = {3, 50, 90, 100}
    found = audited(*clusters(wrong=wrong), recipe=Recipe.NEAREST_NEIGHBORS, strength=1)
    assert wrong <= {each.position for each in found.suspects}


def test_right_labels_are_not_suspected():
    found = audited(*clusters())
    assert (found.suspects, found.duplicates, found.suspect_count) == ((), (), 0)
    assert found.example_count == 120


def test_nearly_the_same_examples_are_a_group_and_contradictions_come_first():
    features, labels = clusters()
    again = features[[5, 5, 90]] + np.float32(1e-4)
    again[1] += np.float32(1e-4)
    found = audited(np.concatenate([features, again]), [*labels, "cat", "cat", "dog"])
    assert [(each.positions, each.labels, each.contradictory) for each in found.duplicates] == [
        ((90, 122), ("owl", "dog"), True),
        ((5, 120, 121), ("cat", "cat", "cat"), False),
    ]


def test_examples_unlike_all_others_are_outliers_the_furthest_first():
    features, labels = clusters()
    features[7] = [0, 0, 0, 0, 0, 0, 0, 1]
    features[60] = [0, -1, -1, 0, 0, -1, 0, 0]
    found = audited(features, labels)
    assert [each.position for each in found.outliers[:2]] == [60, 7]
    assert all(each.distance < 1.2 for each in found.outliers[2:])
    assert found.outliers[0].distance > found.outliers[1].distance > 1
    assert found.outliers[0].label == "dog"


def test_at_most_so_many_are_listed_and_all_are_counted():
    features, labels = clusters(wrong={3, 50, 90})
    found = audited(np.concatenate([features, *[features[8:9]] * 5]), [*labels, *["cat"] * 5], limit=2)
    assert (len(found.suspects), found.suspect_count) == (2, 3)
    assert (found.duplicates[0].positions, found.duplicates_count) == ((8, 120), 1)


def test_descriptions_are_passed_over_and_do_not_count():
    features, labels = clusters(each=20)
    described = np.zeros(62, np.bool_)
    described[[0, 61]] = True
    rows = np.concatenate([np.ones((1, 8), np.float32), features, np.ones((1, 8), np.float32)])
    found = audited(rows, ["fox", *labels, "cat"], described=described)
    assert (found.example_count, found.duplicates_count) == (60, 0)


def test_one_class_or_one_example_has_nothing_to_be_judged_by():
    features, _ = clusters(each=4)
    assert audited(features, ["cat"] * 12).suspects == ()
    assert audited(features[:1], ["cat"]).outliers == ()
    assert audited(features[:3], ["cat", "dog", "owl"]).suspects == ()


def test_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(audit_report, "MOST_AUDITED", 10)
    with pytest.raises(InvalidInput, match="12 examples are too many; audit at most 10"):
        audited(*clusters(each=4))
    monkeypatch.setattr(audit_report, "MOST_AUDITED", 100)
    monkeypatch.setattr(audit_report, "MOST_SHARES", 30)
    with pytest.raises(InvalidInput, match="12 examples of 3 classes are too many at once"):
        audited(*clusters(each=4))


def test_copies_are_neither_judged_nor_duplicates():
    wrong = {3, 50, 90, 100}
    labelled = with_copies(check(*clusters(wrong=wrong)), 2, noise=0.001)
    found = audit(labelled, Recipe.LDA, 0.6, 100, lambda _step, _done: None)
    assert (found.example_count, found.duplicates) == (120, ())
    assert {each.position for each in found.suspects} == wrong
