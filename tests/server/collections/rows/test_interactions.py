import random

import pytest

from collecting import record
from following import Kept
from frostline.server.collections.rows import database
from frostline.server.collections.rows.interactions import KEYS_PER_COMMIT, Interaction, InteractionRows
from frostline.server.collections.rows.operations import (
    Delete,
    DeleteInteractions,
    DeleteRows,
    DeleteUser,
    RecordInteractions,
)
from frostline.server.errors import InvalidInput, NotFound


@pytest.fixture
def kept(tmp_path):
    kept = Kept(tmp_path)
    kept.upsert(*map(record, "abc"))
    yield kept
    kept.close()


def did(user, record_id, weight=1.0, time=0.0, kind=""):
    return Interaction(user, record_id, kind, weight, time)


def note(kept, *interactions, **request):
    """Records interactions in an operation of their own."""
    (written,) = kept.write(RecordInteractions(interactions, **request))
    return written


def delete(kept, **conditions):
    (written,) = kept.write(DeleteInteractions(**conditions))
    return written


def rows(kept):
    return InteractionRows(database.connect(kept.path), "notes")


def everything(kept):
    return [each._replace(sequence=0) for each in rows(kept).after(0, 1000)[0]]


def test_interactions_come_back_as_they_went(kept):
    sent = [did("ü", "a", -0.1, 1.7e9 + 1 / 3, "like"), did("ü\0", "b", 0.0, -5.0), did("ü", "a")]
    written = note(kept, *sent)
    assert (written.count, written.sequence, written.errors) == (3, 2, {})
    assert rows(kept).after(0, 10) == ([each._replace(sequence=2) for each in sent], None)


def test_a_later_one_of_the_same_user_record_and_kind_replaces_the_earlier(kept):
    assert note(kept, did("u", "a", 1), did("u", "b", 2), did("u", "a", 3)).count == 2
    assert everything(kept) == [did("u", "b", 2), did("u", "a", 3)]
    note(kept, did("u", "b", 4), did("u", "b", 5, kind="like"), did("v", "b", 6))
    assert [each.weight for each in everything(kept)] == [3, 4, 5, 6]
    assert (rows(kept).count(), rows(kept).count("u"), rows(kept).count("w"), rows(kept).user_count()) == (4, 3, 0, 2)


def test_an_unknown_record_spoils_its_item_alone(kept):
    written = note(kept, did("u", "a"), did("new", "none"), did("u", "c"))
    assert (written.count, list(written.errors)) == (2, [1])
    assert isinstance(written.errors[1], NotFound)
    assert "'none' does not exist" in str(written.errors[1])
    assert rows(kept).user_count() == 1


def test_a_repeated_request_is_answered_and_counts_once(kept):
    request = {"request_id": "r", "request_digest": b"1"}
    first = note(kept, did("u", "a", 1), did("u", "none"), **request)
    note(kept, did("u", "a", 2))
    again = note(kept, did("u", "a", 1, time=9), did("u", "none"), **request)
    assert (again.count, again.sequence, str(again.errors[1])) == (1, first.sequence, str(first.errors[1]))
    assert everything(kept) == [did("u", "a", 2)]
    with pytest.raises(InvalidInput, match="used for another request"):
        raise note(kept, did("u", "a", 1), request_id="r", request_digest=b"2")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (RecordInteractions([did("u", "a")], "r"), RecordInteractions([did("u", "a", 2)], "r")),
        (DeleteUser("u", "r"), DeleteUser("v", "r")),
        (DeleteInteractions("u", kinds=["a"], request_id="r"), DeleteInteractions("u", records=["a"], request_id="r")),
        (DeleteUser("u", "r"), Delete(["u"], "r")),
    ],
)
def test_a_request_id_belongs_to_one_request(kept, one, other):
    assert kept.write(one) == kept.write(one)
    (refused,) = kept.write(other)
    assert isinstance(refused, InvalidInput)


def test_a_history_is_read_newest_first_page_by_page(kept):
    note(kept, *(did("u", letter, time=time) for letter, time in zip("abc", (5, 7, 5), strict=True)))
    note(kept, did("u", "a", time=6, kind="like"), did("v", "a", time=6.5))
    pages, place, more = [], None, True
    while more:
        found, place = rows(kept).of_user("u", 1, place)
        pages += found
        more = place is not None
    assert [(each.record, each.time, each.kind) for each in pages] == [
        ("b", 7, ""),
        ("a", 6, "like"),
        ("c", 5, ""),
        ("a", 5, ""),
    ]
    assert rows(kept).of_user("u", 4) == (pages, None)
    assert rows(kept).of_user("nobody", 4) == ([], None)


def test_what_was_written_since_a_commit_is_read_in_order(kept, monkeypatch):
    monkeypatch.setattr("frostline.server.collections.rows.interactions._ROWS_AT_ONCE", 2)
    for number in range(4):
        note(kept, did("u", "a", number), did(f"v{number}", "b", number))
    found = [[(each.user, each.sequence) for each in chunk] for chunk in rows(kept).since(3)]
    assert found == [[("v2", 4), ("u", 5)], [("v3", 5)]]
    assert sum(map(len, rows(kept).since(0))) == rows(kept).count() == 5
    assert list(rows(kept).since(5)) == []


def test_a_record_takes_its_interactions_with_it_and_keeps_them_when_it_is_written_again(kept):
    note(kept, did("u", "a"), did("v", "a"), did("v", "b"))
    kept.upsert(record("a", n=2))
    assert rows(kept).count() == 3
    deletion, refused = kept.write(Delete(["a"]), RecordInteractions([did("u", "a")]))
    assert (deletion.count, list(refused.errors)) == (1, [0])
    assert (everything(kept), rows(kept).user_count()) == ([did("v", "b")], 1)
    kept.write(DeleteRows([2]))
    assert (rows(kept).count(), rows(kept).user_count()) == (0, 0)
    kept.upsert(record("a"))
    assert rows(kept).count() == 0


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ({"user": "u"}, ["va5", "vb1"]),
        ({"user": "u", "records": ["a", "c"]}, ["ub2", "va5", "vb1"]),
        ({"user": "u", "kinds": [""]}, ["ua9", "va5", "vb1"]),
        ({"user": "u", "kinds": ["like", "x"], "records": ["b"]}, ["ua1", "ub2", "ua9", "va5", "vb1"]),
        ({"start": 2, "end": 9}, ["ua1", "ua9", "vb1"]),
        ({"start": 2}, ["ua1", "vb1"]),
        ({"end": 2}, ["ub2", "ua9", "va5"]),
        ({"user": "v", "end": 2}, ["ua1", "ub2", "ua9", "va5"]),
        ({"user": "nobody"}, ["ua1", "ub2", "ua9", "va5", "vb1"]),
    ],
)
def test_those_that_meet_all_conditions_are_deleted(kept, conditions, left):
    note(kept, did("u", "a", time=1), did("u", "b", time=2), did("u", "a", time=9, kind="like"))
    note(kept, did("v", "a", time=5), did("v", "b", time=1))
    written = delete(kept, **conditions)
    assert [f"{each.user}{each.record}{each.time:.0f}" for each in rows(kept).after(0, 10)[0]] == left
    assert written.count == 5 - len(left)
    assert rows(kept).user_count() == len({each[0] for each in left})


def test_of_many_records_all_are_found(kept):
    names = [f"r{number}" for number in range(150)]
    kept.upsert(*map(record, names))
    assert note(kept, *(did("u", name) for name in names)).count == 150
    assert delete(kept, user="u", records=names[:140]).count == 140
    assert [each.record for each in everything(kept)] == names[140:]


def test_removals_are_told_and_recordings_are_not(kept):
    note(kept, did("u", "a"), did("v", "b"))
    assert rows(kept).commits() == (2, 0)
    delete(kept, user="nobody")
    assert rows(kept).commits() == (3, 0)
    delete(kept, user="u")
    assert rows(kept).commits() == (4, 4)
    kept.write(Delete(["c"]))
    assert rows(kept).commits() == (5, 4)
    kept.write(Delete(["b"]))
    assert rows(kept).commits() == (6, 6)


def test_a_deleted_users_number_is_not_given_again(kept):
    note(kept, did("u", "a"))
    kept.write(DeleteUser("u"))
    note(kept, did("v", "a"))
    assert kept.sql("SELECT number, id FROM users") == [(4 * KEYS_PER_COMMIT, b"v")]


DAMAGE = {
    "weight": "UPDATE interactions SET weight = 9 WHERE record = 'b'",
    "time": "UPDATE interactions SET time = 9 WHERE record = 'b'",
    "kind": "UPDATE interactions SET kind = 'x' WHERE record = 'b'",
    "key": "UPDATE interactions SET key = key + 50 WHERE record = 'b'",
    "crc": "UPDATE interactions SET crc = crc + 1 WHERE record = 'b'",
    "another's": "UPDATE interactions SET user = (SELECT number FROM users WHERE id = 'u') WHERE record = 'b'",
    "user": "UPDATE users SET id = 'w' WHERE id = 'v'",
    "no user": "DELETE FROM users WHERE id = 'v'",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_row_is_named_and_the_others_are_served(kept, caplog, kind):
    note(kept, did("u", "a"), did("v", "b"), did("u", "c"))
    kept.sql(DAMAGE[kind])
    assert [each.record for each in everything(kept)] == ["a", "c"]
    assert "with record 'b' is damaged" in caplog.text
    assert sorted(each.record for each in rows(kept).of_user("u", 10)[0]) == ["a", "c"]
    assert note(kept, did("v", "b", 7)).count == 1
    assert ("v", 7) in [(each.user, each.weight) for each in rows(kept).after(0, 10)[0]]


def test_histories_at_random_are_those_of_a_dictionary(tmp_path):
    kept, chance, model = Kept(tmp_path), random.Random(1), {}
    names = [f"r{number}" for number in range(12)]
    users = [f"u{number}" for number in range(6)]
    kept.upsert(*map(record, names))
    for step in range(150):
        match chance.choice(["note", "note", "note", "user", "delete", "record", "again"]):
            case "note":
                sent = [
                    did(chance.choice(users), chance.choice(names), step, chance.random(), chance.choice(["", "k"]))
                    for _ in range(chance.randint(1, 20))
                ]
                present = set(kept.rows().stored(names))
                model |= {each[:3]: each for each in sent if each.record in present}
                note(kept, *sent)
            case "user":
                user = chance.choice(users)
                kept.write(DeleteUser(user))
                model = {key: each for key, each in model.items() if each.user != user}
            case "delete":
                user, end = chance.choice(users), chance.random()
                delete(kept, user=user, end=end)
                model = {key: each for key, each in model.items() if each.user != user or each.time >= end}
            case "record":
                name = chance.choice(names)
                kept.write(Delete([name]))
                model = {key: each for key, each in model.items() if each.record != name}
            case "again":
                kept.upsert(record(chance.choice(names)))
        if chance.random() < 0.2:
            kept.ledger.tidy()
        assert sorted(everything(kept)) == sorted(model.values())
        assert rows(kept).user_count() == len({each.user for each in model.values()})
    kept.close()
