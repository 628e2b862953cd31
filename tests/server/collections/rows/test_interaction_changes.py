"""What commits tell of interactions, compared with what the file holds."""

import random
from collections import Counter

import numpy as np
import pytest

from collecting import record
from following import Kept, upsert
from frostline.server.collections.rows import database
from frostline.server.collections.rows.interactions import Interaction, InteractionRows
from frostline.server.collections.rows.operations import (
    Delete,
    DeleteInteractions,
    DeleteRows,
    DeleteUser,
    RecordInteractions,
)


@pytest.fixture
def kept(tmp_path):
    kept = Kept(tmp_path)
    kept.upsert(*map(record, "abc"))
    yield kept
    kept.close()


def did(user, record_id, weight=1.0, time=0.0, kind=""):
    return Interaction(user, record_id, kind, weight, time)


def last(kept):
    return kept.follower.commits[-1]


def erased(commit):
    return [
        row
        for each in commit.erased
        for row in zip(each.records, each.kinds, each.weights.tolist(), each.times.tolist(), strict=True)
    ]


def test_what_was_recorded_and_what_it_replaced_is_told(kept):
    kept.write(RecordInteractions([did("u", "a", 1, 10), did("v", "none"), did("u", "b"), did("u", "b", 2, 11)]))
    assert last(kept).recorded == [did("u", "a", 1, 10), did("u", "b", 2, 11)]
    assert (last(kept).erased, last(kept).forgotten) == ([], False)
    kept.write(RecordInteractions([did("u", "a", 3, 12), did("u", "a", 4, 13, "like"), did("v", "b", 5)]))
    assert len(last(kept).recorded) == 3
    assert erased(last(kept)) == [("a", "", 1, 10)]
    assert last(kept).forgotten is False
    assert last(kept).erased[0].weights.dtype == last(kept).erased[0].times.dtype == np.float64


def test_a_group_tells_what_was_recorded_and_replaced_within_it(kept):
    kept.write(RecordInteractions([did("u", "a", 1)]), RecordInteractions([did("u", "a", 2)]), DeleteUser("u"))
    commit = last(kept)
    assert [each.weight for each in commit.recorded] == [1, 2]
    assert sorted(erased(commit)) == [("a", "", 1, 0), ("a", "", 2, 0)]
    assert commit.forgotten


@pytest.mark.parametrize(
    "operation",
    [
        DeleteUser("u"),
        DeleteInteractions("u", kinds=["like"]),
        DeleteInteractions(end=5.0),
        Delete(["a"]),
        DeleteRows([1]),
    ],
)
def test_what_was_deleted_is_told_and_forgotten(kept, operation):
    kept.write(RecordInteractions([did("u", "a", -1, 2, "like"), did("v", "b", 1, 7)]))
    kept.write(operation)
    assert (erased(last(kept)), last(kept).recorded, last(kept).forgotten) == ([("a", "like", -1, 2)], [], True)


@pytest.mark.parametrize(
    "operation", [DeleteUser("w"), DeleteInteractions("u", kinds=["like"]), Delete(["c"]), upsert(record("a", n=2))]
)
def test_where_nothing_was_deleted_nothing_is_forgotten(kept, operation):
    kept.write(RecordInteractions([did("u", "a"), did("v", "b")]))
    kept.write(operation)
    assert (last(kept).erased, last(kept).recorded, last(kept).forgotten) == ([], [], False)


def test_nothing_is_told_of_operations_that_were_undone(kept, monkeypatch):
    kept.write(RecordInteractions([did("u", "a", 1)]))
    remember = kept.ledger._requests.remember

    def fail(operation, written):
        if operation.request_id == "bad":
            raise RuntimeError("half way")
        remember(operation, written)

    monkeypatch.setattr(kept.ledger._requests, "remember", fail)
    bad = [RecordInteractions([did("u", "a", 2), did("u", "b")], "bad"), DeleteUser("u", "bad"), Delete(["a"], "bad")]
    outcomes = kept.write(*bad, RecordInteractions([did("v", "c", 3)]))
    assert [isinstance(each, RuntimeError) for each in outcomes] == [True, True, True, False]
    assert last(kept).recorded == [did("v", "c", 3)]
    assert (last(kept).erased, last(kept).forgotten) == ([], False)


def test_a_repeated_request_tells_nothing_again(kept):
    kept.write(RecordInteractions([did("u", "a")], "r"))
    kept.write(RecordInteractions([did("u", "a")], "r"), RecordInteractions([did("v", "a")]))
    assert last(kept).recorded == [did("v", "a")]
    assert last(kept).erased == []


def test_interactions_whose_types_are_damaged_are_left_out_of_what_is_told(kept):
    kept.write(RecordInteractions([did("u", "a", 1), did("u", "b", 2), did("u", "c", 3)]))
    kept.sql("UPDATE interactions SET record = CAST(x'ff' AS TEXT) WHERE record = 'b'")
    kept.write(DeleteUser("u"))
    assert [each[0] for each in erased(last(kept))] == ["a", "c"]
    assert last(kept).forgotten


def test_whoever_counts_what_commits_tell_has_what_the_file_holds(kept):
    """Also more at once than are looked up at once."""
    chance, counted = random.Random(0), Counter()
    for _ in range(40):
        group = []
        for _ in range(chance.randint(1, 4)):
            many = [
                did(
                    f"u{chance.randint(0, 20)}",
                    chance.choice("abcx"),
                    chance.randint(-2, 5),
                    chance.randint(0, 99),
                    kind,
                )
                for kind in chance.choices(["", "like"], k=chance.choice([1, 20, 64, 150]))
            ]
            user = f"u{chance.randint(0, 20)}"
            other = [DeleteUser(user), DeleteInteractions(start=97.0), upsert(record("a")), Delete(["c"])]
            group += [RecordInteractions(many), chance.choice(other), upsert(record("c"))]
        assert not [each for each in kept.write(*group) if isinstance(each, Exception)]
        counted.update((each.record, each.kind, each.weight, each.time) for each in last(kept).recorded)
        counted.subtract(erased(last(kept)))
        held, key = [], 0
        while key is not None:
            page, key = InteractionRows(database.connect(kept.path), "notes").after(key, 1000)
            held += page
        assert +counted == Counter((each.record, each.kind, each.weight, each.time) for each in held)
        assert min(counted.values()) >= 0
    assert sum(len(each.erased) for each in kept.follower.commits) > 40
