import numpy as np
import pytest

from clouds import clouds, with_copies
from frostline.server.errors import InvalidInput
from frostline.server.heads import drift as room
from frostline.server.heads import examples
from frostline.server.heads.answering import answer
from frostline.server.heads.drift import drift
from frostline.server.heads.orders import MeasureDrift


def drawn(rows, shift=0.0, seed=0, dimensions=8):
    points = np.random.default_rng(seed).standard_normal((rows, dimensions))
    points[:, 0] += shift
    return points.astype(np.float32)


def test_chance_alone_is_called_drift_as_often_as_the_p_value_says(monkeypatch):
    monkeypatch.setattr(room, "PERMUTATIONS", 99)
    found = [drift(drawn(40, seed=seed), drawn(25, seed=1_000 + seed), 0) for seed in range(200)]
    p_values = np.array([each.p_value for each in found])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p_values <= level) <= level + 3 * np.sqrt(level * (1 - level) / 200)
    assert np.median(p_values) < 0.8
    assert 0.45 < np.mean([each.separability for each in found]) < 0.51


def test_inputs_that_have_moved_are_told_from_examples():
    found = drift(drawn(100), drawn(60, shift=8, seed=1), 3)
    assert (found.p_value, found.example_count, found.input_count) == (0.001, 100, 60)
    assert found.separability == 1
    assert found.expected_score == pytest.approx(59 / 159)
    assert [each.score for each in found.shifted] == [1, 1, 1]


def test_the_inputs_that_have_moved_come_first_the_furthest_of_them_before_others():
    inputs = drawn(60, seed=1)
    inputs[[7, 12, *range(20, 40)], 0] += 12
    inputs[12, 0] += 30
    found = drift(drawn(200), inputs, 25)
    assert found.shifted[0].position == 12
    assert {each.position for each in found.shifted[:22]} == {7, 12, *range(20, 40)}
    assert len(found.shifted) == 25
    assert found.shifted[24].score < 0.7


def test_what_is_not_in_the_sample_is_looked_at_too(monkeypatch):
    monkeypatch.setattr(room, "MOST_COMPARED", 50)
    inputs = drawn(400, seed=1)
    inputs[:200, 0] += 9
    found = drift(drawn(300), inputs, 200)
    assert (found.example_count, found.input_count) == (300, 400)
    assert found.expected_score == pytest.approx(49 / 99)
    assert {each.position for each in found.shifted} == set(range(200))


def test_equal_rows_are_no_drift():
    same = np.ones((20, 4), np.float32)
    found = drift(same, same, 1)
    assert found.p_value > 0.05
    repeated = np.repeat(drawn(12), 30, axis=0)
    assert drift(repeated[::2], repeated[1::2], 1).p_value > 0.05


@pytest.mark.parametrize(("examples", "inputs", "what"), [(4, 9, "4 examples"), (9, 4, "4 inputs")])
def test_too_few_are_refused(examples, inputs, what):
    with pytest.raises(InvalidInput, match=f"there are {what} to compare; drift takes 5 or more of each"):
        drift(drawn(examples), drawn(inputs), 1)


def test_copies_and_descriptions_are_no_examples_to_compare_with(tmp_path):
    examples.save(tmp_path / "examples", with_copies(clouds(6, 5, described="a"), 3))
    np.save(tmp_path / "inputs.npy", clouds(5, 5, seed=1).features)
    question = MeasureDrift(examples=tmp_path / "examples", inputs=tmp_path / "inputs.npy", limit=0)
    found = answer(question, lambda _step, _done: None)
    assert (found.example_count, found.input_count) == (11, 10)
