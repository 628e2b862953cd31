import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline.server.collections.segments.merging import DEAD_SHARE, Merge, PartInfo, next_merge, whole

FULL = 100


def segment(live, dead=0, **fields):
    return PartInfo(live, dead, **fields)


def tail(rows=0, dead=0):
    return PartInfo(rows - dead, dead, in_memory=True)


def due(*parts, idle=False):
    merge = next_merge(parts, tail_rows=FULL, idle=idle)
    return merge and (merge.start, merge.end)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([tail(99)], None),
        ([tail(100)], (0, 1)),
        ([tail(100, dead=100)], (0, 1)),
        ([segment(100), tail(100)], (0, 2)),
        ([segment(101), tail(100)], (1, 2)),
        ([segment(400), segment(200), segment(100), tail(100)], (0, 4)),
        ([segment(1000), segment(200), segment(100), tail(100)], (1, 4)),
        ([segment(86, 14), tail(5)], None),
        ([segment(85, 15), tail(5)], (0, 1)),
        ([segment(1000), segment(85, 15), tail(5)], (1, 2)),
        ([segment(50, in_memory=True), segment(10), tail(100)], (0, 1)),
        ([segment(1000), segment(10, outdated=True), tail(100)], (1, 2)),
        ([segment(1000), segment(800, drifted=True), segment(300), tail(5)], (1, 4)),
        ([segment(1000, drifted=True), tail(100)], (1, 2)),
    ],
)
def test_the_first_rule_that_applies_decides(parts, expected):
    assert due(*parts) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([segment(100), tail()], None),
        ([segment(400), segment(100), tail(20)], (0, 2)),
        ([segment(401), segment(100), tail(20)], None),
        ([segment(2000), segment(400), segment(100), tail()], (0, 3)),
        ([segment(2001), segment(400), segment(100), tail()], (1, 3)),
    ],
)
def test_segments_are_joined_when_nothing_is_written(parts, expected):
    assert due(*parts, idle=True) == expected
    assert due(*parts) is None


def after(parts, merge):
    """The parts once a merge has been carried out."""
    merged = segment(sum(part.live for part in parts[merge.start : merge.end]))
    rest = list(parts[merge.end :]) or [tail()]
    return [*parts[: merge.start], merged, *rest]


sizes = st.integers(0, 5 * FULL)
part = st.builds(PartInfo, sizes, sizes, st.booleans(), st.booleans())


@given(st.lists(part, max_size=8), sizes, st.booleans())
def test_merging_ends_and_leaves_nothing_due(segments, rows, idle):
    parts = [*segments, tail(rows)]
    live = sum(each.live for each in parts)
    for _ in range(len(parts) + 1):
        if (merge := next_merge(parts, tail_rows=FULL, idle=idle)) is None:
            break
        assert 0 <= merge.start < merge.end <= len(parts)
        parts = after(parts, merge)
        assert sum(each.live for each in parts) == live
    assert next_merge(parts, tail_rows=FULL, idle=idle) is None
    assert all(each.dead < DEAD_SHARE * (each.live + each.dead) or not each.dead for each in parts[:-1])
    assert not any(each.in_memory or each.outdated for each in parts[:-1])


def test_rows_are_written_again_a_logarithm_of_times():
    parts, written, tails = [tail()], 0, 256
    for _ in range(tails):
        parts[-1] = tail(FULL)
        merge = next_merge(parts, tail_rows=FULL)
        written += sum(each.live for each in parts[merge.start : merge.end])
        parts = after(parts, merge)
    assert written <= tails * FULL * (1 + 8)  # 2 ** 8 tails
    assert len(parts) <= 1 + 9


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([tail()], None),
        ([tail(3)], (0, 1)),
        ([segment(10), tail()], None),
        ([segment(10, 1), tail()], (0, 2)),
        ([segment(10), tail(1)], (0, 2)),
        ([segment(10, outdated=True), tail()], (0, 1)),
        ([segment(10), segment(10), tail()], (0, 3)),
        ([segment(10, drifted=True), tail()], (0, 1)),
    ],
)
def test_whole_leaves_one_segment_without_dead_rows(parts, expected):
    merge = whole(parts)
    assert (merge and (merge.start, merge.end)) == expected
    assert merge is None or isinstance(merge, Merge)


def test_where_a_segment_falls_short_what_comes_behind_it_stands_for_the_queries_to_expect():
    parts = [segment(1000), segment(800, drifted=True), segment(300, drifted=True), tail(5)]
    assert next_merge(parts, tail_rows=FULL).newer == whole(parts).newer == 2
    assert next_merge([segment(1000), tail(100)], tail_rows=FULL).newer is None
    assert whole([segment(1000), tail(5)]).newer is None
