import logging

import numpy as np
import pytest

from collecting import record, vector_field
from following import Kept
from frostline.server.collections.rows import database
from frostline.server.collections.rows.checksums import content_hash
from frostline.server.collections.rows.operations import Delete
from frostline.server.collections.rows.records import Rows
from frostline.server.errors import DataDamaged


@pytest.fixture
def kept(tmp_path):
    kept = Kept(tmp_path, vectors=(vector_field("title"), vector_field("picture", 2)))
    kept.upsert(
        record("a", {"title": (1, 2, 3, 4)}, text="red fox", n=1),
        record("b", {"title": (5, 6, 7, 8), "picture": (1, 2)}, image=b"png", n=2),
        record("c\0d", {"picture": (3, 4)}, n=3),
    )
    yield kept
    kept.close()


def test_ids_with_zero_bytes_are_ids_of_their_own(kept):
    kept.upsert(record("c", {}, n=4))
    rows = kept.rows()
    assert {name: each.payload for name, each in rows.stored(["c", "c\0d", "none"]).items()} == {
        "c": b'{"n": 4}',
        "c\0d": b'{"n": 3}',
    }
    kept.write(Delete(["c"]))
    assert kept.get("c\0d").payload == b'{"n": 3}'


def test_many_are_asked_for_at_once(kept):
    kept.upsert(*(record(f"{number}", {}, n=number) for number in range(200)))
    rows = kept.rows()
    asked = [f"{number}" for number in range(150)] + ["missing"]
    assert rows.stored(asked).keys() == set(asked[:-1])
    payloads = rows.payloads(np.array([1, 50, 203, 999], np.int64))
    assert payloads == {1: b'{"n": 1}', 50: b'{"n": 46}', 203: b'{"n": 199}'}


def test_contents_are_told_apart_by_their_hash(kept):
    hashes = {name: each.content_hash for name, each in kept.rows().stored(["a", "b", "c\0d"]).items()}
    assert hashes == {"a": content_hash("red fox", None), "b": content_hash(None, b"png"), "c\0d": b""}
    assert content_hash("png", None) != content_hash(None, b"png")
    assert content_hash("", None) != b""
    assert len(hashes["a"]) == 16


def test_rows_of_a_range_come_in_chunks_with_all_their_vectors(kept):
    kept.upsert(*(record(f"{number}", {"picture": (number, 0)}) for number in range(10)))
    kept.write(Delete(["b", "4"]))
    chunks = list(kept.rows().rows_between(1, 12, 4))
    assert [[row.internal_id for row in chunk] for chunk in chunks] == [[1, 3, 4, 5], [6, 7, 9, 10], [11, 12]]
    first = chunks[0][0]
    assert (first.id, first.payload) == ("a", b'{"n": 1}')
    assert {slot: vector.tolist() for slot, vector in first.vectors.items()} == {0: [1, 2, 3, 4]}
    assert [row.vectors[1][0] for row in chunks[2]] == [7, 8]
    assert list(kept.rows().rows_between(20, 30, 4)) == []


def test_a_row_that_is_deleted_while_it_is_read_is_not_taken_for_damaged(kept, caplog):
    connection = database.connect(kept.path)

    def delete_when_vectors_are_read(statement):
        if "FROM vectors" in statement:
            kept.write(Delete(["b"]))

    connection.set_trace_callback(delete_when_vectors_are_read)
    with caplog.at_level(logging.ERROR):
        (rows,) = Rows(connection, kept.ledger.config).rows_between(1, 3, 100)
    assert [row.id for row in rows] == ["a", "b", "c\0d"]
    assert not caplog.text
    assert kept.get("b") is None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE records SET payload = '{\"n\": 9}' WHERE id = 'b'",
        "UPDATE records SET payload = CAST(x'ff' AS TEXT) WHERE id = 'b'",
        "UPDATE records SET id = 'x' WHERE id = 'b'",
        "UPDATE records SET id = CAST(x'ff' AS TEXT) WHERE id = 'b'",
        "UPDATE records SET sequence = 7 WHERE id = 'b'",
        "UPDATE records SET content_hash = zeroblob(16) WHERE id = 'b'",
        "UPDATE vectors SET vector = zeroblob(8) WHERE key = 33",
        "UPDATE vectors SET vector = zeroblob(7) WHERE key = 33",
        "UPDATE vectors SET key = 34 WHERE key = 33",
    ],
)
def test_a_damaged_row_is_named_and_the_others_are_read(kept, damage, caplog):
    kept.sql(damage)
    with caplog.at_level(logging.ERROR):
        (rows,) = kept.rows().rows_between(1, 3, 100)
    assert [row.id for row in rows] == ["a", "c\0d"]
    assert "(internal id 2) is damaged: its" in caplog.text


@pytest.mark.parametrize("damage", ["image = x'00'", "image = NULL", "text = 'more'", "content_crc = 1"])
def test_damaged_content_is_noticed_when_it_is_read(kept, damage):
    kept.sql(f"UPDATE records SET {damage} WHERE id = 'b'")
    damaged = kept.get("b")
    assert isinstance(damaged, DataDamaged)
    assert "record 'b' (internal id 2) is damaged: its content" in str(damaged)
    assert kept.rows().get("b", payloads=True, vectors=True, content=False).payload == b'{"n": 2}'


def test_damaged_payloads_are_errors_of_their_own(kept):
    kept.sql("UPDATE records SET payload = '{}' WHERE id = 'b'")
    payloads = kept.rows().payloads(np.array([1, 2], np.int64))
    assert payloads[1] == b'{"n": 1}'
    assert isinstance(payloads[2], DataDamaged)
    assert kept.rows().stored(["a", "b"]).keys() == {"a"}


def test_vectors_of_another_record_are_noticed(kept):
    kept.sql("UPDATE vectors SET key = 17, vector = (SELECT vector FROM vectors WHERE key = 33) WHERE key = 33")
    assert isinstance(kept.get("a"), DataDamaged)


def test_records_come_in_the_order_they_were_written(kept):
    kept.upsert(record("a", {}, n=9))
    rows = kept.rows()
    seen = list(rows.after(1, 2, vectors=True, content=True))
    assert [(internal_id, each.id) for internal_id, each in seen] == [(2, "b"), (3, "c\0d")]
    assert seen[0][1].image == b"png"
    assert [each.id for _, each in rows.after(3, 10, vectors=False, content=False)] == ["a"]
    assert sorted(rows.internal_ids(["a", "b", "none"])) == [2, 4]
    assert rows.tombstones().tolist() == [1]
    assert rows.tombstones().dtype == np.int64
