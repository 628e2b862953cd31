import logging
import threading

import pytest

from following import Follower
from frostline.server.collections.rows.commit import Commit
from frostline.server.collections.rows.listeners import Listeners


@pytest.fixture
def follower():
    return Follower()


@pytest.fixture
def listeners(follower):
    return Listeners(follower, 7)


def commit(listeners, sequence):
    made = Commit(sequence, None)
    listeners.prepare(made)
    listeners.publish()
    return made


def test_each_hears_all_commits_after_the_one_it_began_at(listeners):
    first, second = [], []
    assert listeners.follow(first.append).sequence == 7
    eight = commit(listeners, 8)
    assert listeners.follow(second.append).sequence == 8
    nine = commit(listeners, 9)
    assert (first, second) == ([eight, nine], [nine])


def test_listeners_are_told_after_the_follower_and_not_before_the_commit_is_durable(listeners, follower):
    heard = []
    listeners.follow(lambda each: heard.append((each.sequence, list(follower.events))))
    listeners.prepare(Commit(8, None))
    assert heard == []
    listeners.publish()
    assert heard == [(8, ["prepare", "publish"])]


def test_nobody_hears_of_commits_that_failed(listeners, follower):
    heard = []
    listeners.follow(heard.append)
    listeners.prepare(Commit(8, None))
    listeners.discard()
    follower.fails = RuntimeError("no")
    with pytest.raises(RuntimeError):
        listeners.prepare(Commit(8, None))
    assert listeners.follow(heard.append).sequence == 7
    eight = commit(listeners, 8)
    assert heard == [eight, eight]
    assert follower.events == ["prepare", "discard", "prepare", "publish"]


def test_who_has_ended_hears_no_more_and_may_end_while_it_hears(listeners):
    heard = []

    def once(each):
        heard.append(each.sequence)
        following.end()

    following = listeners.follow(once)
    commit(listeners, 8)
    commit(listeners, 9)
    following.end()
    assert heard == [8]


def test_errors_of_a_listener_are_logged_and_harm_nobody(listeners, caplog):
    class Named:
        id = "notes"

    heard = []

    def broken(each):
        raise ValueError("broken listener")

    listeners.follow(broken)
    listeners.follow(heard.append)
    with caplog.at_level(logging.ERROR):
        listeners.prepare(Commit(8, Named()))
        listeners.publish()
    assert [each.sequence for each in heard] == [8]
    assert "at commit 8 of collection 'notes'" in caplog.text
    assert "broken listener" in caplog.text


def test_whoever_begins_while_a_commit_is_told_misses_none(listeners):
    """What it begins at and what it hears first lie next to each other."""
    heard, began = [], []
    begins = threading.Thread(target=lambda: began.append(listeners.follow(heard.append).sequence))

    class Met(dict):
        def values(self):
            told = list(super().values())
            if not begins.ident:
                begins.start()
                begins.join(0.05)
            return told

    listeners._listeners = Met()
    commit(listeners, 8)
    begins.join()
    commit(listeners, 9)
    assert [each.sequence for each in heard] == list(range(began[0] + 1, 10))
