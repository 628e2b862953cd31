import json

import numpy as np
import pytest

from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.recommendations import features
from frostline.server.recommendations.features import KEYWORD_WEIGHT, NUMBER_WEIGHT, FeatureMap


def _learned(payloads: list[object], **kinds: FieldKind) -> tuple[FeatureMap, list[bytes]]:
    fields = [IndexedField(path=path.replace("__", "."), kind=kind) for path, kind in kinds.items()]
    encoded = [json.dumps(payload).encode() if payload is not None else b"" for payload in payloads]
    return FeatureMap.learned([2], fields, encoded), encoded


def test_frequent_keywords_have_columns() -> None:
    learned, payloads = _learned(
        [{"g": ["x", "y"]}, {"g": "y"}, {"g": ["x", "x", "rare"]}, {}, None, {"g": 3}], g=FieldKind.KEYWORD
    )
    assert learned.keywords[0].values == ("x", "y")
    wanted = KEYWORD_WEIGHT * np.array([[1, 1], [0, 1], [1, 0], [0, 0], [0, 0], [0, 0]])
    np.testing.assert_allclose(learned.fields(payloads), wanted, rtol=1e-6)
    assert learned.fields([b'{"g": "unheard"}']).tolist() == [[0, 0]]
    assert (learned.width, learned.vector_width) == (4, 2)


def test_of_many_keywords_the_most_frequent_count_and_of_equals_the_first_by_name(monkeypatch) -> None:
    monkeypatch.setattr(features, "MOST_KEYWORDS", 3)
    values = ["e", "d", "c", "b", "e", "d", "c", "b", "d", "a"]
    learned, _ = _learned([{"g": value} for value in values], g=FieldKind.KEYWORD)
    assert learned.keywords[0].values == ("d", "b", "c")


def test_booleans_and_strings_that_look_like_them_are_told_apart() -> None:
    learned, payloads = _learned([{"b": True}, {"b": True}, {"b": False}, {"b": False}, {"b": "True"}], b="boolean")
    again = FeatureMap.model_validate_json(learned.model_dump_json())
    assert learned.keywords[0].values == again.keywords[0].values == (False, True)
    found = again.fields(payloads)
    assert (found > 0).tolist() == [[False, True], [False, True], [True, False], [True, False], [False, False]]


def test_near_numbers_have_near_features_and_far_ones_none_in_common() -> None:
    learned, _ = _learned([{"n": number} for number in range(101)], n=FieldKind.FLOAT)
    number = learned.numbers[0]
    assert (number.first, number.first + 16 * number.step) == pytest.approx((1, 99))
    rows = learned.fields([json.dumps({"n": value}).encode() for value in (50, 51, 90, 99, 1e6, -1e6, 1)])
    centers = 1 + number.step * np.arange(17)
    np.testing.assert_allclose(
        rows[0], NUMBER_WEIGHT * np.exp(-(((50 - centers) / number.step) ** 2) / 2), rtol=1e-5, atol=1e-9
    )
    products = rows @ rows.T
    assert products[0, 1] > 0.99 * products[0, 0]
    assert products[0, 2] < 0.01 * products[0, 0]
    assert (rows[3] == rows[4]).all()  # beyond the outermost all are alike
    assert (rows[5] == rows[6]).all()


def test_times_are_numbers() -> None:
    days = [f"2024-01-{day:02}T00:00:00Z" for day in range(1, 29)]
    learned, payloads = _learned([{"t": day} for day in [*days, "no time"]], t=FieldKind.TIMESTAMP)
    assert learned.numbers[0].step == pytest.approx(0.98 * 27 * 86_400 / 16)
    found = learned.fields([*payloads, b'{"t": "2024-01-01T01:00:00+01:00"}'])
    assert (found[-1] == found[0]).all()
    assert not found[-2].any()


def test_nested_arrays_are_passed_through() -> None:
    payloads = [{"a": [{"b": ["x"]}, {"b": [["y"]]}]}, {"a": {"b": "x"}}, {"a": {"b": "y"}}, {"a": 5}, {"a": None}]
    learned, encoded = _learned(payloads, a__b=FieldKind.KEYWORD)
    found = learned.fields(encoded) > 0
    assert found.tolist() == [[True, True], [True, False], [False, True], [False, False], [False, False]]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["same"] * 4, "keyword"),
        (["a", "b", "c", "d"], "keyword"),
        ([True] * 4, "boolean"),
        ([7] * 4, "integer"),
        ([True, False, True, False], "integer"),  # no numbers
        ([10**400, 10**400, 1, 1], "integer"),  # beyond float64: passed over
        ([1e308, -1e308, 1e308, -1e308], "float"),  # a range beyond it
        (["a", "b", "a", "b"], "geo"),
        ([None] * 4, "float"),
    ],
)
def test_fields_that_tell_nothing_have_no_columns(values, kind) -> None:
    learned, payloads = _learned([{"f": value} for value in values], f=kind)
    assert learned.width == 2
    assert learned.fields(payloads).shape == (4, 0)


def test_no_payloads() -> None:
    learned, _ = _learned([], f=FieldKind.KEYWORD, n=FieldKind.FLOAT)
    assert learned.width == 2
    assert learned.fields([]).shape == (0, 0)


def test_vectors_are_of_unit_length_side_by_side() -> None:
    learned = FeatureMap(dimensions=(2, 3))
    none = [np.nan] * 3
    left = np.array([[3, 4], [0, 2], [0, 0], [np.nan, np.nan]], np.float32)
    right = np.array([[0, 0, 5], none, none, none], np.float32)
    found = learned.vectors([left, right])
    half = np.sqrt(0.5)
    wanted = [[0.6 * half, 0.8 * half, 0, 0, half], [0, half, 0, 0, 0], [0] * 5, [0] * 5]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert learned.vectors([left[:0], right[:0]]).shape == (0, 5)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_vectors_of_any_length_are_brought_to_unit_length(scale) -> None:
    found = FeatureMap(dimensions=(2,)).vectors([np.array([[3, 4]], np.float32) * np.float32(scale)])
    np.testing.assert_allclose(found, [[0.6, 0.8]], rtol=1e-6)
