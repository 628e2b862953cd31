import numpy as np
import pytest

from collecting import record, vector_field
from following import Kept, added_rows
from frostline.server.collections.rows.commit import Commit
from frostline.server.collections.rows.operations import (
    Patch,
    PayloadPatch,
    Upsert,
    UpsertVectors,
    Write,
)
from frostline.server.collections.rows.records import Record
from frostline.server.errors import Conflict, DataDamaged, InvalidInput, NotFound


@pytest.fixture
def kept(tmp_path):
    kept = Kept(tmp_path)
    yield kept
    kept.close()


def patch(record_id, expected_sequence=None, **changes):
    return PayloadPatch(record_id, changes, expected_sequence)


def last(kept) -> Commit:
    return kept.follower.commits[-1]


def words(kept, word):
    return [row[0] for row in kept.sql("SELECT rowid FROM keywords WHERE keywords MATCH ? ORDER BY rowid", word)]


def test_conditional_writes_that_do_not_hold_fail_alone_and_say_why(kept):
    kept.upsert(record("a"))
    kept.upsert(record("b"))
    written = kept.upsert(
        Write(record("a", n=1), expected_sequence=0),
        Write(record("b", n=1), expected_sequence=2),
        Write(record("c", n=1), expected_sequence=0),
        Write(record("a", n=1), expected_sequence=2),
        Write(record("d", n=1), expected_sequence=7),
    )
    assert (written.count, sorted(written.errors)) == (2, [0, 3, 4])
    assert all(isinstance(error, Conflict) for error in written.errors.values())
    assert "'a' exists, written by commit 1" in str(written.errors[0])
    assert "'a' was written by commit 1, commit 2 was expected; read it again" in str(written.errors[3])
    assert "'d' does not exist, commit 7 was expected" in str(written.errors[4])
    assert [each.record_id for each in added_rows(last(kept))] == ["b", "c"]
    assert (kept.get("a").payload, kept.get("d")) == (b"{}", None)


def test_a_condition_sees_what_the_same_request_wrote_before(kept):
    kept.upsert(record("a"))
    written = kept.upsert(record("a", n=1), Write(record("a", n=2), 1), record("b"), Write(record("b", n=2), 0))
    assert sorted(written.errors) == [1, 3]
    assert (kept.get("a").payload, kept.get("b").payload) == (b'{"n": 1}', b"{}")


@pytest.fixture
def two(tmp_path):
    kept = Kept(tmp_path, vectors=(vector_field("title"), vector_field("picture", 2)))
    yield kept
    kept.close()


def test_records_may_lack_vectors(two):
    two.upsert(
        record("a", {"picture": (1, 2)}), record("b", {"title": (1, 2, 3, 4), "picture": (3, 4)}), record("c", {})
    )
    assert [sorted(each.vectors) for each in added_rows(last(two))] == [[1], [0, 1], []]
    assert {name: each.tolist() for name, each in two.get("a").vectors.items()} == {"picture": [1, 2]}
    assert sorted(two.get("b").vectors) == ["picture", "title"]


def test_an_unknown_vector_name_spoils_its_record_alone(two):
    written = two.upsert(record("a", {"sound": (1, 2)}), record("b", {"picture": (1, 2)}))
    assert (written.count, list(written.errors)) == (1, [0])
    assert "no vector 'sound'; it has title, picture" in str(written.errors[0])


def test_vectors_are_taken_over_bit_by_bit(two):
    vectors = {"title": (1e-40, -0.0, 3, 4), "picture": (5, 6)}
    two.upsert(record("a", vectors, text="old"))
    written = two.upsert(Write(record("a", None, text="new", n=1), expected_sequence=1, keeps_vectors=True))
    assert (written.count, written.errors) == (1, {})
    (added,) = added_rows(last(two))
    for stored in (two.get("a").vectors, {"title": added.vectors[0], "picture": added.vectors[1]}):
        assert {name: each.tobytes() for name, each in stored.items()} == {
            name: np.array(each, np.float32).tobytes() for name, each in vectors.items()
        }
    assert (two.get("a").text, words(two, "old"), words(two, "new")) == ("new", [], [2])
    assert two.sql("SELECT key FROM vectors ORDER BY key") == [(32,), (33,)]


def test_damaged_vectors_are_not_taken_over(two):
    two.upsert(record("a", {"picture": (1, 2)}), record("b", {"picture": (1, 2)}))
    two.sql("UPDATE vectors SET vector = zeroblob(8) WHERE key = 17")
    keeping = [Write(record(name, None), 1, keeps_vectors=True) for name in "ab"]
    written = two.upsert(*keeping)
    assert (written.count, list(written.errors)) == (1, [0])
    assert isinstance(written.errors[0], DataDamaged)
    assert "'a'" in str(written.errors[0])


def test_patches_merge_into_payloads_and_keep_the_rest(two):
    two.upsert(
        record("a", {"picture": (1, 2)}, text="red fox", n=1, deep={"x": 1, "y": 2}), record("b", {}, image=b"png")
    )
    (patched,) = two.write(Patch([patch("a", n=None, deep={"x": None, "z": [3]}), patch("b", n=5), patch("c", n=1)]))
    assert (patched.count, patched.sequence, list(patched.errors)) == (2, 2, [2])
    assert isinstance(patched.errors[2], NotFound)
    a, b = two.get("a"), two.get("b")
    assert (a.payload, a.text, a.sequence) == (b'{"deep":{"y":2,"z":[3]}}', "red fox", 2)
    assert (b.payload, b.image) == (b'{"n":5}', b"png")
    assert (a.vectors["picture"].tolist(), words(two, "fox")) == ([1, 2], [3])
    assert [(each.internal_id, each.payload) for each in added_rows(last(two))] == [(3, a.payload), (4, b.payload)]
    assert added_rows(last(two))[0].vectors[1].tolist() == [1, 2]
    assert (last(two).removed, two.rows().tombstones().tolist()) == ([1, 2], [1, 2])
    stored = two.rows().stored(["a", "b"])
    assert all(len(each.content_hash) == 16 for each in stored.values())
    two.ledger._connection.execute("INSERT INTO keywords (keywords) VALUES ('integrity-check')")


def test_patches_of_one_record_come_one_after_the_other(kept):
    kept.upsert(record("a", n=1))
    (patched,) = kept.write(Patch([patch("a", 1, n=2), patch("a", 1, n=3), patch("a", m=4), patch("a", 2, k=5)]))
    assert list(patched.errors) == [1]
    assert isinstance(patched.errors[1], Conflict)
    assert kept.get("a").payload == b'{"n":2,"m":4,"k":5}'
    assert kept.rows().tombstones().tolist() == [1, 2, 3]
    assert set(last(kept).removed) | {4} == {1} | {each.internal_id for each in added_rows(last(kept))}


def test_a_patch_that_changes_nothing_counts(kept):
    kept.upsert(record("a", n=1))
    (patched,) = kept.write(Patch([patch("a", n=1)]))
    assert (patched.count, kept.get("a").sequence) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"a": "x" * (1 << 20)}, "at most 1048576"),
        ({str(number): 1 for number in range(10_000)}, "more than 10000 fields"),
    ],
)
def test_what_a_patch_makes_must_be_a_payload_still(kept, changes, says):
    kept.upsert(record("a", n=1))
    (patched,) = kept.write(Patch([PayloadPatch("a", changes)]))
    assert (patched.count, kept.get("a").payload) == (0, b'{"n": 1}')
    with pytest.raises(InvalidInput, match=says):
        raise patched.errors[0]


def test_an_empty_payload_stands_for_an_empty_object(kept):
    kept.upsert(Record("a", payload=b""))
    assert (kept.get("a").payload, added_rows(last(kept))[0].payload) == (b"{}", b"{}")


def test_upsert_of_nothing_takes_a_sequence(kept):
    (written,) = kept.write(Upsert([]))
    assert (written.count, written.sequence) == (0, 1)


def test_columns_of_nothing_take_a_sequence_and_spoil_nothing_beside_them(kept):
    nothing = UpsertVectors(0, [], [], np.empty((0, 4), np.float32))
    empty, written = kept.write(nothing, Upsert([Write(record("a"))]))
    assert [(each.count, each.sequence) for each in (empty, written)] == [(0, 1), (1, 2)]
    (empty,) = kept.write(nothing)
    assert (empty.count, empty.sequence, last(kept).added) == (0, 3, [])


EVERYTHING = "SELECT internal_id, id, sequence, crc, content_crc, content_hash, payload, text, image FROM records"
VECTORS = "SELECT key, crc, vector FROM vectors ORDER BY key"


def columns(kept, slot, *rows, **request):
    """Writes (id, payload, vector) column by column."""
    ids, payloads, vectors = zip(*rows, strict=True)
    (written,) = kept.write(UpsertVectors(slot, ids, payloads, np.array(vectors, np.float32), **request))
    return written


def test_columns_are_written_as_their_records_are(tmp_path):
    rows = [(f"r{n % 130}", b'{"n": %d}' % n if n % 3 else b"", [n, 1]) for n in range(200)]
    names = (vector_field("title"), vector_field("picture", 2))
    one, other = (
        Kept(folder, vectors=names) for folder in (tmp_path / "one", tmp_path / "other") if not folder.mkdir()
    )
    for start, end in ((0, 70), (60, 200)):  # some again, some twice in a request
        part = rows[start:end]
        written = columns(one, 1, *part)
        by_record = other.upsert(
            *(Record(id, {"picture": np.array(vector, np.float32)}, payload) for id, payload, vector in part)
        )
        assert (written.count, written.sequence) == (by_record.count, by_record.sequence)
        for query in (EVERYTHING, VECTORS, "SELECT * FROM deleted", "SELECT sequence, internal_id FROM meta"):
            assert one.sql(query) == other.sql(query)
        assert last(one).removed == last(other).removed
        added, expected = added_rows(last(one)), added_rows(last(other))
        assert [each[:2] for each in added] == [each[:2] for each in expected]
        assert [each.vectors[1].tolist() for each in added] == [each.vectors[1].tolist() for each in expected]
    assert one.get("r5").vectors["picture"].tolist() == [135, 1]
    one.close()
    other.close()


def test_columns_that_come_again_are_answered_and_not_written(two):
    rows = [("a", b"{}", [1, 2]), ("b", b"{}", [3, 4])]
    first = columns(two, 1, *rows, request_id="r")
    assert columns(two, 1, *rows, request_id="r") == first
    for changed in (
        [*rows[:1], ("b", b"{}", [3, 5])],
        [*rows[:1], ("b", b'{"n":1}', [3, 4])],
        [("c", b"{}", [1, 2]), rows[1]],
    ):
        with pytest.raises(InvalidInput, match="used for another request"):
            raise columns(two, 1, *changed, request_id="r")
    assert two.sql("SELECT count(*) FROM records") == [(2,)]
