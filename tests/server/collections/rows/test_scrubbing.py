"""Nothing of a deleted user's id is left in the file or in its log."""

import random
import string
from contextlib import closing

import pytest

from collecting import record
from following import Kept
from frostline.server.collections.rows import database
from frostline.server.collections.rows.interactions import Interaction
from frostline.server.collections.rows.operations import Delete, DeleteUser, RecordInteractions
from frostline.server.collections.rows.scrubbing import Scrubber

PREFIX = 10
"""Letters of a user's id that no other has."""


@pytest.fixture
def kept(tmp_path):
    kept = Kept(tmp_path)
    kept.upsert(record("a"), record("b"))
    yield kept
    kept.close()


def users_of(chance, count):
    lengths = chance.choices([PREFIX, 40, 500], k=count)
    return ["".join(chance.choices(string.ascii_letters, k=length)) for length in lengths]


def note(kept, users, record_id="a"):
    for start in range(0, len(users), 40):  # in many commits, so that pages are split and joined
        part = users[start : start + 40]
        kept.write(RecordInteractions([Interaction(user, record_id, "", 1.0, 0.0) for user in part]))


def found(kept, users):
    """Those of the users of whom something is on disk."""
    data = b"".join(path.read_bytes() for path in kept.path.parent.iterdir())
    return [user for user in users if user[:PREFIX].encode() in data]


@pytest.mark.parametrize("share", [0.002, 0.5, 0.97, 1])
def test_nothing_of_deleted_users_is_left_on_disk(kept, share):
    chance = random.Random(int(1000 * share))
    users = users_of(chance, 1200)
    note(kept, users)
    assert found(kept, users[:3]) == users[:3]
    gone = chance.sample(users, int(share * len(users)))
    kept.write(*map(DeleteUser, gone))
    assert kept.ledger.waits is False  # not looked yet
    kept.ledger.tidy()
    assert kept.ledger.waits is False
    assert found(kept, gone) == []
    assert set(found(kept, users)) == set(users) - set(gone)
    assert kept.sql("SELECT count(*) FROM users") == [(len(users) - len(gone),)]


def test_users_who_go_with_a_record_are_overwritten_too(kept):
    users = users_of(random.Random(1), 50)
    note(kept, users[:30])
    note(kept, users[20:], "b")
    kept.write(Delete(["a"]))
    kept.ledger.tidy()
    assert found(kept, users) == users[20:]


def test_it_waits_for_who_reads_in_the_log(kept):
    (user,) = users_of(random.Random(1), 1)
    note(kept, [user])
    with closing(database.connect(kept.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM users").fetchall()
        kept.write(DeleteUser(user))
        kept.ledger.tidy()
        assert kept.ledger.waits
        assert found(kept, [user])
        reader.execute("ROLLBACK")
    kept.ledger.tidy()
    assert not kept.ledger.waits
    assert found(kept, [user]) == []


def test_who_was_killed_before_does_it_at_the_next_start(kept, tmp_path):
    (user,) = users_of(random.Random(1), 1)
    note(kept, [user])
    kept.write(DeleteUser(user))
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.iterdir():
        if path.is_file() and path.name != "reserve":
            (copy / path.name).write_bytes(path.read_bytes())
    with closing(Kept(copy)) as again:
        assert found(again, [user]) == []


class Clock:
    now = 100.0

    def __call__(self):
        self.now += 0.5  # each look takes its time
        return self.now


def test_users_deleted_one_by_one_are_overwritten_together(kept):
    users, clock = users_of(random.Random(1), 4), Clock()
    note(kept, users)
    connection = database.connect(kept.path)
    scrubber = Scrubber(connection, kept.path, clock)
    assert not scrubber.due
    kept.write(DeleteUser(users[0]))
    scrubber.scrub()
    assert found(kept, users) == users[1:]
    kept.write(DeleteUser(users[1]))
    scrubber.scrub()
    assert scrubber.due
    kept.write(DeleteUser(users[2]))
    clock.now += 60
    scrubber.scrub()
    assert not scrubber.due
    assert found(kept, users) == users[3:]
    connection.close()


def test_a_failure_is_logged_and_tried_again(kept, caplog):
    (user,) = users_of(random.Random(1), 1)
    note(kept, [user])
    clock = Clock()
    connection = database.connect(kept.path)
    connection.execute("PRAGMA busy_timeout = 10")
    scrubber = Scrubber(connection, kept.path, clock)
    connection.execute("PRAGMA busy_timeout = 10")
    kept.write(DeleteUser(user))
    with closing(database.connect(kept.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        scrubber.scrub()
        other.execute("ROLLBACK")
    assert "not overwritten yet" in caplog.text
    assert scrubber.due
    clock.now += 100
    scrubber.scrub()
    assert found(kept, [user]) == []
    connection.close()
