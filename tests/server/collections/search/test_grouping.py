"""Grouping against its definition."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exact_view import Entry, ExactView
from frostline.server.collections.search.grouping import CHUNK_ROWS, GroupValues, grouped
from frostline.server.collections.search.query import Explanation


def by_definition(values, max_per_group):
    sizes = Counter()
    kept = []
    for place, value in enumerate(values):
        sizes[value] += 1
        if value is not None and (value == b"" or sizes[value] <= max_per_group):
            kept.append(place)
    return kept


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([b"1", b"2", b'"x"', b"", None]), max_size=3 * CHUNK_ROWS),
    st.integers(1, 3),
    st.integers(1, 2 * CHUNK_ROWS),
)
def test_keeps_what_the_definition_says(values, max_per_group, count):
    places, groups = grouped(
        np.arange(len(values)), lambda rows: [values[row] for row in rows.tolist()], max_per_group, count
    )
    assert places == by_definition(values, max_per_group)[:count]
    assert groups == [values[place] for place in places]


def test_reads_no_further_than_needed():
    asked = []

    def values(rows):
        asked.extend(rows.tolist())
        return [b""] * len(rows)

    grouped(np.arange(1000), values, 1, 3)
    assert asked == list(range(CHUNK_ROWS))


def test_values_are_read_once_and_damaged_rows_are_none(caplog):
    payloads = [{"a": {"b": "x"}}, {"a": {"b": ["y", "x"]}}, {"c": 1}, {"a": {"b": "z"}}]
    view = ExactView([Entry(str(place), payload=each) for place, each in enumerate(payloads)])
    view.damaged.add("3")
    explanation = Explanation()
    values = GroupValues(view, ("a", "b"), explanation)
    rows = np.array(list(view.entries))
    for chosen in (rows[:2], rows, rows[::-1]):
        expected = dict(zip(rows.tolist(), [b'"x"', b'"y"', b"", None], strict=True))
        assert values(chosen) == [expected[row] for row in chosen.tolist()]
    assert view.calls == [("payloads", 2), ("payloads", 2)]
    assert [each.message for each in caplog.records] == ["collection 'notes': record '3' is damaged"]
    assert explanation.read_seconds > 0
