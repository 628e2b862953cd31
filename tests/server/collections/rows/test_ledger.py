import os
import sqlite3

import pytest

from collecting import config, record
from following import Kept, added_rows, upsert
from frostline.server.collections.config import Durability
from frostline.server.collections.rows import database, ledger
from frostline.server.collections.rows.commit import Commit
from frostline.server.collections.rows.operations import (
    Configure,
    Delete,
    DeleteRows,
    Forget,
    Patch,
    PayloadPatch,
    Write,
)
from frostline.server.errors import DataDamaged, InvalidInput


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


def test_each_operation_of_a_group_has_a_sequence_and_the_commit_holds_them_all(kept):
    outcomes = kept.write(upsert(record("a"), record("b", (0, 1, 0, 0), n=1)), upsert(record("c")), Delete(["a"]))
    assert [(each.count, each.sequence) for each in outcomes] == [(2, 1), (1, 2), (1, 3)]
    commit = last(kept)
    assert (commit.sequence, commit.removed) == (3, [1])
    assert [(each.internal_id, each.record_id, each.payload) for each in added_rows(commit)] == [
        (1, "a", b"{}"),
        (2, "b", b'{"n": 1}'),
        (3, "c", b"{}"),
    ]
    assert added_rows(commit)[1].vectors[0].tolist() == [0, 1, 0, 0]
    assert kept.rows().tombstones().tolist() == [1]
    assert (kept.ledger.sequence, kept.rows().sequence()) == (3, 3)


def test_the_follower_is_ready_before_the_commit_and_told_after_it(kept):
    seen = {}
    prepare, publish = kept.follower.prepare, kept.follower.publish
    kept.follower.prepare = lambda commit: (seen.update(prepare=kept.rows().sequence()), prepare(commit))
    kept.follower.publish = lambda: (seen.update(publish=kept.rows().sequence()), publish())
    kept.upsert(record("a"))
    assert seen == {"prepare": 0, "publish": 1}


def test_an_operation_that_fails_leaves_nothing_in_the_commit_or_the_file(kept):
    kept.upsert(record("a"), request_id="r", request_digest=b"1")
    good, bad, other = kept.write(
        upsert(record("b")), upsert(record("a", n=2), record("x"), request_id="r", request_digest=b"2"), Delete(["b"])
    )
    assert isinstance(bad, InvalidInput)
    assert (good.sequence, other.sequence) == (2, 3)
    assert [each.record_id for each in added_rows(last(kept))] == ["b"]
    assert last(kept).removed == [2]


def test_an_operation_that_fails_half_way_is_undone_alone(kept, monkeypatch):
    kept.upsert(record("a", text="first"))
    remember = kept.ledger._requests.remember

    def fails(request, written):
        if request.request_id == "bad":
            raise RuntimeError("half way")
        remember(request, written)

    monkeypatch.setattr(kept.ledger._requests, "remember", fails)
    good, bad, other = kept.write(
        upsert(record("b", text="second")), upsert(record("a", text="third"), request_id="bad"), upsert(record("c"))
    )
    assert isinstance(bad, RuntimeError)
    assert (good.sequence, other.sequence) == (2, 3)
    assert [(each.internal_id, each.record_id) for each in added_rows(last(kept))] == [(2, "b"), (3, "c")]
    assert last(kept).removed == []
    assert kept.get("a").text == "first"
    assert (words(kept, "first"), words(kept, "third"), kept.rows().tombstones().tolist()) == ([1], [], [])
    assert kept.sql("SELECT count(*) FROM vectors") == [(3,)]


def test_nothing_is_there_when_the_follower_cannot_follow(kept):
    kept.follower.fails = MemoryError("no memory")
    with pytest.raises(MemoryError):
        kept.ledger.apply([upsert(record("a"))])
    assert kept.follower.events == []
    assert kept.upsert(record("b")).sequence == 1
    assert (kept.get("a"), added_rows(last(kept))[0].internal_id) == (None, 2)  # the follower may have kept row 1


def test_a_commit_that_fails_is_discarded(kept):
    kept.upsert(record("a"))
    kept.ledger.apply([upsert(record("b"))])
    kept.ledger._connection.execute("ROLLBACK")  # as SQLite does when the disk is full
    with pytest.raises(sqlite3.Error):
        kept.ledger.commit()
    assert kept.follower.events == ["prepare", "publish", "prepare", "discard"]
    assert (kept.ledger.sequence, kept.get("b")) == (1, None)
    assert kept.upsert(record("c")).sequence == 2


def test_internal_ids_ascend_and_are_never_used_again(kept, tmp_path):
    kept.upsert(record("a"), record("b"))
    kept.write(Delete(["a", "b"]))
    kept.write(Forget([1, 2]))
    kept.close()
    again = Kept(tmp_path)
    again.upsert(record("c"))
    assert added_rows(again.follower.commits[0])[0].internal_id == 3
    assert again.rows().last_internal_id() == 3
    again.close()


def test_replacing_leaves_a_tombstone_and_takes_words_and_vectors_along(kept):
    kept.upsert(record("a", text="red fox"), record("b", text="blue fox"))
    kept.upsert(record("a", (0, 0, 1, 0), text="green whale"))
    assert last(kept).removed == [1]
    assert kept.rows().tombstones().tolist() == [1]
    assert (words(kept, "fox"), words(kept, "whale"), words(kept, "red")) == ([2], [3], [])
    assert kept.sql("SELECT key FROM vectors ORDER BY key") == [(32,), (48,)]
    assert kept.get("a").vectors["default"].tolist() == [0, 0, 1, 0]
    kept.ledger._connection.execute("INSERT INTO keywords (keywords) VALUES ('integrity-check')")


def test_of_equal_ids_the_later_stays(kept):
    assert kept.upsert(record("a", n=1), record("b"), record("a", n=2)).count == 2
    assert kept.get("a").payload == b'{"n": 2}'
    assert [each.record_id for each in added_rows(last(kept))] == ["a", "b"]


def test_tombstones_are_forgotten_without_a_commit(kept):
    kept.upsert(record("a"), record("b"))
    kept.write(Delete(["a", "b"]))
    (forgotten,) = kept.write(Forget([1]))
    assert (forgotten.sequence, kept.ledger.sequence, kept.rows().tombstones().tolist()) == (2, 2, [2])
    assert len(kept.follower.commits) == 2


def test_rows_written_again_are_not_deleted_by_what_was_found_before(kept):
    kept.upsert(record("a"), record("b"), record("c"))
    kept.upsert(record("b", n=2))
    (deleted,) = kept.write(DeleteRows([1, 2]))
    assert (deleted.count, last(kept).removed) == (1, [1])
    assert kept.get("b").payload == b'{"n": 2}'


@pytest.mark.parametrize(
    "request_",
    [
        lambda **fields: upsert(Write(record("a", n=2), 7), record("b"), **fields),
        lambda **fields: Patch([patch("a", n=2), patch("x", n=2)], **fields),
        lambda **fields: Delete(["a"], **fields),
        lambda **fields: DeleteRows([1], **fields),
    ],
)
def test_a_repeated_request_gets_the_same_answer_and_does_nothing(kept, tmp_path, request_):
    kept.upsert(record("a"))
    (first,) = kept.write(request_(request_id="r"))
    kept.close()
    again = Kept(tmp_path)
    (second,) = again.write(request_(request_id="r"))
    assert (second.count, second.sequence, again.ledger.sequence) == (first.count, 2, 2)
    assert {at: (type(error), str(error)) for at, error in second.errors.items()} == {
        at: (type(error), str(error)) for at, error in first.errors.items()
    }
    (other,) = again.write(Delete(["other"], request_id="r"))
    assert isinstance(other, InvalidInput)
    assert again.follower.commits == []
    again.close()


def test_the_filter_tells_deletions_apart_not_the_rows_it_found(kept):
    kept.upsert(record("a"), record("b"))
    kept.write(DeleteRows([1], request_id="r", request_digest=b"filter"))
    (repeated,) = kept.write(DeleteRows([2], request_id="r", request_digest=b"filter"))
    assert (repeated.sequence, repeated.count) == (2, 1)
    assert kept.get("b") is not None


def test_content_that_is_not_kept_leaves_its_hash(tmp_path):
    kept = Kept(tmp_path, keep_content=False)
    kept.upsert(record("a", text="red fox"), record("b", image=b"png"), record("c"))
    assert (kept.get("a").text, kept.get("b").image, words(kept, "fox")) == (None, None, [])
    hashes = {name: each.content_hash for name, each in kept.rows().stored(["a", "b", "c"]).items()}
    assert [len(hashes[name]) for name in "abc"] == [16, 16, 0]
    kept.write(Patch([patch("a", n=1)]))
    assert kept.rows().stored(["a"])["a"].content_hash == hashes["a"]
    kept.close()


def test_changes_of_the_configuration_hold_from_the_next_operation_on(kept, tmp_path):
    one, two, refused = kept.write(
        Configure({"keep_content": False, "description": "new"}),
        upsert(record("a", text="red fox")),
        Configure({"min_recall": 2}),
    )
    assert (one.sequence, two.sequence, kept.get("a").text) == (1, 2, None)
    assert isinstance(refused, InvalidInput)
    assert (kept.ledger.config.description, last(kept).config.keep_content) == ("new", False)
    kept.close()
    again = Kept(tmp_path)
    assert again.ledger.config == last(kept).config
    again.close()


def test_relaxed_durability_holds_after_the_commit_that_asks_for_it(kept):
    def synchronous():
        return kept.ledger._connection.execute("PRAGMA synchronous").fetchone()[0]

    assert synchronous() == 2
    kept.write(Configure({"durability": Durability.RELAXED}))
    assert synchronous() == 1
    kept.write(Configure({"durability": Durability.FULL}))
    assert synchronous() == 2


@pytest.mark.parametrize(
    "damage",
    [
        "CAST(x'ff00fe' AS TEXT)",
        "'other words'",
        "hex(zeroblob(9)) || replace(hex(zeroblob(999)), '00', ' word')",
        "NULL",
    ],
)
def test_a_damaged_text_is_deleted_all_the_same_and_harms_no_other(kept, damage):
    kept.upsert(record("a", text="red fox"), record("b", text="blue fox"), record("c", text="red other"))
    kept.sql(f"UPDATE records SET text = {damage} WHERE id = 'a'")
    (deleted,) = kept.write(Delete(["a"]))
    kept.upsert(record("b", text="green fox"))
    assert (deleted.count, kept.get("a")) == (1, None)
    kept.ledger._connection.execute("INSERT INTO keywords (keywords) VALUES ('optimize')")
    kept.ledger._connection.execute("SELECT bm25(keywords) FROM keywords WHERE keywords MATCH 'fox'").fetchall()
    assert [each for each in words(kept, "fox") if each != 1] == [4]
    assert [each for each in words(kept, "red") if each != 1] == [3]
    assert words(kept, "other") == [3]


def test_deleting_most_of_a_collection_gives_disk_back_in_steps(kept, monkeypatch):
    monkeypatch.setattr(ledger, "VACUUM_PAGES", 50)
    monkeypatch.setattr(ledger, "FREE_PAGES", 20)
    kept.upsert(*(record(f"{number}", image=os.urandom(8000)) for number in range(300)))
    kept.ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    full = kept.path.stat().st_size
    kept.write(Delete([f"{number}" for number in range(280)]))
    steps = 1
    while kept.ledger.tidy():
        steps += 1
    assert kept.path.stat().st_size < full // 3
    assert 4 < steps < 20
    assert len(list(kept.rows().after(0, 1000, vectors=True, content=True))) == 20


def test_the_log_is_cut_when_it_has_grown(kept, monkeypatch):
    log = kept.path.with_name(f"{kept.path.name}-wal")
    monkeypatch.setattr(ledger, "WAL_BYTES", 1 << 20)
    kept.upsert(*(record(f"{number}", image=os.urandom(8000)) for number in range(150)))
    assert log.stat().st_size > 1 << 20
    kept.ledger.tidy()
    assert log.stat().st_size == 0


def test_a_file_of_another_version_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / database.FILE_NAME
    database.create(path, config().model_dump_json())
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(DataDamaged, match="has schema 1, this Frostline reads 3; run the Frostline that wrote it"):
        Kept(tmp_path)


@pytest.mark.parametrize("config_json", ["", "{}", '{"id": "notes"}'])
def test_a_file_without_configuration_is_refused(tmp_path, config_json):
    path = tmp_path / database.FILE_NAME
    database.create(path, config_json)
    with pytest.raises(DataDamaged, match=r"holds no configuration \(.*\); restore the file from a backup"):
        Kept(tmp_path)
