"""Who waits for a commit is told once."""

import pytest

from frostline.server.collections.segments.waiting import Waiters
from frostline.server.errors import ShuttingDown


@pytest.fixture
def waiters():
    """Those who wait, as a commit may find them: told, but not yet taken off by their own callback."""
    made = Waiters(lambda: made.last)
    made.last = 0
    made._forget = lambda future: None
    return made


def test_the_next_commit_does_not_tell_those_again_whom_the_last_one_told(waiters):
    first, second = waiters.reached(1), waiters.reached(2)
    for last in (1, 2, 3):
        waiters.last = last
        waiters.wake()
    assert (first.result(0), second.result(0)) == (None, None)
    assert not waiters._waiting


def test_closing_twice_tells_once(waiters):
    left = waiters.reached(1)
    waiters.close()
    waiters.close()
    with pytest.raises(ShuttingDown):
        left.result(0)
