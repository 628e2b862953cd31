import time

import numpy as np
import pytest

from clouds import clouds, with_copies
from frostline.server.errors import DataDamaged, InvalidInput
from frostline.server.heads import examples
from frostline.server.heads.examples import changed, check, find, find_classes, labels_of
from made_heads import labelled, unit


def same(found, expected):
    assert found.classes == expected.classes
    for name in ("features", "targets", "described", "origins"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)


def test_labels_become_places_among_the_classes():
    found = check(unit(4), ["pear", "apple", "pear", "fig"], np.array([False, False, True, False]))
    assert found.classes == ("apple", "fig", "pear")
    assert found.targets.tolist() == [2, 0, 2, 1]
    assert found.counts.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "there are no examples"),
        (["a", "b"], "3 vectors come with 2 labels"),
        (["a", "", "b"], "example 1 has an empty label"),
        (["a", "b", " \t"], "example 2 has an empty label"),
        (["a", "b", "é" * 257], "label of example 2 has 514 bytes; at most 512"),
        (["a", "a", "a"], "all examples are of class 'a'"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(labels, message):
    with pytest.raises(InvalidInput, match=message):
        check(unit(3), labels)


def test_a_label_may_have_512_bytes():
    check(unit(2), ["é" * 256, "a" * 512])


def test_more_classes_than_a_head_takes_are_refused_before_vectors_are_looked_at():
    labels = [str(row) for row in range(100_000)]
    with pytest.raises(InvalidInput, match="100000 classes; a head takes at most 10000"):
        check(np.full((100_000, 1), np.nan, np.float32), labels)
    check(np.ones((10_000, 1), np.float32), labels[:10_000])


@pytest.mark.parametrize(("value", "said"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (1e19, r"9\.99")])
def test_vectors_that_cannot_be_computed_with_are_refused(value, said):
    features = unit(3)
    features[1, 5] = value
    with pytest.raises(InvalidInput, match=f"example 1 holds {said}.* at position 5"):
        check(features, ["a", "b", "c"])


def test_one_class_will_do_for_what_is_added():
    assert check(unit(2), ["a", "a"], allow_one_class=True).classes == ("a",)


def test_examples_come_back_as_they_were_saved(tmp_path):
    saved = labelled(rows=31, classes=("", "é\n", "z" * 512)[1:])
    saved.described[3] = True
    saved.origins[30] = 7
    examples.save(tmp_path / "examples", saved)
    same(examples.load(tmp_path / "examples"), saved)


@pytest.mark.parametrize("name", ["examples.npz", "examples.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_examples_are_refused(tmp_path, name, damage):
    folder = tmp_path / "examples"
    examples.save(folder, labelled())
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    match damage:
        case "flip":
            (folder / name).write_bytes(content)
        case "cut":
            (folder / name).write_bytes(content[:-1])
        case "remove":
            (folder / name).unlink()
    with pytest.raises(DataDamaged, match=name):
        examples.load(folder)


def test_examples_are_found_again_within_the_tolerance_and_each_once():
    stored = check(np.repeat(unit(5), 2, axis=0), list("abababaabb"))
    wanted = stored.features[[6, 6, 3]] + np.float32(9e-6)
    assert sorted(find(stored, wanted[:2], ["a", "a"]).tolist()) == [6, 7]
    assert find(stored, wanted[2:], ["b"]).tolist() == [3]
    with pytest.raises(InvalidInput, match="example 2 of class 'a' is not among"):
        find(stored, wanted[[0, 0, 0]], ["a", "a", "a"])


@pytest.mark.parametrize(("row", "shift", "label"), [(0, 2e-5, "a"), (0, 0, "b"), (0, 0, "unknown"), (3, 0, "a")])
def test_an_example_that_is_not_there_is_named(row, shift, label):
    stored = check(unit(4), list("abba"), np.array([False, False, False, True]))
    features = stored.features[[row]]
    features[0, 7] += np.float32(shift)
    with pytest.raises(InvalidInput, match=f"example 0 of class '{label}' is not among"):
        find(stored, features, [label])


def test_the_nearest_of_several_is_taken():
    near = unit(1) + np.array([[8e-6], [0], [4e-6]], np.float32)
    stored = check(np.concatenate([near, unit(1, seed=1)]), list("aaab"))
    assert find(stored, near[[1, 2, 0]], list("aaa")).tolist() == [1, 2, 0]


def test_a_thousand_of_many_examples_are_found_quickly():
    stored = labelled(rows=20_000, classes=("a", "b"), dimensions=64)
    wanted = np.random.default_rng(4).permutation(20_000)[:1000]
    labels = labels_of(stored)
    begun = time.process_time()
    found = find(stored, stored.features[wanted], [labels[row] for row in wanted])
    assert time.process_time() - begun < 0.5  # a comparison with each takes seconds
    np.testing.assert_array_equal(found, wanted)


def test_an_update_keeps_the_order_and_forgets_classes_without_rows():
    before = check(unit(5), list("abcab"), np.array([False, False, False, False, True]))
    added = check(unit(1, seed=9), ["d"], allow_one_class=True)
    after = changed(before, np.array([2, 0]), added)
    assert labels_of(after) == list("babd")
    assert after.classes == ("a", "b", "d")
    assert after.described.tolist() == [False, False, True, False]
    np.testing.assert_array_equal(after.features[:3], before.features[[1, 3, 4]])
    np.testing.assert_array_equal(after.features[3:], added.features)


def test_an_update_that_leaves_one_class_is_refused():
    with pytest.raises(InvalidInput, match="all examples are of class 'b'"):
        changed(check(unit(3), list("abb")), np.array([0]), None)
    with pytest.raises(InvalidInput, match="there are no examples"):
        changed(check(unit(3), list("abb")), np.arange(3), None)


def test_the_rows_of_classes_are_found_with_their_descriptions():
    stored = check(unit(5), list("abcab"), np.array([False, False, False, False, True]))
    assert find_classes(stored, ["b", "c"]).tolist() == [1, 2, 4]
    assert find_classes(stored, []).tolist() == []
    with pytest.raises(InvalidInput, match="class 'd' is not among those of the head: 'a', 'b', 'c'"):
        find_classes(stored, ["a", "d"])


def test_copies_are_not_found_and_go_with_what_they_were_made_of():
    before = with_copies(clouds(3, 3), 2)
    rows = find(before, before.features[[1, 4]], [before.classes[before.targets[row]] for row in (1, 4)])
    assert rows.tolist() == [1, 4]
    with pytest.raises(InvalidInput, match="not so often"):
        find(before, before.features[[1, 1]], [before.classes[before.targets[1]]] * 2)
    added = with_copies(clouds(1, 1, seed=2), 1)
    after = changed(before, rows, added)
    assert (len(after.targets), after.counts.sum()) == (4 * 3 + 2 * 2, 6)
    assert not any((vector == after.features).all(axis=1).any() for vector in before.features[rows])
    np.testing.assert_array_equal(after.features[after.origins], after.features)
    np.testing.assert_array_equal(after.features[-4:], added.features)
    assert sorted(np.bincount(after.origins).tolist()) == [0] * 8 + [2, 2, 3, 3, 3, 3]
    whole = with_copies(clouds(3, 3, 3), 2)
    left = changed(whole, find_classes(whole, ["a"]), None)
    assert (left.classes, len(left.targets)) == (("b", "c"), 3 * 6)
