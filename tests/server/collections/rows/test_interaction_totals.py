import contextlib
import math
import random
from collections import defaultdict

import pytest

from collecting import record
from following import Kept
from frostline.server.collections.rows import database, interaction_totals
from frostline.server.collections.rows.interactions import Interaction
from frostline.server.collections.rows.operations import DeleteUser, RecordInteractions
from frostline.server.errors import InvalidInput

DAY = 86400.0


@pytest.fixture
def kept(tmp_path):
    kept = Kept(tmp_path)
    kept.upsert(*map(record, ["a", "b", "c\0d", "ü"]))
    yield kept
    kept.close()


@pytest.fixture
def connection(kept):
    with contextlib.closing(database.connect(kept.path)) as connection:
        yield connection


def note(kept, *rows):
    """Each row is user, record, weight and time."""
    kept.write(RecordInteractions([Interaction(user, name, "", weight, time) for user, name, weight, time in rows]))


def by_record(totals):
    columns = totals.counts.tolist(), totals.positives.tolist(), totals.sums.tolist()
    return dict(zip(totals.records, zip(*columns, strict=True), strict=True))


def test_weights_are_halved_for_each_half_life_before_the_newest(kept, connection):
    note(kept, ("u", "a", 4, 0), ("v", "a", 1, 2 * DAY), ("w", "a", -3, DAY), ("u", "b", 0, 0), ("v", "c\0d", -1, 5))
    totals = interaction_totals.read(connection, [DAY, 2 * DAY, math.inf])
    assert (totals.sequence, totals.reference) == (2, 2 * DAY)
    assert by_record(totals) == {"a": (3, 2, [2, 3, 5]), "b": (1, 0, [0, 0, 0]), "c\0d": (1, 0, [0, 0, 0])}


def test_totals_are_what_python_adds_up(kept, connection):
    chance = random.Random(0)
    half_lives = [1.0, 3600.0, 30 * DAY, math.inf]
    rows = [
        (f"u{number}", chance.choice(["a", "b", "ü"]), chance.uniform(-2, 5), chance.uniform(1.7e9, 1.7e9 + 9 * DAY))
        for number in range(3000)
    ]
    note(kept, *rows)
    reference = 1.7e9 + 10 * DAY
    totals = interaction_totals.read(connection, half_lives, reference)
    expected = defaultdict(list)
    for _, name, weight, time in rows:
        if weight > 0:
            expected[name].append([weight * 2 ** ((time - reference) / each) for each in half_lives])
    assert totals.reference == reference
    assert totals.records == sorted(expected)
    assert totals.positives.tolist() == [len(expected[each]) for each in totals.records]
    for name, sums in zip(totals.records, totals.sums, strict=True):
        assert sums == pytest.approx([math.fsum(each) for each in zip(*expected[name], strict=True)], rel=1e-12, abs=0)


def test_nothing_overflows_and_what_is_too_old_counts_nothing(kept, connection):
    note(kept, ("u", "a", 1e9, -math.inf), ("u", "b", 1e9, -1e300), ("v", "b", 1e9, 4e9))
    totals = interaction_totals.read(connection, [1e-3, math.inf], reference=0.0)
    assert totals.reference == 4e9
    assert by_record(totals) == {"a": (1, 1, [0, 1e9]), "b": (2, 2, [1e9, 2e9])}


def test_the_reference_is_finite_whatever_the_times(kept, connection):
    note(kept, ("u", "a", 2, -math.inf))
    totals = interaction_totals.read(connection, [DAY, math.inf])
    assert (totals.reference, by_record(totals)) == (0, {"a": (1, 1, [0, 2])})
    note(kept, ("u", "b", 1, 3.0), ("v", "b", 1, 4.0))
    kept.sql("UPDATE interactions SET time = 9e999 WHERE time = 4")
    assert interaction_totals.read(connection, [DAY]).reference == 3


def test_a_row_that_is_not_what_the_index_says_is_passed_over(kept, tmp_path):
    """As when bits flip in the table."""
    kept.upsert(record("needle-1"))
    note(kept, ("u", "needle-1", 2, 0), ("u", "b", 1, 0))
    kept.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    content = kept.path.read_bytes()
    ((page,),) = kept.sql("SELECT rootpage FROM sqlite_master WHERE name = 'interactions'")
    start, end = (page - 1) * database.PAGE_SIZE, page * database.PAGE_SIZE
    copy = tmp_path / "damaged.sqlite"
    copy.write_bytes(content[:start] + content[start:end].replace(b"needle-1", b"needle-2") + content[end:])
    with contextlib.closing(database.connect(copy)) as connection:
        totals = interaction_totals.read(connection, [DAY])
    assert by_record(totals) == {"b": (1, 1, [1]), "needle-1": (1, 0, [0])}


def test_without_interactions_there_are_no_totals(kept, connection):
    totals = interaction_totals.read(connection, [DAY], 7.0)
    assert (totals.sequence, totals.reference, totals.records) == (1, 7.0, [])
    assert (totals.counts.shape, totals.positives.shape, totals.sums.shape) == ((0,), (0,), (0, 1))
    note(kept, ("u", "a", 1, 0))
    assert interaction_totals.read(connection, []).sums.shape == (1, 0)
    kept.write(DeleteUser("u"))
    assert interaction_totals.read(connection, [DAY]).records == []


@pytest.mark.parametrize("half_life", [0.0, -1.0, math.nan])
def test_half_lives_are_above_zero(connection, half_life):
    with pytest.raises(InvalidInput, match="not above 0"):
        interaction_totals.read(connection, [DAY, half_life])


def test_builds_of_sqlite_without_mathematics_add_up_the_same(kept, connection):
    note(kept, ("u", "a", 4, 0), ("v", "a", 1, 2 * DAY), ("w", "a", 1, -1e12))
    before = by_record(interaction_totals.read(connection, [DAY]))
    connection.create_function("sqlite_compileoption_used", 1, lambda _: 0)
    connection.create_function("pow", 2, lambda *_: None)
    assert by_record(interaction_totals.read(connection, [DAY])) == before == {"a": (3, 3, [2])}


def test_totals_do_not_look_up_row_by_row(kept, connection):
    asked = []
    connection.set_trace_callback(asked.append)
    interaction_totals.read(connection, [DAY])
    connection.set_trace_callback(None)
    plans = [connection.execute(f"EXPLAIN QUERY PLAN {each}").fetchall()[0][3] for each in asked[-3:]]
    assert all(b"COVERING INDEX" in each for each in plans[:2])
    assert plans[2] == b"SCAN interactions"
