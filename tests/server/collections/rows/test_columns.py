import contextlib
import logging
import sqlite3

import numpy as np
import pytest

from collecting import record, vector_field
from following import Kept
from frostline.server.collections.rows import columns
from frostline.server.collections.rows.columns import Columns
from frostline.server.collections.rows.operations import Delete, UpsertVectors


@pytest.fixture
def kept(tmp_path):
    kept = Kept(tmp_path, vectors=(vector_field("title"), vector_field("picture", 2)))
    kept.upsert(
        record("a", {"title": (1, 2, 3, 4)}, n=1),
        record("b", {"title": (5, 6, 7, 8), "picture": (1, 2)}, n=2),
        record("c\0d", {}, n=3),
    )
    yield kept
    kept.close()


@pytest.fixture
def connection(kept):
    """What a process beside the server opens."""
    with contextlib.closing(sqlite3.connect(f"file:{kept.path}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.text_factory = bytes
        yield connection


def read(kept, connection, **options):
    return list(columns.read(connection, kept.ledger.config, **options))


def same(one, other):
    assert one.internal_ids.tolist() == other.internal_ids.tolist()
    assert (list(one.record_ids), list(one.payloads)) == (list(other.record_ids), list(other.payloads))
    assert len(one.vectors) == len(other.vectors)
    for mine, theirs in zip(one.vectors, other.vectors, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_records_come_as_columns_and_lack_vectors_as_nan(kept, connection):
    (all_,) = read(kept, connection)
    nan = np.nan
    same(
        all_,
        Columns(
            np.array([1, 2, 3]),
            ["a", "b", "c\0d"],
            [b'{"n": 1}', b'{"n": 2}', b'{"n": 3}'],
            (
                np.array([[1, 2, 3, 4], [5, 6, 7, 8], [nan] * 4], np.float32),
                np.array([[nan, nan], [1, 2], [nan, nan]], np.float32),
            ),
        ),
    )
    assert [each.dtype for each in (all_.internal_ids, *all_.vectors)] == [np.int64, np.float32, np.float32]


def test_who_has_read_reads_on_behind_what_was_read(kept, connection):
    chunks = columns.read(connection, kept.ledger.config, chunk_rows=2)
    assert list(next(chunks).record_ids) == ["a", "b"]
    kept.upsert(record("a", {}, n=4))  # while reading: it takes another place
    assert [list(each.record_ids) for each in chunks] == [["c\0d", "a"]]
    kept.upsert(record("e", {}))
    assert [each.internal_ids.tolist() for each in read(kept, connection, behind=4)] == [[5]]
    assert read(kept, connection, behind=5) == []


def test_commits_tell_the_same_columns_as_reading(kept, connection):
    def told():
        (added,) = kept.follower.commits[-1].added
        return Columns.of(added, kept.ledger.config)

    (all_,) = read(kept, connection)
    same(told(), all_)
    kept.write(UpsertVectors(1, ["f", "g"], [b"{}", b'{"n": 5}'], np.array([[1, 2], [3, 4]], np.float32)))
    (two,) = read(kept, connection, behind=3)
    same(told(), two)


def test_damaged_records_are_left_out_of_columns_and_logged(kept, connection, caplog):
    kept.sql("UPDATE records SET payload = '{}' WHERE id = 'b'")
    with caplog.at_level(logging.ERROR):
        (rest,) = read(kept, connection)
    assert list(rest.record_ids) == ["a", "c\0d"]
    assert "(internal id 2) is damaged" in caplog.text


def test_internal_ids_are_those_of_records_that_live(kept, connection):
    kept.write(Delete(["b"]))
    kept.upsert(record("a", {}), record("A", {}))
    living = columns.internal_ids(connection)
    assert (living.tolist(), living.dtype) == ([3, 4, 5], np.int64)


def test_internal_ids_are_read_from_the_index(connection):
    """The rows themselves, with texts and images in them, are many times as long."""
    asked = []
    connection.set_trace_callback(asked.append)
    columns.internal_ids(connection)
    connection.set_trace_callback(None)
    (plan,) = connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}").fetchall()
    assert b"USING COVERING INDEX" in plan[3]
